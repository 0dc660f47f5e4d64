//! The agreement of the Kubernetes API, from what `tests/api_differential` commits: the real server's answers and the
//! list of differences, which its test keeps exact. So it needs no figures of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::fidelity::{Agreement, Difference};

/// Differences with one reason: operation → where its answer differs.
#[derive(Deserialize)]
struct Listed {
    reason: String,
    at: BTreeMap<String, Vec<String>>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api_differential")
}

/// The agreement; one difference an operation and reason.
pub fn agreement() -> Agreement {
    let (mut cases, mut versions) = (0, BTreeSet::new());
    for entry in std::fs::read_dir(folder().join("golden")).unwrap() {
        let golden: Value = serde_json::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap();
        cases += golden["answers"].as_object().unwrap().len();
        versions.insert(golden["version"].as_str().unwrap().to_owned());
    }
    let text = std::fs::read_to_string(folder().join("differences.yaml")).unwrap();
    let listed: Vec<Listed> = serde_saphyr::from_str(&text).unwrap();
    let different: BTreeSet<&String> = listed.iter().flat_map(|one| one.at.keys()).collect();
    let difference = |of: &Listed, case: &String| Difference { case: case.clone(), reason: of.reason.clone() };
    let version = versions.into_iter().collect::<Vec<_>>().join(", ");
    Agreement {
        component: "kubernetes-api".to_owned(),
        against: format!("kube-apiserver {version}"),
        version: "Kubernetes 1.34".to_owned(),
        cases,
        alike: cases - different.len(),
        left_out: Vec::new(),
        differences: listed.iter().flat_map(|of| of.at.keys().map(|case| difference(of, case))).collect(),
    }
}
