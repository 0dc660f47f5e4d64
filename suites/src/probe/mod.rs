//! A small pod of the run's own, from which a check sends requests inside the cluster: by Service name or pod address,
//! with a sidecar or without, as any service account of its namespace.
//!
//! It needs two programs, `sleep` and `curl`. Istio's proxy image has both and is on every node that runs a sidecar
//! (istio/istio `docker/Dockerfile.base`, 1.17 to 1.26), so nothing is pulled; its distroless variant has neither, and
//! some sites allow their own images alone: `--probe-image` names another. The pod meets Pod Security's `restricted`,
//! runs under a user whose traffic the sidecar takes (not 1337, the proxy's own) and ends by itself after two hours.
//!
//! A probe that is not there, or that reaches nothing, tells nothing: that is [`Stop::Errored`], never a denial.

pub mod request;

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::objects::{self, POD, condition, items, text};
use crate::tenants::{self, EVERY};

/// How long a probe may take to run: its image is on the node, or has to be pulled.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The probe's container.
const CONTAINER: &str = "probe";
/// How long the pod lasts, in seconds: as long as a run's objects do.
const LASTS: &str = "7200";
/// Reasons of a container that waits for an image which it will not get.
const NO_IMAGE: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

/// What kind of probe is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// What its name ends in.
    pub name: &'a str,
    /// The service account.
    pub account: &'a str,
    /// Whether it has a sidecar.
    pub sidecar: bool,
}

/// A probe that runs.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// Its container that has `curl`.
    pub container: String,
    /// Its labels, by which network policies know it.
    pub labels: Value,
    /// Whether it has a sidecar.
    pub sidecar: bool,
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let with = if self.sidecar { "with" } else { "without" };
        write!(f, "a tenant's pod {with} a sidecar")
    }
}

/// A probe in somebody else's Profile, with a sidecar, as its account `default-editor`.
pub struct InMesh(Probe);

impl Fixture for InMesh {
    const NAME: &'static str = "probe with a sidecar";
    const WITHIN: Duration = Duration::from_secs(200);

    async fn make(cx: Ctx) -> Checked<Self> {
        of_other(&cx, "probe", true).await.map(Self)
    }
}

/// The same without a sidecar.
pub struct Bare(Probe);

impl Fixture for Bare {
    const NAME: &'static str = "probe without a sidecar";
    const WITHIN: Duration = Duration::from_secs(200);

    async fn make(cx: Ctx) -> Checked<Self> {
        of_other(&cx, "bare", false).await.map(Self)
    }
}

async fn of_other(cx: &Ctx, name: &str, sidecar: bool) -> Checked<Probe> {
    let home = tenants::of_other(cx).await?;
    start(cx, Wanted { namespace: &home.name, name, account: "default-editor", sidecar }).await
}

/// The shared probe with a sidecar: a notebook of somebody else might be such a pod.
pub async fn in_mesh(cx: &Ctx) -> Checked<Probe> {
    Ok(cx.fixture::<InMesh>().await?.0.clone())
}

/// The shared probe without a sidecar, which every tenant may have by a label.
pub async fn bare(cx: &Ctx) -> Checked<Probe> {
    Ok(cx.fixture::<Bare>().await?.0.clone())
}

/// Starts a probe, and waits until it runs.
///
/// # Errors
/// [`Stop::Errored`] if it does not come to run, with what forbids it.
pub async fn start(cx: &Ctx, wanted: Wanted<'_>) -> Checked<Probe> {
    let image = image(cx).await?;
    let name = tenants::name(cx, wanted.name);
    let made = tenants::own(cx, pod(&name, &image, wanted)).await.map_err(|stop| refused(stop, &name))?;
    let wait = format!("probe {}/{name} runs", wanted.namespace);
    let ready = cx
        .eventually(&wait, READY_WITHIN, EVERY, || {
            Box::pin(async {
                match objects::get(cx, POD, wanted.namespace, &name).await? {
                    None => Err(hopeless("the pod is gone")),
                    Some(pod) => state(&pod),
                }
            }) as BoxFuture<'_, Checked<Seen<DynamicObject>>>
        })
        .await;
    let ready = ready.map_err(|stop| match stop {
        // It is the run's own pod: that it does not run says nothing of what it should have tried.
        Stop::Failed(failure) => {
            let stop = unusable(&name, &failure.actual);
            if let Some(fix) = failure.fix { stop.fix(fix) } else { stop }
        }
        other => other,
    })?;
    if has_sidecar(&ready.data) != wanted.sidecar {
        let why = if wanted.sidecar { "it got no sidecar" } else { "it got a sidecar although its label forbids one" };
        return Err(unusable(&name, why).fix("look at the webhook istio-sidecar-injector and the namespace's labels"));
    }
    let labels = json!(made.metadata.labels);
    let container = CONTAINER.to_owned();
    Ok(Probe { namespace: wanted.namespace.to_owned(), pod: name, container, labels, sidecar: wanted.sidecar })
}

