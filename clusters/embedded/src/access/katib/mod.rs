//! Katib's admission webhooks, as the API server meets them: new and changed experiments get [`defaults`] and pass a
//! [`validation`], and the pods of trials get a metrics collector ([`pods`]).
//!
//! Whether an object is asked about follows from the webhook configurations, by the paths `/mutate-experiment`,
//! `/validate-experiment` and `/mutate-pod`; who answers is `katib-controller` behind the Service that they name.
//!
//! Facts: kubeflow/katib v0.16.0 to v0.18.0 `pkg/webhook/v1beta1`, checked against what the real webhooks of v0.17.0 were
//! seen to do.

mod defaults;
mod pods;
mod release;
mod validation;

use serde_json::Value;

use super::sidecar_injection::{call_problem, concerns};
use crate::api::Status;
use crate::kubelet::environment;
use crate::object::{list, text};
use crate::platform::World;
use crate::store::Key;

pub(super) use pods::admit as admit_pod;

/// The label of namespaces in which experiments may be made.
pub(crate) const INJECTION: (&str, &str) = ("katib.kubeflow.org/metrics-collector-injection", "enabled");

/// Completes and judges a new (`old` is `None`) or changed experiment.
///
/// # Errors
/// 500 when a webhook cannot be called and its `failurePolicy` is `Fail`; 400 for an experiment that it refuses.
pub(crate) fn admit(world: &World, old: Option<&Value>, experiment: &mut Value) -> Result<(), Status> {
    hooks(world, "mutatingwebhookconfigurations", "/mutate-experiment", experiment, |_, experiment| {
        defaults::complete(experiment);
        Ok(())
    })?;
    hooks(world, "validatingwebhookconfigurations", "/validate-experiment", experiment, |webhook, experiment| {
        validation::check(world, &home(world, webhook), old, experiment).map_err(|why| denied(webhook, &why))
    })
}

/// Calls each webhook of a path that the object concerns.
fn hooks(
    world: &World,
    plural: &str,
    path: &str,
    object: &mut Value,
    call: impl Fn(&Value, &mut Value) -> Result<(), Status>,
) -> Result<(), Status> {
    for configuration in world.store.list("admissionregistration.k8s.io", plural, None) {
        for webhook in list(&configuration, "/webhooks") {
            if text(webhook, "/clientConfig/service/path") != path || !concerns(world, webhook, object) {
                continue;
            }
            match (call_problem(world, webhook), text(webhook, "/failurePolicy")) {
                (None, _) => call(webhook, object)?,
                (Some(_), "Ignore") => {}
                (Some(problem), _) => {
                    let hook = text(webhook, "/name");
                    return Err(Status::internal(format!("failed calling webhook \"{hook}\": {problem}")));
                }
            }
        }
    }
    Ok(())
}

fn denied(webhook: &Value, why: &str) -> Status {
    let hook = text(webhook, "/name");
    Status::new(400, "BadRequest", format!("admission webhook \"{hook}\" denied the request: {why}"))
}

/// The namespace of Katib, as the program behind a webhook is told.
fn home(world: &World, webhook: &Value) -> String {
    let namespace = text(webhook, "/clientConfig/service/namespace");
    let service = text(webhook, "/clientConfig/service/name");
    let selector = world.store.get(&Key::new("", "services", namespace, service));
    let selector = selector.as_ref().and_then(|service| service.pointer("/spec/selector"));
    let pods = world.store.list("", "pods", Some(namespace));
    let told = pods.iter().filter(|pod| crate::object::selected_by(pod, selector)).find_map(|pod| {
        let container = text(list(pod, "/spec/containers").first()?, "/name");
        environment::variable(&world.store, pod, container, "KATIB_CORE_NAMESPACE")
    });
    told.filter(|told| !told.is_empty()).unwrap_or_else(|| namespace.to_owned())
}
