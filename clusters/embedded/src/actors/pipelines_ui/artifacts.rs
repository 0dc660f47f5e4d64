//! `/artifacts/get?source=…` and `/artifacts/{source}/{bucket}/{key}`: what is refused. No object store is played, so
//! nothing is ever found.
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/handlers/artifacts.ts`; recorded exchanges.

use axum::body::Body;
use http::{Response, StatusCode, Uri};

use super::express;
use crate::actors::query;

const SOURCES: &[&str] = &["gcs", "minio", "s3", "http", "https", "volume"];
const UNREACHED: &str = "Failed to get object in bucket: Error: getaddrinfo ENOTFOUND minio-service.kubeflow";

/// An artifact that somebody asks for.
pub(super) struct Wanted {
    source: String,
    bucket: String,
    key: String,
}

/// The artifact that a path asks for, if it is one of these paths.
pub(super) fn request(path: &str, uri: &Uri) -> Option<Wanted> {
    let rest = path.strip_prefix("/artifacts/")?;
    if rest == "get" {
        let value = |name| query(uri, name).unwrap_or_default();
        return Some(Wanted { source: value("source"), bucket: value("bucket"), key: value("key") });
    }
    let (source, rest) = rest.split_once('/')?;
    let (bucket, key) = rest.split_once('/').or_else(|| uri.path().ends_with('/').then_some((rest, "")))?;
    Some(Wanted { source: source.to_owned(), bucket: bucket.to_owned(), key: key.to_owned() })
}

impl Wanted {
    pub(super) fn answer(&self) -> Response<Body> {
        let text = if self.source.is_empty() {
            "Storage source is missing from artifact request"
        } else if self.bucket.is_empty() {
            "Storage bucket is missing from artifact request"
        } else if self.key.is_empty() {
            "Storage key is missing from artifact request"
        } else if SOURCES.contains(&self.source.as_str()) {
            UNREACHED
        } else {
            "Unknown storage source"
        };
        express::respond(StatusCode::INTERNAL_SERVER_ERROR, "text/html; charset=utf-8", text.to_owned())
    }
}
