//! Port-forwards: a WebSocket with two channels a port (`pkg/kubelet/…/portforward/websocket.go` of Kubernetes), or SPDY.

use std::sync::Arc;

use axum::body::Body;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use http::header::UPGRADE;
use http::{Request, Response};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::websocket::{self, Socket};
use super::{pod_port, spdy};
use crate::api::Status;
use crate::api::query::Query;
use crate::object::text;
use crate::platform::World;

const CHANNELS: &str = "v4.channel.k8s.io";
const SPDY: &str = "portforward.k8s.io";
/// kubectl since 1.31: SPDY frames as the bytes of a WebSocket.
const TUNNELLED: &str = "SPDY/3.1+portforward.k8s.io";
/// How many ports one WebSocket may have: their channels are numbered by a byte.
const PORTS: usize = 100;
const CHUNK: usize = 16 << 10;

/// Answers a request to forward ports.
///
/// # Errors
/// The refusal: the pod does not run, no port, no upgrade.
pub(super) fn serve(world: Arc<World>, pod: Arc<Value>, mut request: Request<Body>) -> Result<Response<Body>, Status> {
    if text(&pod, "/status/phase") != "Running" {
        let phase = text(&pod, "/status/phase");
        let why = format!("unable to forward port because pod is not running. Current status={phase}");
        return Err(Status::bad_request(why));
    }
    if websocket::has(request.headers(), &UPGRADE, "SPDY/3.1") {
        let mut upgrade = websocket::accept_spdy(&mut request, SPDY)?;
        let response = std::mem::replace(&mut upgrade.response, Response::new(Body::empty()));
        tokio::spawn(async move {
            if let Some(raw) = upgrade.raw().await {
                spdy::serve(world, pod, raw).await;
            }
        });
        return Ok(response);
    }
    let mut upgrade = websocket::accept(&mut request, &[TUNNELLED, CHANNELS])?;
    let ports = if upgrade.protocol == CHANNELS { ports(&request)? } else { Vec::new() };
    let response = std::mem::replace(&mut upgrade.response, Response::new(Body::empty()));
    tokio::spawn(async move {
        let tunnelled = upgrade.protocol == TUNNELLED;
        let Some(socket) = upgrade.socket().await else { return };
        if tunnelled {
            let (near, far) = tokio::io::duplex(CHUNK * 4);
            tokio::join!(tunnel(socket, near), spdy::serve(world, pod, far));
        } else {
            channels(&world, &pod, &ports, socket).await;
        }
    });
    Ok(response)
}

/// The ports that the query names, each as one or several comma-separated numbers.
fn ports(request: &Request<Body>) -> Result<Vec<u16>, Status> {
    let query = Query::parse(request.uri().query());
    let ports: Option<Vec<u16>> =
        query.all("ports").flat_map(|ports| ports.split(',')).map(|port| port.trim().parse().ok()).collect();
    match ports {
        Some(ports) if (1..=PORTS).contains(&ports.len()) && !ports.contains(&0) => Ok(ports),
        _ => Err(Status::bad_request("query parameter \"ports\" must name one to 100 port numbers")),
    }
}

/// Carries the bytes of binary messages both ways.
async fn tunnel(socket: Socket, stream: DuplexStream) {
    let (mut sink, mut source) = socket.split();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let out = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(length @ 1..) = reader.read(&mut buffer).await {
            if sink.send(Message::Binary(buffer[..length].to_vec().into())).await.is_err() {
                break;
            }
        }
        sink.send(websocket::goodbye()).await
    };
    let back = async {
        while let Some(Ok(message)) = source.next().await {
            match message {
                Message::Binary(bytes) if writer.write_all(&bytes).await.is_err() => break,
                Message::Close(_) => break,
                _ => {}
            }
        }
        writer.shutdown().await
    };
    if let (Err(error), _) = tokio::join!(out, back) {
        tracing::debug!(%error, "a tunnel ended");
    }
}

/// Serves ports over channels: data of the n-th port on 2n, its error on 2n+1; each channel begins with its port.
async fn channels(world: &Arc<World>, pod: &Arc<Value>, ports: &[u16], socket: Socket) {
    let (sink, source) = socket.split();
    let (sender, receiver) = mpsc::channel::<Vec<u8>>(PORTS * 3);
    let mut writers = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let channel = u8::try_from(index * 2).unwrap_or_default();
        for channel in [channel, channel + 1] {
            let [low, high] = port.to_le_bytes();
            if sender.send(vec![channel, low, high]).await.is_err() {
                return;
            }
        }
        match pod_port::connect(world, pod, *port) {
            Ok(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                writers.push(Some(writer));
                tokio::spawn(from_pod(channel, reader, sender.clone()));
            }
            Err(why) => {
                writers.push(None);
                let message = [&[channel + 1], why.as_bytes()].concat();
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
    // The last port that ends closes the queue, and with it the connection.
    drop(sender);
    let writing = to_pod(writers, source);
    tokio::select! {
        () = to_client(receiver, sink) => {}
        () = writing => {}
    }
}

async fn from_pod(channel: u8, mut reader: ReadHalf<DuplexStream>, sender: mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        if sender.send([&[channel], &buffer[..length]].concat()).await.is_err() {
            return;
        }
    }
}

async fn to_client(mut receiver: mpsc::Receiver<Vec<u8>>, mut sink: SplitSink<Socket, Message>) {
    while let Some(message) = receiver.recv().await {
        if sink.send(Message::Binary(message.into())).await.is_err() {
            return;
        }
    }
    if let Err(error) = sink.send(websocket::goodbye()).await {
        tracing::debug!(%error, "the client left first");
    }
}

/// Ends when the client goes.
async fn to_pod(mut writers: Vec<Option<WriteHalf<DuplexStream>>>, mut source: SplitStream<Socket>) {
    while let Some(Ok(message)) = source.next().await {
        let Message::Binary(bytes) = message else { continue };
        let Some((&channel, rest)) = bytes.split_first() else { continue };
        if channel % 2 == 1 {
            continue;
        }
        let slot = writers.get_mut(usize::from(channel / 2));
        if let Some(slot) = slot
            && let Some(writer) = slot
            && writer.write_all(rest).await.is_err()
        {
            *slot = None;
        }
    }
}
