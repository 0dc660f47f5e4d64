//! What ML Metadata has of a run.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};

use super::DATA;
use super::rows::{Database, select_in};
use super::store::bucket;
use crate::faults::data as faults;
use crate::gateway::diagnose::{Cause, blame, pods_behind};
use crate::objects::{self, CONFIG_MAP, DEPLOYMENT, config_value, variable};
use crate::pipelines::own::{RUN_BOUND, Ran, SMALLEST};

const CLIENT: &str = "backend/src/v2/metadata/client.go";

/// The contexts of runs, to be joined and selected by name. Names are indexed within a type alone, and a table of contexts
/// has a row a run (`ml-metadata/util/metadata_source_query_config.cc`: `UNIQUE(type_id, name)`).
pub const CONTEXT_OF_RUN: &str = "Context JOIN Type ON Type.id = Context.type_id AND Type.name = 'system.PipelineRun'";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DAT-020",
        "A run is in ML Metadata: its pipeline, itself, and what it executed",
        Level::Must,
        source("kubeflow/pipelines", CLIENT),
        |cx| Box::pin(contexts(cx)),
    )
    .explain(Explain {
        what: "The bundled metadata database has one context of type system.PipelineRun with the run's id, whose parent is \
               the context of its pipeline, and in it an execution of the root and one of the task's container.",
        why: "The UI draws a run's graph, inputs and outputs from these records alone; without them a run that worked \
              shows nothing.",
        fix: "Compare mlmdDb and the host in ConfigMap pipeline-install-config with the environment of Deployment \
              metadata-grpc-deployment; kubectl -n kubeflow logs deployment/metadata-grpc-deployment.",
        reproduce: "kubectl -n kubeflow exec deploy/mysql -c mysql -- mysql -uroot -NBe \"SELECT * FROM Context WHERE \
                    name='RUN'\" metadb",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-002"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::METADATA_ELSEWHERE]),
    check(
        "DAT-021",
        "The records of a run name the exact object of its result",
        Level::Must,
        source("kubeflow/pipelines", "backend/src/v2/driver/driver.go: provisionOutputs"),
        |cx| Box::pin(names_object(cx)),
    )
    .explain(Explain {
        what: "The output event of the run's task leads to exactly one artifact named after the output, whose URI is in \
               the pipelines' bucket, below the pipeline's name, the run's id and the task's name.",
        why: "A record that names another place loses the result as surely as a deleted object does.",
        fix: "Look at ConfigMap kfp-launcher in the tenant's namespace, and at the logs of the run's pods.",
        reproduce: "kubectl -n kubeflow exec deploy/mysql -c mysql -- mysql -uroot -NBe \"SELECT uri FROM Artifact WHERE \
                    uri LIKE '%/RUN/%'\" metadb",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-002"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::METADATA_ELSEWHERE]),
];

/// A failure that names the database that ML Metadata uses instead, if it does.
async fn elsewhere(cx: &Ctx, stop: Stop) -> Stop {
    let cause = async {
        let deployment = objects::get(cx, DEPLOYMENT, "kubeflow", "metadata-grpc-deployment").await?;
        if let Some(host) = deployment.as_ref().and_then(|deployment| variable(deployment, "MYSQL_HOST"))
            && host.split('.').next() != Some("mysql")
        {
            return Ok(Some(Cause::new(
                format!(
                    "Deployment kubeflow/metadata-grpc-deployment keeps its records in {host:?}, not in Service mysql"
                ),
                "take MYSQL_HOST from dbHost of ConfigMap pipeline-install-config again; move the records",
            )));
        }
        let place = ("kubeflow", "metadata-grpc-service");
        pods_behind(cx, place, ("kubeflow", "metadata-grpc-deployment")).await
    };
    blame(stop, cause.await)
}

async fn contexts(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let query = format!(
        "SELECT Type.name, Parent.name FROM Context JOIN Type ON Type.id = Context.type_id JOIN ParentContext ON \
         ParentContext.context_id = Context.id JOIN Context AS Parent ON Parent.id = ParentContext.parent_context_id \
         WHERE Context.name = '{}'",
        ran.run
    );
    let rows = select_in(cx, Database::Metadata, &query).await?;
    if rows != [["system.PipelineRun", SMALLEST]] {
        let stop = Stop::failed(format!("one row: system.PipelineRun, {SMALLEST}"), format!("{rows:?}")).at(query);
        return Err(elsewhere(cx, stop).await);
    }
    let query = format!(
        "SELECT Type.name, count(*) FROM Execution JOIN Type ON Type.id = Execution.type_id JOIN Association ON \
         Association.execution_id = Execution.id JOIN Context ON Context.id = Association.context_id WHERE Context.name \
         = '{}' GROUP BY Type.name ORDER BY Type.name",
        ran.run
    );
    let rows = select_in(cx, Database::Metadata, &query).await?;
    let wanted = [["system.ContainerExecution", "1"], ["system.DAGExecution", "1"]];
    if rows == wanted {
        return Ok(());
    }
    Err(elsewhere(cx, Stop::failed(format!("{wanted:?}"), format!("{rows:?}")).at(query)).await)
}

/// Where the records say that the shared run's result is.
pub async fn result_uri(cx: &Ctx, ran: &Ran) -> Checked<String> {
    let query = format!(
        "SELECT Artifact.uri FROM {CONTEXT_OF_RUN} JOIN Association ON Association.context_id = Context.id JOIN Event ON \
         Event.execution_id = Association.execution_id JOIN EventPath ON EventPath.event_id = Event.id JOIN Artifact ON \
         Artifact.id = Event.artifact_id WHERE Context.name = '{}' AND Event.type = 4 AND EventPath.step_key = 'said'",
        ran.run
    );
    let rows = select_in(cx, Database::Metadata, &query).await?;
    match rows.as_slice() {
        [row] if row.len() == 1 => Ok(row[0].clone()),
        _ => {
            let stop = Stop::failed("one artifact 'said' that the run has put out", format!("{rows:?}")).at(query);
            Err(elsewhere(cx, stop).await)
        }
    }
}

/// The bucket and key of a URI.
pub fn place(uri: &str) -> Option<(&str, &str)> {
    uri.split_once("://")?.1.split_once('/')
}

async fn names_object(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let uri = result_uri(cx, &ran).await?;
    let launcher = objects::get(cx, CONFIG_MAP, &ran.namespace, "kfp-launcher").await?;
    let root = launcher.as_ref().and_then(|map| config_value(map, "defaultPipelineRoot")).unwrap_or_default();
    let root = if root.is_empty() { format!("minio://{}/v2/artifacts", bucket(cx).await?) } else { root.to_owned() };
    let begins = format!("{}/{SMALLEST}/{}/say/", root.trim_end_matches('/'), ran.run);
    // Since 2.5 a random part stands before the artifact's name.
    let rest = uri.strip_prefix(&begins).unwrap_or_default();
    if rest.rsplit('/').next() == Some("said") && rest.matches('/').count() <= 1 {
        return Ok(());
    }
    let stop = Stop::failed(format!("{begins}…said"), uri);
    Err(elsewhere(cx, stop).await)
}
