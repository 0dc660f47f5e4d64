//! Commands in a container, over a WebSocket whose messages begin with the number of their channel
//! (`k8s.io/apimachinery/pkg/util/remotecommand/constants.go`).

use std::sync::Arc;

use axum::body::Body;
use futures::{SinkExt, StreamExt};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::websocket::{self, Socket};
use super::{chosen, commands, curl, status};
use crate::actors::{self, Ended};
use crate::api::Status;
use crate::api::query::Query;
use crate::object::{name, text};
use crate::platform::World;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const CLOSE: u8 = 255;
/// What a command may be fed.
const STDIN_LIMIT: usize = 1 << 20;
/// How many bytes of output go into one message.
const CHUNK: usize = 32 << 10;

/// Answers a request to run a command.
///
/// # Errors
/// The refusal: no such container, it does not run, or no WebSocket.
pub(super) fn serve(world: Arc<World>, pod: Arc<Value>, mut request: Request<Body>) -> Result<Response<Body>, Status> {
    let query = Query::parse(request.uri().query());
    let container = chosen(&pod, query.get("container"))?;
    let runs = status(&pod, container).is_some_and(|status| status.pointer("/state/running").is_some());
    if !runs {
        let why = format!("unable to upgrade connection: container not found (\"{}\")", text(container, "/name"));
        return Err(Status::internal(why));
    }
    let command = Command {
        words: query.all("command").map(str::to_owned).collect(),
        stdin: query.is("stdin"),
        container: text(container, "/name").to_owned(),
        world,
        pod: pod.clone(),
    };
    if command.words.is_empty() {
        return Err(Status::bad_request(format!(
            "you must specify at least 1 command for the container of {}",
            name(&pod)
        )));
    }
    let mut upgrade = websocket::accept(&mut request, &["v5.channel.k8s.io", "v4.channel.k8s.io"])?;
    let response = std::mem::replace(&mut upgrade.response, Response::new(Body::empty()));
    tokio::spawn(async move {
        if let Some(socket) = upgrade.socket().await {
            command.run(socket).await;
        }
    });
    Ok(response)
}

struct Command {
    world: Arc<World>,
    pod: Arc<Value>,
    container: String,
    words: Vec<String>,
    stdin: bool,
}

impl Command {
    async fn run(self, mut socket: Socket) {
        let stdin =
            if self.stdin && commands::reads_stdin(&self.words) { read_stdin(&mut socket).await } else { Vec::new() };
        let status = match self.outcome(&stdin).await {
            Ok(ended) => {
                for (channel, bytes) in [(STDOUT, &ended.stdout), (STDERR, &ended.stderr)] {
                    for chunk in bytes.chunks(CHUNK) {
                        send(&mut socket, channel, chunk).await;
                    }
                }
                ended_status(ended.code)
            }
            Err(unknown) => unknown,
        };
        send(&mut socket, ERROR, status.to_string().as_bytes()).await;
        if let Err(error) = socket.send(websocket::goodbye()).await {
            tracing::debug!(%error, "the client left first");
        }
        // The client answers with its own close; until then the connection must not be cut.
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
    }

    /// What the played program, or else the few commands that are known everywhere, make of it.
    async fn outcome(&self, stdin: &[u8]) -> Result<Ended, Value> {
        let container = super::super::container(&self.pod, &self.container);
        let image = container.map(|container| text(container, "/image")).unwrap_or_default();
        // Istio's distroless images hold the proxy alone.
        if curl::is_curl(&self.words) && !image.contains("distroless") {
            return Ok(curl::run(&self.world, &self.pod, &self.words).await);
        }
        let actor = actors::playing(image);
        if let (Some(actor), Some(container)) = (actor, container) {
            tokio::time::sleep(actor.pause(&self.world, container, &self.words)).await;
        }
        let played = actor.and_then(|actor| actor.exec(&self.world, &self.pod, &self.container, &self.words, stdin));
        let place = commands::Place {
            world: &self.world,
            pod: &self.pod,
            container: &self.container,
            arguments: &[],
            files: None,
        };
        played.or_else(|| commands::run(&place, &self.words, stdin)).ok_or_else(|| {
            let word = self.words.first().map(String::as_str).unwrap_or_default();
            let why = format!(
                "error executing command in container: failed to exec in container: exec: \"{word}\": executable file not \
                 found in $PATH (the embedded reference platform plays only curl, {})",
                commands::KNOWN.join(", "),
            );
            Status::internal(why).to_value()
        })
    }
}

/// Reads until the client closes its input: v5 says so, v4 cannot.
async fn read_stdin(socket: &mut Socket) -> Vec<u8> {
    let mut stdin = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Binary(bytes) => match bytes.split_first() {
                Some((&STDIN, rest)) if stdin.len() + rest.len() <= STDIN_LIMIT => stdin.extend_from_slice(rest),
                Some((&CLOSE, [STDIN])) => break,
                _ => {}
            },
            Message::Close(_) => break,
            _ => {}
        }
    }
    stdin
}

async fn send(socket: &mut Socket, channel: u8, bytes: &[u8]) {
    let message = [&[channel], bytes].concat();
    if let Err(error) = socket.send(Message::Binary(message.into())).await {
        tracing::debug!(%error, "the client left first");
    }
}

fn ended_status(code: u8) -> Value {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({
        "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: command terminated with exit code {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}
