//! A notebook of the run's user that asks for access to Kubeflow Pipelines, and is given it as users are: a PodDefault of
//! its namespace tells its pod where a token is, and mounts it there.
//!
//! No release ships that PodDefault; every user who follows the documentation makes it, by the name and the label
//! `access-ml-pipeline` (kubeflow/manifests v1.9.1 `tests/gh-actions/kf-objects/poddefaults.access-ml-pipeline.*.yaml`,
//! v1.8.1 `tests/`). A namespace may have it already: the run's own differs in both, and leaves the other alone.
//!
//! The notebook is a real one, made for the notebook-controller; its container is a [`probe`]'s, because what
//! counts is what it is given, and images of notebooks are large.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::own::{EVERY, home};
use crate::accounts::token::PIPELINES as AUDIENCE;
use crate::objects::{self, EVENT, POD, text};
use crate::patience::Patience;
use crate::probe::{self, Probe};
use crate::stand_in::not_installed;
use crate::tenants;
use crate::workspaces::programs::{self, NOTEBOOK_CONTROLLER};

/// How long its pod may take to run: the StatefulSet's controller tries again after up to 82 seconds, and its image is on the
/// node.
const RUNS_WITHIN: Duration = Duration::from_secs(150);
/// A bound for checks that may be the first to ask for it, in seconds.
pub const BOUND: u64 = 240;
/// Where the SDK looks for a token first (kubeflow/pipelines `sdk/python/kfp/client/set_volume_credentials.py`).
pub const VARIABLE: &str = "KF_PIPELINES_SA_TOKEN_PATH";
/// The folder of the token.
const FOLDER: &str = "/var/run/secrets/kubeflow/pipelines";
/// Refusals of a pod that are about this run, not about the platform, and what to do about each.
const NO_ROOM: [(&str, &str); 3] = [
    ("exceeded quota", "give the namespace room for one small pod: kubectl describe resourcequota -n NAMESPACE"),
    ("violates PodSecurity", "kubectl get namespace NAMESPACE --show-labels"),
    (
        "conflict occurred while applying poddefaults",
        "a PodDefault of the namespace that selects every pod gives the same variable or folder: narrow its selector",
    ),
];

/// The notebook that the checks share. Whatever kept it from running is each check's own failure.
struct Granted(Checked<Notebook>);

impl Fixture for Granted {
    const NAME: &'static str = "notebook with access to Kubeflow Pipelines";
    const WITHIN: Duration = Duration::from_secs(BOUND);

    async fn make(cx: Ctx) -> Checked<Self> {
        Ok(Self(Notebook::make(&cx).await))
    }
}

/// A notebook that runs.
#[derive(Debug, Clone)]
pub struct Notebook {
    /// Its pod, from which requests are sent.
    pub probe: Probe,
    /// The PodDefault that was asked for, and as the API keeps it.
    pub(super) asked: Value,
    pub(super) kept: DynamicObject,
    pub(super) pod: DynamicObject,
}

/// The shared notebook.
pub async fn notebook(cx: &Ctx) -> Checked<Notebook> {
    cx.fixture::<Granted>().await?.0.clone()
}

/// The PodDefault of the documentation, by another name and label.
fn pod_default(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "kubeflow.org/v1alpha1", "kind": "PodDefault",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "desc": "Allow access to Kubeflow Pipelines (conformance)",
            "selector": {"matchLabels": {name: "true"}},
            "env": [{"name": VARIABLE, "value": format!("{FOLDER}/token")}],
            "volumes": [{"name": "volume-kf-pipeline-token", "projected": {"sources": [{"serviceAccountToken": {
                "path": "token", "expirationSeconds": 7200, "audience": AUDIENCE,
            }}]}}],
            "volumeMounts": [{"name": "volume-kf-pipeline-token", "mountPath": FOLDER, "readOnly": true}],
        },
    })
}

/// A notebook as the form makes it, with a probe's container, as small and as meek as that. Its label asks for the
/// PodDefault.
fn object(namespace: &str, name: &str, label: &str, image: &str) -> Value {
    let few = json!({"cpu": "50m", "memory": "64Mi"});
    json!({
        "apiVersion": "kubeflow.org/v1", "kind": "Notebook",
        "metadata": {"name": name, "namespace": namespace, "labels": {label: "true"}},
        "spec": {"template": {"spec": {
            "serviceAccountName": "default-editor", "volumes": [], "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 100,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": name, "image": image, "command": ["sleep", "7200"], "workingDir": "/",
                "env": [], "volumeMounts": [], "resources": {"requests": few, "limits": few},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        }}},
    })
}

