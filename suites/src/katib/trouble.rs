//! What keeps Katib from its work: its programs, its configuration, its rights, and what a namespace's pods wait for.

use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::Value;

use super::experiments::{OF, trials};
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{
    self, CONFIG_MAP, DEPLOYMENT, EVENT, EXPERIMENT, MUTATING, NAMESPACE, POD, SUGGESTION, annotation, config_value,
    items, label, name, text, variable,
};
use crate::rights::{self, Ask, Expected};

/// The programs of Katib that experiments need, in the order in which they need one another.
const PROGRAMS: [&str; 3] = ["katib-mysql", "katib-db-manager", "katib-controller"];
const CONTROLLER: &str = "system:serviceaccount:kubeflow:katib-controller";
const UI: &str = "system:serviceaccount:kubeflow:katib-ui";
/// What the controller's account must be allowed to do everywhere.
const NEEDS: &[(&str, &str, &str)] = &[
    ("create", "batch", "jobs"),
    ("delete", "batch", "jobs"),
    ("create", "apps", "deployments"),
    ("create", "", "services"),
    ("create", "kubeflow.org", "trials"),
    ("create", "kubeflow.org", "suggestions"),
    ("get", "", "configmaps"),
];
/// What the UI server's account must be allowed to do everywhere.
const UI_NEEDS: &[(&str, &str, &str)] = &[
    ("create", "authorization.k8s.io", "subjectaccessreviews"),
    ("create", "kubeflow.org", "experiments"),
    ("list", "kubeflow.org", "experiments"),
    ("delete", "kubeflow.org", "experiments"),
    ("get", "kubeflow.org", "trials"),
    ("get", "kubeflow.org", "suggestions"),
    ("list", "", "pods"),
    ("get", "", "pods/log"),
    ("list", "", "configmaps"),
];

/// What is wrong with Katib itself.
pub async fn itself(cx: &Ctx) -> Checked<Option<Cause>> {
    for program in PROGRAMS {
        if let Some(cause) = ready(cx, program).await? {
            return Ok(Some(cause));
        }
    }
    may(cx, CONTROLLER, "katib-controller", NEEDS).await
}

/// What keeps the controller from removing what it made.
pub async fn may_remove(cx: &Ctx) -> Checked<Option<Cause>> {
    may(cx, CONTROLLER, "katib-controller", &[("delete", "apps", "deployments"), ("delete", "", "services")]).await
}

/// What is wrong with the UI server, and what its answers come from.
pub async fn ui(cx: &Ctx) -> Checked<Option<Cause>> {
    if let Some(cause) = ready(cx, "katib-ui").await? {
        return Ok(Some(cause));
    }
    let server = objects::get(cx, DEPLOYMENT, "kubeflow", "katib-ui").await?;
    if let Some(host) = server.as_ref().and_then(|server| variable(server, "KATIB_DB_MANAGER_SERVICE_IP")) {
        return Ok(Some(Cause::new(
            format!("KATIB_DB_MANAGER_SERVICE_IP of Deployment kubeflow/katib-ui is {host}"),
            "take it out: Service katib-db-manager is found without it",
        )));
    }
    may(cx, UI, "katib-ui", UI_NEEDS).await
}

/// Whether a Deployment of Katib's has a ready pod.
pub async fn ready(cx: &Ctx, deployment: &str) -> Checked<Option<Cause>> {
    let found = objects::get(cx, DEPLOYMENT, "kubeflow", deployment).await?;
    let count = |pointer: &str| found.as_ref().and_then(|found| objects::number(&found.data, pointer)).unwrap_or(0);
    // While a new pod is not ready, an old one may still be at work.
    if count("/status/readyReplicas") > 0 && count("/spec/replicas") > 0 {
        return Ok(None);
    }
    Ok(Some(Cause::new(
        format!("Deployment kubeflow/{deployment} has no ready pod"),
        format!("kubectl -n kubeflow describe deployment {deployment}"),
    )))
}

