//! What bounds a tenant's pods, tried with pods that are never made: a dry run is admitted or refused like any other
//! request, and changes nothing.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use super::contents::QUOTA;
use crate::faults::profiles as faults;
use crate::objects::{self, NAMESPACE, PROFILE};
use crate::tenants::{self, EVERY, blamed};

/// How long a changed quota may take to count: the controller acts, and the API server looks.
const COUNTS_WITHIN: Duration = Duration::from_secs(40);
const LEVEL: &str = "pod-security.kubernetes.io/enforce";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "PRF-050",
        "A Profile's quota bounds its pods",
        Level::Must,
        source("kubeflow/kubeflow", "components/profile-controller/api/v1/profile_types.go: resourceQuotaSpec"),
        |cx| Box::pin(quota(cx)),
    )
    .explain(Explain {
        what: "In a Profile of the run's own whose quota has room for ten pods, a pod is admitted (a dry run). After the \
               Profile asks for none, the same pod is refused, and the refusal names the quota.",
        why: "A quota that stands in an object and holds nobody back is how one team takes the cluster.",
        fix: "See whether the profile controller may change ResourceQuotas, and whether the API server runs the admission \
              plug-in ResourceQuota.",
        reproduce: "kubectl -n NAMESPACE run x --image=x --dry-run=server",
    })
    .profiles(TENANCY)
    .writes()
    .within(Seconds(180))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::MAY_NOT_CORRECT]),
    check(
        "PRF-051",
        "Pod Security refuses a privileged pod in a tenant's namespace",
        Level::Should,
        source("kubeflow/manifests", "applications/profiles/pss/namespace-labels.yaml (v1.10 and later)"),
        |cx| Box::pin(pod_security(cx)),
    )
    .explain(Explain {
        what: "In a Profile of the run's own whose namespace has the label pod-security.kubernetes.io/enforce=baseline (the \
               profile controller sets it from v1.10 on; before, the check does), an ordinary pod is admitted, and one that is \
               privileged, one that mounts the node's disk and one in the node's network are refused (dry runs).",
        why: "A privileged pod owns its node, and with it the pods and tokens of every tenant there.",
        fix: "Turn the API server's admission plug-in PodSecurity on (it is by default since Kubernetes 1.23), and take no \
              tenant's namespace out of it.",
        reproduce: "kubectl -n NAMESPACE run x --image=x --privileged --dry-run=server",
    })
    .profiles(&[Profile::Tenancy, Profile::Security])
    .writes()
    .within(Seconds(120))
    .after(&["PRF-020"])
    .breaks_on(&[&faults::POD_SECURITY_OFF]),
];

const TENANCY: &[Profile] = &[Profile::Tenancy];

/// Whether a pod would be admitted; why not, in the API server's words.
async fn admitted(cx: &Ctx, home: &str, pod: Value) -> Checked<Result<(), String>> {
    let pod: Pod = serde_json::from_value(pod).map_err(|error| Stop::errored("precondition", error.to_string()))?;
    let pods: Api<Pod> = Api::namespaced(cx.kube(), home);
    match pods.create(&PostParams { dry_run: true, ..PostParams::default() }, &pod).await {
        Ok(_) => Ok(Ok(())),
        Err(kube::Error::Api(status)) if status.code == StatusCode::FORBIDDEN.as_u16() => Ok(Err(status.message)),
        Err(error) => Err(error.into()),
    }
}

/// An ordinary pod.
fn pod(cx: &Ctx) -> Value {
    let few = json!({"cpu": "10m", "memory": "16Mi"});
    json!({
        "metadata": {"name": tenants::name(cx, "dry"), "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"containers": [{"name": "c", "image": "example.com/none", "resources": {"requests": few, "limits": few}}]},
    })
}

/// Waits until an ordinary pod is admitted: the account that it runs as is made a moment after its namespace.
async fn ordinary(cx: &Ctx, home: &str) -> Checked {
    cx.eventually("an ordinary pod is admitted", COUNTS_WITHIN, EVERY, || {
        Box::pin(async move {
            Ok(match admitted(cx, home, pod(cx)).await? {
                Ok(()) => Seen::Yes(()),
                Err(why) => Seen::NotYet(why),
            })
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}

async fn quota(cx: &Ctx) -> Checked {
    let home = tenants::name(cx, "limit");
    let mut profile = tenants::profile(&home, &tenants::somebody(cx, "limit"));
    profile["spec"]["resourceQuotaSpec"] = json!({"hard": {"pods": "10"}});
    tenants::own(cx, profile).await?;
    tenants::complete(cx, &home).await?;
    let home = home.as_str();
    ordinary(cx, home).await?;
    objects::merge(cx, PROFILE, "", home, &json!({"spec": {"resourceQuotaSpec": {"hard": {"pods": "0"}}}})).await?;
    let refused = format!("exceeded quota: {QUOTA}");
    let wanted = format!("a pod is refused with {refused:?}");
    let seen = cx
        .eventually(&wanted, COUNTS_WITHIN, EVERY, || {
            let (refused, wanted) = (refused.clone(), wanted.clone());
            Box::pin(async move {
                match admitted(cx, home, pod(cx)).await? {
                    Ok(()) => tenants::not_yet(cx, &wanted, "it is admitted".to_owned()).await,
                    Err(why) if why.contains(&refused) => Ok(Seen::Yes(())),
                    Err(why) => Ok(Seen::NotYet(why)),
                }
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await;
    match seen {
        Err(stop @ Stop::Failed(_)) => Err(blamed(cx, stop).await),
        other => other,
    }
}

async fn pod_security(cx: &Ctx) -> Checked {
    let home = tenants::tenant(cx, "secure", &tenants::somebody(cx, "secure")).await?;
    objects::merge(cx, NAMESPACE, "", &home, &json!({"metadata": {"labels": {LEVEL: "baseline"}}})).await?;
    if let Err(stop) = ordinary(cx, &home).await {
        return Err(Stop::errored("precondition", format!("not even an ordinary pod is admitted: {stop}")));
    }
    let changes = [
        ("a privileged pod", "/spec/containers/0/securityContext", json!({"privileged": true})),
        ("a pod that mounts the node's disk", "/spec/volumes", json!([{"name": "v", "hostPath": {"path": "/"}}])),
        ("a pod in the node's network", "/spec/hostNetwork", json!(true)),
    ];
    for (what, place, value) in changes {
        let mut pod = pod(cx);
        let (parent, field) = place.rsplit_once('/').unwrap_or_default();
        if let Some(parent) = pod.pointer_mut(parent) {
            parent[field] = value;
        }
        let instead = match admitted(cx, &home, pod).await? {
            Err(why) if why.contains("violates PodSecurity") => continue,
            Err(why) => why,
            Ok(()) => "it is admitted".to_owned(),
        };
        return Err(Stop::failed(format!("{what} violates PodSecurity"), instead)
            .at(format!("Namespace {home}, label {LEVEL}=baseline"))
            .because(
                "the API server's admission plug-in PodSecurity is off, or its configuration exempts this namespace",
            )
            .fix("kube-apiserver --enable-admission-plugins=PodSecurity; look at --admission-control-config-file"));
    }
    Ok(())
}