impl Notebook {
    async fn make(cx: &Ctx) -> Checked<Self> {
        for deployment in [NOTEBOOK_CONTROLLER, "admission-webhook-deployment"] {
            if let Some(absent) = not_installed(cx, "kubeflow", deployment).await? {
                return Err(absent);
            }
        }
        let (namespace, image) = (home(cx).await?, probe::image(cx).await?);
        let (name, grant) = (tenants::name(cx, "kfp-nb"), tenants::name(cx, "access-ml-pipeline"));
        let asked = pod_default(&namespace, &grant);
        let kept = tenants::own(cx, asked.clone()).await?;
        tenants::own(cx, object(&namespace, &name, &grant, &image)).await?;
        let pod = runs(cx, &namespace, &name).await?;
        let labels = json!(pod.metadata.labels);
        let sidecar = probe::has_sidecar(&pod.data);
        let probe = Probe { namespace, pod: format!("{name}-0"), container: name, labels, sidecar };
        Ok(Self { probe, asked, kept, pod })
    }

    /// The account that its token is to name.
    #[must_use]
    pub fn account(&self) -> String {
        format!("system:serviceaccount:{}:default-editor", self.probe.namespace)
    }
}

/// Waits until a notebook's pod runs. A wait goes on after an error; one that will not pass ends it as what was seen.
async fn runs(cx: &Ctx, namespace: &str, name: &str) -> Checked<DynamicObject> {
    let (pod, wait) = (format!("{name}-0"), format!("notebook {namespace}/{name} has a running pod"));
    let patience = Patience::new();
    let seen = cx
        .eventually(&wait, RUNS_WITHIN, EVERY, || {
            Box::pin(async {
                if let Some(found) = objects::get(cx, POD, namespace, &pod).await? {
                    return Ok(match probe::state(&found) {
                        Ok(Seen::Yes(pod)) => Seen::Yes(Ok(pod)),
                        Ok(Seen::NotYet(why)) => Seen::NotYet(why),
                        Err(never) => Seen::Yes(Err(unusable(never))),
                    });
                }
                if !patience.is_over() {
                    return Ok(Seen::NotYet("there is no pod".to_owned()));
                }
                programs::at_work(cx, &wait, NOTEBOOK_CONTROLLER).await?;
                let Some(why) = refused(cx, namespace, name).await? else {
                    return Ok(Seen::NotYet("there is no pod".to_owned()));
                };
                Ok(match NO_ROOM.iter().find(|(words, _)| why.contains(words)) {
                    Some((_, fix)) => Seen::Yes(Err(Stop::errored("precondition", format!("{wait}: {why}")).fix(*fix))),
                    None => Seen::NotYet(why),
                })
            }) as BoxFuture<'_, Checked<Seen<Checked<DynamicObject>>>>
        })
        .await;
    match seen {
        Ok(seen) => seen,
        Err(Stop::Failed(failure)) if failure.cause.is_some() => Err(Stop::Failed(failure)),
        // Nobody made the pod: the platform's failure. One that is there and does not run is the run's own, and tells nothing.
        Err(stop @ Stop::Failed(_)) if objects::get(cx, POD, namespace, &pod).await?.is_some() => Err(unusable(stop)),
        Err(stop @ Stop::Failed(_)) => Err(match refused(cx, namespace, name).await? {
            Some(why) => stop.because(format!("StatefulSet {namespace}/{name} may not make its pod: {why}")),
            None => stop.because(format!("Deployment kubeflow/{NOTEBOOK_CONTROLLER} or the StatefulSet's controller")),
        }),
        Err(other) => Err(other),
    }
}

/// What a pod waits for that does not come to run says nothing of what it should have tried.
fn unusable(stop: Stop) -> Stop {
    let Stop::Failed(failure) = stop else { return stop };
    let stop = Stop::errored("precondition", format!("the notebook's pod does not run: {}", failure.actual));
    match failure.fix {
        Some(fix) => stop.fix(fix),
        None => stop.fix("kubectl describe pods of the namespace: its node, its image, its sidecar"),
    }
}

/// Why a StatefulSet cannot make its pod, in the API server's words.
async fn refused(cx: &Ctx, namespace: &str, name: &str) -> Checked<Option<String>> {
    let events = objects::within(cx, EVENT, namespace).await?;
    let of = |event: &DynamicObject, field: &str| text(&event.data, &format!("/involvedObject/{field}")).to_owned();
    let refusal = events.iter().rfind(|event| {
        of(event, "kind") == "StatefulSet"
            && of(event, "name") == name
            && text(&event.data, "/reason") == "FailedCreate"
    });
    Ok(refusal.map(|event| text(&event.data, "/message").to_owned()))
}
