//! Each application is reached by its own path, judged by its content.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Source, Stop, check};

use super::diagnose::{self, blame};
use crate::applications::App;
use crate::faults::{gate, gateway as faults};
use crate::metadata;
use crate::recognise::{Answered, expect};
use crate::stand_in::{expect_page, left_out, witness_of};

const fn virtual_service(place: &'static str) -> Source {
    source("kubeflow/manifests", place)
}

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "GWY-001",
        "The Central Dashboard answers at the root",
        Level::Must,
        virtual_service("VirtualService kubeflow/centraldashboard"),
        |cx| Box::pin(opens(cx, App::Dashboard)),
    )
    .explain(Explain {
        what: "A signed-in user opens / and gets the page of the Central Dashboard, recognised by its title and its \
               main element.",
        why: "The dashboard is the way into every other application, and the gateway's catch-all route: if another \
              program answers here, every unknown path is answered wrongly too.",
        fix: "Restore VirtualService kubeflow/centraldashboard, its Service and its Deployment, and \
              AuthorizationPolicy kubeflow/central-dashboard.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/\" | grep -o '<title>[^<]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::DASHBOARD_ROUTE_REMOVED_B, &faults::DASHBOARD_POLICY_REMOVED]),
    check(
        "GWY-002",
        "Kubeflow Pipelines answers under /pipeline",
        Level::Must,
        virtual_service("VirtualService kubeflow/ml-pipeline-ui"),
        |cx| Box::pin(opens(cx, App::Pipelines)),
    )
    .explain(Explain {
        what: "A signed-in user opens /pipeline/ and gets the page of Kubeflow Pipelines, not the dashboard's.",
        why: "The dashboard answers 200 for every path without a route, so a lost route looks healthy to whoever \
              only looks at the status.",
        fix: "Restore VirtualService, Service and Deployment kubeflow/ml-pipeline-ui, and AuthorizationPolicy \
              kubeflow/ml-pipeline-ui.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/\" | grep -o '<title>[^<]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::PIPELINES_ROUTE_REMOVED]),
    check(
        "GWY-003",
        "Katib answers under /katib/",
        Level::Must,
        virtual_service("VirtualService kubeflow/katib-ui"),
        |cx| Box::pin(opens(cx, App::Katib)),
    )
    .explain(Explain {
        what: "A signed-in user opens /katib/ and gets Katib's page.",
        why: "Whoever moves from a standalone Katib reaches it only by this path: there is no port-forward any more.",
        fix: "Restore VirtualService, Service and Deployment kubeflow/katib-ui, and AuthorizationPolicy \
              kubeflow/katib-ui.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/\" | grep -io '<base [^>]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[
        &faults::KATIB_ROUTE_REMOVED,
        &faults::KATIB_UI_STOPPED,
        &faults::KATIB_SELECTOR_CHANGED,
        &faults::KATIB_POLICY_REMOVED,
    ]),
    check(
        "GWY-004",
        "The Jupyter web app answers under /jupyter/",
        Level::Must,
        virtual_service("VirtualService kubeflow/jupyter-web-app-jupyter-web-app"),
        |cx| Box::pin(opens(cx, App::Jupyter)),
    )
    .explain(Explain {
        what: "A signed-in user opens /jupyter/ and gets the page of the Jupyter web app, recognised by its base \
               address and the path of its cookie.",
        why: "Without it nobody can create or open a notebook.",
        fix: "Restore VirtualService kubeflow/jupyter-web-app-jupyter-web-app, Service jupyter-web-app-service, \
              Deployment jupyter-web-app-deployment and AuthorizationPolicy jupyter-web-app.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/jupyter/\" | grep -io '<base [^>]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::JUPYTER_ROUTE_MISDIRECTED]),
    check(
        "GWY-005",
        "The volumes web app answers under /volumes/",
        Level::Must,
        virtual_service("VirtualService kubeflow/volumes-web-app-volumes-web-app"),
        |cx| Box::pin(opens(cx, App::Volumes)),
    )
    .explain(Explain {
        what: "A signed-in user opens /volumes/ and gets the page of the volumes web app.",
        why: "Without it nobody can see or remove the volumes behind their notebooks.",
        fix: "Restore VirtualService kubeflow/volumes-web-app-volumes-web-app, its Service and Deployment, and \
              AuthorizationPolicy kubeflow/volumes-web-app.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/volumes/\" | grep -io '<base [^>]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::VOLUMES_ROUTE_REMOVED]),
    check(
        "GWY-006",
        "The TensorBoards web app answers under /tensorboards/",
        Level::Must,
        virtual_service("VirtualService kubeflow/tensorboards-web-app-tensorboards-web-app"),
        |cx| Box::pin(opens(cx, App::Tensorboards)),
    )
    .explain(Explain {
        what: "A signed-in user opens /tensorboards/ and gets the page of the TensorBoards web app.",
        why: "Without it nobody can start a TensorBoard on their logs.",
        fix: "Restore VirtualService kubeflow/tensorboards-web-app-tensorboards-web-app, its Service and Deployment, \
              and AuthorizationPolicy kubeflow/tensorboards-web-app.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/tensorboards/\" | grep -io '<base [^>]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::TENSORBOARDS_ROUTE_REMOVED]),
    check(
        "GWY-007",
        "The KServe models web app answers under /kserve-endpoints/",
        Level::Should,
        virtual_service("VirtualService kubeflow/kserve-models-web-app"),
        |cx| Box::pin(opens(cx, App::Models)),
    )
    .explain(Explain {
        what: "A signed-in user opens /kserve-endpoints/ and gets the page of the KServe models web app.",
        why: "The dashboard's menu links to it; sites that leave KServe out have to leave the link out too.",
        fix: "Restore VirtualService, Service, Deployment and AuthorizationPolicy kubeflow/kserve-models-web-app.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/kserve-endpoints/\" | grep -io '<base [^>]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::MODELS_ROUTE_REMOVED]),
    check(
        "GWY-008",
        "ML Metadata answers gRPC-web under /ml_metadata",
        Level::Must,
        virtual_service("VirtualService kubeflow/metadata-grpc"),
        |cx| Box::pin(metadata_answers(cx)),
    )
    .explain(Explain {
        what: "A signed-in user's browser asks /ml_metadata.MetadataStoreService for the artifact types, as the \
               pages of Pipelines do, and gets a gRPC-web answer.",
        why: "The lists of artifacts and executions, and the graph of every run, are read by this route. It has no \
              final slash, and is easily lost when routes are written by hand.",
        fix: "Restore VirtualService kubeflow/metadata-grpc and Service and Deployment metadata-envoy.",
        reproduce: "curl -s -i -b cookies.txt -H 'content-type: application/grpc-web-text' -d AAAAAAA= \
                    \"$GATEWAY/ml_metadata.MetadataStoreService/GetArtifactTypes\"",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::METADATA_ROUTE_REMOVED]),
    check(
        "GWY-009",
        "Dex's discovery document is reachable without a session",
        Level::Must,
        virtual_service("VirtualService auth/dex"),
        |cx| Box::pin(dex_answers(cx)),
    )
    .explain(Explain {
        what: "Somebody without a session gets Dex's OpenID discovery document under /dex/.",
        why: "The login itself lives under /dex/: if the gateway asks for a session there, nobody can ever get one.",
        fix: "Restore VirtualService auth/dex, and leave /dex/ out of the gateway's policies (SKIP_AUTH_URLS in \
              v1.8, notPaths since v1.9).",
        reproduce: "curl -s \"$GATEWAY/dex/.well-known/openid-configuration\"",
    })
    .breaks_on(&[&faults::DEX_ROUTE_REMOVED, &gate::DEX_BEHIND_LOGIN_A, &gate::DEX_BEHIND_LOGIN_B]),
];

async fn opens(cx: &Ctx, app: App) -> Checked {
    let answer = cx.user_session().await?.get(app.entry().page).await?;
    let stop = match expect_page(cx, &answer, app) {
        Err(stop @ Stop::Failed(_)) => stop,
        judged => return judged,
    };
    let said = app.entry().part().is_some_and(|part| cx.leaves_out(part));
    if (said || app == App::Models) && diagnose::is_left_out(cx, app.entry()).await? {
        return Err(if said { Stop::LeftOut(app.name().to_owned()) } else { Stop::absent(app.name()) });
    }
    Err(blame(stop, diagnose::route(cx, app.entry()).await))
}

async fn metadata_answers(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let answer = metadata::artifact_types(&session).await?;
    if witness_of(cx, &answer, App::Metadata).is_some() {
        return Err(left_out(App::Metadata));
    }
    match expect(&answer, &Answered::GrpcWeb) {
        Ok(()) => Ok(()),
        Err(stop) => Err(blame(stop, diagnose::route(cx, App::Metadata.entry()).await)),
    }
}

async fn dex_answers(cx: &Ctx) -> Checked {
    let answer = cx.browser().get(App::Dex.entry().page).await?;
    match expect(&answer, &Answered::DexDiscovery) {
        Ok(()) => Ok(()),
        Err(stop) => Err(blame(stop, diagnose::open_path(cx, App::Dex.entry()).await)),
    }
}
