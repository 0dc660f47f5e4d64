//! What the UI server says about itself and about the API server behind it.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use serde_json::Value;

use super::PIPELINES;
use super::api::{API, OLD_API, trouble};
use crate::applications::App;
use crate::faults::{data, pipelines as faults};
use crate::gateway::diagnose::blame;
use crate::stand_in::witness_of;

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-001",
        "The UI of Kubeflow Pipelines reaches its API server",
        Level::Must,
        source("kubeflow/pipelines", "frontend/server/handlers/healthz.ts"),
        |cx| Box::pin(ready(cx)),
    )
    .explain(Explain {
        what: "healthz below /pipeline/apis/v1beta1 and v2beta1, which the UI server answers itself, says \
               apiServerReady.",
        why: "It answers 200 whatever is behind it: a monitor that looks at the status alone sees nothing.",
        fix: "Look at Deployment kubeflow/ml-pipeline and Service ml-pipeline.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/apis/v2beta1/healthz\"",
    })
    .profiles(PIPELINES)
    .after(&["AUT-006"])
    .breaks_on(&[
        &faults::API_STOPPED,
        &faults::DATABASE_PASSWORD_CHANGED,
        &faults::API_SERVICE_ASTRAY,
        &data::API_KEYS_WRONG,
    ]),
    check(
        "KFP-002",
        "Kubeflow Pipelines knows of namespaces and users",
        Level::Must,
        source("kubeflow/manifests", "ConfigMap pipeline-api-server-config: MULTIUSER"),
        |cx| Box::pin(multi_user(cx)),
    )
    .explain(Explain {
        what: "healthz says multi_user: true.",
        why: "Without it the API server asks nobody who they are: every user sees and changes everybody's runs.",
        fix: "Set MULTIUSER to true in ConfigMap kubeflow/pipeline-api-server-config, and restart ml-pipeline.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/apis/v2beta1/healthz\"",
    })
    .profiles(super::TENANCY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SINGLE_USER]),
];

async fn health(cx: &Ctx, path: &str) -> Checked<(String, Value)> {
    let answer = cx.user_session().await?.get(&format!("{path}/healthz")).await?;
    match answer.json() {
        Some(found) if answer.status.is_success() && found.get("apiServerReady").is_some() => Ok((answer.at(), found)),
        // What builds on it would only hear the stand-in.
        _ if witness_of(cx, &answer, App::Pipelines).is_some() => Err(Stop::absent(App::Pipelines.name())),
        _ => {
            let stop = Stop::failed("the health of the UI server, in JSON", answer.summary()).at(answer.at());
            Err(blame(stop, trouble(cx).await))
        }
    }
}

async fn ready(cx: &Ctx) -> Checked {
    for path in [API, OLD_API] {
        let (at, found) = health(cx, path).await?;
        if found["apiServerReady"] != true {
            let stop = Stop::failed("apiServerReady is true", format!("it is {}", found["apiServerReady"])).at(at);
            return Err(blame(stop, trouble(cx).await));
        }
    }
    Ok(())
}

async fn multi_user(cx: &Ctx) -> Checked {
    let (at, found) = health(cx, API).await?;
    if found["multi_user"] == true && found["apiServerMultiUser"] == true {
        return Ok(());
    }
    let stop = Stop::failed("multi_user is true", format!("it is {}", found["multi_user"])).at(at);
    Err(match trouble(cx).await {
        Ok(Some(cause)) => stop.because(cause.what).fix(cause.fix),
        _ => stop
            .because("MULTIUSER of Deployment kubeflow/ml-pipeline is not true")
            .fix("kubectl -n kubeflow get configmap -l app.kubernetes.io/component=ml-pipeline -o yaml"),
    })
}
