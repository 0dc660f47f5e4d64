//! A TensorBoard is made, opened and removed.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, check};
use http::Method;

use super::server::{Tensorboard, shared};
use crate::applications::App;
use crate::faults::workspaces as faults;
use crate::notebooks::life::gone;
use crate::notebooks::server::BOUND;
use crate::objects::{DEPLOYMENT, SERVICE, TENSORBOARD, VIRTUAL_SERVICE};
use crate::workspaces::client::Client;

const TENSORBOARDS: &[Profile] = &[Profile::Core, Profile::Notebooks];
const CONTROLLER: &str = "components/tensorboard-controller/controllers/tensorboard_controller.go";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "TSB-010",
        "A TensorBoard that was made with the form becomes ready",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(becomes_ready(cx)),
    )
    .explain(Explain {
        what: "A TensorBoard for logs on a volume is made with the form. Within fifteen minutes the application's list shows \
               it as ready.",
        why: "Controller, webhooks, storage and registry all take part. The image is large; sites without access to its \
              registry have to name another in TENSORBOARD_IMAGE.",
        fix: "Follow the cause; else kubectl -n NAMESPACE describe tensorboard, deployment and pods of that name.",
        reproduce: "Open $GATEWAY/tensorboards/ and press \"New TensorBoard\".",
    })
    .profiles(TENSORBOARDS)
    .after(&["TSB-001", "VOL-010"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[
        &faults::TENSORBOARD_CONTROLLER_STOPPED,
        &faults::POD_DEFAULTS_STOPPED,
        &faults::TENSORBOARDS_RIGHTS_LOST,
    ]),
    check(
        "TSB-011",
        "A TensorBoard opens behind the gateway for its owner",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(opens(cx)),
    )
    .explain(Explain {
        what: "/tensorboard/NAMESPACE/NAME/ leads its owner to TensorBoard's own page. The dashboard's page, which answers \
               for every path that nobody owns, does not count.",
        why: "Route, sidecar and the namespace's policy all have to agree.",
        fix: "Set ISTIO_GATEWAY of Deployment kubeflow/tensorboard-controller-deployment as the release has it.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/tensorboard/NAMESPACE/NAME/\" | grep '<title>'",
    })
    .profiles(TENSORBOARDS)
    .after(&["TSB-010"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::TENSORBOARDS_ON_OTHER_GATEWAY]),
    check(
        "TSB-012",
        "Removing a TensorBoard removes all that was made for it",
        Level::Must,
        source("kubeflow/kubeflow", "components/crud-web-apps/tensorboards/backend/app/routes/delete.py"),
        |cx| Box::pin(removed(cx)),
    )
    .explain(Explain {
        what: "After \"Delete\" in the application, Tensorboard, Deployment, Service and VirtualService of that name are \
               gone within two minutes.",
        why: "What stays behind holds quota, memory and an address.",
        fix: "Restore ClusterRole tensorboards-web-app-cluster-role; look at finalizers of what stays.",
        reproduce: "Delete a TensorBoard in $GATEWAY/tensorboards/; kubectl -n NAMESPACE get \
                    tensorboards,deployments,services,virtualservices",
    })
    .profiles(TENSORBOARDS)
    .after(&["TSB-010"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::TENSORBOARDS_NOT_DELETED]),
];

async fn becomes_ready(cx: &Ctx) -> Checked {
    shared(cx).await.map(drop)
}

async fn opens(cx: &Ctx) -> Checked {
    let tensorboard = shared(cx).await?;
    tensorboard.answers(cx).await.map(drop)
}

async fn removed(cx: &Ctx) -> Checked {
    let tensorboard = Tensorboard::create(cx, "tbrm").await?;
    tensorboard.becomes_ready(cx).await?;
    let client = Client::open(cx, App::Tensorboards).await?;
    let (home, name) = (tensorboard.namespace.as_str(), tensorboard.name.as_str());
    client.change(Method::DELETE, &format!("{}/{name}", tensorboard.collection()), None).await?;
    let made = [TENSORBOARD, DEPLOYMENT, SERVICE, VIRTUAL_SERVICE].map(|kind| (kind, home, name));
    gone(cx, "what was made for the TensorBoard", &made).await
}
