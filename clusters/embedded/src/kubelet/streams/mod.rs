//! The streams of a pod: logs, exec, attach, port-forward. The API has authenticated, authorized and found the pod; the
//! request still has its upgrade (`hyper::upgrade::on`) and its query string.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, Response};
use serde_json::Value;

use crate::api::Status;
use crate::platform::World;

/// `GET …/pods/NAME/log?container=&follow=&tailLines=…`
pub async fn logs(world: Arc<World>, pod: Arc<Value>, request: Request<Body>) -> Response<Body> {
    let _ = (world, pod, request);
    Status::new(501, "NotImplemented", "logs are not served yet").into_response()
}

/// `GET|POST …/pods/NAME/exec?command=&stdin=…` (WebSocket `v5.channel.k8s.io`, SPDY/3.1).
pub async fn exec(world: Arc<World>, pod: Arc<Value>, request: Request<Body>) -> Response<Body> {
    let _ = (world, pod, request);
    Status::new(501, "NotImplemented", "exec is not served yet").into_response()
}

/// `GET|POST …/pods/NAME/attach`.
pub async fn attach(world: Arc<World>, pod: Arc<Value>, request: Request<Body>) -> Response<Body> {
    let _ = (world, pod, request);
    Status::new(501, "NotImplemented", "attach is not served yet").into_response()
}

/// `GET|POST …/pods/NAME/portforward?ports=`.
pub async fn port_forward(world: Arc<World>, pod: Arc<Value>, request: Request<Body>) -> Response<Body> {
    let _ = (world, pod, request);
    Status::new(501, "NotImplemented", "port-forward is not served yet").into_response()
}
