//! Results that are found again: executions by what they were made from, in table `tasks`.

use serde_json::json;

use super::Work;
use crate::actors::pipelines::call::{id, now};
use crate::actors::pipelines::refusal::Refusal;
use crate::actors::pipelines::rows::{object, text};
use crate::switches;

/// Switch: no result is found again.
const CACHE_FORGETS: &str = "pipelines-cache-forgets";

impl Work<'_> {
    /// The last execution with these inputs, outputs and command, of this pipeline in this namespace.
    pub(super) fn cached(&self, fingerprint: &str) -> Option<i64> {
        if switches::is_on(&self.world.store, CACHE_FORGETS) {
            return None;
        }
        let query = "SELECT MLMDExecutionID FROM tasks WHERE Fingerprint = ? AND PipelineName = ? AND Namespace = ? \
                     ORDER BY CreatedTimestamp DESC, rowid DESC LIMIT 1";
        let pipeline = format!("pipeline/{}", self.run.pipeline);
        let values = [fingerprint.to_owned().into(), pipeline.into(), self.run.namespace.to_owned().into()];
        let found = self.rows()?.select("failed to list tasks", query, &values).ok()?;
        text(found.first()?, "MLMDExecutionID").parse().ok()
    }

    /// Notes an execution for those that come with the same fingerprint.
    pub(super) fn remember(&self, fingerprint: &str, execution: i64) {
        let Some(rows) = self.rows().filter(|_| !fingerprint.is_empty()) else { return };
        let at = now();
        let row = object(json!({
            "UUID": id(), "Namespace": self.run.namespace, "PipelineName": format!("pipeline/{}", self.run.pipeline),
            "RunUUID": self.run.id, "PodName": "", "MLMDExecutionID": execution.to_string(), "CreatedTimestamp": at,
            "StartedTimestamp": at, "FinishedTimestamp": at, "Fingerprint": fingerprint, "Name": "",
            "ParentTaskUUID": "", "State": "", "StateHistory": "[]", "ChildrenPods": "[]",
        }));
        let kept = rows.insert("failed to create task", "tasks", &row, |error| Refusal::internal(error.to_string()));
        if let Err(refusal) = kept {
            tracing::debug!(why = refusal.message(), "not remembered");
        }
    }
}
