//! v1beta1, which the SDK 1.8 and old scripts speak: another view of the same rows, under the same rules.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;
use serde_json::{Value, json};

use super::TENANCY;
use super::access::let_in;
use super::api::{API, OLD_API, Refused, Reply, call, get};
use super::leftovers::{Cleared, description};
use super::own::{experiment, home, named, remove_afterwards};
use crate::faults::pipelines as faults;
use crate::objects::text;
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "KFP-025",
    "What v2beta1 made, v1beta1 shows, and the other way round",
    Level::Must,
    source("kubeflow/pipelines", "backend/src/apiserver/server/api_converter.go: toModelExperiment, toApiExperimentV1"),
    |cx| Box::pin(both_ways(cx)),
)
.explain(Explain {
    what: "An experiment that v1beta1 makes in the user's namespace is shown by v2beta1 under the same id with its namespace; \
           one that v2beta1 makes is shown by v1beta1 with the namespace as its owner. In somebody else's namespace v1beta1 \
           makes none (403, code 7). What v1beta1 deletes is gone for v2beta1 (404, code 5).",
    why: "Pipelines that were compiled and started by the SDK 1.8 go on after a migration, next to new ones. A second way to \
          the same rows must not be a way around their rules.",
    fix: "kubectl -n kubeflow logs deployment/ml-pipeline; look at ClusterRole aggregate-to-kubeflow-pipelines-edit and for \
          ClusterRoleBindings of this user.",
    reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{\"name\":\"x\",\"resource_references\":[{\"key\":\
                {\"type\":\"NAMESPACE\",\"id\":\"NAMESPACE\"},\"relationship\":\"OWNER\"}]}' \
                \"$GATEWAY/pipeline/apis/v1beta1/experiments\"",
})
.profiles(TENANCY)
.after(&["KFP-020"])
.writes()
.breaks_on(&[&faults::EDITING_LOST, &faults::EVERYBODY_EDITS, &faults::SINGLE_USER])];

/// A namespace, as v1beta1 says whose something is.
fn owner(namespace: &str) -> Value {
    json!([{"key": {"type": "NAMESPACE", "id": namespace}, "relationship": "OWNER"}])
}

/// Asks v1beta1 for an experiment; what comes of it is removed afterwards.
async fn make(cx: &Ctx, namespace: &str, name: &str) -> Checked<Reply> {
    cx.fixture::<Cleared>().await?;
    let body = json!({"name": name, "description": description(cx), "resource_references": owner(namespace)});
    let made = call(cx, Method::POST, &format!("{OLD_API}/experiments"), Some(&body)).await?;
    let id = text(&made.body, "/id");
    if !id.is_empty() {
        remove_afterwards(cx, &format!("/experiments/{id}")).await?;
    }
    Ok(made)
}

async fn both_ways(cx: &Ctx) -> Checked {
    let (own, other) = (home(cx).await?, tenants::of_other(cx).await?);
    let (old, new) = (named(cx, "old"), named(cx, "new"));

    let made = make(cx, &own, &old).await?.ok(cx).await?;
    let id = text(&made, "/id");
    let path = format!("/experiments/{id}");
    let wanted = json!({"experiment_id": id, "display_name": old, "namespace": own, "storage_state": "AVAILABLE"});
    shows(&get(cx, &path).await?, &wanted, &format!("{API}{path}"))?;

    let id = experiment(cx, &own, &new).await?;
    let place = format!("{OLD_API}/experiments/{id}");
    let wanted = json!({
        "id": id, "name": new, "resource_references": owner(&own), "storage_state": "STORAGESTATE_AVAILABLE",
    });
    shows(&call(cx, Method::GET, &place, None).await?.ok(cx).await?, &wanted, &place)?;

    let foreign = make(cx, &other.name, &named(cx, "foreign")).await?;
    let detail = format!("Namespace:{},Verb:create", other.name);
    if let Err(stop) = foreign.refused(cx, Refused { status: 403, code: 7, detail: &detail }).await {
        return Err(let_in(cx, stop).await);
    }

    let deleted = format!("{OLD_API}{path}");
    call(cx, Method::DELETE, &deleted, None).await?.ok(cx).await?;
    let gone = call(cx, Method::GET, &format!("{API}{path}"), None).await?;
    gone.refused(cx, Refused { status: 404, code: 5, detail: "not found" }).await
}

/// Fails unless an answer has all these fields.
fn shows(found: &Value, wanted: &Value, at: &str) -> Checked {
    let differing = wanted.as_object().into_iter().flatten().find(|(field, value)| found.get(*field) != Some(*value));
    match differing {
        None => Ok(()),
        Some((field, value)) => {
            let actual = found.get(field).map_or_else(|| "none".to_owned(), Value::to_string);
            Err(Stop::failed(format!("{field} {value}"), actual).at(at))
        }
    }
}
