//! The streams of a pod: logs, exec, attach, port-forward. The API has authenticated, authorized and found the pod; the
//! request still has its upgrade (`hyper::upgrade::on`) and its query string.
//!
//! Clients come over WebSocket (`v5.channel.k8s.io`, `v4.channel.k8s.io`); a port-forward also with SPDY/3.1, alone or
//! inside a WebSocket, as kubectl does it. Bytes that a client sends go to nothing but a played program.

mod arithmetic;
mod commands;
mod curl;
mod exec;
mod logs;
mod pod_port;
mod port_forward;
mod shell;
mod spdy;
mod websocket;

use std::cell::RefCell;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::{Request, Response};
use serde_json::Value;

use crate::actors::Ended;
use crate::api::Status;
use crate::api::query::Query;
use crate::object::{list, name, text};
use crate::platform::World;

pub(crate) use commands::Files;

/// What a container that has ended had written, where it is kept: by the pod's uid.
#[derive(Default)]
pub(crate) struct Written(pub(crate) Mutex<Vec<String>>);

/// Runs the command of a container, with files to read and write. `None`: there is no such command here.
pub(crate) fn play(
    world: &World,
    (pod, container): (&Value, &str),
    words: &[String],
    files: &RefCell<Files>,
) -> Option<Ended> {
    let place = commands::Place { world, pod, container, arguments: &[], files: Some(files) };
    commands::run(&place, words, b"")
}

/// Command and arguments of a container.
pub(crate) fn command(container: &Value) -> Vec<String> {
    let words = list(container, "/command").iter().chain(list(container, "/args"));
    words.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `GET …/pods/NAME/log?container=&follow=&tailLines=…`
pub async fn logs(world: Arc<World>, pod: Arc<Value>, request: Request<Body>) -> Response<Body> {
    logs::serve(&world, &pod, request.uri()).unwrap_or_else(Status::into_response)
}

/// `GET …/pods/NAME/exec?command=&stdin=…` over WebSocket.
pub async fn exec(world: Arc<World>, pod: Arc<Value>, request: Request<Body>) -> Response<Body> {
    exec::serve(world, pod, request).unwrap_or_else(Status::into_response)
}

/// `GET …/pods/NAME/attach`: the played programs write to no terminal, so there is nothing to attach to.
pub async fn attach(_: Arc<World>, pod: Arc<Value>, request: Request<Body>) -> Response<Body> {
    if let Err(status) = chosen(&pod, Query::parse(request.uri().query()).get("container")) {
        return status.into_response();
    }
    Status::new(501, "NotImplemented", "the embedded reference platform does not play attach; use logs or exec")
        .into_response()
}

/// `GET|POST …/pods/NAME/portforward?ports=`.
pub async fn port_forward(world: Arc<World>, pod: Arc<Value>, request: Request<Body>) -> Response<Body> {
    port_forward::serve(world, pod, request).unwrap_or_else(Status::into_response)
}

/// The container that a request names, or the one that it can only mean
/// (`pkg/registry/core/pod/strategy.go` of Kubernetes 1.34).
fn chosen<'a>(pod: &'a Value, wanted: Option<&str>) -> Result<&'a Value, Status> {
    let ordinary = list(pod, "/spec/containers");
    let default = pod.pointer("/metadata/annotations/kubectl.kubernetes.io~1default-container").and_then(Value::as_str);
    if let Some(wanted) = wanted.or(default).filter(|wanted| !wanted.is_empty()) {
        let why = || Status::bad_request(format!("container {wanted} is not valid for pod {}", name(pod)));
        return super::container(pod, wanted).ok_or_else(why);
    }
    match ordinary {
        [only] => Ok(only),
        _ => {
            let names =
                |place: &str| list(pod, place).iter().map(|one| text(one, "/name")).collect::<Vec<_>>().join(" ");
            let init = names("/spec/initContainers");
            let or = if init.is_empty() { String::new() } else { format!(" or one of the init containers: [{init}]") };
            Err(Status::bad_request(format!(
                "a container name must be specified for pod {}, choose one of: [{}]{or}",
                name(pod),
                names("/spec/containers"),
            )))
        }
    }
}

/// The status of a container, ordinary or init.
fn status<'a>(pod: &'a Value, container: &Value) -> Option<&'a Value> {
    ["/status/containerStatuses", "/status/initContainerStatuses"]
        .iter()
        .find_map(|statuses| super::containers::status_of(pod, statuses, container))
}
