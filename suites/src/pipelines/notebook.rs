//! From a notebook, with the SDK's own calls: the way on which most users start their runs.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use http::Method;
use serde_json::{Value, json};

use super::TENANCY;
use super::granted::{self, notebook};
use super::leftovers::{Cleared, description};
use super::obstacles::{hindered, worker};
use super::own::{RUN_BOUND, RUN_WITHIN, named, remove_afterwards, smallest};
use super::sdk::{Came, Client};
use super::{api, members};
use crate::faults::{accounts, mesh, pipelines as faults, workspaces};
use crate::gateway::diagnose::blame;
use crate::objects::{self, WORKFLOW, items, text};
use crate::patience::Patience;
use crate::stand_in::not_installed;
use crate::tenants;

/// How often a notebook looks at its run; each look is a command in its pod.
const EVERY: Duration = Duration::from_millis(200);
const FROM_NOTEBOOKS: &[Profile] = &[Profile::Core, Profile::Pipelines, Profile::Notebooks];
/// How a person takes the same way.
const REPRODUCE: &str = "Make PodDefault access-ml-pipeline (kubeflow/manifests tests/gh-actions/kf-objects/poddefaults.*.yaml) in \
                         your namespace, tick it in the form of a new notebook, and in the notebook: import kfp; \
                         kfp.Client().list_experiments()";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-063",
        "A notebook that asks for access to pipelines finds a token for them",
        Level::Must,
        source("kubeflow/kubeflow", "components/admission-webhook/main.go; PodDefault access-ml-pipeline"),
        |cx| Box::pin(finds_a_token(cx)),
    )
    .explain(Explain {
        what: "A PodDefault with the content of access-ml-pipeline, by another name and label, is made in the user's \
               namespace, and a notebook that asks for it. Within its pod KF_PIPELINES_SA_TOKEN_PATH names a file with a \
               token of default-editor for the audience pipelines.kubeflow.org, and the file with the pod's namespace is \
               there. A PodDefault access-ml-pipeline that the namespace has is left alone.",
        why: "kfp.Client() takes its token from there. Without it every notebook is told RBAC: access denied, or that it is \
              not known, and users put cookies into their code.",
        fix: "Follow the cause: MutatingWebhookConfiguration admission-webhook-mutating-webhook-configuration, Deployment \
              kubeflow/admission-webhook-deployment, CustomResourceDefinition poddefaults.kubeflow.org.",
        reproduce: REPRODUCE,
    })
    .profiles(FROM_NOTEBOOKS)
    .after(&["PRF-020"])
    .writes()
    .within(Seconds(granted::BOUND + 60))
    .breaks_on(&[
        &workspaces::POD_DEFAULTS_REMOVED,
        &workspaces::POD_DEFAULTS_STOPPED,
        &workspaces::POD_DEFAULTS_PASSED_BY,
        &workspaces::POD_DEFAULTS_MOUNT_NOTHING,
        &workspaces::POD_DEFAULTS_LOSE_AUDIENCES,
        &workspaces::NOTEBOOK_CONTROLLER_STOPPED,
    ]),
    check(
        "KFP-064",
        "A run that the SDK starts in a notebook succeeds in the notebook's namespace",
        Level::Must,
        source("kubeflow/pipelines", "sdk/python/kfp/client/client.py: Client, create_experiment, run_pipeline"),
        |cx| Box::pin(runs(cx)),
    )
    .explain(Explain {
        what: "From the pod of a notebook, with the token of its file, the calls of the SDK are made to \
               ml-pipeline.kubeflow.svc.cluster.local:8888: is it healthy and for many users, is there such an experiment, \
               make it, make a run of the smallest pipeline, get it until it has succeeded. Notebook and owner are then \
               shown that one run in the experiment, and its Workflow is in the notebook's namespace.",
        why: "That is what users do all day. Name, mesh, token and rights of the account all take part, and each of them \
              breaks alone.",
        fix: "Follow the cause: it names the link that broke.",
        reproduce: "In a notebook with access to pipelines: kfp.Client().create_run_from_pipeline_package('pipeline.yaml', \
                    {}).wait_for_run_completion()",
    })
    .profiles(FROM_NOTEBOOKS)
    .after(&["KFP-063", "KFP-001"])
    .writes()
    .within(Seconds(granted::BOUND + RUN_BOUND))
    .breaks_on(&[
        &faults::API_SERVICE_REMOVED,
        &mesh::PIPELINES_CLOSED,
        &accounts::AUDIENCE_CHANGED,
        &faults::EDITING_LOST,
        &faults::WORKFLOWS_STOPPED,
    ]),
    check(
        "KFP-065",
        "A notebook's token opens no other namespace's pipelines, and without it a notebook is nobody",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/auth; backend/src/apiserver/resource/resource_manager.go: IsAuthorized"),
        |cx| Box::pin(kept_apart(cx)),
    )
    .explain(Explain {
        what: "The same notebook is shown the experiments, runs and recurring runs of its own namespace. Those of a \
               stranger's are refused with 403, code 7, naming its account, and so is an experiment that it would make \
               there. Without the token its own are refused with 401, code 16.",
        why: "Whoever runs code in a notebook has its token: it must be worth no more than the notebook's namespace.",
        fix: "Look for ClusterRoleBindings and RoleBindings of the account; set MULTIUSER of Deployment kubeflow/ml-pipeline \
              to true.",
        reproduce: "In a notebook with access to pipelines: kfp.Client().list_runs(namespace='OTHER')",
    })
    .profiles(TENANCY)
    .after(&["KFP-063", "KFP-001"])
    .writes()
    .within(Seconds(granted::BOUND + 120))
    .breaks_on(&[&faults::SINGLE_USER, &faults::NOTEBOOKS_EDIT_EVERYWHERE]),
];

