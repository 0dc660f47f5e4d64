//! What keeps the pods of a workload from getting ready: the words of their containers, else of the last warning.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::try_join_all;
use http::Request;
use kube::Client;
use serde::Deserialize;

use super::request::{fetch, one_line};
use crate::manifests::Id;

/// Why a container waits when its image cannot be had (kubelet, `pkg/kubelet/images/types.go`).
const NO_IMAGE: &[&str] = &[
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];
/// Why it waits when all goes well.
const WELL: &[&str] = &["ContainerCreating", "PodInitializing"];

/// How many lines of a log are told.
const LINES: usize = 3;

/// How many warnings of a namespace are looked at.
const WARNINGS: usize = 500;

/// What is wrong with a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Pod, container, and its words.
    pub words: String,
    /// Whether an image cannot be had: nothing but another image or registry helps.
    pub no_image: bool,
}

/// The pods of some namespaces, and the warnings about them.
#[derive(Debug, Default)]
pub(super) struct Pods(BTreeMap<String, (Vec<Pod>, Vec<Event>)>);

impl Pods {
    /// Looks at the pods of some namespaces.
    pub async fn look(client: &Client, namespaces: impl Iterator<Item = &str>) -> Result<Self, kube::Error> {
        let asked: Vec<_> = namespaces.map(|namespace| within(client, namespace.to_owned()).boxed()).collect();
        Ok(Self(try_join_all(asked).await?.into_iter().collect()))
    }

    /// What is wrong with the pods of a workload; an image that cannot be had tells most.
    pub fn trouble(&self, id: &Id, namespace: &str) -> Option<Trouble> {
        let (pods, warnings) = self.0.get(namespace)?;
        let pods = pods.iter().filter(|pod| pod.metadata.belongs_to(id));
        let troubles: Vec<Trouble> = pods.filter_map(|pod| pod.trouble().or_else(|| pod.warning(warnings))).collect();
        troubles.iter().find(|trouble| trouble.no_image).or(troubles.first()).cloned()
    }
}

type Within = (String, (Vec<Pod>, Vec<Event>));

async fn within(client: &Client, namespace: String) -> Result<Within, kube::Error> {
    let root = format!("/api/v1/namespaces/{namespace}");
    let pods: List<Pod> = fetch(client, Request::get(format!("{root}/pods")), Vec::new()).await?;
    let mut pods = pods.items.unwrap_or_default();
    for pod in &mut pods {
        let Metadata { name, .. } = &pod.metadata;
        let containers = pod.status.init_container_statuses.iter_mut().chain(&mut pod.status.container_statuses);
        for container in containers.filter(|container| container.crashes()) {
            container.last_words = last_words(client, &format!("{root}/pods/{name}"), &container.name).await;
        }
    }
    let warnings = format!("{root}/events?fieldSelector=type%3DWarning&limit={WARNINGS}");
    let warnings: List<Event> = fetch(client, Request::get(warnings), Vec::new()).await?;
    Ok((namespace, (pods, warnings.items.unwrap_or_default())))
}

/// The last lines that a container's program wrote before it ended; nothing if they cannot be had.
async fn last_words(client: &Client, pod: &str, container: &str) -> String {
    let container: String = url::form_urlencoded::byte_serialize(container.as_bytes()).collect();
    let url = format!("{pod}/log?container={container}&previous=true&tailLines={LINES}");
    let Ok(request) = Request::get(url).body(Vec::new()) else { return String::new() };
    client.request_text(request).await.map(|text| one_line(&text)).unwrap_or_default()
}

