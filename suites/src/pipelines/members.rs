//! Those who are let into a namespace: editors run pipelines in it, viewers look, and a program asks with the token of its
//! service account.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::{Seconds, source};
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::{Method, Request, header};
use http_body_util::Full;
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::TENANCY;
use super::api::{API, Refused, call, trouble};
use super::own::{EVERY, RUN_BOUND, RUN_WITHIN, experiment, home, made, named, remove_afterwards, smallest, until};
use crate::accounts::EDITOR;
use crate::accounts::token::{self, Wanted, for_pipelines};
use crate::contributors::grant;
use crate::data::store::{Answer, forwarded};
use crate::faults::contributors::VIEW_EMPTIED;
use crate::faults::pipelines as faults;
use crate::gateway::diagnose::blame;
use crate::objects::{self, text};
use crate::tenants;

/// How long a grant may take to show.
const SHOWS_WITHIN: Duration = Duration::from_secs(15);

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-060",
        "An editor of a namespace runs pipelines in it",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/resource/resource_manager.go: IsAuthorized; ClusterRole kubeflow-edit"),
        |cx| Box::pin(edits(cx)),
    )
    .explain(Explain {
        what: "The run's user, let into somebody else's namespace as an editor, makes an experiment in it and a run that \
               succeeds.",
        why: "Teams share namespaces; a contributor who cannot run anything asks the owner for everything.",
        fix: "Look at ClusterRole kubeflow-pipelines-edit and its labels: it must be aggregated into kubeflow-edit.",
        reproduce: "Add a contributor; as that person, start a run in the namespace.",
    })
    .profiles(TENANCY)
    .after(&["KFP-040", "PRF-020"])
    .writes()
    .within(Seconds(RUN_BOUND + 120))
    .breaks_on(&[&faults::EDITING_LOST]),
    check(
        "KFP-061",
        "A viewer of a namespace looks at its runs, and makes none",
        Level::Must,
        source("kubeflow/pipelines", "manifests/kustomize/base/installs/multi-user/view-edit-cluster-roles.yaml"),
        |cx| Box::pin(views(cx)),
    )
    .explain(Explain {
        what: "The run's user, let into somebody else's namespace as a viewer, is shown its experiments and runs; making an \
               experiment there is refused with 403, code 7.",
        why: "Who may only look must not be able to spend the owner's quota.",
        fix: "Look at ClusterRoles kubeflow-pipelines-view and kubeflow-view, and for bindings of the user.",
        reproduce: "Add a viewer; as that person, create an experiment in the namespace.",
    })
    .profiles(TENANCY)
    .after(&["KFP-020", "PRF-020"])
    .writes()
    .within(Seconds(180))
    .breaks_on(&[&VIEW_EMPTIED, &faults::EVERYBODY_EDITS]),
    check(
        "KFP-062",
        "A program asks the API with the token of its service account, and is known by it",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/auth/authenticator_token_review.go; PodDefault access-ml-pipeline"),
        |cx| Box::pin(by_token(cx)),
    )
    .explain(Explain {
        what: "A token of default-editor for the audience pipelines.kubeflow.org, sent to the API server itself without any \
               identity header, is shown the runs of its own namespace, and refused those of a stranger's (403, code 7); a \
               token for another audience, and none at all, are refused (401, code 16).",
        why: "It is how notebooks and pipelines talk to the API without a login.",
        fix: "Look at TOKEN_REVIEW_AUDIENCE of Deployment ml-pipeline, and at ClusterRoleBinding ml-pipeline: it must let \
              tokenreviews be created.",
        reproduce: "kubectl -n NAMESPACE create token default-editor --audience pipelines.kubeflow.org; kubectl -n kubeflow \
                    port-forward service/ml-pipeline 8888; curl -H \"Authorization: Bearer TOKEN\" \
                    \"localhost:8888/apis/v2beta1/runs?namespace=NAMESPACE\"",
    })
    .profiles(TENANCY)
    .after(&["KFP-002"])
    .writes()
    .within(Seconds(120))
    .breaks_on(&[&faults::SINGLE_USER, &faults::API_RIGHTS_LOST]),
];

/// Two namespaces of somebody else, which the run's user may edit and view.
struct Memberships {
    edited: String,
    viewed: String,
}

impl Fixture for Memberships {
    const NAME: &'static str = "memberships of the run's user in namespaces with pipelines";
    const WITHIN: Duration = Duration::from_secs(90);

    async fn make(cx: Ctx) -> Checked<Self> {
        let user = cx.user().email.clone();
        let mut homes = Vec::new();
        for (what, role) in [("kfp-edit", "edit"), ("kfp-view", "view")] {
            let home = tenants::tenant(&cx, what, &tenants::somebody(&cx, what)).await?;
            grant(&cx, &home, &user, role).await?;
            homes.push(home);
        }
        let mut homes = homes.into_iter();
        Ok(Self { edited: homes.next().unwrap_or_default(), viewed: homes.next().unwrap_or_default() })
    }
}

