//! Every application sees the user who logged in.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;

use super::seen::{self, DASHBOARD, Seen, WEB_APPS, expect_seen};
use crate::applications::App;
use crate::faults::identity as faults;
use crate::gateway::diagnose::blame;
use crate::objects;
use crate::stand_in::{left_out, witness_of};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "IDN-001",
        "The dashboard sees the user who logged in",
        Level::Must,
        source("kubeflow/manifests", "RequestAuthentication istio-system/dex-jwt: outputClaimToHeaders"),
        |cx| Box::pin(dashboard(cx)),
    )
    .explain(Explain {
        what: "The dashboard is asked whom it sees (/api/workgroup/env-info): it is the e-mail address that logged in, \
               letter by letter.",
        why: "The dashboard takes somebody without an identity for an administrator. If the gateway stops telling \
              it, everybody is one.",
        fix: "v1.9 and later: restore outputClaimToHeaders of RequestAuthentication istio-system/dex-jwt. v1.8: \
              allowed_upstream_headers of EnvoyFilter istio-system/authn-filter, and USERID_CLAIM of authservice. \
              Then USERID_HEADER of Deployment kubeflow/centraldashboard.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/api/workgroup/env-info\" | grep -o '\"user\":\"[^\"]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[
        &faults::NOT_COPIED_A,
        &faults::NOT_COPIED_B,
        &faults::BY_NAME_A,
        &faults::BY_SUBJECT_B,
        &faults::DASHBOARD_HEADER_RENAMED,
    ]),
    check(
        "IDN-002",
        "The web apps see the user who logged in",
        Level::Must,
        source("kubeflow/kubeflow", "components/crud-web-apps/common/backend: authn.py"),
        |cx| Box::pin(web_apps(cx)),
    )
    .explain(Explain {
        what: "The web apps of notebooks, volumes and TensorBoards are asked for something, and name in their answer \
               whom they see: it is the e-mail address that logged in.",
        why: "They ask Kubernetes what this user may do. Another name is another person's rights, or nobody's.",
        fix: "As IDN-001; then USERID_HEADER and USERID_PREFIX of the web app's Deployment.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/jupyter/info\" | grep -o '\"user\": *\"[^\"]*'",
    })
    .after(&["AUT-006"])
    .breaks_on(&[
        &faults::NOT_COPIED_A,
        &faults::NOT_COPIED_B,
        &faults::BY_SUBJECT_B,
        &faults::JUPYTER_HEADER_RENAMED,
    ]),
    check(
        "IDN-003",
        "The dashboard reads the identity from the header that the gateway sets",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/server.ts: /debug"),
        |cx| Box::pin(header_name(cx)),
    )
    .explain(Explain {
        what: "/debug names the header that the dashboard reads the user from, and its prefix: the header is \
               kubeflow-userid, and the prefix is empty.",
        why: "Any other header is one that clients can set as they like: whoever sends it is whoever they say.",
        fix: "Set USERID_HEADER to kubeflow-userid and USERID_PREFIX to an empty text in Deployment \
              kubeflow/centraldashboard.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/debug\"",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::DASHBOARD_HEADER_RENAMED, &faults::NOT_COPIED_A, &faults::NOT_COPIED_B]),
];

async fn dashboard(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let wanted = Seen::User(cx.user().email.clone());
    expect_seen(cx, session.request(Method::GET, DASHBOARD), "a logged-in user", &wanted).await.map(drop)
}

async fn web_apps(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let wanted = Seen::User(cx.user().email.clone());
    for path in WEB_APPS {
        expect_seen(cx, session.request(Method::GET, path), "a logged-in user", &wanted).await?;
    }
    Ok(())
}

async fn header_name(cx: &Ctx) -> Checked {
    let answer = cx.user_session().await?.get("/debug").await?;
    if witness_of(cx, &answer, App::Dashboard).is_some() {
        return Err(left_out(App::Dashboard));
    }
    let Some(found) = answer.json() else {
        return Err(Stop::failed("the dashboard's /debug", answer.summary()).at(answer.at()));
    };
    let header = objects::text(&found, "/headersForIdentity/USERID_HEADER");
    let prefix = objects::text(&found, "/headersForIdentity/USERID_PREFIX");
    let wanted = cx.version().auth().identity.header;
    let knows = found.pointer("/user/hasAuth") == Some(&serde_json::Value::Bool(true));
    if header.eq_ignore_ascii_case(wanted) && prefix.is_empty() && knows {
        return Ok(());
    }
    let stop = Stop::failed(
        format!("the header {wanted} without a prefix, and a known user"),
        format!("the header {header} with the prefix {prefix:?}, and {} user", if knows { "a known" } else { "no" }),
    )
    .at(answer.at())
    .because("USERID_HEADER and USERID_PREFIX of Deployment kubeflow/centraldashboard, or the gateway's guard")
    .fix(format!("kubectl -n kubeflow set env deployment/centraldashboard USERID_HEADER={wanted} USERID_PREFIX="));
    // A dashboard that looks for the right header was not told: that is the gateway's doing.
    let told = header.eq_ignore_ascii_case(wanted) && prefix.is_empty();
    Err(if told { blame(stop, seen::cause(cx).await) } else { stop })
}
