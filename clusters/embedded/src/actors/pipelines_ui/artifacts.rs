//! `/artifacts/get?source=…` and `/artifacts/{source}/{bucket}/{key}`: objects of the bundled store, handed on to the
//! tenant's own artifact server where a namespace is named, else read with this server's own keys.
//!
//! Of the sources only `minio` is played, and archives are not unpacked. Source: kubeflow/pipelines 2.3.0
//! `frontend/server/handlers/artifacts.ts`; recorded exchanges.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};

use super::express;
use crate::actors::object_store::{self, ConnectError, Credentials};
use crate::actors::{Visit, query};
use crate::mesh;

const SOURCES: &[&str] = &["gcs", "minio", "s3", "http", "https", "volume"];
const FAILED: &str = "Failed to get object in bucket: ";

/// An artifact that somebody asks for.
pub(super) struct Wanted {
    source: String,
    bucket: String,
    key: String,
    peek: usize,
}

/// The artifact that a path asks for, if it is one of these paths.
pub(super) fn request(path: &str, uri: &Uri) -> Option<Wanted> {
    let rest = path.strip_prefix("/artifacts/")?;
    let peek = query(uri, "peek").and_then(|bytes| bytes.parse().ok()).unwrap_or_default();
    if rest == "get" {
        let value = |name| query(uri, name).unwrap_or_default();
        return Some(Wanted { source: value("source"), bucket: value("bucket"), key: value("key"), peek });
    }
    let (source, rest) = rest.split_once('/')?;
    let (bucket, key) = rest.split_once('/').or_else(|| uri.path().ends_with('/').then_some((rest, "")))?;
    // The route compares in lower case; what the path names does not.
    let key = exact(uri.path(), key);
    Some(Wanted { source: source.to_owned(), bucket: exact(uri.path(), bucket), key, peek })
}

/// A part of a path as it was sent, percent-encoding undone.
fn exact(path: &str, lower: &str) -> String {
    let at = path.to_ascii_lowercase().rfind(lower).filter(|_| !lower.is_empty());
    let sent = at.and_then(|at| path.get(at..at + lower.len())).unwrap_or(lower);
    url::form_urlencoded::parse(format!("v={}", sent.replace('+', "%2B")).as_bytes())
        .next()
        .map_or_else(|| sent.to_owned(), |(_, value)| value.into_owned())
}

/// Where a request for artifacts is handed on to: the artifact server of the namespace that it names.
pub(super) fn elsewhere(variables: &BTreeMap<String, String>, uri: &Uri) -> Option<String> {
    let get = |name: &str, otherwise: &str| variables.get(name).cloned().unwrap_or_else(|| otherwise.to_owned());
    if get("ARTIFACTS_SERVICE_PROXY_ENABLED", "false").to_lowercase() != "true" {
        return None;
    }
    let namespace = query(uri, "namespace").filter(|namespace| !namespace.is_empty())?;
    let (name, port) =
        (get("ARTIFACTS_SERVICE_PROXY_NAME", "ml-pipeline-ui-artifact"), get("ARTIFACTS_SERVICE_PROXY_PORT", "80"));
    Some(format!("http://{name}.{namespace}:{port}"))
}

/// Hands a request on, headers and all, without the namespace.
pub(super) async fn hand_on(visit: &Visit, server: &str, request: Request<Body>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let path = format!("{}?{}", head.uri.path(), without_namespace(head.uri.query().unwrap_or_default()));
    let host = head.headers.remove(header::HOST);
    let Ok(uri) = format!("{server}{path}").parse::<Uri>() else {
        return express::error(StatusCode::BAD_REQUEST, "the namespace is no host");
    };
    head.uri = uri;
    let mut response = mesh::call(&visit.world, visit.as_caller(), Request::from_parts(head, body)).await;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        response = Response::new(Body::from(format!("Error occured while trying to proxy to: {host}{path}")));
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    }
    response.headers_mut().insert("x-powered-by", HeaderValue::from_static("Express"));
    response
}

fn without_namespace(query: &str) -> String {
    let pairs = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "namespace");
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Wanted {
    pub(super) async fn answer(&self, visit: &Visit, variables: &BTreeMap<String, String>) -> Response<Body> {
        let text = if self.source.is_empty() {
            "Storage source is missing from artifact request".to_owned()
        } else if self.bucket.is_empty() {
            "Storage bucket is missing from artifact request".to_owned()
        } else if self.key.is_empty() {
            "Storage key is missing from artifact request".to_owned()
        } else if self.source == "minio" {
            match read(visit, variables, &self.bucket, &self.key).await {
                Ok(mut bytes) => {
                    if self.peek > 0 {
                        bytes.truncate(self.peek);
                    }
                    let mut response = Response::new(Body::from(bytes));
                    response.headers_mut().insert("x-powered-by", HeaderValue::from_static("Express"));
                    return response;
                }
                Err(why) => format!("{FAILED}{why}"),
            }
        } else if SOURCES.contains(&self.source.as_str()) {
            format!("{FAILED}Error: getaddrinfo ENOTFOUND {}", self.bucket)
        } else {
            "Unknown storage source".to_owned()
        };
        express::respond(StatusCode::INTERNAL_SERVER_ERROR, "text/html; charset=utf-8", text)
    }
}

/// An object of the bundled store, read with the server's own keys.
async fn read(visit: &Visit, variables: &BTreeMap<String, String>, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
    let get = |name: &str, otherwise: &str| variables.get(name).cloned().unwrap_or_else(|| otherwise.to_owned());
    let mut host = get("MINIO_HOST", "minio-service");
    let namespace = get("MINIO_NAMESPACE", "kubeflow");
    if !namespace.is_empty() {
        host = format!("{host}.{namespace}");
    }
    let port = get("MINIO_PORT", "9000");
    let credentials =
        Credentials { access: get("MINIO_ACCESS_KEY", "minio"), secret: get("MINIO_SECRET_KEY", "minio123") };
    let opened = object_store::connect(&visit.world, visit.as_caller(), (&host, &port), &credentials).await;
    let client = opened.map_err(|error| match error {
        ConnectError::Unknown(host) => format!("Error: getaddrinfo ENOTFOUND {host}"),
        ConnectError::Refused(place) => format!("Error: connect ECONNREFUSED {place}"),
        ConnectError::Denied(refusal) => format!("S3Error: {refusal}"),
    })?;
    client.get(bucket, key).map(|object| object.bytes.to_vec()).map_err(|refusal| format!("S3Error: {refusal}"))
}
