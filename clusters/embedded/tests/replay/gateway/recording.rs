//! The recorded exchanges: JSON lines, in the two shapes of the two laboratories.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::fidelity::Found;
use crate::recordings;

/// One recorded exchange.
pub struct Recorded {
    /// `group/case`.
    pub name: String,
    pub listener: String,
    /// The request as it went over the wire.
    pub request: String,
    pub method: String,
    pub status: u64,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// What the application received, if the answer came from it.
    pub backend: Option<Backend>,
    /// Whether long values that the application received were cut.
    pub shortened: bool,
}

pub struct Backend {
    pub request_line: String,
    pub headers: Vec<(String, String)>,
}

/// Reads a recording; what cannot be sent again is left out.
pub fn read(path: &Path, found: &mut Found) -> Vec<Recorded> {
    let mut all = Vec::new();
    for line in recordings::lines(path).iter().filter(|line| line.get("response").is_some()) {
        match recorded(line) {
            Ok(one) => all.push(one),
            Err(reason) => found.leave_out(reason),
        }
    }
    all
}

const UNUSABLE: &str = "the recording is not whole";

/// What can be sent again; else why not.
fn recorded(line: &Value) -> Result<Recorded, &'static str> {
    let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let raw = [text("/request/raw_b64"), text("/request/raw_base64")].concat();
    let request = if raw.is_empty() {
        if text("/request/version") == "HTTP/2" {
            return Err("HTTP/2");
        }
        let mut request =
            format!("{} {} {}\r\n", text("/request/method"), text("/request/target"), text("/request/version"));
        for (name, value) in as_written(line.pointer("/request/headers").ok_or(UNUSABLE)?) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request + "\r\n" + &text("/request/body")
    } else {
        String::from_utf8(STANDARD.decode(raw).map_err(|_| UNUSABLE)?).map_err(|_| "the request is not text")?
    };
    if request.contains(" characters)\r\n") {
        return Err("the recording shortened the request");
    }
    Ok(Recorded {
        name: format!("{}/{}", text("/group"), text("/case")),
        listener: text("/listener"),
        request,
        method: text("/request/method"),
        status: line.pointer("/response/status").and_then(Value::as_u64).ok_or("no answer was recorded")?,
        headers: pairs(line.pointer("/response/headers").ok_or(UNUSABLE)?),
        body: text("/response/body"),
        backend: backend(line),
        shortened: line.get("backend_identity").is_some(),
    })
}

fn backend(line: &Value) -> Option<Backend> {
    let line_and_headers = match line.get("backend_request_line") {
        Some(request_line) => (request_line, line.get("backend_identity")?),
        None => (line.pointer("/backend/request_line")?, line.pointer("/backend/headers")?),
    };
    let (request_line, headers) = line_and_headers;
    Some(Backend { request_line: request_line.as_str()?.to_owned(), headers: pairs(headers) })
}

/// Names, in lower case, and values.
pub fn pairs(list: &Value) -> Vec<(String, String)> {
    as_written(list).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

fn as_written(list: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.as_array().into_iter().flatten().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}