async fn finds_a_token(cx: &Ctx) -> Checked {
    let notebook = notebook(cx).await?;
    notebook.token(cx).await?;
    notebook.knows_its_namespace(cx).await
}

/// Whether the site has an API to ask.
async fn is_there(cx: &Ctx) -> Checked {
    not_installed(cx, "kubeflow", "ml-pipeline").await?.map_or(Ok(()), Err)
}

async fn runs(cx: &Ctx) -> Checked {
    is_there(cx).await?;
    let notebook = notebook(cx).await?;
    let client = Client::new(cx, &notebook).await?;
    let health = client.call(cx, Method::GET, "/healthz", None).await?;
    if health["multi_user"] != true {
        let stop = Stop::failed("the API server says that it is for many users (multi_user)", health.to_string());
        return Err(blame(stop, crate::accounts::pipelines::settings(cx).await));
    }
    let namespace = notebook.probe.namespace.as_str();
    members::keys_there(cx, namespace).await?;
    cx.fixture::<Cleared>().await?;
    let experiment = experiment(cx, &client, namespace).await?;
    let body = json!({
        "display_name": named(cx, "run"), "experiment_id": experiment, "description": description(cx),
        "pipeline_spec": smallest(cx), "runtime_config": {},
    });
    let run = made(cx, &client, "runs", "run_id", &body).await?;
    succeeds(cx, &client, &run).await?;
    is_its_own(cx, &client, &experiment, &run).await
}

/// The experiment as `create_experiment` makes it: looked for by its name before.
async fn experiment(cx: &Ctx, client: &Client<'_>, namespace: &str) -> Checked<String> {
    let name = named(cx, "exp");
    let filter = json!({"predicates": [{"operation": 1, "key": "display_name", "stringValue": name}]}).to_string();
    let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
    let path = format!("/experiments?filter={filter}&namespace={namespace}");
    let found = client.call(cx, Method::GET, &path, None).await?;
    if !items(&found, "/experiments").is_empty() {
        return Err(Stop::failed(format!("no experiment {name} in {namespace}"), found.to_string()));
    }
    let body = json!({"display_name": name, "description": description(cx), "namespace": namespace});
    made(cx, client, "experiments", "experiment_id", &body).await
}

/// Makes something, and remembers to remove it as the namespace's owner. Yields its id.
async fn made(cx: &Ctx, client: &Client<'_>, kind: &str, id: &str, body: &Value) -> Checked<String> {
    let found = client.call(cx, Method::POST, &format!("/{kind}"), Some(body)).await?;
    let id = text(&found, &format!("/{id}")).to_owned();
    if id.is_empty() {
        return Err(Stop::failed(format!("an id in the answer to POST /{kind}"), found.to_string()));
    }
    remove_afterwards(cx, &format!("/{kind}/{id}")).await?;
    Ok(id)
}

