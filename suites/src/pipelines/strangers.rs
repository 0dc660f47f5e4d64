//! A run or an experiment, and somebody who knows its id: ids stand in addresses, logs and labels, and must open nothing.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use serde_json::{Value, json};

use super::TENANCY;
use super::access::let_in;
use super::api::{API, get, reply, trouble};
use super::members::send;
use super::own::{experiment, home, named, remove_afterwards, run, smallest};
use crate::accounts::token::for_pipelines;
use crate::accounts::{EDITOR, VIEWER};
use crate::faults::pipelines as faults;
use crate::gateway::diagnose::{Cause, blame};
use crate::objects::{self, CLUSTER_ROLE, items, name, text};
use crate::recognise::who;
use crate::tenants;

/// The label of roles that are part of every viewer's.
const TO_VIEWERS: &str = "rbac.authorization.kubeflow.org/aggregate-to-kubeflow-view";

/// The checks.
pub static CHECKS: &[Check] = &[
check(
    "KFP-019",
    "Who knows the id of a stranger's run can neither see, stop, archive nor delete it",
    Level::Must,
    source("kubeflow/pipelines", "backend/src/apiserver/server/run_server.go: canAccessRun"),
    |cx| Box::pin(by_id(cx)),
)
.explain(Explain {
    what: "A program of somebody else's namespace, with the token of its service account, is refused the user's run by its id \
           (403, code 7): to get it, to terminate, archive and delete it. The user is shown the run afterwards.",
    why: "Lists are refused by their namespace; whoever names an id names none. Each of these calls has to look up whose the \
          run is.",
    fix: "Look at MULTIUSER of Deployment ml-pipeline, and for RoleBindings and ClusterRoleBindings on pipelines.kubeflow.org.",
    reproduce: "kubectl -n FOREIGN create token default-editor --audience pipelines.kubeflow.org; kubectl -n kubeflow \
                port-forward service/ml-pipeline 8888; curl -H \"Authorization: Bearer TOKEN\" \
                localhost:8888/apis/v2beta1/runs/RUN",
})
.profiles(TENANCY)
.after(&["KFP-020"])
.writes()
.within(Seconds(120))
.breaks_on(&[&faults::SINGLE_USER]),
check(
    "KFP-049",
    "Nobody but its editors starts a run in a namespace",
    Level::Must,
    source("kubeflow/pipelines", "backend/src/apiserver/server/run_server.go: CreateRun"),
    |cx| Box::pin(started_by_nobody_else(cx)),
)
.explain(Explain {
    what: "A run in an experiment of the user's is refused to a program of somebody else's namespace and to the namespace's \
           own default-viewer (403, code 7), to a program without a token (401, code 16), and to a browser without a \
           session. The experiment has no run then. The same request with the token of the namespace's default-editor makes \
           one.",
    why: "A run works with the rights and the data of its namespace: who starts one is in.",
    fix: "Look at MULTIUSER of Deployment ml-pipeline, and at what is aggregated into ClusterRole kubeflow-view.",
    reproduce: "kubectl -n NAMESPACE create token default-viewer --audience pipelines.kubeflow.org; kubectl -n kubeflow \
                port-forward service/ml-pipeline 8888; curl -H \"Authorization: Bearer TOKEN\" -d '{\"display_name\": \"x\", \
                \"experiment_id\": \"EXPERIMENT\", \"pipeline_spec\": …}' localhost:8888/apis/v2beta1/runs",
})
.profiles(TENANCY)
.after(&["KFP-020"])
.writes()
.within(Seconds(120))
.breaks_on(&[&faults::SINGLE_USER, &faults::VIEWERS_RUN]),
];

async fn by_id(cx: &Ctx) -> Checked {
    let (own, other) = (home(cx).await?, tenants::of_other(cx).await?);
    let id = run(cx, &experiment(cx, &own, &named(cx, "exp")).await?, &smallest(cx)).await?;
    let stranger = for_pipelines(cx, &other.name, EDITOR).await?;
    for (method, path) in [
        (Method::GET, format!("/runs/{id}")),
        (Method::POST, format!("/runs/{id}:terminate")),
        (Method::POST, format!("/runs/{id}:archive")),
        (Method::DELETE, format!("/runs/{id}")),
    ] {
        let (answer, body) = send(cx, (method.clone(), &path), None, Some(&stranger)).await?;
        if (answer.status, body["code"].as_i64()) != (403, Some(7)) {
            let told = format!("{}: {body}", answer.status);
            let stop = Stop::failed(format!("403, code 7 for {method} of another namespace's run"), told).at(path);
            return Err(let_in(cx, stop).await);
        }
    }
    get(cx, &format!("/runs/{id}")).await.map(drop)
}

