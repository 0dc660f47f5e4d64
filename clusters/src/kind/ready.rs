//! When a new cluster is of use: its nodes and its own workloads are ready, and it has what pods need.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ListParams};
use kube::{Client, Error};
use tokio::time::{Instant, sleep};

use super::KindError;
use crate::install::{readiness, words};

/// How long it may take: nodes of a slow machine unpack their images for minutes.
const WITHIN: Duration = Duration::from_secs(5 * 60);
/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(500);
/// Kind's own workloads, by namespace and name (kind `pkg/cluster/internal/create/actions`, `images/base` and kubeadm's add-ons).
/// A platform has workloads in the same namespaces, such as Istio's CNI plug-in since v1.10.
const OWN: &[(&str, &str)] = &[
    ("kube-system", "coredns"),
    ("kube-system", "kube-proxy"),
    ("kube-system", "kindnet"),
    ("local-path-storage", "local-path-provisioner"),
];
/// What marks the storage class of claims that name none.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Waits until a cluster is of use.
pub(super) async fn wait(client: &Client, name: &str) -> Result<(), KindError> {
    let started = Instant::now();
    loop {
        let waiting = match missing(client).await {
            Ok(None) => return Ok(()),
            Ok(Some(waiting)) => waiting,
            // The API server of a new cluster restarts once or twice.
            Err(error) => words(&error),
        };
        if started.elapsed() > WITHIN {
            return Err(KindError::NotReady { name: name.to_owned(), within: WITHIN, waiting });
        }
        sleep(GLANCE).await;
    }
}

/// What is missing still, if anything is.
async fn missing(client: &Client) -> Result<Option<String>, Error> {
    let all = ListParams::default();
    let nodes = Api::<Node>::all(client.clone()).list(&all).await?.items;
    let unready = nodes.iter().find(|node| !is_ready(node));
    if nodes.is_empty() {
        return Ok(Some("it has no nodes".to_owned()));
    }
    if let Some(node) = unready {
        return Ok(Some(format!("node {} is not ready", node.metadata.name.as_deref().unwrap_or_default())));
    }
    // A platform that an earlier run installed is no part of the cluster.
    let workloads = readiness::unready(client).await?;
    if let Some(workload) =
        workloads.iter().find(|workload| OWN.contains(&(workload.namespace.as_str(), workload.name.as_str())))
    {
        return Ok(Some(workload.to_string()));
    }
    let classes = Api::<StorageClass>::all(client.clone()).list(&all).await?.items;
    let is_default = |class: &StorageClass| {
        class.metadata.annotations.iter().flatten().any(|(key, value)| key == DEFAULT_CLASS && value == "true")
    };
    if !classes.iter().any(is_default) {
        return Ok(Some("it has no default storage class, so no volume would be made".to_owned()));
    }
    let account = Api::<ServiceAccount>::default_namespaced(client.clone()).get_opt("default").await?;
    Ok(account.is_none().then(|| "its namespace default has no service account yet".to_owned()))
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