/// Waits for a run as `wait_for_run_completion` does.
async fn succeeds(cx: &Ctx, client: &Client<'_>, run: &str) -> Checked {
    let (path, patience) = (format!("/runs/{run}"), Patience::new());
    let seen = cx
        .eventually("the notebook sees its run SUCCEEDED", RUN_WITHIN, EVERY, || {
            Box::pin(async {
                let found = client.call(cx, Method::GET, &path, None).await?;
                let state = text(&found, "/state");
                match state {
                    "SUCCEEDED" => Ok(Seen::Yes(())),
                    "FAILED" | "CANCELED" | "SKIPPED" => Err(Stop::failed(
                        "the run that the notebook started succeeds",
                        format!("it ended {state}: {}", text(&found, "/error/message")),
                    )),
                    _ if !patience.is_over() => Ok(Seen::NotYet(format!("state {state}"))),
                    _ => match hindered(cx, run, state).await? {
                        Seen::NotYet(why) => Ok(Seen::NotYet(why)),
                        Seen::Yes(_) => Ok(Seen::Yes(())),
                    },
                }
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await;
    match seen {
        Err(Stop::Failed(failure)) if failure.cause.is_none() => Err(blame(Stop::Failed(failure), worker(cx).await)),
        seen => seen,
    }
}

/// The run is the one of its experiment, for the notebook and for the namespace's owner, and was carried out there.
async fn is_its_own(cx: &Ctx, client: &Client<'_>, experiment: &str, run: &str) -> Checked {
    let namespace = client.notebook.probe.namespace.as_str();
    let path = format!("/runs?namespace={namespace}&experiment_id={experiment}");
    for (whose, found) in [
        ("the notebook", client.call(cx, Method::GET, &path, None).await?),
        (cx.user().email.as_str(), api::get(cx, &path).await?),
    ] {
        let runs: Vec<(&str, &str)> =
            items(&found, "/runs").iter().map(|one| (text(one, "/run_id"), text(one, "/state"))).collect();
        if runs != [(run, "SUCCEEDED")] {
            let expected = format!("{whose} is shown run {run}, SUCCEEDED, and no other in its experiment");
            return Err(Stop::failed(expected, format!("{runs:?}")).at(path));
        }
    }
    let kept = api::get(cx, &format!("/experiments/{experiment}")).await?;
    if text(&kept, "/namespace") != namespace {
        return Err(Stop::failed(format!("the experiment is one of namespace {namespace}"), kept.to_string()));
    }
    let workflows = objects::labelled(cx, WORKFLOW, &format!("pipeline/runid={run}")).await?;
    let places: Vec<String> = workflows.iter().map(objects::place).collect();
    if !places.is_empty() && workflows.iter().all(|workflow| objects::namespace(workflow) == namespace) {
        return Ok(());
    }
    Err(Stop::failed(format!("the Workflow of run {run} is in namespace {namespace}"), format!("there are {places:?}")))
}

async fn kept_apart(cx: &Ctx) -> Checked {
    is_there(cx).await?;
    let notebook = notebook(cx).await?;
    let client = Client::new(cx, &notebook).await?;
    let other = tenants::of_other(cx).await?.name.clone();
    let token = Some(client.token.as_str());
    let wanted = format!("User '{}' is not authorized", notebook.account());
    for list in ["experiments", "runs", "recurringruns"] {
        let path = |namespace: &str| format!("/{list}?namespace={namespace}&page_size=1");
        // The control: the same token, the same pod.
        client.call(cx, Method::GET, &path(&notebook.probe.namespace), None).await?;
        let (came, at) = client.ask(cx, Method::GET, &path(&other), None, token).await?;
        forbidden(cx, &client, &wanted, came, at).await?;
        let (came, at) = client.ask(cx, Method::GET, &path(&notebook.probe.namespace), None, None).await?;
        if !matches!(came, Came::Unknown) {
            return Err(client
                .differs(cx, "without its token a notebook is not known (401, code 16)", &came, at)
                .await?);
        }
    }
    let body = json!({"display_name": named(cx, "exp"), "description": description(cx), "namespace": other});
    let (came, at) = client.ask(cx, Method::POST, "/experiments", Some(&body), token).await?;
    if let Came::Body(made) = &came {
        // Nobody else than the notebook, who was let in, can remove it again.
        let path = format!("/experiments/{}", text(made, "/experiment_id"));
        client.ask(cx, Method::DELETE, &path, None, token).await?;
    }
    forbidden(cx, &client, &wanted, came, at).await
}

async fn forbidden(cx: &Ctx, client: &Client<'_>, wanted: &str, came: Came, at: String) -> Checked {
    match &came {
        Came::Forbidden(words) if words.contains(wanted) => Ok(()),
        _ => Err(client.differs(cx, &format!("the API server refuses: {wanted}"), &came, at).await?),
    }
}
