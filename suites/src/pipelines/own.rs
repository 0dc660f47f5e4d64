//! What checks make in Kubeflow Pipelines: named after the run, and removed after the check however it ends.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::http::Session;
use harness::{Checked, Ctx, Stop};
use http::Method;
use serde_json::{Value, json};

use super::api::{self, API};
use super::leftovers::{Cleared, description};
use super::obstacles::{hindered, obstacle, stalled};
use crate::gateway::diagnose::blame;
use crate::images::BUSYBOX;
use crate::objects::{self, name, text};
use crate::patience::Patience;
use crate::tenants;

/// How long a run of one small container may take: three pods one after the other, their images pulled, which may be the
/// first ones on their node.
pub const RUN_WITHIN: Duration = Duration::from_secs(600);
/// A bound for checks that wait for one such run, in seconds.
pub const RUN_BOUND: u64 = 690;
/// How long the API may take to know what became of a Workflow.
pub const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// How often is looked.
pub const EVERY: Duration = Duration::from_millis(100);

/// A namespace that the run's user owns: one that is there, or else one made for the run.
pub async fn home(cx: &Ctx) -> Checked<String> {
    let mine = tenants::owned_by_user(cx).await?;
    match mine.iter().find(|profile| tenants::stays(profile)) {
        Some(profile) => Ok(name(profile).to_owned()),
        None => tenants::of_user(cx).await,
    }
}

/// A name of this run's, for what a check makes.
#[must_use]
pub fn named(cx: &Ctx, what: &str) -> String {
    tenants::name(cx, &format!("{what}-{}", cx.check().id.to_ascii_lowercase()))
}

/// A pipeline of one task whose container runs a shell command; `nonce` makes it different from every other.
#[must_use]
pub fn pipeline(name: &str, script: &str, nonce: &str) -> Value {
    json!({
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": name},
        "root": {"dag": {"tasks": {"say": {"taskInfo": {"name": "say"}, "componentRef": {"name": "comp-say"}}}}},
        "components": {"comp-say": {"executorLabel": "exec-say", "outputDefinitions": {"artifacts": {
            "said": {"artifactType": {"schemaTitle": "system.Artifact", "schemaVersion": "0.0.1"}}}}}},
        "deploymentSpec": {"executors": {"exec-say": {"container": {
            "image": BUSYBOX, "command": ["sh", "-c", script],
            "args": ["{{$.outputs.artifacts['said'].path}}", nonce],
        }}}},
    })
}

/// The name of the smallest pipeline, part of the keys of its results.
pub const SMALLEST: &str = "conformance-smallest";

/// The smallest one: it writes its nonce, and prints it.
#[must_use]
pub fn smallest(cx: &Ctx) -> Value {
    pipeline(SMALLEST, "printf %s \"$1\" > \"$0\"; echo \"wrote $1\"", &cx.environment().run_id)
}

/// Makes an experiment of this check's.
pub async fn experiment(cx: &Ctx, namespace: &str, name: &str) -> Checked<String> {
    let body = json!({"display_name": name, "namespace": namespace});
    made(cx, "experiments", "experiment_id", &body).await
}

/// Makes something that the API keeps, and remembers to remove it. Yields its id.
pub async fn made(cx: &Ctx, kind: &'static str, id: &str, body: &Value) -> Checked<String> {
    cx.fixture::<Cleared>().await?;
    let mut body = body.clone();
    body["description"] = json!(description(cx));
    let found = api::post(cx, &format!("/{kind}"), &body).await?;
    let id = text(&found, &format!("/{id}")).to_owned();
    if id.is_empty() {
        return Err(Stop::failed(format!("an id in the answer to POST {API}/{kind}"), found.to_string()));
    }
    remove_afterwards(cx, &format!("/{kind}/{id}")).await?;
    Ok(id)
}

/// Remembers to remove what is at a path of the API.
pub async fn remove_afterwards(cx: &Ctx, path: &str) -> Checked {
    let session = cx.user_session().await?;
    let path = format!("{API}{path}");
    cx.afterwards(path.clone(), Box::pin(remove(session, path)))
}

/// A pipeline's versions go before it.
pub(super) async fn remove(session: Session, path: String) -> Checked {
    if let Some(versions) = path.contains("/pipelines/").then(|| format!("{path}/versions"))
        && !path.contains("/versions/")
    {
        let listed = session.get(&versions).await?.json().unwrap_or_default();
        for version in objects::items(&listed, "/pipeline_versions") {
            let version = format!("{versions}/{}", text(version, "/pipeline_version_id"));
            session.request(Method::DELETE, &version).send().await?;
        }
    }
    let answer = session.request(Method::DELETE, &path).send().await?;
    // 5 is the API's own "not found"; a gateway without a route answers 404, too.
    let gone = answer.status.as_u16() == 404 && answer.json().is_some_and(|json| json["code"] == 5);
    if answer.status.is_success() || gone {
        return Ok(());
    }
    Err(Stop::errored("cleanup", format!("DELETE {path}: {}", answer.summary())))
}

/// A form with a file, as a browser sends it.
pub struct Form {
    /// Its content type.
    pub kind: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// The form that uploads a file.
#[must_use]
pub fn form(file: &str, content: &str) -> Form {
    const BOUNDARY: &str = "conformance-boundary-7d0c1f";
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"uploadfile\"; filename=\"{file}\"\r\nContent-Type: \
         application/octet-stream\r\n\r\n"
    );
    Form {
        kind: format!("multipart/form-data; boundary={BOUNDARY}"),
        body: format!("{head}{content}\r\n--{BOUNDARY}--\r\n").into_bytes(),
    }
}

