//! What a browser is shown of a run's records: the pages of runs, artifacts and executions ask ML Metadata themselves.

use harness::check::{Seconds, source};
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};

use super::DATA;
use crate::faults::data as faults;
use crate::gateway::diagnose::{Cause, blame, pods_behind};
use crate::metadata::{self, Came};
use crate::pipelines::own::{RUN_BOUND, Ran};
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "DAT-015",
    "A browser is shown the records of a run",
    Level::Must,
    source("kubeflow/pipelines", "frontend/src/mlmd/MlmdUtils.ts, third_party/metadata_envoy/envoy.yaml"),
    |cx| Box::pin(shown(cx)),
)
.explain(Explain {
    what: "In a session, ML Metadata under /ml_metadata answers a gRPC-web call for the context of a run that has ended: status \
           0, and the run's id is in it. The same call for a run that there is not finds nothing.",
    why: "The graph of a run, and the lists of artifacts and executions, are made in the browser of what this route answers. \
          A route that only answers shows empty pages.",
    fix: "kubectl -n kubeflow logs deployment/metadata-envoy-deployment, deployment/metadata-grpc-deployment.",
    reproduce: "Open a run in the UI, and look in the browser's tools at what /ml_metadata.MetadataStoreService answers.",
})
.profiles(DATA)
.after(&["KFP-040", "GWY-008"])
.writes()
.within(Seconds(RUN_BOUND))
.breaks_on(&[&faults::BRIDGE_STOPPED, &faults::BRIDGE_PATH_CUT])];

/// There is no such method (grpc/grpc `doc/statuscodes.md`).
const UNIMPLEMENTED: u32 = 12;
const KIND: &str = "system.PipelineRun";

async fn shown(cx: &Ctx) -> Checked {
    let ran = cx.fixture::<Ran>().await?;
    let session = cx.user_session().await?;
    let answer = metadata::context(&session, KIND, &ran.run).await?;
    let came = metadata::came(&answer).unwrap_or_default();
    if came.status != Some(0) || !names(&came, &ran.run) {
        let told = format!("{}, grpc-status {:?}, {} bytes", answer.summary(), came.status, came.message.len());
        let stop = Stop::failed("grpc-status 0 and the context of the run", told).at(answer.at());
        if came.status == Some(UNIMPLEMENTED) {
            let route = "VirtualService kubeflow/metadata-grpc";
            return Err(stop
                .because(format!("{route} changes the path, which names the method"))
                .fix(format!("apply {route} of kubeflow/manifests again")));
        }
        return Err(blame(stop, bridge(cx).await));
    }
    let absent = tenants::name(cx, "no-run");
    let answer = metadata::context(&session, KIND, &absent).await?;
    let came = metadata::came(&answer).unwrap_or_default();
    if came.status == Some(0) && !names(&came, &absent) {
        return Ok(());
    }
    let told = format!("{}, grpc-status {:?}, {} bytes", answer.summary(), came.status, came.message.len());
    Err(Stop::failed("grpc-status 0 and no context of a run that there is not", told).at(answer.at()))
}

/// Whether a message has a text in it.
fn names(came: &Came, text: &str) -> bool {
    came.message.windows(text.len()).any(|part| part == text.as_bytes())
}

/// What stands between the route and the records.
async fn bridge(cx: &Ctx) -> Checked<Option<Cause>> {
    for (service, deployment) in
        [("metadata-envoy-service", "metadata-envoy-deployment"), ("metadata-grpc-service", "metadata-grpc-deployment")]
    {
        if let Some(cause) = pods_behind(cx, ("kubeflow", service), ("kubeflow", deployment)).await? {
            return Ok(Some(cause));
        }
    }
    Ok(None)
}
