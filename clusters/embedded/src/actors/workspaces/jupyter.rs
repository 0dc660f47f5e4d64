//! A notebook server as the Jupyter images of Kubeflow run one: page, version, files, kernels and a kernel's websocket,
//! below the prefix that the controller gives it.
//!
//! Facts: jupyter_server 2 `jupyter_server/services/{api,contents,kernels}` and its REST API; kubeflow/kubeflow v1.9.2
//! `components/example-notebook-servers/jupyter/s6/services.d/jupyterlab/run` (no token, no password: the mesh's policy is
//! the only lock). Of a kernel only its answer to `kernel_info_request` is played: no code runs. Files live as long as the
//! claim that is mounted at the home directory, or as the pod where there is none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use futures::future::BoxFuture;
use futures::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, COOKIE, HeaderValue, LOCATION, SEC_WEBSOCKET_ACCEPT, SET_COOKIE, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::super::{Actor, Visit, net_http};
use crate::kubelet::environment;
use crate::object::{list, namespace, text, uid};
use crate::platform::World;
use crate::store::{Key, now};

/// The largest file that is taken.
const LIMIT: usize = 1 << 20;
const HOME: &str = "/home/jovyan";

/// A notebook server.
pub struct Jupyter;

/// Files by path, with their content.
#[derive(Default)]
struct Files(Mutex<BTreeMap<String, String>>);
/// The kernels of a server by id, with the time of their start.
#[derive(Default)]
struct Kernels(Mutex<BTreeMap<String, String>>);

impl Actor for Jupyter {
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move { answer(&visit, request).await })
    }

    fn logs(&self, world: &World, pod: &Value, container: &str) -> Vec<String> {
        let prefix = environment::variables(&world.store, pod, container).remove("NB_PREFIX").unwrap_or_default();
        vec![format!("[I ServerApp] Jupyter Server is running at http://localhost:8888{prefix}/lab")]
    }
}

async fn answer(visit: &Visit, mut request: Request<Body>) -> Response<Body> {
    let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
    let prefix = variables.get("NB_PREFIX").map_or("", |prefix| prefix.trim_end_matches('/'));
    let path = request.uri().path().to_owned();
    let Some(route) = path.strip_prefix(prefix) else { return not_found() };
    let method = request.method().clone();
    let segments: Vec<&str> = route.split('/').skip(1).collect();
    let changes = !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS);
    if changes && !is_own_page(request.headers()) {
        return json_answer(StatusCode::FORBIDDEN, &json!({"message": "'_xsrf' argument missing from POST"}));
    }
    match (&method, segments.as_slice()) {
        (&Method::GET, [] | [""]) => redirect(&format!("{prefix}/lab?")),
        (&Method::GET, ["lab", ..]) => page(prefix),
        (&Method::GET, ["api"]) => json_answer(StatusCode::OK, &json!({"version": "2.14.2"})),
        (_, ["api", "contents", file @ ..]) if !file.is_empty() => {
            let file = file.join("/");
            let body = Limited::new(request.into_body(), LIMIT).collect().await;
            contents(visit, &method, &file, &body.map(|body| body.to_bytes().to_vec()).unwrap_or_default())
        }
        (&Method::GET, ["api", "kernels", id, "channels"]) => channels(visit, id, &mut request),
        (_, ["api", "kernels", rest @ ..]) => kernels(visit, prefix, &method, rest),
        _ => not_found(),
    }
}

/// What changes something must come from the server's own page: the cookie that the page set, said again in a header.
fn is_own_page(headers: &HeaderMap) -> bool {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
    let mut values = cookies.filter_map(|cookie| cookie.trim().strip_prefix("_xsrf="));
    let said = headers.get("x-xsrftoken").and_then(|value| value.to_str().ok());
    said.is_some_and(|said| values.any(|value| value == said))
}

fn page(prefix: &str) -> Response<Body> {
    let page = "<!doctype html>\n<html lang=\"en\"><head><title>JupyterLab</title></head>\n<body></body></html>\n";
    let mut response = net_http::answer(StatusCode::OK, "text/html; charset=UTF-8", page);
    let cookie = format!("_xsrf={}; Path={prefix}/", uuid::Uuid::new_v4().simple());
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = net_http::answer(StatusCode::FOUND, "text/html; charset=UTF-8", Body::empty());
    net_http::set_header(response.headers_mut(), LOCATION, to);
    response
}

fn not_found() -> Response<Body> {
    json_answer(StatusCode::NOT_FOUND, &json!({"message": "Not Found", "reason": null}))
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    net_http::answer(status, "application/json", body.to_string())
}

