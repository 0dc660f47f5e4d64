//! Letting a part of the platform begin anew, and waiting until it is back.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;

use crate::gateway::diagnose::{Cause, pods_behind};
use crate::objects::{self, CLAIM, DEPLOYMENT, POD, items, name, selects, text};

/// How long a part may take until it is ready again; MySQL took 67 s on a slow disk.
pub const BACK_WITHIN: Duration = Duration::from_secs(300);
/// How often is looked.
const EVERY: Duration = Duration::from_millis(50);

/// What is wrong with a part's configuration so that it can never come back, if anything is.
pub type Trouble = for<'a> fn(&'a Ctx) -> BoxFuture<'a, Checked<Option<Cause>>>;

/// A part that can begin anew.
#[derive(Clone, Copy)]
pub struct Part {
    /// Its Deployment in the namespace kubeflow.
    pub deployment: &'static str,
    /// Its Service.
    pub service: &'static str,
    /// Its volume claim, if it keeps anything.
    pub claim: Option<&'static str>,
    /// What would keep it from coming back.
    pub trouble: Trouble,
}

/// Which volume a claim is bound to: it must stay the same.
pub async fn volume(cx: &Ctx, part: &Part) -> Checked<Option<(String, String)>> {
    let Some(claim) = part.claim else { return Ok(None) };
    let Some(found) = objects::get(cx, CLAIM, "kubeflow", claim).await? else {
        // Another program in its place, SeaweedFS in MinIO's, has a claim of another name.
        if objects::get(cx, DEPLOYMENT, "kubeflow", part.deployment).await?.is_none() {
            return Err(Stop::absent(format!("Deployment kubeflow/{}", part.deployment)));
        }
        let stop = Stop::failed(format!("claim kubeflow/{claim}"), "it is absent");
        return Err(stop.because(format!("claim kubeflow/{claim}")));
    };
    Ok(Some((found.metadata.uid.clone().unwrap_or_default(), text(&found.data, "/spec/volumeName").to_owned())))
}

/// Deletes a part's pods and waits until others are ready. Yields how long that took.
pub async fn restart(cx: &Ctx, part: &Part) -> Checked<Duration> {
    let before = pods(cx, part).await?;
    if before.is_empty() {
        return Err(Stop::failed(format!("pods of Deployment kubeflow/{}", part.deployment), "there are none")
            .because(format!("Deployment kubeflow/{} has no pod", part.deployment)));
    }
    let start = Instant::now();
    for pod in &before {
        objects::delete(cx, POD, "kubeflow", name(pod)).await?;
    }
    let old: Vec<String> = before.iter().filter_map(|pod| pod.metadata.uid.clone()).collect();
    let wait = format!("another pod of {} is ready", part.deployment);
    cx.eventually(&wait, BACK_WITHIN, EVERY, || {
        let (cx, old) = (cx.clone(), old.clone());
        Box::pin(async move {
            let now = pods(&cx, part).await?;
            let is_new = |pod: &&DynamicObject| pod.metadata.uid.as_ref().is_some_and(|uid| !old.contains(uid));
            if now.iter().filter(is_new).any(|pod| objects::condition(pod, "Ready") == "True") {
                return Ok(Seen::Yes(()));
            }
            if let Some(why) = now.iter().filter(is_new).find_map(cannot_start) {
                let stop = Stop::failed(format!("{} comes back", part.deployment), "its container cannot be made");
                return Err(stop
                    .because(why)
                    .fix(format!("kubectl -n kubeflow describe deployment {}", part.deployment)));
            }
            if let Some(cause) = (part.trouble)(&cx).await? {
                let stop = Stop::failed(format!("{} comes back", part.deployment), "it cannot");
                return Err(stop.because(cause.what).fix(cause.fix));
            }
            let why = pods_behind(&cx, ("kubeflow", part.service), ("kubeflow", part.deployment)).await?;
            Ok(Seen::NotYet(why.map_or_else(|| "not ready".to_owned(), |cause| cause.what)))
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await?;
    let took = start.elapsed();
    cx.note(
        "recovery",
        format!("{} was ready again {:.1} s after its pod was deleted", part.deployment, took.as_secs_f64()),
    );
    Ok(took)
}

/// Why a pod's container can never be made as its configuration is, in the kubelet's words.
fn cannot_start(pod: &DynamicObject) -> Option<String> {
    let waiting =
        items(&pod.data, "/status/containerStatuses").iter().filter_map(|status| status.pointer("/state/waiting"));
    let lost = waiting.filter(|waiting| text(waiting, "/reason") == "CreateContainerConfigError");
    lost.map(|waiting| text(waiting, "/message").to_owned()).next()
}

/// The pods of a part.
async fn pods(cx: &Ctx, part: &Part) -> Checked<Vec<DynamicObject>> {
    let place = format!("Deployment kubeflow/{}", part.deployment);
    let deployment = objects::get(cx, DEPLOYMENT, "kubeflow", part.deployment).await?;
    let deployment = deployment.ok_or_else(|| Stop::absent(place))?;
    let selector = deployment.data.pointer("/spec/selector/matchLabels").cloned().unwrap_or_default();
    let mut pods = objects::within(cx, POD, "kubeflow").await?;
    pods.retain(|pod| {
        let labels = serde_json::json!(pod.metadata.labels);
        selects(&selector, &labels) && pod.metadata.deletion_timestamp.is_none()
    });
    Ok(pods)
}
