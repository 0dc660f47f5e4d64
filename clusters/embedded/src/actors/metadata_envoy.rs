//! The gRPC-web bridge to the metadata store. The store itself comes with the data suites: so far every method answers
//! that the upstream is not there, as Envoy's gRPC-web filter words it.

use axum::body::Body;
use futures::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};

use super::{Actor, Visit};

/// The `metadata-envoy` container.
pub struct MetadataEnvoy;

impl Actor for MetadataEnvoy {
    fn serve(&self, _: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let mut response = Response::new(Body::empty());
            let asked = request.headers().get(CONTENT_TYPE).cloned();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, asked.unwrap_or(HeaderValue::from_static("application/grpc")));
            headers.insert("grpc-status", HeaderValue::from_static("14"));
            headers.insert("grpc-message", HeaderValue::from_static("no healthy upstream"));
            response
        })
    }
}