async fn may(cx: &Ctx, user: &str, role: &str, needs: &'static [(&str, &str, &str)]) -> Checked<Option<Cause>> {
    let asked = |&(verb, group, resource): &(&'static str, &'static str, &'static str)| {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Expected { user, ask: Ask { verb, group, resource, subresource, ..Ask::default() }, allowed: true }
    };
    let questions: Vec<Expected<'_>> = needs.iter().map(asked).collect();
    let refused = rights::differences(cx, &questions).await?;
    Ok(refused.first().map(|refused| {
        Cause::new(
            format!("ClusterRole {role} or its binding gives the account too little: {refused}"),
            format!("apply ClusterRole and ClusterRoleBinding {role} of kubeflow/manifests again"),
        )
    }))
}

/// What keeps an experiment from going on, and whether it may pass by itself.
pub async fn of(cx: &Ctx, namespace: &str, experiment: &str) -> Checked<Option<(Cause, Passes)>> {
    if let Some(cause) = itself(cx).await? {
        return Ok(Some((cause, Passes::Never)));
    }
    if let Some(found) = waiting(cx, namespace, experiment).await? {
        return Ok(Some(found));
    }
    Ok(complaint(cx, namespace, experiment).await?.map(|cause| (cause, Passes::Never)))
}

/// Whether a cause may pass by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// Somebody has to do something.
    Never,
    /// A registry may answer again; a proxy whose work is done may yet be ended by somebody.
    Perhaps,
}

/// A pod of an experiment that waits for its image, or that its proxy keeps from ending.
async fn waiting(cx: &Ctx, namespace: &str, experiment: &str) -> Checked<Option<(Cause, Passes)>> {
    let mut pods = objects::within(cx, POD, namespace).await?;
    pods.retain(|pod| label(pod, OF) == experiment);
    for pod in &pods {
        if is_held_by_proxy(pod) {
            let cause = Cause::new(
                format!(
                    "Pod {namespace}/{}: its work has ended, and its istio-proxy goes on, so that its job never ends",
                    name(pod)
                ),
                "label the pods of the trial template sidecar.istio.io/inject: \"false\"",
            );
            return Ok(Some((cause, Passes::Perhaps)));
        }
        for status in items(&pod.data, "/status/containerStatuses") {
            let reason = text(status, "/state/waiting/reason");
            let passes = match reason {
                "InvalidImageName" | "ErrImageNeverPull" => Passes::Never,
                "ImagePullBackOff" | "ErrImagePull" => Passes::Perhaps,
                _ => continue,
            };
            let image = text(status, "/image");
            let from = if in_config(cx, image).await? { " of ConfigMap kubeflow/katib-config" } else { "" };
            let cause = Cause::new(
                format!("Pod {namespace}/{}: {reason} {image}{from}", name(pod)),
                format!("mirror {image}, or name another"),
            );
            return Ok(Some((cause, passes)));
        }
    }
    Ok(None)
}

/// Whether all containers of a pod have ended but its proxy. A native sidecar, which is an init container, is ended with
/// them (Kubernetes enhancement 753).
fn is_held_by_proxy(pod: &DynamicObject) -> bool {
    let statuses = items(&pod.data, "/status/containerStatuses");
    let (proxy, others): (Vec<_>, Vec<_>) = statuses.iter().partition(|one| text(one, "/name") == "istio-proxy");
    let goes_on = proxy.iter().any(|one| one.pointer("/state/running").is_some());
    goes_on && !others.is_empty() && others.iter().all(|one| one.pointer("/state/terminated").is_some())
}

async fn in_config(cx: &Ctx, image: &str) -> Checked<bool> {
    let config = objects::get(cx, CONFIG_MAP, "kubeflow", "katib-config").await?;
    Ok(config
        .as_ref()
        .and_then(|config| config_value(config, "katib-config.yaml"))
        .is_some_and(|file| file.contains(image)))
}

