//! ResourceQuotas, as far as they count pods: `pods` and `count/pods`. What is used is counted when a pod comes, not kept
//! in a status.
//!
//! Source: Kubernetes 1.34 `plugin/pkg/admission/resourcequota/controller.go` and `pkg/quota/v1/evaluator/core/pods.go`
//! (pods that have ended do not count towards `pods`).

use serde_json::Value;

use crate::object::{list, name, namespace, text};
use crate::platform::World;

/// Why a quota forbids one more pod in its namespace.
pub(super) fn refusal(world: &World, pod: &Value) -> Option<String> {
    let quotas = world.store.list("", "resourcequotas", Some(namespace(pod)));
    quotas.iter().find_map(|quota| {
        // Quotas that are for some pods alone are left out.
        if !list(quota, "/spec/scopes").is_empty() || quota.pointer("/spec/scopeSelector").is_some_and(Value::is_object)
        {
            return None;
        }
        let pods = world.store.list("", "pods", Some(namespace(pod)));
        let lasting = pods.iter().filter(|pod| !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")).count();
        [("pods", lasting), ("count/pods", pods.len())].into_iter().find_map(|(resource, used)| {
            let hard = quota.pointer("/spec/hard")?.get(resource)?;
            let limit: usize = hard
                .as_str()
                .and_then(|hard| hard.parse().ok())
                .or_else(|| hard.as_u64().and_then(|hard| usize::try_from(hard).ok()))?;
            (used >= limit).then(|| {
                format!(
                    "exceeded quota: {}, requested: {resource}=1, used: {resource}={used}, limited: {resource}={limit}",
                    name(quota)
                )
            })
        })
    })
}
