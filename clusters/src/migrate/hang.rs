//! What would keep a namespace from being deleted, and what of it others would suffer from: finalizers whose controller is
//! not there, webhooks without a backend, API groups that do not answer.
//!
//! A namespace is gone when all its content is (`pkg/controller/namespace/deletion` of Kubernetes): content with a finalizer
//! stays until that is removed, which is an update that webhooks of failurePolicy Fail refuse once nobody answers for them.

use serde::Serialize;
use serde_json::Value;

use super::survey::{Object, Survey};

/// Something that would hold a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hang {
    /// The object.
    pub object: String,
    /// Why it would hold the deletion.
    pub because: String,
    /// What to do about it; what `clean` does.
    pub remedy: String,
}

/// A finalizer that a part of Kubeflow sets.
pub(super) struct Finalizer {
    /// Its name.
    pub name: &'static str,
    /// Group and kind of the objects that have it.
    pub of: (&'static str, &'static str),
    /// The Deployments that must run for it to be removed.
    pub needs: &'static [&'static str],
    /// What is left undone if it is removed by hand.
    pub undone: &'static str,
}

/// Finalizers of Katib (`pkg/controller.v1beta1/{experiment,trial}`), the profile controller
/// (`components/profile-controller`) and Argo (`workflow/common/common.go`).
pub(super) static FINALIZERS: &[Finalizer] = &[
    Finalizer {
        name: "update-prometheus-metrics",
        of: ("kubeflow.org", "Experiment"),
        needs: &["katib-controller"],
        undone: "a counter of Prometheus",
    },
    Finalizer {
        name: "clean-metrics-in-db",
        of: ("kubeflow.org", "Trial"),
        needs: &["katib-controller", "katib-db-manager", "katib-mysql"],
        undone: "the trial's rows in Katib's database",
    },
    Finalizer {
        name: "profile-finalizer",
        of: ("kubeflow.org", "Profile"),
        needs: &["profiles-deployment"],
        undone: "the cloud's side of the profile's plugins",
    },
    Finalizer {
        name: "workflows.argoproj.io/artifact-gc",
        of: ("argoproj.io", "Workflow"),
        needs: &["workflow-controller"],
        undone: "artifacts in the object store",
    },
];

/// Whether a finalizer is one of those.
pub(super) fn is_known(finalizer: &str) -> bool {
    FINALIZERS.iter().any(|known| known.name == finalizer)
}

/// What would hold the deletion of some namespaces.
pub(super) fn hangs(survey: &Survey, homes: &[String]) -> Vec<Hang> {
    let mut hangs = Vec::new();
    let home = |namespace: &str| homes.iter().any(|home| home == namespace);
    for object in survey.objects.iter().filter(|object| home(object.namespace()) || object.kind() == "Profile") {
        for finalizer in object.finalizers().filter(|name| !name.starts_with("kubernetes.io/") && *name != "kubernetes")
        {
            hangs.push(held(survey, object, finalizer));
        }
    }
    for namespace in survey.of("Namespace").filter(|namespace| home(namespace.name()) && namespace.is_leaving()) {
        let conditions = namespace.items("/status/conditions").iter().filter(|condition| condition["status"] == "True");
        let words: Vec<&str> = conditions.filter_map(|condition| condition["message"].as_str()).collect();
        let because = format!("it is being deleted already, and stays: {}", words.join("; "));
        hangs.push(Hang { object: namespace.place(), because, remedy: "remove what it names".to_owned() });
    }
    for configuration in survey.objects.iter().filter(|object| object.kind().ends_with("WebhookConfiguration")) {
        hangs.extend(webhook(survey, configuration, homes));
    }
    for definition in survey.of("CustomResourceDefinition") {
        if definition.is_leaving() {
            let because = "it is being deleted, and waits for its instances".to_owned();
            hangs.push(Hang {
                object: definition.place(),
                because,
                remedy: "remove its instances' finalizers".to_owned(),
            });
        }
        let service = &definition.body["spec"]["conversion"]["webhook"]["clientConfig"]["service"];
        let several =
            definition.items("/spec/versions").iter().filter(|version| version["served"] != false).count() > 1;
        if several && service.is_object() && !answers(survey, service) {
            let because = format!("its instances cannot be converted: nobody answers for Service {}", place(service));
            let remedy = "set spec.conversion.strategy to None".to_owned();
            hangs.push(Hang { object: definition.place(), because, remedy });
        }
    }
    for service in survey.of("APIService") {
        let available = service.items("/status/conditions").iter().find(|condition| condition["type"] == "Available");
        if available.is_some_and(|condition| condition["status"] == "False") {
            let message = available.and_then(|condition| condition["message"].as_str()).unwrap_or_default();
            let because =
                format!("nobody answers for it, and no namespace ends while its kinds are unknown: {message}");
            hangs.push(Hang { object: service.place(), because, remedy: "repair or delete it".to_owned() });
        }
    }
    for group in &survey.undiscovered {
        let because = "its kinds cannot be told, and no namespace ends while they are unknown".to_owned();
        hangs.push(Hang {
            object: format!("API group {group}"),
            because,
            remedy: "repair or delete its APIService".to_owned(),
        });
    }
    hangs
}

