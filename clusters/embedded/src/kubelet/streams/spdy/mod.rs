//! A SPDY/3.1 server, as far as `kubectl port-forward` speaks it: streams with headers, data both ways, pings. Flow
//! control is not used, as by the library that kubectl uses (`moby/spdystream`).
//!
//! Each forwarded connection has two streams with the same `requestID`: `streamtype: error`, then `data`
//! (`k8s.io/kubectl`, `PortForwarder`).

mod frames;
mod headers;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc;

use self::frames::Frame;
use self::headers::Inflater;
use super::pod_port;
use crate::platform::World;

/// How many streams may be open at once.
const STREAMS: usize = 1000;
const CHUNK: usize = 16 << 10;

/// Serves one connection until the client goes.
pub(super) async fn serve<S>(world: Arc<World>, pod: Arc<Value>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (reader, writer) = tokio::io::split(stream);
    let (sender, receiver) = mpsc::channel(64);
    let mut session = Session {
        world,
        pod,
        sender,
        inflater: Inflater::default(),
        replied: false,
        errors: HashMap::new(),
        open: HashMap::new(),
    };
    tokio::select! {
        () = write(receiver, writer) => {}
        () = session.read(reader) => {}
    }
}

async fn write<W: AsyncWrite + Unpin>(mut frames: mpsc::Receiver<Vec<u8>>, mut writer: W) {
    while let Some(frame) = frames.recv().await {
        if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

struct Session {
    world: Arc<World>,
    pod: Arc<Value>,
    sender: mpsc::Sender<Vec<u8>>,
    inflater: Inflater,
    replied: bool,
    /// Error streams by request id.
    errors: HashMap<String, u32>,
    /// The pod's side of data streams.
    open: HashMap<u32, WriteHalf<DuplexStream>>,
}

/// The connection cannot go on.
struct Broken;

impl Session {
    async fn read<R: AsyncRead + Unpin>(&mut self, mut reader: R) {
        while let Ok(frame) = frames::read(&mut reader).await {
            if self.handle(frame).await.is_err() {
                return;
            }
        }
    }

    async fn handle(&mut self, frame: Frame) -> Result<(), Broken> {
        match frame {
            Frame::SynStream { stream, block } => {
                let headers = self.inflater.headers(&block).ok_or(Broken)?;
                self.opened(stream, &headers).await
            }
            // Read for the sake of the compression, which all header blocks share.
            Frame::Headers { block } => self.inflater.headers(&block).map(drop).ok_or(Broken),
            Frame::Ping { id } => self.send(frames::ping(id)).await,
            Frame::Reset { stream } => {
                self.open.remove(&stream);
                Ok(())
            }
            Frame::Data { stream, bytes, last } => {
                if let Some(writer) = self.open.get_mut(&stream)
                    && (writer.write_all(&bytes).await.is_err() || (last && writer.shutdown().await.is_err()))
                {
                    self.open.remove(&stream);
                }
                Ok(())
            }
            Frame::GoAway => Err(Broken),
            Frame::Other => Ok(()),
        }
    }

    async fn opened(&mut self, stream: u32, headers: &HashMap<String, String>) -> Result<(), Broken> {
        let header = |name: &str| headers.get(name).map(String::as_str).unwrap_or_default();
        let port = header("port").parse::<u16>().ok().filter(|port| *port != 0);
        let (Some(port), true) = (port, self.open.len() + self.errors.len() < STREAMS) else {
            return self.send(frames::reset(stream)).await;
        };
        let request = format!("{port}/{}", header("requestid"));
        match header("streamtype") {
            "error" => {
                self.errors.insert(request, stream);
                self.accept(stream).await
            }
            "data" => {
                self.accept(stream).await?;
                let error = self.errors.remove(&request);
                self.forward(stream, error, port).await
            }
            _ => self.send(frames::reset(stream)).await,
        }
    }

    async fn accept(&mut self, stream: u32) -> Result<(), Broken> {
        let first = !std::mem::replace(&mut self.replied, true);
        self.send(frames::syn_reply(stream, first)).await
    }

    async fn forward(&mut self, stream: u32, error: Option<u32>, port: u16) -> Result<(), Broken> {
        match pod_port::connect(&self.world, &self.pod, port) {
            Ok(connection) => {
                let (reader, writer) = tokio::io::split(connection);
                self.open.insert(stream, writer);
                tokio::spawn(from_pod(stream, error, reader, self.sender.clone()));
                Ok(())
            }
            Err(why) => {
                if let Some(error) = error {
                    self.send(frames::data(error, why.as_bytes(), true)).await?;
                }
                self.send(frames::data(stream, b"", true)).await
            }
        }
    }

    async fn send(&self, frame: Vec<u8>) -> Result<(), Broken> {
        self.sender.send(frame).await.map_err(|_| Broken)
    }
}

/// Carries what the pod sends; then closes both streams.
async fn from_pod(stream: u32, error: Option<u32>, mut reader: ReadHalf<DuplexStream>, sender: mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        if sender.send(frames::data(stream, &buffer[..length], false)).await.is_err() {
            return;
        }
    }
    for stream in [Some(stream), error].into_iter().flatten() {
        if sender.send(frames::data(stream, b"", true)).await.is_err() {
            return;
        }
    }
}