/// Words of complaints that no second try mends; others are conflicts of two writers.
const LASTING: [&str; 4] = ["is forbidden", "cannot ", "failed to find", "denied the request"];

/// What the controller complained of about the experiment, its suggestion or a trial.
async fn complaint(cx: &Ctx, namespace: &str, experiment: &str) -> Checked<Option<Cause>> {
    let events = objects::within(cx, EVENT, namespace).await?;
    let asked = objects::get(cx, EXPERIMENT, namespace, experiment).await?;
    let algorithm = asked.as_ref().map_or("", |asked| text(&asked.data, "/spec/algorithm/algorithmName"));
    let about = |event: &&DynamicObject| {
        let itself = is_of(text(&event.data, "/involvedObject/name"), experiment, algorithm);
        let said = text(&event.data, "/message");
        let fails = matches!(text(&event.data, "/reason"), "ReconcileError" | "FailedCreate");
        itself && fails && LASTING.iter().any(|words| said.contains(words))
    };
    let Some(event) = events.iter().find(about) else { return Ok(None) };
    let (kind, of) = (text(&event.data, "/involvedObject/kind"), text(&event.data, "/involvedObject/name"));
    let said = text(&event.data, "/message");
    Ok(Some(Cause::new(
        format!("{kind} {namespace}/{of}: {said}"),
        "kubectl -n kubeflow logs deployment/katib-controller",
    )))
}

/// Whether an object is the experiment, its suggestion, a trial or job of it, or belongs to its algorithm's service: another
/// experiment's name may begin with this one's.
fn is_of(object: &str, experiment: &str, algorithm: &str) -> bool {
    /// Of the end that Katib gives to a trial's name.
    const RANDOM: usize = 8;

    let Some(rest) = object.strip_prefix(experiment) else { return false };
    let Some(rest) = rest.strip_prefix('-') else { return rest.is_empty() };
    let of_trial = rest.len() == RANDOM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let of_service = rest.strip_prefix(algorithm).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    of_trial || (!algorithm.is_empty() && of_service)
}

/// A failure of an experiment that ended otherwise, with what its suggestion or a trial tells.
pub async fn of_ended(cx: &Ctx, at: (&str, &str), stop: Stop) -> Stop {
    if matches!(&stop, Stop::Failed(failure) if failure.cause.is_some()) {
        return stop;
    }
    match itself(cx).await {
        Ok(None) => blame(stop, told(cx, at).await),
        cause => blame(stop, cause),
    }
}

async fn told(cx: &Ctx, at: (&str, &str)) -> Checked<Option<Cause>> {
    let failed = |object: &Value, kinds: &[&str]| {
        let conditions = items(object, "/status/conditions");
        let found = conditions.iter().find(|one| kinds.contains(&text(one, "/type")) && text(one, "/status") == "True");
        found.map(|one| text(one, "/message").to_owned())
    };
    if let Some(suggestion) = objects::get(cx, SUGGESTION, at.0, at.1).await?
        && let Some(why) = failed(&suggestion.data, &["Failed"])
    {
        let algorithm = text(&suggestion.data, "/spec/algorithm/algorithmName");
        return Ok(Some(Cause::new(
            format!(
                "Suggestion {}/{}: {why}. ConfigMap kubeflow/katib-config names the service of algorithm {algorithm}",
                at.0, at.1
            ),
            "compare katib-config with the one of kubeflow/manifests",
        )));
    }
    for trial in trials(cx, at).await? {
        if let Some(why) = failed(&trial.data, &["Failed", "MetricsUnavailable"]) {
            return Ok(Some(Cause::new(
                format!("Trial {}/{}: {why}", at.0, name(&trial)),
                format!("kubectl -n {} describe job {}", at.0, name(&trial)),
            )));
        }
    }
    Ok(None)
}

