//! How alike the embedded platform and the real parts are, as data: `docs/fidelity/<component>.yaml`, from which
//! `docs/fidelity.md` is made.
//!
//! A component's file is a list of [`Agreement`]s, one a version. Its test compares the platform with the real part's
//! recorded answers, puts what it found into a [`Found`], and lets [`judge`] hold it against the file: a difference that
//! the file does not list fails, a listed one that no longer occurs fails, and so do other figures than the file's. So the
//! list can neither grow nor stay longer than it must. `UPDATE=1` writes the figures and strikes out what no longer
//! differs; a new difference is written by hand, with its reason.
//!
//! A test program of its own takes this file in with `#[path = "../fidelity/mod.rs"] mod fidelity;`.
#![allow(dead_code, reason = "each test program uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// How one component of one version agrees with the real part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Name of the file, too.
    pub component: String,
    /// Of kubeflow/manifests, or of the part itself: `v1.9.1`, `Kubernetes 1.34`.
    pub version: String,
    /// What the answers are compared with: programs and versions.
    pub against: String,
    /// How many cases are compared.
    pub cases: usize,
    /// How many of them get the same answer.
    pub alike: usize,
    /// Recorded cases that are not compared.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// The others, each with its reason.
    #[serde(default)]
    pub differences: Vec<Difference>,
}

/// Recorded cases that are not compared, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    pub cases: usize,
    pub reason: String,
}

/// A case with another answer than the real part's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Name of the case. A `*` at the end stands for any rest.
    pub case: String,
    /// Why it differs, in a sentence.
    pub reason: String,
}

impl Difference {
    fn is(&self, case: &str) -> bool {
        self.case == case || self.case.strip_suffix('*').is_some_and(|start| case.starts_with(start))
    }
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Found {
    /// How many cases got the same answer.
    pub alike: usize,
    /// What differs: the case, and in what, a line each.
    pub different: BTreeMap<String, Vec<String>>,
    /// Cases that were not compared, by reason.
    pub left_out: BTreeMap<String, usize>,
}

impl Found {
    /// Notes a case: alike when nothing differs.
    pub fn note(&mut self, case: &str, differences: Vec<String>) {
        if differences.is_empty() {
            self.alike += 1;
            return;
        }
        let mut name = case.to_owned();
        for number in 2.. {
            if !self.different.contains_key(&name) {
                break;
            }
            name = format!("{case} ({number})");
        }
        self.different.insert(name, differences);
    }

    /// Notes a case that is not compared.
    pub fn leave_out(&mut self, reason: &str) {
        *self.left_out.entry(reason.to_owned()).or_default() += 1;
    }

    fn cases(&self) -> usize {
        self.alike + self.different.len()
    }
}

/// The folder of the figures.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fidelity")
}

/// Whether the committed data is to be written anew.
pub fn updates() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// The agreements of a component.
pub fn read(component: &str) -> Vec<Agreement> {
    let path = folder().join(format!("{component}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a difference of a case is listed.
pub fn is_listed(agreement: &Agreement, case: &str) -> bool {
    agreement.differences.iter().any(|difference| difference.is(case))
}

/// Tests of one program run side by side and may write the same file.
static WRITING: Mutex<()> = Mutex::new(());

/// Holds what was found against the committed figures, prints both, and fails unless they agree.
pub fn judge(component: &str, version: &str, found: &Found) {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = read(component);
    let listed = all.iter_mut().find(|one| one.version == version);
    let listed = listed.unwrap_or_else(|| panic!("docs/fidelity/{component}.yaml has no version {version}"));
    let new: Vec<_> = found.different.iter().filter(|(case, _)| !is_listed(listed, case)).collect();
    for (case, lines) in &new {
        eprintln!("{component} {version} {case}");
        lines.iter().for_each(|line| eprintln!("    {}", line.chars().take(300).collect::<String>()));
    }
    eprintln!(
        "{component} {version}: {} of {} alike, {} listed differences, {} new ones, {} not compared",
        found.alike,
        found.cases(),
        found.different.len() - new.len(),
        new.len(),
        found.left_out.values().sum::<usize>()
    );
    let mut now = listed.clone();
    now.cases = found.cases();
    now.alike = found.alike;
    now.left_out =
        found.left_out.iter().map(|(reason, cases)| LeftOut { cases: *cases, reason: reason.clone() }).collect();
    now.differences.retain(|difference| found.different.keys().any(|case| difference.is(case)));
    let gone: Vec<_> = listed.differences.iter().filter(|one| !now.differences.contains(one)).cloned().collect();
    for difference in &gone {
        eprintln!("{component} {version}: no longer differs: {}", difference.case);
    }
    assert!(new.is_empty(), "{component} {version}: {} differences are not listed; see above", new.len());
    if updates() {
        *listed = now;
        write(component, &all);
        return;
    }
    let wrong = "docs/fidelity is out of date; UPDATE=1 and the same test write it anew";
    assert!(gone.is_empty(), "{component} {version}: {} listed differences no longer occur; {wrong}", gone.len());
    assert_eq!(*listed, now, "{component} {version}: {wrong}");
}

fn write(component: &str, all: &[Agreement]) {
    let body = serde_saphyr::to_string(&all).unwrap();
    let head =
        "# Compared with real parts; the tests that compare write the figures: UPDATE=1 cargo test --test replay\n";
    std::fs::write(folder().join(format!("{component}.yaml")), format!("{head}{body}")).unwrap();
}