/// Waits until a list of a namespace is shown to the run's user.
async fn shown(cx: &Ctx, what: &'static str, namespace: &str) -> Checked {
    let path = format!("{API}/{what}?namespace={namespace}");
    let wait = format!("the {what} of {namespace} are shown to {}", cx.user().email);
    let looked = cx
        .eventually(&wait, SHOWS_WITHIN, EVERY, || {
            let (cx, path) = (cx.clone(), path.clone());
            Box::pin(async move {
                let reply = call(&cx, Method::GET, &path, None).await?;
                if reply.answer.status.is_success() {
                    return Ok(Seen::Yes(()));
                }
                if let Some(cause) = crate::reach::emptied(&cx, "kubeflow-view").await? {
                    return Err(Stop::failed("the list", reply.told()).at(path).because(cause.what).fix(cause.fix));
                }
                Ok(Seen::NotYet(reply.told()))
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await;
    match looked {
        Err(stop @ Stop::Failed(_)) => Err(blame(stop, trouble(cx).await)),
        looked => looked,
    }
}

async fn edits(cx: &Ctx) -> Checked {
    let member = cx.fixture::<Memberships>().await?;
    shown(cx, "experiments", &member.edited).await?;
    keys_there(cx, &member.edited).await?;
    let experiment = experiment(cx, &member.edited, &named(cx, "exp")).await?;
    let body = json!({
        "display_name": named(cx, "run"), "experiment_id": experiment, "pipeline_spec": smallest(cx),
    });
    let id = made(cx, "runs", "run_id", &body).await?;
    until(cx, &id, &["SUCCEEDED"], RUN_WITHIN).await.map(drop)
}

/// A run needs the keys to the object store, which a new namespace gets a moment after it is complete.
pub(super) async fn keys_there(cx: &Ctx, namespace: &str) -> Checked {
    cx.eventually("the namespace has keys to the object store", tenants::COMPLETE_WITHIN, EVERY, || {
        let (cx, namespace) = (cx.clone(), namespace.to_owned());
        Box::pin(async move {
            let found = objects::get(&cx, objects::SECRET, &namespace, crate::data::store::KEYS).await?;
            Ok(if found.is_some() { Seen::Yes(()) } else { Seen::NotYet("no Secret".to_owned()) })
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}

async fn views(cx: &Ctx) -> Checked {
    let member = cx.fixture::<Memberships>().await?;
    for what in ["experiments", "runs"] {
        shown(cx, what, &member.viewed).await?;
    }
    let body = json!({"display_name": named(cx, "exp"), "namespace": member.viewed});
    let refused = call(cx, Method::POST, &format!("{API}/experiments"), Some(&body)).await?;
    let id = text(&refused.body, "/experiment_id");
    if !id.is_empty() {
        remove_afterwards(cx, &format!("/experiments/{id}")).await?;
    }
    let detail = format!("Namespace:{},Verb:create", member.viewed);
    match refused.refused(cx, Refused { status: 403, code: 7, detail: &detail }).await {
        Err(stop) => Err(blame(stop, crate::reach::everywhere(cx, &cx.user().email).await)),
        Ok(()) => Ok(()),
    }
}

/// Asks the API server itself, past its sidecar, for what is at a path of v2beta1.
pub(super) async fn ask(cx: &Ctx, path: &str, token: Option<&str>) -> Checked<(Answer, Value)> {
    send(cx, (Method::GET, path), None, token).await
}

/// The same with another method, and a body.
pub(super) async fn send(
    cx: &Ctx,
    (method, path): (Method, &str),
    body: Option<&Value>,
    token: Option<&str>,
) -> Checked<(Answer, Value)> {
    let path = format!("/apis/v2beta1{path}");
    let mut request = Request::builder().method(&method).uri(&path).header(header::HOST, "ml-pipeline.kubeflow:8888");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = request.header(header::CONTENT_TYPE, "application/json").header(header::CONTENT_LENGTH, body.len());
    let request = request.body(Full::new(Bytes::from(body)));
    let request = request.map_err(|error| Stop::errored("precondition", error.to_string()))?;
    let answer = forwarded(cx, ("ml-pipeline", 8888), "ml-pipeline", request).await?;
    cx.remark(format!("{method} {path}: {}", answer.told()));
    let body = serde_json::from_slice(&answer.body).unwrap_or_default();
    Ok((answer, body))
}

async fn by_token(cx: &Ctx) -> Checked {
    let (own, other) = (home(cx).await?, tenants::of_other(cx).await?);
    let good = for_pipelines(cx, &own, EDITOR).await?;
    let audience = Some("conformance.example.com");
    let wrong = token::ask(cx, Wanted { namespace: &own, account: EDITOR, audience, secret: None }).await?;
    let runs = |namespace: &str| format!("/runs?namespace={namespace}&page_size=1");
    let (answer, body) = ask(cx, &runs(&own), Some(&good)).await?;
    if answer.status != 200 || !body.is_object() {
        let stop = Stop::failed("200 and JSON of the pipelines API", format!("{}: {body}", answer.status));
        return Err(blame(stop, trouble(cx).await));
    }
    for (namespace, token, status, code) in [
        (other.name.as_str(), Some(good.as_str()), 403, 7),
        (&own, Some(wrong.as_str()), 401, 16),
        (&own, None, 401, 16),
    ] {
        let (answer, body) = ask(cx, &runs(namespace), token).await?;
        if (answer.status, body["code"].as_i64()) != (status, Some(code)) {
            let which = match token {
                Some(token) if token == good => "its token",
                Some(_) => "a token for another audience",
                None => "no token",
            };
            let stop = Stop::failed(
                format!("{status}, code {code} for {which} in {namespace}"),
                format!("{}: {body}", answer.status),
            );
            return Err(let_in(cx, stop).await);
        }
    }
    Ok(())
}

/// What lets in whom nobody let in.
async fn let_in(cx: &Ctx, stop: Stop) -> Stop {
    let deployment = objects::get(cx, objects::DEPLOYMENT, "kubeflow", "ml-pipeline").await;
    if let Ok(Some(deployment)) = &deployment
        && objects::variable(deployment, "MULTIUSER") == Some("false")
    {
        return stop
            .because("MULTIUSER of Deployment kubeflow/ml-pipeline is false: nobody is asked who they are")
            .fix("take MULTIUSER from ConfigMap pipeline-api-server-config again");
    }
    blame(stop, trouble(cx).await)
}
