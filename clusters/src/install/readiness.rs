//! Whether workloads are ready and definitions established, and what they wait for.

use std::time::Duration;

use futures::future::try_join_all;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use http::Request;
use kube::Client;
use serde::Deserialize;

use super::kinds::Resource;
use super::request::{address, fetch};
use super::{InstallError, PARALLEL, Readiness};
use crate::manifests::Id;

/// The first pause between two looks; each further one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_millis(30);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The next pause after one.
pub(super) fn longer(pause: Option<Duration>) -> Duration {
    pause.map_or(FIRST_PAUSE, |pause| (pause * 3 / 2).min(LONGEST_PAUSE))
}

/// The kinds whose readiness is waited for, with their plurals.
const KINDS: &[(&str, &str, &str)] = &[
    ("apps", "Deployment", "deployments"),
    ("apps", "StatefulSet", "statefulsets"),
    ("apps", "DaemonSet", "daemonsets"),
    ("batch", "Job", "jobs"),
];

/// Whether an object's readiness is waited for.
pub(super) fn counts(id: &Id) -> bool {
    KINDS.iter().any(|(group, kind, _)| id.group == *group && id.kind == *kind)
}

/// How far some workloads are.
pub(super) async fn look(client: &Client, workloads: &[(&Id, &str)]) -> Result<Vec<Readiness>, InstallError> {
    let kinds = KINDS.iter().filter(|(_, kind, _)| workloads.iter().any(|(id, _)| id.kind == *kind));
    let asked: Vec<_> = kinds.map(|kind| list(client, kind).boxed()).collect();
    let lists = try_join_all(asked).await.map_err(|error| InstallError::api("the workloads", &error))?;
    let found = |id: &Id, namespace: &str| {
        let (_, items) = lists.iter().find(|(kind, _)| *kind == id.kind)?;
        items.iter().find(|item| item.metadata.name == id.name && item.metadata.namespace == namespace)
    };
    let judged = workloads.iter().map(|(id, namespace)| {
        let (ready, wanted, reason) = match found(id, namespace) {
            Some(item) => item.judge(&id.kind),
            None => (0, 1, Some("it does not exist".to_owned())),
        };
        let (kind, namespace, name) = (id.kind.clone(), (*namespace).to_owned(), id.name.clone());
        Readiness { kind, namespace, name, ready, wanted, reason, no_image: false }
    });
    Ok(judged.collect())
}

/// The workloads of a cluster that are not ready.
pub(crate) async fn unready(client: &Client) -> Result<Vec<Readiness>, kube::Error> {
    let asked: Vec<_> = KINDS.iter().map(|kind| list(client, kind).boxed()).collect();
    let lists = try_join_all(asked).await?;
    let items = lists.into_iter().flat_map(|(kind, items)| items.into_iter().map(move |item| item.account(kind)));
    Ok(items.filter(|workload| workload.reason.is_some()).collect())
}

async fn list(
    client: &Client,
    (group, kind, plural): &'static (&'static str, &'static str, &'static str),
) -> Result<(&'static str, Vec<Item>), kube::Error> {
    let list: List = fetch(client, Request::get(format!("/apis/{group}/v1/{plural}")), Vec::new()).await?;
    Ok((kind, list.items.unwrap_or_default()))
}

#[derive(Debug, Deserialize)]
struct List {
    items: Option<Vec<Item>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Item {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    namespace: String,
    generation: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    replicas: Option<u64>,
    completions: Option<u64>,
    suspend: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    observed_generation: i64,
    replicas: u64,
    ready_replicas: u64,
    available_replicas: u64,
    updated_replicas: u64,
    desired_number_scheduled: u64,
    updated_number_scheduled: u64,
    number_ready: u64,
    succeeded: u64,
    /// Null in a definition that was just created.
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Deserialize)]
struct Condition {
    r#type: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl Item {
    /// How far it is.
    fn account(self, kind: &str) -> Readiness {
        let (ready, wanted, reason) = self.judge(kind);
        let Metadata { name, namespace, .. } = self.metadata;
        Readiness { kind: kind.to_owned(), namespace, name, ready, wanted, reason, no_image: false }
    }

