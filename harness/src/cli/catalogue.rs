//! All checks and faults as data: `docs/catalogue.yaml` is this, committed, so that a change of the catalogue is seen.

use clusters::versions::{Releases, VERSIONS};
use serde::Serialize;

use crate::check::Suite;
use crate::fault::Fault;

#[derive(Serialize)]
struct Catalogue {
    suites: Vec<SuiteRow>,
    faults: Vec<FaultRow>,
}

#[derive(Serialize)]
struct SuiteRow {
    name: &'static str,
    prefix: &'static str,
    title: &'static str,
    checks: Vec<CheckRow>,
}

#[derive(Serialize)]
struct CheckRow {
    id: &'static str,
    title: &'static str,
    level: reports::model::Level,
    source: String,
    profiles: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contracts: Vec<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    after: &'static [&'static str],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    writes: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<&'static str>,
}

#[derive(Serialize)]
struct FaultRow {
    name: &'static str,
    what: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contracts: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    releases: Vec<&'static str>,
    noticed_by: Vec<&'static str>,
}

impl Catalogue {
    fn of(suites: &[&'static Suite]) -> Self {
        let checks = || suites.iter().flat_map(|suite| suite.checks());
        let mut faults: Vec<&'static Fault> = checks().flat_map(|check| check.breaks_on.iter().copied()).collect();
        faults.sort_by_key(|fault| fault.name);
        faults.dedup_by_key(|fault| fault.name);
        let faults = faults.into_iter().map(|fault| FaultRow {
            name: fault.name,
            what: fault.what,
            contracts: fault.contracts.iter().map(|contract| contract.letter()).collect(),
            releases: releases(fault),
            noticed_by: checks()
                .filter(|check| check.breaks_on.iter().any(|one| one.name == fault.name))
                .map(|check| check.id)
                .collect(),
        });
        let suites = suites.iter().map(|suite| SuiteRow {
            name: suite.name,
            prefix: suite.prefix,
            title: suite.title,
            checks: suite.checks().map(CheckRow::of).collect(),
        });
        Self { suites: suites.collect(), faults: faults.collect() }
    }
}

/// The releases that a fault is limited to, if it is.
fn releases(fault: &Fault) -> Vec<&'static str> {
    if fault.releases == Releases::ALL {
        return Vec::new();
    }
    VERSIONS.iter().filter(|version| fault.releases.has(version.release)).map(|version| version.kubeflow).collect()
}

impl CheckRow {
    fn of(check: &'static crate::check::Check) -> Self {
        Self {
            id: check.id,
            title: check.title,
            level: check.level,
            source: check.source.to_string(),
            profiles: check.profiles.iter().map(|profile| profile.name()).collect(),
            contracts: check.contracts.iter().map(|contract| contract.letter()).collect(),
            after: check.after,
            writes: check.writes,
            faults: check.breaks_on.iter().map(|fault| fault.name).collect(),
        }
    }
}

/// All checks and faults as YAML.
///
/// # Errors
/// The YAML library's words.
pub fn yaml(suites: &[&'static Suite]) -> Result<String, String> {
    let body = serde_saphyr::to_string(&Catalogue::of(suites)).map_err(|error| error.to_string())?;
    Ok(format!("# All checks and faults. Generated: kubeflow-conformance catalogue > docs/catalogue.yaml\n{body}"))
}

/// All checks as a Markdown table for each suite.
#[must_use]
pub fn markdown(suites: &[&'static Suite]) -> String {
    let mut out = String::from("# Checks\n");
    for suite in Catalogue::of(suites).suites {
        out.push_str(&format!(
            "\n## {}: {}\n\n| id | level | requirement | source |\n|---|---|---|---|\n",
            suite.name, suite.title
        ));
        for check in suite.checks {
            let level = format!("{:?}", check.level);
            out.push_str(&format!("| {} | {level} | {} | {} |\n", check.id, cell(check.title), cell(&check.source)));
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
