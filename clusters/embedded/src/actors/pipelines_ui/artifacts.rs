//! `/artifacts/get?source=…` and `/artifacts/{source}/{bucket}/{key}`: objects of the bundled store, handed on to the
//! tenant's own artifact server where a namespace is named, else read with this server's own keys, or those of a Secret
//! that `providerInfo` names. With the sources `http` and `https` it fetches from any host.
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/handlers/artifacts.ts`, `minio-helper.ts`; recorded exchanges. Other
//! clouds' stores are not reached, as from any closed network.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::{content, express, providers};
use crate::actors::object_store::{self, ConnectError, Credentials};
use crate::actors::{Visit, query};
use crate::mesh;

const FAILED: &str = "Failed to get object in bucket: ";
/// What another host's answer may be long.
const LIMIT: usize = 32 << 20;

/// An artifact that somebody asks for.
pub(super) struct Wanted {
    source: String,
    bucket: String,
    key: String,
    /// Whether the key came as a map, `key[x]=…`.
    key_is_map: bool,
    peek: usize,
    provider: Option<String>,
    namespace: Option<String>,
    /// Whether archives are unpacked.
    unpacked: bool,
}

/// The artifact that a path asks for, if it is one of these paths.
pub(super) fn request(path: &str, uri: &Uri) -> Option<Wanted> {
    let rest = path.strip_prefix("/artifacts/")?;
    let value = |name| query(uri, name).unwrap_or_default();
    let wanted = |source: String, bucket: String, key: String, unpacked| Wanted {
        source,
        bucket,
        key_is_map: key.is_empty() && uri.query().is_some_and(|query| query.contains("&key[")),
        key,
        peek: value("peek").parse().unwrap_or_default(),
        provider: query(uri, "providerInfo").filter(|info| !info.is_empty()),
        namespace: query(uri, "namespace"),
        unpacked,
    };
    if rest == "get" {
        return Some(wanted(value("source"), value("bucket"), value("key"), true));
    }
    let (source, rest) = rest.split_once('/')?;
    let (bucket, key) = rest.split_once('/').or_else(|| uri.path().ends_with('/').then_some((rest, "")))?;
    // The route compares in lower case; what the path names does not.
    Some(wanted(source.to_owned(), exact(uri.path(), bucket), exact(uri.path(), key), false))
}

/// A part of a path as it was sent, percent-encoding undone.
fn exact(path: &str, lower: &str) -> String {
    let at = path.to_ascii_lowercase().rfind(lower).filter(|_| !lower.is_empty());
    let sent = at.and_then(|at| path.get(at..at + lower.len())).unwrap_or(lower);
    crate::actors::decoded(sent).unwrap_or_else(|| sent.to_owned())
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
    Some(format!("{name}.{namespace}:{port}"))
}

/// Host, port and path of an address without scheme, as Node's `url.parse` reads it: whatever the namespace that was
/// pasted into it makes of it.
fn read(address: &str) -> (String, String) {
    let end = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (authority, mut path) = (&address[..end], address[end..].to_owned());
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let mut parts = authority.splitn(3, ':');
    let (host, port, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if let Some(more) = more {
        path = format!("/:{more}{path}");
    }
    if !path.is_empty() && !path.starts_with('/') {
        path.insert(0, '/');
    }
    (format!("{}:{}", host.to_lowercase(), port.unwrap_or("80")), path)
}

/// Hands a request on, headers and all, without the namespace.
pub(super) async fn hand_on(visit: &Visit, server: &str, request: Request<Body>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let path = format!("{}?{}", head.uri.path(), without_namespace(head.uri.query().unwrap_or_default()));
    let host = head.headers.remove(header::HOST);
    let (authority, prefix) = read(server);
    let unreached = || {
        let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let mut response = Response::new(Body::from(format!("Error occured while trying to proxy to: {host}{path}")));
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
        response
    };
    let mut response = match format!("http://{authority}{prefix}{path}").parse::<Uri>() {
        Ok(uri) => {
            head.uri = uri;
            mesh::call(&visit.world, visit.as_caller(), Request::from_parts(head, body)).await
        }
        // Nobody has a name that is none.
        Err(_) => unreached(),
    };
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response = unreached();
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
        match self.content(visit, variables).await {
            Ok(mut bytes) => {
                if self.unpacked {
                    bytes = content::shown(bytes);
                }
                let mut response = Response::new(Body::from(content::peeked(bytes, self.peek)));
                response.headers_mut().insert("x-powered-by", HeaderValue::from_static("Express"));
                response
            }
            Err(why) => express::respond(StatusCode::INTERNAL_SERVER_ERROR, "text/html; charset=utf-8", why),
        }
    }

    async fn content(&self, visit: &Visit, variables: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
        let missing = |what: &str| Err(format!("Storage {what} is missing from artifact request"));
        if self.source.is_empty() {
            return missing("source");
        }
        if self.bucket.is_empty() {
            return missing("bucket");
        }
        if self.key.is_empty() && !self.key_is_map {
            return missing("key");
        }
        match self.source.as_str() {
            "minio" => self.stored(visit, variables).await,
            "http" | "https" => fetched(visit, &self.source, &self.bucket, &self.key).await,
            "s3" => Err(format!("{FAILED}Error: getaddrinfo ENOTFOUND {}.s3.amazonaws.com", self.bucket)),
            "gcs" => Err(self.of_google()),
            "volume" => Err(format!("Failed to open volume, volume \"{}\" not configured", self.bucket)),
            _ => Err("Unknown storage source".to_owned()),
        }
    }

    fn of_google(&self) -> String {
        let why = match &self.provider {
            Some(_) => "Error: Failed to parse GCS Provider config. Error: [object Object]".to_owned(),
            None => format!(
                "FetchError: request to https://www.googleapis.com/storage/v1/b/{}/o?prefix={} failed, reason: getaddrinfo \
                 ENOTFOUND www.googleapis.com",
                self.bucket, self.key
            ),
        };
        format!("Failed to download GCS file(s). Error: {why}")
    }

    /// An object of the bundled store, or of the one that a provider's description names.
    async fn stored(&self, visit: &Visit, variables: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
        let store = match &self.provider {
            None => Store::own(variables),
            Some(info) => providers::store(visit, info, self.namespace.as_deref(), Store::own(variables))
                .map_err(|why| format!("Failed to initialize Minio Client for Minio Provider: {why}"))?,
        };
        if !is_bucket(&self.bucket) {
            return Err(format!("{FAILED}InvalidBucketNameError: Invalid bucket name: {}", self.bucket));
        }
        if self.key_is_map {
            return Err(format!("{FAILED}InvalidObjectNameError: Invalid object name: [object Object]"));
        }
        let key = self.key.trim_start_matches('/');
        if key.split('/').any(|part| [".", ".."].contains(&part)) {
            let refused = "Resource name contains bad components such as \"..\" or \".\".";
            return Err(format!("{FAILED}S3Error: {refused}"));
        }
        store.object(visit, &self.bucket, key).await.map_err(|why| format!("{FAILED}{why}"))
    }
}

/// Whether minio-js takes a text for a bucket's name (`isValidBucketName`).
fn is_bucket(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
    (3..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with(['.', '-'])
        && !name.ends_with(['.', '-'])
        && !name.contains("..")
        && name.parse::<Ipv4Addr>().is_err()
}

/// An object store, and the keys to it.
pub(super) struct Store {
    pub(super) host: String,
    pub(super) port: String,
    pub(super) credentials: Credentials,
}

impl Store {
    /// The one that the server's environment names.
    fn own(variables: &BTreeMap<String, String>) -> Self {
        let get = |name: &str, otherwise: &str| variables.get(name).cloned().unwrap_or_else(|| otherwise.to_owned());
        let (host, namespace) = (get("MINIO_HOST", "minio-service"), get("MINIO_NAMESPACE", "kubeflow"));
        let credentials =
            Credentials { access: get("MINIO_ACCESS_KEY", "minio"), secret: get("MINIO_SECRET_KEY", "minio123") };
        let host = if namespace.is_empty() { host } else { format!("{host}.{namespace}") };
        Self { host, port: get("MINIO_PORT", "9000"), credentials }
    }

    async fn object(&self, visit: &Visit, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        let place = (self.host.as_str(), self.port.as_str());
        let opened = object_store::connect(&visit.world, visit.as_caller(), place, &self.credentials).await;
        let client = opened.map_err(|error| match error {
            ConnectError::Unknown(host) => format!("Error: getaddrinfo ENOTFOUND {host}"),
            ConnectError::Refused(place) => format!("Error: connect ECONNREFUSED {place}"),
            ConnectError::Denied(refusal) => format!("S3Error: {refusal}"),
        })?;
        client.get(bucket, key).map(|object| object.bytes.to_vec()).map_err(|refusal| format!("S3Error: {refusal}"))
    }
}

/// What another host answers, whatever its status.
async fn fetched(visit: &Visit, scheme: &str, host: &str, path: &str) -> Result<Vec<u8>, String> {
    let unreached = || format!("{FAILED}Error: getaddrinfo ENOTFOUND {host}");
    let request = Request::get(format!("{scheme}://{host}/{path}")).body(Body::empty()).map_err(|_| unreached())?;
    let response = mesh::call(&visit.world, visit.as_caller(), request).await;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        return Err(unreached());
    }
    let body = Limited::new(response.into_body(), LIMIT).collect().await.map_err(|_| unreached())?;
    Ok(body.to_bytes().to_vec())
}

/// A member of a JSON object as a text.
pub(super) fn member<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    of.get(name).and_then(Value::as_str).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_namespace_leads_wherever_it_says() {
        let read = |address: &str| {
            let (authority, path) = read(address);
            format!("{authority}{path}")
        };
        assert_eq!(read("server.otto:80"), "server.otto:80");
        assert_eq!(read("server.x@canary:81/:80"), "canary:81/:80");
        assert_eq!(read("server.otto:80:80"), "server.otto:80/:80");
        assert_eq!(read("server.otto:80/other?:80"), "server.otto:80/other?:80");
        assert_eq!(read("server.WANDA:80"), "server.wanda:80");
    }

    #[test]
    fn names_of_buckets_are_looked_at_first() {
        assert!(is_bucket("mlpipeline") && is_bucket("a.b-c"));
        for refused in ["B_", "ab", "a..b", "-abc", "1.2.3.4", "a/b"] {
            assert!(!is_bucket(refused), "{refused}");
        }
    }
}