    /// Pods ready, pods wanted, and what is missing: as `kubectl rollout status` (`polymorphichelpers/rollout_status.go`)
    /// judges, and a Job is ready when it is complete.
    fn judge(&self, kind: &str) -> (u64, u64, Option<String>) {
        let Self { metadata, spec, status } = self;
        let replicas = spec.replicas.unwrap_or(1);
        let seen = status.observed_generation >= metadata.generation;
        let (ready, wanted, rolled_out) = match kind {
            "Job" if spec.suspend => return (0, 0, None),
            "Job" => {
                let wanted = spec.completions.unwrap_or(1);
                let complete = self.holds("Complete");
                (if complete { wanted } else { status.succeeded }, wanted, complete)
            }
            "DaemonSet" => {
                let wanted = status.desired_number_scheduled;
                let rolled_out = status.updated_number_scheduled >= wanted && status.number_ready >= wanted;
                (status.number_ready, wanted, seen && rolled_out)
            }
            "StatefulSet" => {
                let rolled_out = status.ready_replicas >= replicas && status.updated_replicas >= replicas;
                (status.ready_replicas, replicas, seen && rolled_out)
            }
            _ => {
                let rolled_out = status.updated_replicas >= replicas
                    && status.replicas <= status.updated_replicas
                    && status.available_replicas >= status.updated_replicas;
                (status.ready_replicas, replicas, seen && rolled_out)
            }
        };
        (ready, wanted, (!rolled_out).then(|| self.why(seen)))
    }

    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.status.conditions.iter().flatten()
    }

    fn holds(&self, condition: &str) -> bool {
        self.conditions().any(|one| one.r#type == condition && one.status == "True")
    }

    /// The condition that tells most.
    fn why(&self, seen: bool) -> String {
        let worst = self.conditions().find(|condition| match condition.r#type.as_str() {
            "ReplicaFailure" | "Failed" => condition.status == "True",
            "Progressing" => condition.status == "False",
            _ => false,
        });
        match worst {
            Some(Condition { message, reason, .. }) if message.is_empty() => reason.clone(),
            Some(Condition { message, .. }) => message.split_whitespace().collect::<Vec<_>>().join(" "),
            None if !seen => "no controller has looked at it yet".to_owned(),
            None => "its pods are not ready yet".to_owned(),
        }
    }
}

/// Which definitions are not established yet, with the reason. `plurals` serve CustomResourceDefinitions.
pub(super) async fn not_established<'a>(
    client: &Client,
    definitions: Vec<&'a Id>,
    resource: &Resource,
) -> Result<Vec<(&'a Id, String)>, InstallError> {
    let looks: Vec<_> = definitions.into_iter().map(|id| establishment(client, id, resource).boxed()).collect();
    let looked: Vec<_> = stream::iter(looks).buffer_unordered(PARALLEL).try_collect().await?;
    Ok(looked.into_iter().flatten().collect())
}

/// What a definition lacks to be established.
async fn establishment<'a>(
    client: &Client,
    id: &'a Id,
    resource: &Resource,
) -> Result<Option<(&'a Id, String)>, InstallError> {
    let item: Item = match fetch(client, Request::get(address(id, resource, None, Some(&id.name))), Vec::new()).await {
        Ok(item) => item,
        Err(kube::Error::Api(status)) if status.code == 404 => Item::default(),
        Err(error) => return Err(InstallError::api(&id.to_string(), &error)),
    };
    if item.holds("Established") {
        return Ok(None);
    }
    let refused = item.conditions().find(|one| one.r#type == "NamesAccepted" && one.status == "False");
    let reason = refused.map_or("it is not established yet".to_owned(), |condition| condition.message.clone());
    Ok(Some((id, reason)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn readiness_is_judged_as_a_rollout_is() {
        for (kind, object, expected) in [
            ("Deployment", json!({}), (0, 1, false)),
            (
                "Deployment",
                json!({ "metadata": { "generation": 2 }, "spec": { "replicas": 2 }, "status": { "observedGeneration": 2,
                    "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2 } }),
                (2, 2, true),
            ),
            (
                "Deployment",
                json!({ "metadata": { "generation": 3 }, "spec": { "replicas": 1 }, "status": { "observedGeneration": 2,
                    "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1 } }),
                (1, 1, false),
            ),
            (
                "Deployment",
                json!({ "status": { "replicas": 2, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2 } }),
                (2, 1, false),
            ),
            ("Deployment", json!({ "spec": { "replicas": 0 } }), (0, 0, true)),
            ("StatefulSet", json!({ "status": { "readyReplicas": 1, "updatedReplicas": 1 } }), (1, 1, true)),
            (
                "DaemonSet",
                json!({ "status": { "desiredNumberScheduled": 3, "numberReady": 2, "updatedNumberScheduled": 3 } }),
                (2, 3, false),
            ),
            ("Job", json!({ "status": { "succeeded": 1 } }), (1, 1, false)),
            ("Job", json!({ "status": { "conditions": [{ "type": "Complete", "status": "True" }] } }), (1, 1, true)),
        ] {
            let item: Item = serde_json::from_value(object.clone()).expect("an object");
            let (ready, wanted, reason) = item.judge(kind);
            assert_eq!((ready, wanted, reason.is_none()), expected, "{kind} {object}");
        }
    }

    /// What a real API server answers for a definition in its first moments.
    #[test]
    fn a_definition_without_conditions_is_not_established() {
        let object = json!({ "metadata": { "name": "a" }, "status": { "conditions": null, "storedVersions": ["v1"] } });
        let item: Item = serde_json::from_value(object).expect("a definition");
        assert!(!item.holds("Established"));
    }

    #[test]
    fn the_worst_condition_is_the_reason() {
        let object = json!({ "status": { "conditions": [
            { "type": "Available", "status": "False", "message": "no minimum availability" },
            { "type": "Progressing", "status": "False", "message": "deadline\nexceeded" },
        ] } });
        let item: Item = serde_json::from_value(object).expect("an object");
        assert_eq!(item.judge("Deployment").2.as_deref(), Some("deadline exceeded"));
    }
}
