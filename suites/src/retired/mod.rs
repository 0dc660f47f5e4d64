//! Stores of a former installation: nothing in the platform may still point at them.
//!
//! A host is one of a Service in this cluster (`name.namespace.svc…`, or `name.namespace` of a namespace that is there)
//! whose name speaks of MySQL, MariaDB, MinIO or an S3 store, and that is not one that the release brings.

pub mod hosts;
pub mod pointers;

use harness::Suite;

/// The suite.
pub static SUITE: Suite = Suite {
    name: "retired",
    prefix: "RET",
    title: "Nothing points at the stores of a former installation",
    images: &[],
    topics: &[pointers::CHECKS],
};
