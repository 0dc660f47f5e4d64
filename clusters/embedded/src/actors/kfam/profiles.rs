//! Profiles through KFAM (`kfam/profiles.go`): anyone may create one, for anyone; only the owner or the administrator
//! deletes one.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Refusal;
use crate::actors::kubernetes::Client;
use crate::api::Status;
use crate::api::call::type_name;

const PROFILES: &str = "/apis/kubeflow.org/v1beta1/profiles";

/// Creates what was posted, whatever apiVersion and kind it names. The caller is not asked for.
pub(super) async fn create(client: &Client<'_>, mut profile: Value) -> Result<(), Refusal> {
    let failed = |why: String| Refusal::Failed(StatusCode::FORBIDDEN, why);
    if !profile.is_object() {
        profile = json!({});
    }
    match profile.pointer("/metadata/name") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(other) => {
            let why = format!(
                "json: cannot unmarshal {} into Go struct field ObjectMeta.metadata.name of type string",
                type_name(other)
            );
            return Err(failed(why));
        }
    }
    profile["apiVersion"] = json!("kubeflow.org/v1beta1");
    profile["kind"] = json!("Profile");
    client.send(Method::POST, PROFILES, Some(&profile)).await.map_err(|status: Status| failed(status.message))
}

/// Deletes one; whatever keeps it from going is 401, without a word.
pub(super) async fn delete(client: &Client<'_>, name: &str) -> Result<(), Refusal> {
    let gone = client.send(Method::DELETE, &format!("{PROFILES}/{name}"), None).await;
    gone.map_err(|status| Refusal::Failed(StatusCode::UNAUTHORIZED, status.message))
}
