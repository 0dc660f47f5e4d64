//! `/apps/tensorboard?logdir=…&namespace=…`: Viewers, custom resources by which a controller would start TensorBoards. Who
//! may see, make and delete them says the API server.
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/handlers/tensorboard.ts`, `helpers/auth.ts`, `k8s-helper.ts`; recorded
//! exchanges. The controller is not played: nothing answers at the address that is given.

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use ring::digest;
use serde_json::{Value, json};

use super::{express, proxy};
use crate::access::{Attributes, UserInfo, authorize};
use crate::actors::{Visit, query};
use crate::mesh;
use crate::object::text;
use crate::store::Key;

const GROUP: &str = "kubeflow.org";
const HTML: &str = "text/html; charset=utf-8";
const IMAGE: &str = "tensorflow/tensorflow";
/// How long an answer of the API server may be.
const LIMIT: usize = 64 << 10;

/// Answers a request; `None` for a method that it does not know.
pub(super) async fn answer(visit: &Visit, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response<Body>> {
    let said = |status: StatusCode, words: String| Some(express::respond(status, HTML, words));
    let missing = |words: &str| said(StatusCode::BAD_REQUEST, words.to_owned());
    let verb = match *method {
        Method::GET | Method::HEAD => "GET",
        Method::POST => "CREATE",
        Method::DELETE => "DELETE",
        _ => return None,
    };
    let asked = |name| query(uri, name).filter(|value| !value.is_empty());
    let Some(logs) = asked("logdir") else { return missing("logdir argument is required") };
    let Some(namespace) = asked("namespace") else { return missing("namespace argument is required") };
    let (version, image) = (asked("tfversion"), asked("image"));
    if verb == "CREATE" {
        match (&version, &image) {
            (None, None) => return missing("missing required argument: tfversion (tensorflow version) or image"),
            (Some(_), Some(_)) => return missing("tfversion and image cannot be specified at the same time"),
            _ => {}
        }
        if let Some(template) = asked("podtemplatespec").filter(|one| serde_json::from_str::<Value>(one).is_err()) {
            let first = template.chars().next().unwrap_or_default();
            return missing(&format!(
                "podtemplatespec is not valid JSON: SyntaxError: Unexpected token '{first}', \"{template}\" is not valid JSON"
            ));
        }
    }
    if let Err(why) = may(visit, headers, &namespace, verb).await {
        let words = format!("User is not authorized to {verb} VIEWERS in namespace {namespace}: {why}");
        return said(StatusCode::UNAUTHORIZED, words);
    }
    let name = format!("viewer-{}", hash(&logs));
    let key = Key::new(GROUP, "viewers", &namespace, &name);
    let found = own_right(visit, "get", &key).then(|| visit.world.store.get(&key)).flatten();
    let address = format!("http://{name}-service.{namespace}.svc.cluster.local:80/tensorboard/{name}/");
    match verb {
        "GET" => Some(express::json(StatusCode::OK, &shown(found.as_deref(), &address))),
        "DELETE" => {
            let removed = found.is_none() || own_right(visit, "delete", &key) && visit.world.store.delete(&key).is_ok();
            match removed {
                true => said(StatusCode::OK, "Tensorboard deleted.".to_owned()),
                false => said(StatusCode::INTERNAL_SERVER_ERROR, "Failed to delete Tensorboard app: {}".to_owned()),
            }
        }
        _ => {
            let image = image.unwrap_or_else(|| format!("{IMAGE}:{}", version.unwrap_or_default()));
            match made(visit, &key, found.as_deref(), &logs, &image) {
                Ok(()) => said(StatusCode::OK, address),
                Err(why) => said(StatusCode::INTERNAL_SERVER_ERROR, format!("Failed to start Tensorboard app: {why}")),
            }
        }
    }
}

/// Makes a Viewer unless it is there.
fn made(visit: &Visit, key: &Key, found: Option<&Value>, logs: &str, image: &str) -> Result<(), String> {
    if let Some(volume) = logs.strip_prefix("volume://") {
        let volume = volume.split('/').next().unwrap_or_default();
        return Err(format!("Cannot find file \"{logs}\" in pod \"unknown\": volume \"{volume}\" not configured"));
    }
    if let Some(found) = found {
        let (_, version) = image_of(found);
        return match image_of(found).0 == image {
            true => Ok(()),
            false => {
                Err(format!("There's already an existing tensorboard instance with a different version {version}"))
            }
        };
    }
    let viewer = json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Viewer",
        "metadata": {"namespace": key.namespace, "name": key.name},
        "spec": {"type": "tensorboard", "tensorboardSpec": {"logDir": logs, "tensorflowImage": image}},
    });
    let refused = "{}".to_owned();
    if !own_right(visit, "create", key) {
        return Err(refused);
    }
    visit.world.store.create(key, viewer).map(drop).map_err(|_| refused)
}

/// A Viewer's image, and its version where it is TensorFlow's own.
fn image_of(viewer: &Value) -> (&str, &str) {
    let image = text(viewer, "/spec/tensorboardSpec/tensorflowImage");
    (image, image.strip_prefix(IMAGE).and_then(|rest| rest.strip_prefix(':')).unwrap_or_default())
}

fn shown(viewer: Option<&Value>, address: &str) -> Value {
    match viewer {
        Some(viewer) => {
            let (image, version) = image_of(viewer);
            json!({"podAddress": address, "tfVersion": version, "image": image})
        }
        None => json!({"podAddress": "", "tfVersion": "", "image": ""}),
    }
}

/// The name of a Viewer is made of the SHA-1 of its folder; nothing depends on its strength.
fn hash(logs: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, logs.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn own_right(visit: &Visit, verb: &str, key: &Key) -> bool {
    let caller = visit.as_caller();
    let own = UserInfo::service_account(&caller.namespace, &caller.service_account, "");
    authorize(&visit.world, &own, &Attributes::resource(verb, GROUP, "viewers", &key.namespace, &key.name))
}

/// Asks the API server whether the user may; else its words.
async fn may(visit: &Visit, headers: &HeaderMap, namespace: &str, verb: &str) -> Result<(), String> {
    let asked = url::form_urlencoded::Serializer::new(String::new()).append_pair("namespace", namespace).finish();
    let address = format!("{}/apis/v1beta1/auth?{asked}&resources=VIEWERS&verb={verb}", proxy::api(visit));
    let mut request = Request::get(&address).body(Body::empty()).map_err(|error| error.to_string())?;
    let host = address.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
    for (name, value) in headers.iter().filter(|(name, _)| *name != http::header::HOST) {
        request.headers_mut().append(name, value.clone());
    }
    request.headers_mut().remove(http::header::CONTENT_LENGTH);
    let response = mesh::call(&visit.world, visit.as_caller(), request).await;
    match response.status() {
        StatusCode::OK => Ok(()),
        StatusCode::SERVICE_UNAVAILABLE => {
            Err(format!("request to {address} failed, reason: connect ECONNREFUSED {host}"))
        }
        _ => {
            let body = Limited::new(response.into_body(), LIMIT).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            Err(text(&body, "/error").to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_is_named_after_its_folder() {
        // As recorded.
        assert_eq!(hash("x"), "11f6ad8ec52a2984abaafd7c3b516503785c2072");
        assert_eq!(hash("vv"), "4cf997735475afd79f8711e22efaa9d306294785");
    }
}
