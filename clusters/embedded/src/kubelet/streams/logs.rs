//! What a container has written.

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{Response, Uri, header};
use serde_json::{Value, json};

use super::{Written, chosen, status};
use crate::actors;
use crate::api::Status;
use crate::api::query::Query;
use crate::api::validate::Problem;
use crate::object::{name, namespace, text, uid};
use crate::platform::World;
use crate::store::{Key, now};

/// How often a followed log is looked at for new lines: the programs' memory tells nobody of them.
const LOOK: Duration = Duration::from_millis(500);

/// Answers a request for a log.
///
/// # Errors
/// The refusal: no such container, or it has not run.
pub(super) fn serve(world: &Arc<World>, pod: &Arc<Value>, uri: &Uri) -> Result<Response<Body>, Status> {
    let query = Query::parse(uri.query());
    let container = chosen(pod, query.get("container"))?;
    let name_of = text(container, "/name").to_owned();
    for (option, least, rule) in [
        ("tailLines", 0, "must be greater than or equal to 0"),
        ("sinceSeconds", 1, "must be greater than 0"),
        ("limitBytes", 1, "must be greater than 0"),
    ] {
        let given = query.get(option).and_then(|text| text.parse::<i64>().ok());
        if let Some(value) = given.filter(|value| *value < least) {
            let problem = Problem::invalid(option, &json!(value), rule);
            let message = format!("PodLogOptions \"{}\" is invalid: {option}: {}", name(pod), problem.message);
            return Err(Status::new(422, "Invalid", message).with_details(json!({
                "name": name(pod), "kind": "PodLogOptions", "causes": [problem.cause()],
            })));
        }
    }
    if query.is("previous") {
        let last = status(pod, container).and_then(|status| status.pointer("/lastState/terminated"));
        let Some(last) = last else {
            let why = format!("previous terminated container \"{name_of}\" in pod \"{}\" not found", name(pod));
            return Err(Status::bad_request(why));
        };
        return Ok(plain(Body::from(format!("{}\n", text(last, "/message")))));
    }
    if let Some(reason) = waits_for(pod, container) {
        let why = format!("container \"{name_of}\" in pod \"{}\" is waiting to start: {reason}", name(pod));
        return Err(Status::bad_request(why));
    }
    let shape = Shape {
        timestamps: query.is("timestamps"),
        tail: query.number("tailLines").and_then(|lines| usize::try_from(lines).ok()),
        limit: query.number("limitBytes").and_then(|bytes| usize::try_from(bytes).ok()),
    };
    let lines = written(world, pod, container);
    if !query.is("follow") {
        return Ok(plain(Body::from(shape.cut(&lines))));
    }
    let first = shape.cut(&lines);
    let follower = Follower { world: world.clone(), pod: pod.clone(), container: name_of, seen: lines.len(), shape };
    let begun = (Some(first), follower);
    let stream = futures::stream::unfold(begun, |(first, mut follower)| async move {
        let next = match first {
            Some(first) => first,
            None => follower.next().await?,
        };
        Some((Ok::<_, Infallible>(Bytes::from(next)), (None, follower)))
    });
    Ok(plain(Body::from_stream(stream)))
}

fn plain(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
    response
}

/// Why a container has no log yet, in the kubelet's words (`pkg/kubelet/kubelet_pods.go`, `validateContainerLogStatus`).
fn waits_for(pod: &Value, container: &Value) -> Option<String> {
    let Some(status) = status(pod, container) else { return Some("ContainerCreating".to_owned()) };
    // A container that was restarted shows what its last run wrote.
    if status.pointer("/lastState/terminated").is_some() {
        return None;
    }
    match status.pointer("/state/waiting/reason").and_then(Value::as_str)? {
        "ErrImagePull" => Some("image can't be pulled".to_owned()),
        "ImagePullBackOff" => Some("trying and failing to pull image".to_owned()),
        reason => Some(reason.to_owned()),
    }
}

fn written(world: &World, pod: &Value, container: &Value) -> Vec<String> {
    let name = text(container, "/name");
    let kept = world.memory.of::<Written>(uid(pod)).0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if !kept.is_empty() {
        return kept;
    }
    if let Some(status) = status(pod, container)
        && status.pointer("/state/running").is_none()
        && let Some(last) = status.pointer("/state/terminated").or_else(|| status.pointer("/lastState/terminated"))
    {
        let complaint = text(last, "/message");
        if !complaint.is_empty() {
            return vec![complaint.to_owned()];
        }
        return match actors::playing(text(container, "/image")) {
            Some(actor) => actor.logs(world, pod, name),
            None => {
                let files = RefCell::default();
                let ended = super::play(world, (pod, name), &super::command(container), &files).unwrap_or_default();
                let log = [ended.stdout, ended.stderr].concat();
                String::from_utf8_lossy(&log).lines().map(str::to_owned).collect()
            }
        };
    }
    match actors::playing(text(container, "/image")) {
        Some(actor) => actor.logs(world, pod, name),
        None => vec![format!("{name}: no program: the embedded reference platform runs no images")],
    }
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    timestamps: bool,
    tail: Option<usize>,
    limit: Option<usize>,
}

impl Shape {
    fn cut(self, lines: &[String]) -> String {
        let from = self.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        let mut text = self.write(&lines[from..]);
        if let Some(limit) = self.limit {
            let limit = (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(limit);
        }
        text
    }

    fn write(self, lines: &[String]) -> String {
        let stamp = if self.timestamps { format!("{} ", now()) } else { String::new() };
        lines.iter().map(|line| format!("{stamp}{line}\n")).collect()
    }
}

struct Follower {
    world: Arc<World>,
    pod: Arc<Value>,
    container: String,
    seen: usize,
    shape: Shape,
}

impl Follower {
    /// The next lines; `None` when the pod is gone.
    async fn next(&mut self) -> Option<String> {
        let key = Key::new("", "pods", namespace(&self.pod), name(&self.pod));
        loop {
            tokio::time::sleep(LOOK).await;
            let pod = self.world.store.get(&key).filter(|pod| uid(pod) == uid(&self.pod))?;
            let lines = written(&self.world, &pod, crate::kubelet::container(&pod, &self.container)?);
            let fresh = lines.get(self.seen..).unwrap_or_default().to_vec();
            self.seen = lines.len();
            if !fresh.is_empty() {
                return Some(self.shape.write(&fresh));
            }
        }
    }
}
