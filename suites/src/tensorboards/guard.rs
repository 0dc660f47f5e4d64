//! Who sees which TensorBoards.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, check};
use http::Method;
use serde_json::json;

use super::server::shared;
use crate::applications::App;
use crate::faults::{gateway, workspaces as faults};
use crate::gateway::diagnose::{blame, gate as gate_cause};
use crate::notebooks::server::BOUND;
use crate::recognise::expect_refusal;
use crate::tenants;
use crate::workspaces::client::{Client, guards_changes, lists_own_alone};
use crate::workspaces::place;

const GUARDS: &[Profile] = &[Profile::Core, Profile::Notebooks, Profile::Security];
const BACKEND: &str = "kubeflow/kubeflow";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "TSB-001",
        "The list of TensorBoards shows the user's own namespace and no other",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/tensorboards/backend/app/routes/get.py"),
        |cx| Box::pin(lists_own_alone(cx, App::Tensorboards, "tensorboards")),
    )
    .explain(Explain {
        what: "The application lists the TensorBoards of a namespace that the user owns, and refuses those of the \
               namespace kubeflow in its own words.",
        why: "The application reads with rights for the whole cluster. Only its question to the API for each user keeps \
              tenants apart.",
        fix: "Restore ClusterRole tensorboards-web-app-cluster-role with its binding; give no tenant rights by a \
              ClusterRoleBinding.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/tensorboards/api/namespaces/kubeflow/tensorboards\"",
    })
    .profiles(GUARDS)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::TENSORBOARDS_RIGHTS_LOST, &faults::USER_IS_ADMIN, &gateway::TENSORBOARDS_ROUTE_REMOVED]),
    check(
        "TSB-002",
        "The TensorBoards application takes no change that did not come from its page",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/csrf.py"),
        |cx| Box::pin(guards_changes(cx, App::Tensorboards, "/api/namespaces/kubeflow/tensorboards")),
    )
    .explain(Explain {
        what: "A POST without the token of the page, and one whose header differs from the cookie, are refused for that \
               reason. The same POST with the token is refused for its empty body. Nothing is made.",
        why: "The browser sends the session with every request, also with those that a foreign site makes it send.",
        fix: "Run the application's image as it was released; look for a proxy that adds cookies or headers.",
        reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{}' \
                    \"$GATEWAY/tensorboards/api/namespaces/kubeflow/tensorboards\"",
    })
    .profiles(GUARDS)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::TOKEN_UNCHECKED]),
    check(
        "TSB-003",
        "A user makes no TensorBoard in a namespace of somebody else",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/authz.py"),
        |cx| Box::pin(foreign(cx)),
    )
    .explain(Explain {
        what: "The complete form, with the page's token, is refused for a namespace of somebody else in the application's \
               own words.",
        why: "A TensorBoard reads whatever volume of its namespace it is told to.",
        fix: "Give no tenant rights by a ClusterRoleBinding; run the application's image as it was released.",
        reproduce: "kubectl auth can-i create tensorboards.tensorboard.kubeflow.org -n NAMESPACE --as=USER",
    })
    .profiles(GUARDS)
    .after(&["TSB-001"])
    .within(Seconds(120))
    .writes()
    .breaks_on(&[&faults::USER_IS_ADMIN]),
    check(
        "TSB-004",
        "Without a session nobody sees a TensorBoard",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicies and EnvoyFilters of istio-system"),
        |cx| Box::pin(needs_a_session(cx)),
    )
    .explain(Explain {
        what: "A TensorBoard that its owner can open is refused to a visitor without a session, also when they claim to be \
               the owner in the identity header.",
        why: "TensorBoard has no login of its own.",
        fix: "Restore the gateway's guard: see GWY-010.",
        reproduce: "curl -s -i -H 'kubeflow-userid: OWNER' \"$GATEWAY/tensorboard/NAMESPACE/NAME/\"",
    })
    .profiles(GUARDS)
    .after(&["TSB-011"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::WORKSPACES_OPENED_A, &faults::WORKSPACES_OPENED_B]),
];

async fn foreign(cx: &Ctx) -> Checked {
    let (namespace, name) = (place::foreign(cx).await?, tenants::name(cx, "no"));
    let client = Client::open(cx, App::Tensorboards).await?;
    let form = json!({"name": name, "logspath": "s3://conformance/none", "configurations": []});
    let path = format!("/api/namespaces/{namespace}/tensorboards");
    let answer = client.send(Method::POST, &path, Some(&form)).await?;
    client.refused(&answer, &namespace).await
}

async fn needs_a_session(cx: &Ctx) -> Checked {
    let tensorboard = shared(cx).await?;
    tensorboard.answers(cx).await?;
    let browser = cx.browser();
    for claim in [None, Some(cx.user().email.as_str())] {
        let url = tensorboard.url();
        let mut request = browser.request(Method::GET, &url).header("cookie", "");
        if let Some(claim) = claim {
            request = request.header("kubeflow-userid", claim);
        }
        let answer = request.send().await?;
        if let Err(stop) = expect_refusal(&answer, "a TensorBoard without a session") {
            return Err(blame(stop, gate_cause(cx).await));
        }
    }
    Ok(())
}
