//! Pipelines and their versions: uploaded, read back, refused, removed.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;

use super::PIPELINES;
use super::api::{API, Refused, call, delete, get, trouble};
use super::own::{home, named, remove_afterwards, smallest, upload, uploaded};
use crate::faults::pipelines as faults;
use crate::gateway::diagnose::blame;
use crate::objects::{items, text};

const UPLOAD: &str = "backend/src/apiserver/server/pipeline_upload_server.go";
const SERVER: &str = "backend/src/apiserver/server/pipeline_server.go";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KFP-030",
        "An uploaded pipeline is kept as it was uploaded",
        Level::Must,
        source("kubeflow/pipelines", UPLOAD),
        |cx| Box::pin(kept(cx)),
    )
    .explain(Explain {
        what: "A compiled pipeline is uploaded as a form into the user's namespace, found there, and its version's \
               specification is what was uploaded.",
        why: "This is how the UI and the SDK bring pipelines in. The upload also writes to the object store, so it \
              shows whether that takes anything.",
        fix: "Look at Deployments ml-pipeline, minio and mysql; kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "curl -s -b cookies.txt -F uploadfile=@pipeline.yaml \
                    \"$GATEWAY/pipeline/apis/v2beta1/pipelines/upload?name=x&namespace=$NAMESPACE\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-010"])
    .writes()
    .within(Seconds(120))
    .breaks_on(&[&faults::EDITING_LOST, &faults::DATABASE_STOPPED]),
    check(
        "KFP-031",
        "A pipeline takes a second version",
        Level::Must,
        source("kubeflow/pipelines", UPLOAD),
        |cx| Box::pin(second(cx)),
    )
    .explain(Explain {
        what: "A second version is uploaded to a pipeline; the list of versions has both.",
        why: "Teams change their pipelines by uploading versions.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "curl -s -b cookies.txt -F uploadfile=@pipeline.yaml \
                    \"$GATEWAY/pipeline/apis/v2beta1/pipelines/upload_version?pipelineid=ID&name=v2\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-030"])
    .writes()
    .within(Seconds(180))
    .breaks_on(&[&faults::EDITING_LOST]),
    check(
        "KFP-032",
        "A pipeline goes only after its versions",
        Level::Must,
        source("kubeflow/pipelines", SERVER),
        |cx| Box::pin(removed(cx)),
    )
    .explain(Explain {
        what: "Deleting a pipeline that has a version is refused with 400, code 3. After its version it can be deleted, \
               and is unknown from then on.",
        why: "Recurring runs use versions: a pipeline that takes them along would break schedules silently.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "curl -s -b cookies.txt -X DELETE \"$GATEWAY/pipeline/apis/v2beta1/pipelines/ID\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-030"])
    .writes()
    .within(Seconds(120))
    .breaks_on(&[&faults::EDITING_LOST]),
    check(
        "KFP-033",
        "A file that is no pipeline is refused with its reason",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/apiserver/template/v2_template.go"),
        |cx| Box::pin(refused(cx)),
    )
    .explain(Explain {
        what: "A file of another type, one without a pipeline in it, and one of another version of the format are not \
               accepted, and the answer says why.",
        why: "A pipeline that was accepted and cannot run is found out at night, by its schedule.",
        fix: "kubectl -n kubeflow logs deployment/ml-pipeline.",
        reproduce: "echo '{\"a\": 1}' > x.json; curl -s -b cookies.txt -F uploadfile=@x.json \
                    \"$GATEWAY/pipeline/apis/v2beta1/pipelines/upload?name=x&namespace=$NAMESPACE\"",
    })
    .profiles(PIPELINES)
    .after(&["KFP-010"])
    .writes()
    .within(Seconds(120))
    .breaks_on(&[&faults::EDITING_LOST]),
];

async fn kept(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let (pipeline, version) = uploaded(cx, &namespace).await?;
    let found = get(cx, &format!("/pipelines/{pipeline}")).await?;
    if text(&found, "/namespace") != namespace {
        return Err(Stop::failed(format!("a pipeline in {namespace}"), found.to_string()));
    }
    let found = get(cx, &format!("/pipelines/{pipeline}/versions/{version}")).await?;
    let uploaded = smallest(cx);
    for part in ["pipelineInfo", "root", "components", "deploymentSpec"] {
        if found["pipeline_spec"].get(part) != uploaded.get(part) {
            let actual = format!("{:?}", found["pipeline_spec"].get(part));
            return Err(Stop::failed(format!("{part} as it was uploaded"), actual));
        }
    }
    Ok(())
}

async fn second(cx: &Ctx) -> Checked {
    let (pipeline, first) = uploaded(cx, &home(cx).await?).await?;
    let query = format!("upload_version?pipelineid={pipeline}&name={}", named(cx, "v2"));
    let found = upload(cx, &query, "smallest.json", &smallest(cx).to_string()).await?.ok(cx).await?;
    let second = text(&found, "/pipeline_version_id");
    let listed = get(cx, &format!("/pipelines/{pipeline}/versions")).await?;
    let ids: Vec<&str> =
        items(&listed, "/pipeline_versions").iter().map(|one| text(one, "/pipeline_version_id")).collect();
    if ids.len() == 2 && ids.contains(&first.as_str()) && ids.contains(&second) {
        return Ok(());
    }
    Err(Stop::failed(format!("the versions {first} and {second}"), ids.join(", ")))
}

async fn removed(cx: &Ctx) -> Checked {
    let (pipeline, version) = uploaded(cx, &home(cx).await?).await?;
    let path = format!("{API}/pipelines/{pipeline}");
    let refused = call(cx, Method::DELETE, &path, None).await?;
    refused.refused(cx, Refused { status: 400, code: 3, detail: "existing pipeline versions" }).await?;
    delete(cx, &format!("/pipelines/{pipeline}/versions/{version}")).await?;
    delete(cx, &format!("/pipelines/{pipeline}")).await?;
    let gone = call(cx, Method::GET, &path, None).await?;
    gone.refused(cx, Refused { status: 404, code: 5, detail: "not found" }).await
}

async fn refused(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let older = smallest(cx).to_string().replacen("\"2.1.0\"", "\"1.9.0\"", 1);
    for (file, content, words) in [
        ("notes.txt", "no pipeline", "pipeline file format"),
        ("object.json", "{\"a\": 1}", "pipeline spec is invalid"),
        ("older.json", older.as_str(), "schema version"),
    ] {
        let query = format!("upload?name={}&namespace={namespace}", named(cx, "bad"));
        let reply = upload(cx, &query, file, content).await?;
        let id = text(&reply.body, "/pipeline_id");
        if !id.is_empty() {
            remove_afterwards(cx, &format!("/pipelines/{id}")).await?;
        }
        let said = text(&reply.body, "/error_message");
        if !id.is_empty() || !said.contains(words) {
            let stop = Stop::failed(format!("{file} refused, saying {words:?}"), format!("{said} ({})", reply.told()));
            return Err(blame(stop.at(reply.answer.at()), trouble(cx).await));
        }
    }
    Ok(())
}