#[derive(Debug, Deserialize)]
struct List<T> {
    items: Option<Vec<T>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Event {
    involved_object: Owner,
    reason: String,
    message: String,
    last_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pod {
    metadata: Metadata,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    labels: BTreeMap<String, String>,
    owner_references: Vec<Owner>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Owner {
    kind: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    conditions: Vec<Condition>,
    init_container_statuses: Vec<Container>,
    container_statuses: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: String,
    image: String,
    state: State,
    last_state: State,
    /// What its program wrote last, if it crashes.
    #[serde(skip)]
    last_words: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    waiting: Option<Waiting>,
    terminated: Option<Terminated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: String,
    message: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    exit_code: i64,
    reason: String,
}

impl Metadata {
    /// A Deployment's pods belong to its ReplicaSet, which has the name of both and the hash of the template.
    fn belongs_to(&self, id: &Id) -> bool {
        let hash = self.labels.get("pod-template-hash").map_or("", String::as_str);
        self.owner_references.iter().any(|owner| match (owner.kind.as_str(), id.kind.as_str()) {
            ("ReplicaSet", "Deployment") => {
                owner.name.strip_suffix(hash).and_then(|name| name.strip_suffix('-')) == Some(id.name.as_str())
            }
            (owner_kind, kind) => owner_kind == kind && owner.name == id.name,
        })
    }
}

impl Pod {
    fn trouble(&self) -> Option<Trouble> {
        let name = &self.metadata.name;
        let containers = || self.status.init_container_statuses.iter().chain(&self.status.container_statuses);
        let waiting = || containers().filter_map(|container| Some((container, container.state.waiting.as_ref()?)));
        if let Some((container, waiting)) = waiting().find(|(_, waiting)| NO_IMAGE.contains(&waiting.reason.as_str())) {
            let Waiting { reason, message } = waiting;
            let words =
                one_line(&format!("pod {name}: image {} cannot be pulled ({reason}): {message}", container.image));
            return Some(Trouble { words: words.trim_end_matches([':', ' ']).to_owned(), no_image: true });
        }
        let troubled =
            |(_, waiting): &(_, &Waiting)| !waiting.reason.is_empty() && !WELL.contains(&waiting.reason.as_str());
        let unplaced = || {
            let placed =
                self.status.conditions.iter().find(|one| one.r#type == "PodScheduled" && one.status == "False");
            placed.map(|condition| format!("pod {name} cannot be placed: {}", condition.message))
        };
        let words = match waiting().find(troubled) {
            Some((container, waiting)) => Some(container.words(name, waiting)),
            None => unplaced(),
        };
        words.map(|words| Trouble { words: one_line(&words), no_image: false })
    }
}

impl Pod {
    /// The last warning about it, while it is not ready: a volume that cannot be mounted is told nowhere else.
    fn warning(&self, warnings: &[Event]) -> Option<Trouble> {
        let name = &self.metadata.name;
        if self.status.conditions.iter().any(|one| one.r#type == "Ready" && one.status == "True") {
            return None;
        }
        let about = |event: &&Event| event.involved_object.kind == "Pod" && event.involved_object.name == *name;
        let last = warnings.iter().filter(about).max_by(|a, b| a.last_timestamp.cmp(&b.last_timestamp))?;
        Some(Trouble { words: one_line(&format!("pod {name}: {}: {}", last.reason, last.message)), no_image: false })
    }
}

impl Container {
    /// Whether its program ended, and is started again and again.
    fn crashes(&self) -> bool {
        self.state.waiting.as_ref().is_some_and(|waiting| waiting.reason == "CrashLoopBackOff")
            && self.last_state.terminated.is_some()
    }

    fn words(&self, pod: &str, waiting: &Waiting) -> String {
        let last = self.last_state.terminated.as_ref();
        let ended = last.map(|last| format!(", last ended with code {} ({})", last.exit_code, last.reason));
        let message = if ended.is_some() || waiting.message.is_empty() {
            String::new()
        } else {
            format!(": {}", waiting.message)
        };
        let wrote = if self.last_words.is_empty() { String::new() } else { format!("; it wrote: {}", self.last_words) };
        format!("pod {pod}, container {}: {}{}{message}{wrote}", self.name, waiting.reason, ended.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn id(kind: &str) -> Id {
        let text = |text: &str| text.to_owned();
        Id {
            group: text("apps"),
            version: text("v1"),
            kind: text(kind),
            namespace: Some(text("ns")),
            name: text("app"),
        }
    }

    fn trouble(owner: Value, status: Value, kind: &str) -> Option<Trouble> {
        let pod = json!({ "metadata": { "name": "app-1", "labels": { "pod-template-hash": "5d" }, "ownerReferences": [owner] },
            "status": status });
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        Pods([("ns".to_owned(), (vec![pod], vec![]))].into()).trouble(&id(kind), "ns")
    }

    #[test]
    fn the_last_warning_tells_what_no_container_does() {
        let pod = |ready: &str| -> Pod {
            let pod = json!({ "metadata": { "name": "app-1" }, "status": {
                "conditions": [{ "type": "Ready", "status": ready }],
                "containerStatuses": [{ "state": { "waiting": { "reason": "ContainerCreating" } } }] } });
            serde_json::from_value(pod).expect("a pod")
        };
        let event = |name: &str, time: &str, message: &str| -> Event {
            let event = json!({ "involvedObject": { "kind": "Pod", "name": name }, "reason": "FailedMount",
                "message": message, "lastTimestamp": time });
            serde_json::from_value(event).expect("an event")
        };
        let warnings = [
            event("app-1", "2026-01-01T00:00:02Z", "secret \"s\" not found"),
            event("app-1", "2026-01-01T00:00:01Z", "earlier"),
            event("app-2", "2026-01-01T00:00:03Z", "of another"),
        ];
        let words = pod("False").warning(&warnings).map(|trouble| trouble.words);
        assert_eq!(words.as_deref(), Some("pod app-1: FailedMount: secret \"s\" not found"));
        assert_eq!(pod("True").warning(&warnings), None);
        assert_eq!(pod("False").warning(&warnings[2..]), None);
    }

    #[test]
    fn the_containers_words_are_told() {
        let container = |state: Value, last: Value| json!({ "containerStatuses": [{ "name": "c", "image": "x/y:1", "state": state, "lastState": last }] });
        let waits = |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
        for (status, expected) in [
            (
                container(waits("ErrImagePull", "dial tcp:\n no route"), json!({})),
                Some(("pod app-1: image x/y:1 cannot be pulled (ErrImagePull): dial tcp: no route", true)),
            ),
            (
                container(waits("InvalidImageName", ""), json!({})),
                Some(("pod app-1: image x/y:1 cannot be pulled (InvalidImageName)", true)),
            ),
            (
                container(
                    waits("CrashLoopBackOff", "back-off"),
                    json!({ "terminated": { "exitCode": 1, "reason": "Error" } }),
                ),
                Some(("pod app-1, container c: CrashLoopBackOff, last ended with code 1 (Error)", false)),
            ),
            (
                container(waits("CreateContainerConfigError", "secret \"s\" not found"), json!({})),
                Some(("pod app-1, container c: CreateContainerConfigError: secret \"s\" not found", false)),
            ),
            (
                json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient cpu" }] }),
                Some(("pod app-1 cannot be placed: 0/1 nodes: Insufficient cpu", false)),
            ),
            (container(waits("ContainerCreating", ""), json!({})), None),
            (container(json!({ "running": {} }), json!({})), None),
            (json!({}), None),
        ] {
            let found = trouble(json!({ "kind": "ReplicaSet", "name": "app-5d" }), status, "Deployment");
            assert_eq!(found.as_ref().map(|trouble| (trouble.words.as_str(), trouble.no_image)), expected);
        }
    }

    #[test]
    fn a_pod_is_told_of_its_own_workload_only() {
        let status = json!({ "initContainerStatuses": [{ "state": { "waiting": { "reason": "ErrImagePull" } } }] });
        for (owner, kind, own) in [
            (json!({ "kind": "ReplicaSet", "name": "app-5d" }), "Deployment", true),
            (json!({ "kind": "ReplicaSet", "name": "app-ui-5d" }), "Deployment", false),
            (json!({ "kind": "ReplicaSet", "name": "app-6e" }), "Deployment", false),
            (json!({ "kind": "StatefulSet", "name": "app" }), "StatefulSet", true),
            (json!({ "kind": "StatefulSet", "name": "app" }), "Deployment", false),
            (json!({ "kind": "Job", "name": "app" }), "Job", true),
            (json!({}), "Job", false),
        ] {
            assert_eq!(trouble(owner.clone(), status.clone(), kind).is_some(), own, "{owner} {kind}");
        }
    }
}