async fn started_by_nobody_else(cx: &Ctx) -> Checked {
    let (own, other) = (home(cx).await?, tenants::of_other(cx).await?);
    let experiment = experiment(cx, &own, &named(cx, "exp")).await?;
    let body = json!({"display_name": named(cx, "run"), "experiment_id": experiment, "pipeline_spec": smallest(cx)});
    let stranger = for_pipelines(cx, &other.name, EDITOR).await?;
    let viewer = for_pipelines(cx, &own, VIEWER).await?;
    for (token, who, status, code) in [
        (Some(&stranger), "a program of another namespace", 403, 7),
        (Some(&viewer), "the namespace's own viewer", 403, 7),
        (None, "a program without a token", 401, 16),
    ] {
        let (answer, came) = send(cx, (Method::POST, "/runs"), Some(&body), token.map(String::as_str)).await?;
        remember(cx, &came).await?;
        if (answer.status, came["code"].as_i64()) != (status, Some(code)) {
            let stop = Stop::failed(
                format!("{status}, code {code} for {who} that starts a run"),
                format!("{}: {came}", answer.status),
            );
            return Err(match given_to_viewers(cx).await {
                Ok(None) => let_in(cx, stop).await,
                cause => blame(stop, cause),
            });
        }
    }
    let nobody = reply(cx.browser().request(Method::POST, &format!("{API}/runs")).json(&body).send().await?)?;
    remember(cx, &nobody.body).await?;
    if !who(&nobody.answer).is_refusal()
        && (nobody.answer.status.as_u16(), nobody.body["code"].as_i64()) != (401, Some(16))
    {
        let stop = Stop::failed("a refusal by the gateway, or 401 with code 16", nobody.told());
        return Err(let_in(cx, stop.at(nobody.answer.at())).await);
    }
    let left = get(cx, &format!("/runs?experiment_id={experiment}")).await?;
    if !items(&left, "/runs").is_empty() {
        return Err(Stop::failed("no run in the experiment", format!("{} runs", items(&left, "/runs").len())));
    }
    let editor = for_pipelines(cx, &own, EDITOR).await?;
    let (answer, came) = send(cx, (Method::POST, "/runs"), Some(&body), Some(&editor)).await?;
    remember(cx, &came).await?;
    if answer.status == 200 && !text(&came, "/run_id").is_empty() {
        return Ok(());
    }
    let stop = Stop::failed("the namespace's own editor starts the run", format!("{}: {came}", answer.status));
    Err(blame(stop, trouble(cx).await))
}

/// A run that came about is removed after the check, whoever made it.
async fn remember(cx: &Ctx, made: &Value) -> Checked {
    match text(made, "/run_id") {
        "" => Ok(()),
        id => remove_afterwards(cx, &format!("/runs/{id}")).await,
    }
}

/// A role that is aggregated into that of viewers, and lets them start runs.
async fn given_to_viewers(cx: &Ctx) -> Checked<Option<Cause>> {
    let aggregated = format!("{TO_VIEWERS}=true");
    let roles = objects::labelled(cx, CLUSTER_ROLE, &aggregated).await?;
    let holds = |list: &Value, wanted: &str| {
        items(list, "").iter().any(|one| one.as_str().is_some_and(|one| one == wanted || one == "*"))
    };
    let role = roles.iter().find(|role| {
        items(&role.data, "/rules").iter().any(|rule| {
            holds(&rule["apiGroups"], "pipelines.kubeflow.org")
                && holds(&rule["resources"], "runs")
                && holds(&rule["verbs"], "create")
        })
    });
    Ok(role.map(|role| {
        Cause::new(
            format!("ClusterRole {} gives all viewers the right to start runs", name(role)),
            format!("take the label {TO_VIEWERS} from it"),
        )
    }))
}
