//! What the UI server does with its own rights for whoever reaches it: requests to other hosts, and a look at pods.

use clusters::versions::Contract;
use harness::check::source;
use harness::http::Answer;
use harness::{Check, Checked, Ctx, Explain, Level, Severity, Stop, check};

use super::TENANCY;
use crate::faults::gate;
use crate::objects::{ready_pod, text};
use crate::recognise::who;
use crate::stand_in::not_installed;

/// The API server's own health, asked for by way of the forward proxy: harmless, and no other answer looks like it.
const THROUGH: &str = "/pipeline/apis/v1beta1/_proxy/ml-pipeline.kubeflow:8888/apis/v1beta1/healthz";

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "KFP-018",
    "Nobody sends requests through the UI server, or reads pods by it, without a login",
    Level::Must,
    source("kubeflow/pipelines", "frontend/server/proxy-middleware.ts, handlers/pod-info.ts"),
    |cx| Box::pin(closed(cx)),
)
.explain(Explain {
    what: "The UI server's forward proxy (/pipeline/apis/v1beta1/_proxy/HOST) and its look at pods (/pipeline/k8s/pod), asked \
           without a session for the API server's health and for its pod, are refused by the gateway. That every user with \
           a session may use both, for any host and any namespace, is a known weakness of the releases: findings.",
    why: "Both act with the UI server's rights and ask nobody: they reach hosts that no user can reach, and show pods of all \
          tenants. The login is all that stands before them.",
    fix: "Take /pipeline out of the paths that need no login: the guard's policies, skip_auth_routes of oauth2-proxy, \
          SKIP_AUTH_URLS of authservice.",
    reproduce: "curl -s -i \"$GATEWAY/pipeline/apis/v1beta1/_proxy/ml-pipeline.kubeflow:8888/apis/v1beta1/healthz\"",
})
.profiles(TENANCY)
.after(&["KFP-001"])
.breaks_on(&[&gate::REMOVED_A, &gate::PIPELINES_LEFT_OPEN_B])];

/// Whether the API server itself has answered, as its UI server never does.
fn is_health(answer: &Answer) -> bool {
    answer.status.is_success() && answer.json().is_some_and(|found| found.get("commit_sha").is_some())
}

/// Whether a pod is shown.
fn is_pod(answer: &Answer, pod: &str) -> bool {
    let shown = answer.json().filter(|found| found["kind"] == "Pod");
    answer.status.is_success() && shown.is_some_and(|found| text(&found, "/metadata/name") == pod)
}

async fn closed(cx: &Ctx) -> Checked {
    let Some(pod) = ready_pod(cx, "kubeflow", "app=ml-pipeline").await? else {
        let absent = not_installed(cx, "kubeflow", "ml-pipeline").await?;
        return Err(
            absent.unwrap_or_else(|| Stop::failed("a ready pod of Deployment kubeflow/ml-pipeline", "there is none"))
        );
    };
    let look = format!("/pipeline/k8s/pod?podname={pod}&podnamespace=kubeflow");
    let guard = match cx.contract() {
        Contract::A => "EnvoyFilter istio-system/authn-filter",
        Contract::B => "AuthorizationPolicy istio-system/istio-ingressgateway-oauth2-proxy",
    };
    for path in [THROUGH, look.as_str()] {
        let answer = cx.browser().get(path).await?;
        if !who(&answer).is_refusal() {
            return Err(Stop::failed("a refusal by the gateway", answer.summary())
                .at(answer.at())
                .because(format!("{guard} lets everybody in to /pipeline"))
                .fix("restore the guard (see AUT-001)"));
        }
    }
    let session = cx.user_session().await?;
    if is_health(&session.get(THROUGH).await?) {
        cx.finding(
            Severity::High,
            "Any user sends requests from the pipelines UI server to any host",
            "Its forward proxy hands on whatever a user asks for, with the user's cookie: it reaches hosts in the cluster that \
             NetworkPolicies and sidecars keep users from. Deny paths */_proxy/* at the gateway.",
        );
    }
    if is_pod(&session.get(&look).await?, &pod) {
        cx.finding(
            Severity::High,
            "Any user reads the pods and logs of every namespace by the pipelines UI server",
            "/pipeline/k8s/pod asks nobody whether the user may; so it is up to Kubeflow Pipelines 2.15.",
        );
    }
    Ok(())
}
