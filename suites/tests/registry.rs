//! What must hold of all checks and faults, whoever adds to them.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::BTreeMap;

use clusters::versions::{Contract, VERSIONS};
use harness::fault::Ref;
use harness::{Change, Check, Fault, Level};
use kube::api::DynamicObject;
use serde_json::Value;
use suites::SUITES;

fn checks() -> impl Iterator<Item = &'static Check> {
    SUITES.iter().flat_map(|suite| suite.checks())
}

fn faults() -> impl Iterator<Item = &'static Fault> {
    checks().flat_map(|check| check.breaks_on.iter().copied())
}

#[test]
fn the_registry_is_sound() {
    assert_eq!(harness::registry::problems(SUITES), Vec::<String>::new());
}

/// Where no fault can prove a Must, because the release has nothing that could be broken: what it does there is
/// reported as a finding.
const UNPROVED: &[(&str, Contract)] = &[
    // authservice has no setting for the cookie of its login state.
    ("AUT-007", Contract::A),
    // RequestAuthentication dex-jwt has no audiences: a token for any of them is let in.
    ("IDN-024", Contract::B),
];

#[test]
fn every_must_has_a_fault_on_every_release_that_it_applies_to() {
    let mut unproved: Vec<(&str, Contract)> = checks()
        .filter(|check| check.level == Level::Must)
        .flat_map(|check| VERSIONS.iter().map(move |version| (check, version)))
        .filter(|(check, version)| check.contracts.is_empty() || check.contracts.contains(&version.contract))
        .filter(|(check, version)| !check.breaks_on.iter().any(|fault| fault.applies_to(version)))
        .map(|(check, version)| (check.id, version.contract))
        .collect();
    unproved.dedup();
    assert_eq!(unproved, UNPROVED);
}

#[test]
fn a_requirement_waits_for_no_wish() {
    let level = |id: &str| checks().find(|check| check.id == id).map(|check| check.level);
    for check in checks().filter(|check| check.level == Level::Must) {
        for id in check.after {
            assert_eq!(level(id), Some(Level::Must), "{} waits for {id}, which would block it", check.id);
        }
    }
}

#[test]
fn faults_have_names_of_their_own_and_say_what_they_break() {
    let mut known: BTreeMap<&str, &Fault> = BTreeMap::new();
    for fault in faults() {
        let name = fault.name;
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(kebab) && !name.starts_with('-') && !name.ends_with('-'), "{name}");
        assert!(!fault.what.is_empty() && !fault.what.ends_with('.'), "{name}: {:?}", fault.what);
        assert!(!fault.changes.is_empty(), "{name} changes nothing");
        let other = known.insert(name, fault);
        assert!(other.is_none_or(|other| std::ptr::eq(other, fault)), "two faults are called {name}");
    }
}

#[test]
fn changes_of_faults_can_be_read() {
    for fault in faults() {
        for change in fault.changes {
            match change {
                Change::Merge(_, patch) => assert!(json(fault, patch).is_object(), "{}: no merge patch", fault.name),
                Change::Patch(_, patch) => assert!(json(fault, patch).is_array(), "{}: no JSON patch", fault.name),
                Change::Create(text) => {
                    let object: DynamicObject = serde_json::from_value(json(fault, text)).unwrap();
                    assert!(object.metadata.name.is_some() && object.types.is_some(), "{}: {text}", fault.name);
                }
                Change::Replace { find, put, .. } => assert_ne!(find, put, "{}", fault.name),
                Change::Delete(object) => assert_no_wildcard(fault, object),
                Change::Switch(switch) => assert!(!switch.is_empty(), "{}", fault.name),
            }
        }
    }
}

fn json(fault: &Fault, text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => panic!("{}: {error} in {text}", fault.name),
    }
}

/// What is deleted has to be known exactly.
fn assert_no_wildcard(fault: &Fault, object: &Ref) {
    assert!(!object.name.contains('*'), "{} deletes {object}", fault.name);
}

/// `docs/catalogue.yaml` shows a reviewer what a change does to the catalogue. `UPDATE=1` writes it anew.
#[test]
fn the_catalogue_is_the_committed_one() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/catalogue.yaml");
    let wanted = harness::cli::catalogue_yaml(SUITES).unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
    assert!(
        found == wanted,
        "docs/catalogue.yaml is not what the suites say (first difference: {differs:?}); write it anew: UPDATE=1 cargo \
         test --test registry"
    );
}

#[test]
fn every_release_has_checks_of_every_suite() {
    for version in VERSIONS {
        for suite in SUITES {
            let applicable = suite
                .checks()
                .filter(|check| check.contracts.is_empty() || check.contracts.contains(&version.contract))
                .count();
            assert!(applicable >= 5, "{} has {applicable} checks for {}", suite.name, version.kubeflow);
        }
    }
}
