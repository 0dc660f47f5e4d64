//! What a run's pod printed: as Argo keeps it in the object store, and as the UI shows it.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};

use super::DATA;
use super::archive::{self, Repository};
use super::artifacts::word;
use super::records::CONTEXT_OF_RUN;
use super::rows::{Database, select_in};
use super::store::{get, keys};
use crate::faults::data as faults;
use crate::objects::{self, WORKFLOW, label};
use crate::pipelines::own::{RUN_BOUND, Ran};

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "DAT-024",
        "What a run printed is kept in the object store",
        Level::Must,
        source("kubeflow/manifests", "ConfigMap workflow-controller-configmap: archiveLogs, keyFormat"),
        |cx| Box::pin(archived(cx)),
    )
    .explain(Explain {
        what: "main.log of the run's pod is an object of the artifact repository that Argo is told, under the key that its \
               keyFormat makes, and holds what the run printed.",
        why: "Pods go after a day; then this is all that is left of a log.",
        fix: "Compare ConfigMap workflow-controller-configmap with upstream's; restart workflow-controller.",
        reproduce: "kubectl -n kubeflow port-forward service/minio-service 9000; list artifacts/ with any S3 client.",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-021"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::STORE_CORRUPTS, &faults::ARCHIVE_OFF]),
    check(
        "DAT-025",
        "The UI shows the log of a run's pod",
        Level::Must,
        source("kubeflow/pipelines", "frontend/server/handlers/pod-logs.ts"),
        |cx| Box::pin(log_shown(cx)),
    )
    .explain(Explain {
        what: "/pipeline/k8s/pod/logs with the pod that ML Metadata names for the run's task shows what the run printed; a \
               pod that is not there is refused.",
        why: "Whoever looks for what went wrong looks there first.",
        fix: "Look at ClusterRole and ClusterRoleBinding ml-pipeline-ui: they must let pods/log be read.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/pipeline/k8s/pod/logs?podname=POD&podnamespace=NAMESPACE\"",
    })
    .profiles(DATA)
    .after(&["KFP-040", "DAT-020"])
    .writes()
    .within(Seconds(RUN_BOUND))
    .breaks_on(&[&faults::UI_RIGHTS_LOST]),
];

/// The name of the pod that ran the task, as its record has it.
async fn pod(cx: &Ctx, ran: &Ran) -> Checked<String> {
    let query = format!(
        "SELECT ExecutionProperty.string_value FROM {CONTEXT_OF_RUN} JOIN Association ON Association.context_id = Context.id JOIN \
         ExecutionProperty ON ExecutionProperty.execution_id = Association.execution_id WHERE Context.name = '{}' AND \
         ExecutionProperty.name = 'pod_name' AND ExecutionProperty.string_value LIKE '%-system-container-impl-%'",
        ran.run
    );
    let rows = select_in(cx, Database::Metadata, &query).await?;
    match rows.as_slice() {
        [row] if row.len() == 1 => Ok(row[0].clone()),
        _ => Err(Stop::failed("the record of the task names its pod", format!("{rows:?}")).at(query)),
    }
}

async fn archived(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let pod = pod(cx, &ran).await?;
    let workflows = objects::within(cx, WORKFLOW, &ran.namespace).await?;
    let workflow = workflows.iter().find(|workflow| label(workflow, "pipeline/runid") == ran.run);
    let workflow = workflow.ok_or_else(|| Stop::failed("the Workflow of the run", "there is none"))?;
    let repository = Repository::of(cx).await?;
    if !repository.archive_logs {
        return Err(Stop::failed("archiveLogs: true", "logs are not kept").at(archive::PLACE).because(archive::PLACE));
    }
    let key = repository.log_of(workflow, &pod).map_err(|unknown| {
        Stop::errored("precondition", format!("{}: this suite does not know {{{{{unknown}}}}}", archive::PLACE))
    })?;
    let keys = keys(cx, &ran.namespace).await?;
    let bucket = repository.s3.bucket;
    let found = get(cx, Some(&keys), &bucket, &key).await?;
    let wanted = format!("wrote {}\n", word(cx));
    if found.status == 200 && String::from_utf8_lossy(&found.body).contains(&wanted) {
        return Ok(());
    }
    let told = if found.status == 200 { String::from_utf8_lossy(&found.body).into_owned() } else { found.told() };
    Err(Stop::failed(format!("200 and {wanted:?} in it"), told)
        .at(format!("s3://{bucket}/{key}"))
        .because("ConfigMap kubeflow/workflow-controller-configmap: archiveLogs or keyFormat, or the object store")
        .fix("compare ConfigMap workflow-controller-configmap with upstream's"))
}

async fn log_shown(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let pod = pod(cx, &ran).await?;
    let session = cx.user_session().await?;
    let path =
        |pod: &str| format!("/pipeline/k8s/pod/logs?podname={pod}&podnamespace={}&runid={}", ran.namespace, ran.run);
    let answer = session.get(&path(&pod)).await?;
    let wanted = format!("wrote {}", word(cx));
    if answer.status.as_u16() != 200 || !answer.body.contains(&wanted) {
        return Err(Stop::failed(format!("200 and {wanted:?} in it"), answer.summary())
            .at(answer.at())
            .because(
                "ClusterRoleBinding ml-pipeline-ui: the UI server must be able to read pods/log; or the pod is gone",
            )
            .fix("apply ClusterRole and ClusterRoleBinding ml-pipeline-ui of kubeflow/manifests again"));
    }
    let absent = session.get(&path(&format!("{pod}-absent"))).await?;
    if absent.status.is_success() {
        return Err(Stop::failed("no log of a pod that is not there", absent.summary()).at(absent.at()));
    }
    Ok(())
}
