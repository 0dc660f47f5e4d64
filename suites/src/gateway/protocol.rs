//! What the gateway hands on unchanged: methods, host names, headers.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::{Method, StatusCode};

use super::diagnose::{self, blame};
use crate::applications::App;
use crate::faults::gateway as faults;
use crate::recognise::{Answered, expect, who};
use crate::stand_in::{expect_app, witness_of};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "GWY-030",
        "Methods other than GET reach the application",
        Level::Must,
        source("kubeflow/kubeflow", "components/centraldashboard/app/server.ts"),
        |cx| Box::pin(methods(cx)),
    )
    .explain(Explain {
        what: "POST, PUT, PATCH and DELETE on a path that no application serves are answered by the dashboard with \
               its own 404. Nothing is changed by them.",
        why: "A policy or load balancer that lets only GET pass leaves a platform that can be looked at and not used: \
              pages open, and nothing can be created.",
        fix: "Remove the AuthorizationPolicy that denies methods on the ingress gateway; allow the methods on the \
              load balancer before it.",
        reproduce: "curl -s -i -b cookies.txt -X POST \"$GATEWAY/api/no-such-route\"",
    })
    .after(&["GWY-001"])
    .breaks_on(&[&faults::WRITES_DENIED]),
    check(
        "GWY-031",
        "HEAD answers as GET does, without a body",
        Level::Should,
        source("RFC 9110", "section 9.3.2"),
        |cx| Box::pin(head(cx)),
    )
    .explain(Explain {
        what: "HEAD / has the status and type of GET / and no body.",
        why: "Load balancers and monitors probe with HEAD.",
        fix: "Remove what treats HEAD differently between client and dashboard.",
        reproduce: "curl -s -I -b cookies.txt \"$GATEWAY/\"",
    })
    .after(&["GWY-001"])
    .breaks_on(&[&faults::HEAD_DENIED]),
    check(
        "GWY-032",
        "The gateway serves whatever host name a client asks for",
        Level::Should,
        source("kubeflow/manifests", "Gateway kubeflow/kubeflow-gateway, hosts *"),
        |cx| Box::pin(any_host(cx)),
    )
    .explain(Explain {
        what: "The dashboard is asked for under another host name, with a session.",
        why: "A route bound to one name breaks the platform for whoever comes by port-forward, by address, or by a \
              second name; in turn, sites that want names bound do so on purpose and see it here.",
        fix: "Set hosts to * in the VirtualService that is named here, or accept it as this site's choice.",
        reproduce: "curl -s -b cookies.txt -H 'host: kubeflow.example.com' \"$GATEWAY/\" | grep -o '<title>[^<]*'",
    })
    .after(&["GWY-001"])
    .breaks_on(&[&faults::OTHER_HOSTS_DENIED]),
    check(
        "GWY-033",
        "A request with 6 kB of headers reaches every web app",
        Level::Should,
        source("kubeflow/kubeflow", "components/crud-web-apps: gunicorn's limit of 8190 bytes a header line"),
        |cx| Box::pin(large_headers(cx)),
    )
    .explain(Explain {
        what: "Pages are asked for with an additional header of 6 kB: every application still answers.",
        why: "Session cookies of users with many groups are that large. Whatever stands before the applications must \
              not be stricter than they are (8 kB in the web apps, 16 kB in dashboard and Pipelines).",
        fix: "Raise the header limit of the load balancer or filter before the gateway.",
        reproduce: "curl -s -o /dev/null -w '%{http_code}\\n' -b cookies.txt -H \"x-padding: $(head -c 6000 \
                    /dev/zero | tr '\\0' x)\" \"$GATEWAY/jupyter/\"",
    })
    .after(&["GWY-001", "GWY-004"])
    .breaks_on(&[&faults::PADDING_DENIED]),
];

async fn methods(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = session.request(method.clone(), "/api/no-such-route").send().await?;
        if witness_of(cx, &answer, App::Dashboard).is_some_and(|stand_in| stand_in.method == method.as_str()) {
            continue;
        }
        if let Err(stop) = expect(&answer, &Answered::DashboardNoRoute) {
            return Err(blame(stop, diagnose::denying_policy(cx).await));
        }
    }
    Ok(())
}

async fn head(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let (get, head) = (session.get("/").await?, session.request(Method::HEAD, "/").send().await?);
    let same = head.status == get.status && head.header("content-type") == get.header("content-type");
    if same && head.body.is_empty() {
        return Ok(());
    }
    let stop = Stop::failed(
        format!("{} {} and no body", get.status, get.header("content-type")),
        format!("{} {}, {} bytes of body", head.status, head.header("content-type"), head.body.len()),
    );
    Err(blame(stop.at(head.at()), diagnose::denying_policy(cx).await))
}

async fn any_host(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let answer = session.request(Method::GET, "/").header("host", "kubeflow.example.com").send().await?;
    match expect_app(cx, &answer, App::Dashboard) {
        Ok(()) => Ok(()),
        Err(stop) => Err(match diagnose::bound_host(cx).await {
            bound @ Ok(Some(_)) => blame(stop, bound),
            _ => blame(stop, diagnose::denying_policy(cx).await),
        }),
    }
}

async fn large_headers(cx: &Ctx) -> Checked {
    let session = cx.user_session().await?;
    let padding = "x".repeat(6000);
    for app in [App::Dashboard, App::Pipelines, App::Jupyter, App::Katib] {
        let answer =
            session.request(Method::GET, app.entry().page).header("x-conformance-padding", &padding).send().await?;
        if answer.status != StatusCode::OK || expect_app(cx, &answer, app).is_err() {
            let stop = Stop::failed(
                format!("{} answers a request with 6 kB of additional headers", app.name()),
                format!("answered: {} ({})", who(&answer), answer.summary()),
            );
            return Err(blame(stop.at(answer.at()), diagnose::denying_policy(cx).await));
        }
    }
    Ok(())
}
