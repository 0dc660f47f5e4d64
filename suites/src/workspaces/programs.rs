//! The platform's programs that work for the workspaces, and whether they can.

use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;

use crate::gateway::diagnose::{Cause, PLATFORM_GATEWAY, has_endpoint};
use crate::objects::{self, DEPLOYMENT, MUTATING, POD, VIRTUAL_SERVICE, condition, items, text};

/// The controller of notebooks.
pub const NOTEBOOK_CONTROLLER: &str = "notebook-controller-deployment";
/// The controller of tensorboards.
pub const TENSORBOARD_CONTROLLER: &str = "tensorboard-controller-deployment";
/// The controller of what shows a volume's files.
pub const VIEWER_CONTROLLER: &str = "pvcviewer-controller-manager";
/// The configuration of the webhook that applies PodDefaults.
pub const POD_DEFAULTS: &str = "admission-webhook-mutating-webhook-configuration";

/// What keeps a Deployment of the platform from its work.
pub async fn stopped(cx: &Ctx, deployment: &str) -> Checked<Option<Cause>> {
    let place = format!("kubeflow/{deployment}");
    let Some(found) = objects::get(cx, DEPLOYMENT, "kubeflow", deployment).await? else {
        let fix = format!("apply Deployment {deployment} of kubeflow/manifests again");
        return Ok(Some(Cause::new(format!("Deployment {place} is absent"), fix)));
    };
    let replicas = objects::number(&found.data, "/spec/replicas");
    if condition(&found, "Available") == "True" && replicas != Some(0) {
        return Ok(None);
    }
    let fix = format!("kubectl -n kubeflow describe deployment {deployment}");
    Ok(Some(Cause::new(format!("Deployment {place} has no ready pod"), fix)))
}

/// The configuration of the webhook that gives pods their proxy; its name may go on.
pub const INJECTOR: &str = "istio-sidecar-injector";

/// A webhook that every new pod of a workspace needs, and that nobody answers.
pub async fn unanswered_webhook(cx: &Ctx) -> Checked<Option<Cause>> {
    let mut configurations = objects::all(cx, MUTATING).await?;
    configurations.retain(|found| objects::name(found) == POD_DEFAULTS || objects::name(found).starts_with(INJECTOR));
    for configuration in configurations {
        for webhook in items(&configuration.data, "/webhooks") {
            let service = |field: &str| text(webhook, &format!("/clientConfig/service/{field}"));
            let (namespace, name) = (service("namespace"), service("name"));
            if text(webhook, "/failurePolicy") == "Ignore" || name.is_empty() {
                continue;
            }
            if !has_endpoint(cx, namespace, name).await? {
                return Ok(Some(Cause::new(
                    format!(
                        "no pod can be made: webhook {} of {} is answered by nobody, Service {namespace}/{name} has no \
                         ready endpoint",
                        text(webhook, "/name"),
                        objects::name(&configuration),
                    ),
                    format!("kubectl -n {namespace} get pods; kubectl -n {namespace} describe service {name}"),
                )));
            }
        }
    }
    Ok(None)
}

/// Fails at once where waiting is of no use: nobody is there who could do it.
pub async fn at_work(cx: &Ctx, what: &str, deployment: &str) -> Checked {
    let cause = match stopped(cx, deployment).await? {
        Some(cause) => Some(cause),
        None => unanswered_webhook(cx).await?,
    };
    match cause {
        Some(cause) => Err(Stop::failed(what, "nobody is there who could do that").because(cause.what).fix(cause.fix)),
        None => Ok(()),
    }
}

/// What is wrong with the route that a controller made: it is not there, or hangs on another gateway.
pub async fn route(cx: &Ctx, namespace: &str, name: &str, controller: &str) -> Checked<Option<Cause>> {
    let Some(route) = objects::get(cx, VIRTUAL_SERVICE, namespace, name).await? else {
        let fix = format!("kubectl -n kubeflow logs deployment/{controller}");
        let what = format!("Deployment kubeflow/{controller} made no VirtualService {namespace}/{name}");
        return Ok(Some(Cause::new(what, fix)));
    };
    Ok(misplaced(&route, controller))
}

/// As [`route`], for a route that may still come: what is wrong with it as it is now, if it is there.
pub async fn misplaced_route(cx: &Ctx, namespace: &str, name: &str, controller: &str) -> Checked<Option<Cause>> {
    let route = objects::get(cx, VIRTUAL_SERVICE, namespace, name).await?;
    Ok(route.and_then(|route| misplaced(&route, controller)))
}

/// A route that hangs on another gateway than the platform's.
fn misplaced(route: &DynamicObject, controller: &str) -> Option<Cause> {
    let gateways = items(&route.data, "/spec/gateways");
    if gateways.iter().any(|gateway| gateway == PLATFORM_GATEWAY) {
        return None;
    }
    let shown = gateways.iter().filter_map(|gateway| gateway.as_str()).collect::<Vec<_>>().join(", ");
    Some(Cause::new(
        format!(
            "VirtualService {} hangs on {shown}, not on {PLATFORM_GATEWAY}: ISTIO_GATEWAY of Deployment \
             kubeflow/{controller}",
            objects::place(route)
        ),
        format!("kubectl -n kubeflow set env deployment/{controller} ISTIO_GATEWAY={PLATFORM_GATEWAY}"),
    ))
}

/// What pods of a workspace wait for, in the words of the kubelet; nothing if there is none.
pub async fn waits(cx: &Ctx, namespace: &str, pod: &str) -> Checked<String> {
    let Some(found) = objects::get(cx, POD, namespace, pod).await? else {
        return Ok(format!("there is no pod {namespace}/{pod}"));
    };
    let waiting = items(&found.data, "/status/containerStatuses").iter().find_map(|status| {
        let waiting = status.pointer("/state/waiting")?;
        Some(format!("{}: {} {}", text(status, "/name"), text(waiting, "/reason"), text(waiting, "/message")))
    });
    Ok(waiting.unwrap_or_else(|| format!("pod {namespace}/{pod} is {}", text(&found.data, "/status/phase"))))
}
