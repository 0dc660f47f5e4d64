//! Whether the platform's containers restarted during the run: some inputs crash real components, and a check that
//! passed says nothing of what it left behind.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, ListParams};
use reports::model::Note;
use tokio::time::timeout;

/// The namespaces of the platform's own workloads, over all supported releases (kubeflow/manifests, `example`).
const NAMESPACES: &[&str] =
    &["auth", "cert-manager", "istio-system", "knative-eventing", "knative-serving", "kubeflow", "oauth2-proxy"];

/// How long counting may take.
const BUDGET: Duration = Duration::from_secs(10);

/// The restart count of every container, by namespace, pod and container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Restarts {
    counts: BTreeMap<String, (i32, String)>,
    problems: Vec<String>,
}

impl Restarts {
    /// Counts.
    pub(crate) async fn count(client: &kube::Client) -> Self {
        let lists = NAMESPACES.iter().map(|namespace| async move {
            let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
            (namespace, timeout(BUDGET, api.list(&ListParams::default())).await)
        });
        let mut restarts = Self::default();
        for (namespace, listed) in join_all(lists).await {
            match listed {
                Ok(Ok(pods)) => pods.items.iter().for_each(|pod| restarts.add(namespace, pod)),
                Ok(Err(error)) => restarts.problems.push(format!("{namespace}: {error}")),
                Err(_) => restarts.problems.push(format!("{namespace}: no answer within {BUDGET:?}")),
            }
        }
        restarts
    }

    fn add(&mut self, namespace: &str, pod: &Pod) {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let Some(status) = &pod.status else { return };
        let containers = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
        for container in containers {
            let key = format!("{namespace}/{name} container {}", container.name);
            self.counts.insert(key, (container.restart_count, last_end(container)));
        }
    }

    /// What has risen since. A pod that is new counts from zero.
    pub(crate) fn since(&self, before: &Self) -> Vec<Note> {
        let note = |text| Note { topic: String::from("restarts"), text };
        let risen = self.counts.iter().filter_map(|(container, (count, last))| {
            let rise = count - before.counts.get(container).map_or(0, |(count, _)| *count);
            (rise > 0).then(|| {
                note(format!(
                    "{container} restarted {rise} times during the run{last}; see its log of before: kubectl logs --previous"
                ))
            })
        });
        let problems = before.problems.iter().chain(&self.problems);
        let problems = problems.map(|problem| note(format!("restarts could not be compared in {problem}")));
        let mut notes: Vec<Note> = risen.chain(problems).collect();
        notes.dedup();
        notes
    }
}

fn last_end(container: &ContainerStatus) -> String {
    let ended = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    ended.map_or_else(String::new, |end| {
        format!(", last with exit code {} ({})", end.exit_code, end.reason.as_deref().unwrap_or("no reason given"))
    })
}