/// Uploads a pipeline (`upload?…`) or a version (`upload_version?…`). An object store that is away makes the API server
/// wait: 53 s were seen.
pub async fn upload(cx: &Ctx, query: &str, file: &str, content: &str) -> Checked<api::Reply> {
    cx.fixture::<Cleared>().await?;
    let session = cx.user_session().await?;
    let form = form(file, content);
    let mark: String = url::form_urlencoded::byte_serialize(description(cx).as_bytes()).collect();
    let request = session.request(Method::POST, &format!("{API}/pipelines/{query}&description={mark}"));
    api::reply(request.body(&form.kind, form.body).within(Duration::from_secs(75)).send().await?)
}

/// Uploads the smallest pipeline under a name of this check's; yields ids of pipeline and version.
pub async fn uploaded(cx: &Ctx, namespace: &str) -> Checked<(String, String)> {
    uploaded_as(cx, namespace, "smallest.json", &smallest(cx).to_string()).await
}

/// Uploads a pipeline under a name of this check's; yields ids of pipeline and version.
pub async fn uploaded_as(cx: &Ctx, namespace: &str, file: &str, content: &str) -> Checked<(String, String)> {
    let name = named(cx, "pipe");
    let query = format!("upload?name={name}&namespace={namespace}");
    let found = upload(cx, &query, file, content).await?.ok(cx).await?;
    let pipeline = text(&found, "/pipeline_id").to_owned();
    remove_afterwards(cx, &format!("/pipelines/{pipeline}")).await?;
    let versions = api::get(cx, &format!("/pipelines/{pipeline}/versions")).await?;
    let version = text(&versions, "/pipeline_versions/0/pipeline_version_id").to_owned();
    if version.is_empty() {
        return Err(Stop::failed("a version of the uploaded pipeline", versions.to_string()));
    }
    Ok((pipeline, version))
}

/// Starts a run that carries its pipeline with it.
pub async fn run(cx: &Ctx, experiment: &str, pipeline: &Value) -> Checked<String> {
    let body = json!({"display_name": named(cx, "run"), "experiment_id": experiment, "pipeline_spec": pipeline});
    made(cx, "runs", "run_id", &body).await
}

/// Waits until a run is in one of these states; a run that has ended otherwise is not waited for.
pub async fn until(cx: &Ctx, run: &str, wanted: &'static [&'static str], within: Duration) -> Checked<Value> {
    until_every(cx, run, wanted, Wait { within, every: EVERY }).await
}

/// How long a run is waited for, and how often it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// The bound.
    pub within: Duration,
    /// The time between two looks.
    pub every: Duration,
}

/// As [`until`], at a pace of one's own.
pub async fn until_every(cx: &Ctx, run: &str, wanted: &'static [&'static str], how: Wait) -> Checked<Value> {
    let path = format!("/runs/{run}");
    let wait = format!("the run is {}", wanted.join(" or "));
    let patience = &Patience::new();
    let looked = cx
        .eventually(&wait, how.within, how.every, || {
            let (cx, path) = (cx.clone(), path.clone());
            Box::pin(async move {
                let found = api::get(&cx, &path).await?;
                let state = text(&found, "/state").to_owned();
                if wanted.contains(&state.as_str()) {
                    return Ok(Seen::Yes(found));
                }
                if ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"].contains(&state.as_str()) {
                    let expected = format!("the run becomes {}", wanted.join(" or "));
                    return Err(Stop::failed(
                        expected,
                        format!("it ended {state}: {}", text(&found, "/error/message")),
                    ));
                }
                if !patience.is_over() {
                    return Ok(Seen::NotYet(format!("state {state}")));
                }
                if wanted == ["SUCCEEDED"] {
                    return hindered(&cx, run, &state).await;
                }
                stalled(&cx, &state).await
            }) as BoxFuture<'_, Checked<Seen<Value>>>
        })
        .await;
    match looked {
        Err(Stop::Failed(failure)) if failure.cause.is_none() => {
            Err(blame(Stop::Failed(failure), obstacle(cx, run).await))
        }
        looked => looked,
    }
}

/// A run that all checks share: made from the smallest pipeline, ended well. It may not be changed.
pub struct Ran {
    /// Its namespace.
    pub namespace: String,
    /// The experiment.
    pub experiment: String,
    /// The run.
    pub run: String,
    /// As the API shows it.
    pub shown: Value,
}

impl Fixture for Ran {
    const NAME: &'static str = "a run of the smallest pipeline";
    const WITHIN: Duration = Duration::from_secs(RUN_BOUND);

    async fn make(cx: Ctx) -> Checked<Self> {
        let namespace = home(&cx).await?;
        let experiment = experiment(&cx, &namespace, &tenants::name(&cx, "shared-exp")).await?;
        let body = json!({
            "display_name": tenants::name(&cx, "shared-run"), "experiment_id": experiment,
            "pipeline_spec": smallest(&cx),
        });
        let run = made(&cx, "runs", "run_id", &body).await?;
        let shown = until(&cx, &run, &["SUCCEEDED"], RUN_WITHIN).await?;
        Ok(Self { namespace, experiment, run, shown })
    }
}
