//! Operations over a WebSocket: exec, attach, port-forward.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::Request;
use kube::Client;
use serde_json::{Value, json};

const LONGEST: Duration = Duration::from_secs(3);

/// What a channel said, joined; that of the errors of a command is JSON.
pub async fn exchange(client: &Client, request: Request<Vec<u8>>, send: &[(u8, String)]) -> Value {
    let connection = match client.connect(request).await {
        Ok(connection) => connection,
        Err(kube::Error::Api(status)) => {
            return json!({ "code": status.code, "body": { "reason": status.reason, "message": status.message } });
        }
        Err(error) => return json!({ "error": error.to_string() }),
    };
    let mut stream = connection.into_stream();
    let mut channels: std::collections::BTreeMap<u8, Vec<u8>> = std::collections::BTreeMap::new();
    let all = async {
        for (channel, text) in send {
            let frame = [&[*channel][..], text.as_bytes()].concat();
            stream.send(frame.into()).await.ok();
        }
        while let Some(Ok(message)) = stream.next().await {
            if message.is_close() {
                break;
            }
            if message.is_binary()
                && let Some((channel, rest)) = message.into_data().split_first()
            {
                channels.entry(*channel).or_default().extend(rest);
            }
        }
    };
    let ended = tokio::time::timeout(LONGEST, all).await.is_ok();
    let mut said = json!({});
    for (channel, bytes) in channels.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let value = serde_json::from_str(&text).ok().filter(Value::is_object).unwrap_or_else(|| json!(text));
        said[channel.to_string()] = value;
    }
    json!({ "code": 101, "ended": ended, "channels": said })
}