fn held(survey: &Survey, object: &Object, finalizer: &str) -> Hang {
    let known = FINALIZERS.iter().find(|known| known.name == finalizer && known.of.1 == object.kind());
    let (because, remedy) = match known {
        Some(Finalizer { needs, undone, .. }) => {
            let absent: Vec<&str> = needs
                .iter()
                .copied()
                .filter(|name| {
                    !survey
                        .of("Deployment")
                        .any(|one| one.name() == *name && survey.runs("Deployment", one.namespace(), name))
                })
                .collect();
            let who = needs.join(", ");
            let now = if absent.is_empty() {
                format!("finalizer {finalizer} stays if {who} goes first")
            } else {
                format!("finalizer {finalizer} stays: {} does not run", absent.join(", "))
            };
            (now, format!("delete it while {who} runs; removing the finalizer by hand leaves {undone} undone"))
        }
        None => (
            format!("finalizer {finalizer}, of a controller that is not known here"),
            "find out whose it is before you remove it".to_owned(),
        ),
    };
    Hang { object: object.place(), because, remedy }
}

/// A webhook that would refuse changes, now or as soon as the namespaces are gone.
fn webhook(survey: &Survey, configuration: &Object, homes: &[String]) -> Option<Hang> {
    let strict =
        |webhook: &&Value| webhook["failurePolicy"] != "Ignore" && webhook["clientConfig"]["service"].is_object();
    let webhooks = configuration.items("/webhooks").iter().filter(strict);
    let (mut broken, mut going) = (Vec::new(), Vec::new());
    for webhook in webhooks {
        let service = &webhook["clientConfig"]["service"];
        let name = webhook["name"].as_str().unwrap_or_default();
        if !answers(survey, service) {
            broken.push((name, service));
        } else if homes.iter().any(|home| service["namespace"] == home.as_str()) {
            going.push((name, service));
        }
    }
    let (names, service, words) = match (broken.first(), going.first()) {
        (Some((_, service)), _) => (&broken, service, "nobody answers for Service"),
        (None, Some((_, service))) => (&going, service, "it outlives its Service"),
        (None, None) => return None,
    };
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    Some(Hang {
        object: configuration.place(),
        because: format!("{words} {}, and {} then refuses what it admits", place(service), names.join(", ")),
        remedy: "delete it before its Service".to_owned(),
    })
}

fn answers(survey: &Survey, service: &Value) -> bool {
    let text = |key: &str| service[key].as_str().unwrap_or_default();
    let Some(found) = survey.find("Service", text("namespace"), text("name")) else { return false };
    let Some(selector) = found.body.pointer("/spec/selector").and_then(Value::as_object) else { return true };
    survey.of("Pod").any(|pod| {
        let ready = pod.items("/status/conditions").iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        let selected = selector.iter().all(|(key, value)| value == pod.label(key));
        ready && selected && pod.namespace() == text("namespace")
    })
}

fn place(service: &Value) -> String {
    let text = |key: &str| service[key].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}
