//! The checks of the conformance suite, one file a topic, and the faults that each must notice.

pub mod accounts;
pub mod applications;
pub mod bounded;
pub mod contributors;
pub mod dashboard;
pub mod data;
pub mod durability;
pub mod faults;
pub mod gateway;
pub mod identity;
pub mod images;
pub mod install;
pub mod isolation;
pub mod katib;
pub mod login;
pub mod mesh;
pub mod metadata;
pub mod mysql;
pub mod notebooks;
pub mod objects;
pub mod patience;
pub mod pipelines;
pub mod probe;
pub mod profiles;
pub mod reach;
pub mod recognise;
pub mod retired;
pub mod rights;
pub mod stand_in;
pub mod tenants;
pub mod tensorboards;
pub mod volumes;
pub mod workspaces;

use harness::Suite;

/// Every suite, in the order of the catalogue.
pub static SUITES: &[&Suite] = &[
    &install::SUITE,
    &gateway::SUITE,
    &login::SUITE,
    &identity::SUITE,
    &dashboard::SUITE,
    &profiles::SUITE,
    &contributors::SUITE,
    &isolation::SUITE,
    &mesh::SUITE,
    &notebooks::SUITE,
    &volumes::SUITE,
    &tensorboards::SUITE,
    &accounts::SUITE,
    &pipelines::SUITE,
    &data::SUITE,
    &katib::SUITE,
    &durability::SUITE,
    &retired::SUITE,
];