/// A failure with what is wrong with Katib, its webhooks or the namespace, where something is.
pub async fn blamed(cx: &Ctx, stop: Stop) -> Stop {
    if matches!(&stop, Stop::Failed(failure) if failure.cause.is_some()) {
        return stop;
    }
    match itself(cx).await {
        Ok(None) => match ui(cx).await {
            Ok(None) => blame(stop, webhooks(cx).await),
            cause => blame(stop, cause),
        },
        cause => blame(stop, cause),
    }
}

/// A webhook configuration of Katib's that is not there.
pub async fn webhooks(cx: &Ctx) -> Checked<Option<Cause>> {
    for kind in [MUTATING, objects::VALIDATING] {
        if objects::get(cx, kind, "", "katib.kubeflow.org").await?.is_none() {
            return Ok(Some(Cause::new(
                format!("{} katib.kubeflow.org is absent", kind.kind),
                format!("apply {} katib.kubeflow.org of kubeflow/manifests again", kind.kind),
            )));
        }
    }
    Ok(None)
}

/// The PodDefaults that were applied to a pod.
#[must_use]
pub fn pod_defaults(pod: &DynamicObject) -> Vec<String> {
    let annotations = pod.metadata.annotations.iter().flatten();
    let prefix = "poddefault.admission.kubeflow.org/poddefault-";
    annotations.filter_map(|(key, _)| key.strip_prefix(prefix)).map(str::to_owned).collect()
}

/// Whether a namespace is labelled for experiments.
pub async fn labelled(cx: &Ctx, namespace: &str) -> Checked<bool> {
    let found = objects::get(cx, NAMESPACE, "", namespace).await?;
    Ok(found.is_some_and(|found| label(&found, "katib.kubeflow.org/metrics-collector-injection") == "enabled"))
}

/// Whether a pod is kept out of the mesh by label or annotation.
#[must_use]
pub fn keeps_out(pod: &DynamicObject) -> bool {
    label(pod, "sidecar.istio.io/inject") == "false" || annotation(pod, "sidecar.istio.io/inject") == "false"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_proxy_that_outlives_the_work_of_its_pod_is_told_from_one_at_work() {
        let container = |name: &str, state: &str| json!({"name": name, "state": {state: {}}});
        let pod = |statuses: &[Value], init: &[Value]| -> DynamicObject {
            let status = json!({"containerStatuses": statuses, "initContainerStatuses": init});
            serde_json::from_value(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "status": status}))
                .unwrap()
        };
        let (ended, proxy) = (container("main", "terminated"), container("istio-proxy", "running"));
        let collector = |state: &str| container("metrics-logger-and-collector", state);
        assert!(is_held_by_proxy(&pod(&[ended.clone(), collector("terminated"), proxy.clone()], &[])));
        for (statuses, init) in [
            (vec![ended.clone(), collector("running"), proxy.clone()], vec![]),
            (vec![ended.clone(), container("istio-proxy", "terminated")], vec![]),
            (vec![ended], vec![proxy.clone()]),
            (vec![container("main", "waiting"), proxy.clone()], vec![]),
            (vec![proxy], vec![]),
            (vec![], vec![]),
        ] {
            assert!(!is_held_by_proxy(&pod(&statuses, &init)), "{statuses:?} {init:?}");
        }
    }

    #[test]
    fn a_complaint_of_an_experiment_whose_name_begins_alike_is_not_this_one_s() {
        for of in ["kat", "kat-6ksc4mvl", "kat-grid", "kat-grid-7d9f8b6c5"] {
            assert!(is_of(of, "kat", "grid"), "{of}");
        }
        for other in ["kat-015-out", "kat-015-out-wrlsn6fj", "kat-015", "kats", "kat-gridded", "ka", ""] {
            assert!(!is_of(other, "kat", "grid"), "{other}");
            assert!(!is_of(other, "kat", ""), "{other}");
        }
    }
}
