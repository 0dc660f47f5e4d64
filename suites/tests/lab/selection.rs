//! Which faults are tried on the lab's platform, and which are not.

use std::sync::LazyLock;

use clusters::versions::Version;
use harness::{Check, Fault, Suite};

use super::mesh;

/// The suites that are about what is real in the lab.
const REAL: [&str; 5] = ["install", "gateway", "login", "identity", "lab"];

/// The suites of the program, and the one that is about the lab alone.
pub static SUITES: LazyLock<Vec<&'static Suite>> =
    LazyLock::new(|| suites::SUITES.iter().copied().chain([&mesh::SUITE]).collect());

/// Faults that are not tried, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("dashboard-header-renamed", STAND_INS),
    ("jupyter-header-renamed", STAND_INS),
    ("kfam-opened", NETWORK),
    ("cluster-issuer-removed", LEFT_OUT),
    ("deployment-removed", LEFT_OUT),
    ("selector-changed", LEFT_OUT),
    ("service-removed", LEFT_OUT),
    ("webhook-removed", LEFT_OUT),
];

const NETWORK: &str = "a NetworkPolicy keeps the gateway out as well";
const STAND_INS: &str = "a stand-in has no settings";
const LEFT_OUT: &str = "it breaks a part that may be left out";

/// Why a fault is not tried.
pub fn not_here(fault: &str) -> Option<&'static str> {
    NOT_HERE.iter().find(|(name, _)| *name == fault).map(|(_, reason)| *reason)
}

/// The checks of every suite that this platform may be asked.
pub fn all(version: &Version) -> impl Iterator<Item = (&'static Suite, &'static Check)> {
    let contract = version.contract;
    let applies = move |check: &&Check| check.contracts.is_empty() || check.contracts.contains(&contract);
    SUITES.iter().flat_map(move |suite| suite.checks().filter(applies).map(move |check| (*suite, check)))
}

/// The checks that may notice something.
pub fn checks(version: &Version) -> impl Iterator<Item = &'static Check> {
    all(version).filter(|(suite, _)| REAL.contains(&suite.name)).map(|(_, check)| check)
}

/// The faults that one of these checks must notice and that can be applied to a cluster and taken back, by name.
pub fn faults(version: &Version) -> Vec<&'static Fault> {
    let mut faults: Vec<&'static Fault> = checks(version).flat_map(|check| check.breaks_on.iter().copied()).collect();
    faults.retain(|fault| fault.applies_to(version) && fault.is_portable() && fault.is_reversible());
    faults.sort_by_key(|fault| fault.name);
    faults.dedup_by_key(|fault| fault.name);
    faults
}
