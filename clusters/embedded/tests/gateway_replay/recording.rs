//! The recorded exchanges: JSON lines, in the two shapes of the two laboratories.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

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

/// Reads a recording; what cannot be sent again is left out and counted: HTTP/2, bytes that are no text, and values that
/// were shortened or blotted out.
pub fn read(path: &Path) -> (Vec<Recorded>, usize) {
    let text = unpacked(path);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut left_out = 0;
    let mut found = Vec::new();
    for line in lines.filter(|line| line.get("response").is_some()) {
        match recorded(&line) {
            Some(one) => found.push(one),
            None => left_out += 1,
        }
    }
    (found, left_out)
}

/// The text of an xz file.
pub fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    lzma_rust2::XzReader::new(file, true).read_to_string(&mut text).unwrap();
    text
}

fn recorded(line: &Value) -> Option<Recorded> {
    let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let raw = [text("/request/raw_b64"), text("/request/raw_base64")].concat();
    let request = if raw.is_empty() {
        if text("/request/version") == "HTTP/2" {
            return None;
        }
        let mut request =
            format!("{} {} {}\r\n", text("/request/method"), text("/request/target"), text("/request/version"));
        for (name, value) in as_written(line.pointer("/request/headers")?) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request + "\r\n" + &text("/request/body")
    } else {
        String::from_utf8(STANDARD.decode(raw).ok()?).ok()?
    };
    if request.contains(" characters)\r\n") {
        return None;
    }
    Some(Recorded {
        name: format!("{}/{}", text("/group"), text("/case")),
        listener: text("/listener"),
        request,
        method: text("/request/method"),
        status: line.pointer("/response/status")?.as_u64()?,
        headers: pairs(line.pointer("/response/headers")?),
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
