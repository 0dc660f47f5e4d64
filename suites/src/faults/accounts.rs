//! Faults that the checks of the suite `accounts` must notice.

use harness::fault::fault;
use harness::{Change, Fault};

use super::deployment;

/// The API server takes tokens that are meant for Kubernetes, and no others.
pub static AUDIENCE_CHANGED: Fault = fault(
    "kfp-audience-changed",
    "The API server of Kubeflow Pipelines takes tokens of the Kubernetes API for its own",
    &[Change::Patch(
        deployment("kubeflow", "ml-pipeline"),
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "TOKEN_REVIEW_AUDIENCE", "value": "https://kubernetes.default.svc.cluster.local"}}]"#,
    )],
);