/// Reads, writes or removes a file.
fn contents(visit: &Visit, method: &Method, file: &str, body: &[u8]) -> Response<Body> {
    let files = visit.world.memory.of::<Files>(&disk(visit));
    let mut files = files.0.lock().unwrap_or_else(PoisonError::into_inner);
    let model = |content: Value| {
        let name = file.rsplit('/').next();
        json!({"name": name, "path": file, "type": "file", "format": "text", "mimetype": "text/plain", "writable": true,
            "content": content})
    };
    match *method {
        Method::GET => match files.get(file) {
            Some(content) => json_answer(StatusCode::OK, &model(json!(content))),
            None => json_answer(
                StatusCode::NOT_FOUND,
                &json!({"message": format!("No such file or directory: {file}"), "reason": null}),
            ),
        },
        Method::PUT => {
            let wanted: Value = serde_json::from_slice(body).unwrap_or_default();
            let Some(content) = wanted.get("content").and_then(Value::as_str) else {
                return json_answer(StatusCode::BAD_REQUEST, &json!({"message": "No file content provided"}));
            };
            let known = files.insert(file.to_owned(), content.to_owned()).is_some();
            json_answer(if known { StatusCode::OK } else { StatusCode::CREATED }, &model(Value::Null))
        }
        Method::DELETE if files.remove(file).is_some() => empty(),
        _ => not_found(),
    }
}

fn empty() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Whose life the files share: the claim mounted at the home directory, else the pod.
fn disk(visit: &Visit) -> String {
    let container = crate::kubelet::container(&visit.pod, &visit.container).cloned().unwrap_or_default();
    let mount = list(&container, "/volumeMounts").iter().find(|mount| text(mount, "/mountPath") == HOME).cloned();
    let volume = mount.and_then(|mount| {
        list(&visit.pod, "/spec/volumes").iter().find(|volume| text(volume, "/name") == text(&mount, "/name")).cloned()
    });
    let claim = volume.as_ref().map(|volume| text(volume, "/persistentVolumeClaim/claimName")).unwrap_or_default();
    let key = Key::new("", "persistentvolumeclaims", namespace(&visit.pod), claim);
    visit.world.store.get(&key).map_or_else(|| uid(&visit.pod).to_owned(), |claim| uid(&claim).to_owned())
}

fn of_server(visit: &Visit) -> Arc<Kernels> {
    visit.world.memory.of::<Kernels>(uid(&visit.pod))
}

/// The list of kernels; a new one; one; its end.
fn kernels(visit: &Visit, prefix: &str, method: &Method, rest: &[&str]) -> Response<Body> {
    let kernels = of_server(visit);
    let mut kernels = kernels.0.lock().unwrap_or_else(PoisonError::into_inner);
    let model = |id: &str, since: &str| json!({"id": id, "name": "python3", "last_activity": since, "execution_state": "idle", "connections": 0});
    match (method, rest) {
        (&Method::GET, []) => {
            json_answer(StatusCode::OK, &kernels.iter().map(|(id, since)| model(id, since)).collect::<Value>())
        }
        (&Method::POST, []) => {
            let id = uuid::Uuid::new_v4().to_string();
            let since = now();
            let mut response = json_answer(StatusCode::CREATED, &model(&id, &since));
            net_http::set_header(response.headers_mut(), LOCATION, &format!("{prefix}/api/kernels/{id}"));
            kernels.insert(id, since);
            response
        }
        (&Method::GET, [id]) => match kernels.get(*id) {
            Some(since) => json_answer(StatusCode::OK, &model(id, since)),
            None => json_answer(StatusCode::NOT_FOUND, &json!({"message": format!("Kernel does not exist: {id}")})),
        },
        (&Method::DELETE, [id]) if kernels.remove(*id).is_some() => empty(),
        _ => not_found(),
    }
}

/// A kernel's websocket.
fn channels(visit: &Visit, id: &str, request: &mut Request<Body>) -> Response<Body> {
    let known = of_server(visit).0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id);
    let key = request.headers().get("sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
    let (true, Some(accept)) = (known, key) else { return not_found() };
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            talk(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await).await;
        }
    });
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
    response
}

/// Answers each question about the kernel until the client leaves.
async fn talk<S>(mut socket: WebSocketStream<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let asked: Value = serde_json::from_str(&text).unwrap_or_default();
        if asked.pointer("/header/msg_type").and_then(Value::as_str) != Some("kernel_info_request") {
            continue;
        }
        let reply = json!({
            "channel": "shell", "parent_header": asked["header"], "metadata": {}, "buffers": [],
            "header": {"msg_id": uuid::Uuid::new_v4().to_string(), "msg_type": "kernel_info_reply", "version": "5.3"},
            "content": {"status": "ok", "protocol_version": "5.3", "implementation": "ipython",
                "language_info": {"name": "python"}},
        });
        if socket.send(Message::text(reply.to_string())).await.is_err() {
            return;
        }
    }
}
