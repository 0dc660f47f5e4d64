//! The network beneath the mesh: what the release's NetworkPolicies keep tenants out of, and whether the network does.

use clusters::versions::Contract;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Seconds, Severity, Stop, check};
use kube::api::DynamicObject;

use super::network::{isolates, kept_out_by};
use super::target::Target;
use super::{BOUND, SECURITY};
use crate::faults::mesh as faults;
use crate::objects::{self, NETWORK_POLICY, POD, text};
use crate::probe::{self, request::Reply};

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "MSH-020",
    "NetworkPolicies cover every pod of the platform",
    Level::Should,
    source("kubeflow/manifests", "common/networkpolicies/base (v1.9 and later): default-allow-same-namespace"),
    |cx| Box::pin(covered(cx)),
)
.explain(Explain {
    what: "Every pod in the namespace kubeflow is selected by a NetworkPolicy, and none that selects ML Metadata's Envoy, \
           which has no sidecar, lets Profiles' pods in. Then a pod of a Profile, without a sidecar, tries to reach it. That \
           it does is a finding: this cluster's network does not enforce policies; the mesh holds all the same.",
    why: "What runs outside the mesh (databases, controllers, ML Metadata) is kept from tenants by the network alone.",
    fix: "Apply common/networkpolicies of kubeflow/manifests again, and use a network plug-in that enforces NetworkPolicies.",
    reproduce: "kubectl -n NAMESPACE exec POD -- curl -si -m 5 http://metadata-envoy-service.kubeflow:9090/",
})
.profiles(SECURITY)
.only(&[Contract::B])
.after(&["PRF-020"])
.writes()
.within(Seconds(BOUND))
.breaks_on(&[&faults::NAMESPACE_UNCOVERED])];

async fn covered(cx: &Ctx) -> Checked {
    let policies = objects::within(cx, NETWORK_POLICY, "kubeflow").await?;
    let pods = objects::within(cx, POD, "kubeflow").await?;
    let ended = |pod: &&DynamicObject| matches!(text(&pod.data, "/status/phase"), "Succeeded" | "Failed");
    let bare = |pod: &&DynamicObject| !ended(pod) && !policies.iter().any(|policy| isolates(policy, pod));
    let mut open: Vec<&str> = pods.iter().filter(bare).map(objects::name).collect();
    open.sort_unstable();
    if !open.is_empty() {
        let told = open.iter().take(5).copied().collect::<Vec<_>>().join(", ");
        return Err(Stop::failed(
            "each pod of namespace kubeflow is selected by a NetworkPolicy",
            format!("{} are not: {told}", open.len()),
        )
        .because("NetworkPolicy kubeflow/default-allow-same-namespace, which selects all, is absent or changed")
        .fix("apply common/networkpolicies of kubeflow/manifests again"));
    }
    let target = match Target::of(cx, "kubeflow", "metadata-envoy-service", 9090).await {
        Ok(target) => target,
        Err(stop) => {
            cx.remark(format!("whether the network enforces policies is not tried: {stop}"));
            return Ok(());
        }
    };
    let probe = probe::bare(cx).await?;
    probe.is_alive(cx).await?;
    let Some(policy) = kept_out_by(cx, &probe, &target.pod, 9090).await? else {
        return Err(Stop::failed(
            "no NetworkPolicy lets Profiles' pods reach ML Metadata's Envoy",
            format!("one lets them reach pod {}", objects::place(&target.pod)),
        )
        .because("a NetworkPolicy of namespace kubeflow")
        .fix("apply common/networkpolicies of kubeflow/manifests again, and delete what is none of it"));
    };
    let [url, _] = target.urls("/");
    match probe.get(cx, &url, &[]).await? {
        Reply::TimedOut => Ok(()),
        Reply::Answer(answer) => {
            cx.finding(
                Severity::Medium,
                "The cluster's network does not enforce NetworkPolicies",
                format!("{policy} keeps {probe} out of {url}, which answered all the same: {}.", answer.summary()),
            );
            Ok(())
        }
        Reply::Broken(why) => {
            cx.remark(format!("{probe} is refused at {url}, which may be the network or the program: {why}"));
            Ok(())
        }
        Reply::NoSuchName => Err(Stop::errored("precondition", format!("{probe} does not find {url}: no such name"))),
    }
}