/// Whether a pod's spec has Istio's proxy, beside its containers or as one that starts before them.
#[must_use]
pub fn has_sidecar(pod: &Value) -> bool {
    let mut all = items(pod, "/spec/containers").iter().chain(items(pod, "/spec/initContainers"));
    all.any(|container| text(container, "/name") == "istio-proxy")
}

fn pod(name: &str, image: &str, wanted: Wanted<'_>) -> Value {
    let inject = if wanted.sidecar { "true" } else { "false" };
    let few = json!({"cpu": "50m", "memory": "64Mi"});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": wanted.namespace,
            // Istio up to 1.17 knows the annotation as well, later ones prefer the label.
            "labels": {"sidecar.istio.io/inject": inject}, "annotations": {"sidecar.istio.io/inject": inject},
        },
        "spec": {
            "serviceAccountName": wanted.account, "automountServiceAccountToken": false,
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 0, "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": CONTAINER, "image": image, "command": ["sleep", LASTS],
                "resources": {"requests": few, "limits": few},
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

/// The image to run: the given one, or that of the gateway's proxy as it runs.
pub async fn image(cx: &Ctx) -> Checked<String> {
    if let Some(image) = &cx.environment().probe_image {
        return Ok(image.clone());
    }
    let pods = objects::within(cx, POD, "istio-system").await?;
    let proxies = pods.iter().flat_map(|pod| items(&pod.data, "/spec/containers"));
    let mut images = proxies.filter(|container| text(container, "/name") == "istio-proxy");
    let image = images.next().map(|container| text(container, "/image")).unwrap_or_default();
    let hint = "name an image that has curl and sleep with --probe-image";
    match image {
        "" => {
            Err(Stop::errored("precondition", "no pod of istio-system tells which image Istio's proxies run").fix(hint))
        }
        image if image.contains("distroless") => {
            Err(Stop::errored("precondition", format!("the proxies' image {image} has no curl")).fix(hint))
        }
        image => Ok(image.to_owned()),
    }
}

/// Whether a probe is ready; an end to waiting where it never will be.
pub fn state(pod: &DynamicObject) -> Checked<Seen<DynamicObject>> {
    if condition(pod, "Ready") == "True" {
        return Ok(Seen::Yes(pod.clone()));
    }
    let waiting = items(&pod.data, "/status/containerStatuses").iter().find_map(|status| {
        let waiting = status.pointer("/state/waiting")?;
        Some((text(waiting, "/reason"), text(waiting, "/message")))
    });
    match waiting {
        Some((reason, message)) if NO_IMAGE.contains(&reason) => {
            let stop = hopeless(&format!("{reason}: {message}"));
            Err(stop.fix("name an image that the cluster can pull, with curl and sleep in it, with --probe-image"))
        }
        Some((reason, message)) => Ok(Seen::NotYet(format!("{reason} {message}"))),
        None => Ok(Seen::NotYet(format!("it is {}", text(&pod.data, "/status/phase")))),
    }
}

/// The API server refused the pod: a quota, Pod Security, a webhook.
fn refused(stop: Stop, name: &str) -> Stop {
    match stop {
        Stop::Errored(problem) => {
            Stop::errored("precondition", format!("probe {name} is refused: {}", problem.message))
                .fix("give Profiles of the run room for one small pod: kubectl describe resourcequota -n NAMESPACE")
        }
        other => other,
    }
}

/// Ends a wait: only a failure does.
fn hopeless(why: &str) -> Stop {
    Stop::failed("the probe runs", why)
}

fn unusable(name: &str, why: &str) -> Stop {
    Stop::errored("precondition", format!("probe {name} does not run: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: Value) -> Result<String, String> {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": status});
        match state(&serde_json::from_value(pod).unwrap()) {
            Ok(Seen::Yes(_)) => Ok("ready".to_owned()),
            Ok(Seen::NotYet(why)) => Ok(why),
            Err(stop) => Err(stop.to_string()),
        }
    }

    #[test]
    fn a_probe_that_never_runs_is_no_denial() {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        assert_eq!(told(ready), Ok("ready".to_owned()));
        let waiting = |reason: &str| json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": "m"}}}]});
        assert_eq!(told(waiting("ContainerCreating")), Ok("ContainerCreating m".to_owned()));
        assert_eq!(
            told(waiting("ImagePullBackOff")),
            Err("expected the probe runs, actual ImagePullBackOff: m".to_owned())
        );
        let quota = Stop::errored("kubernetes", "403 Forbidden: exceeded quota: kf-resource-quota");
        assert_eq!(
            refused(quota, "p").to_string(),
            "probe p is refused: 403 Forbidden: exceeded quota: kf-resource-quota (precondition)"
        );
    }

    #[test]
    fn it_asks_for_no_more_than_pod_security_allows_everywhere() {
        let pod = pod("p", "i", Wanted { namespace: "n", name: "p", account: "default", sidecar: false });
        assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], json!(true));
        assert_eq!(pod["spec"]["containers"][0]["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(pod["metadata"]["labels"]["sidecar.istio.io/inject"], "false");
    }
}
