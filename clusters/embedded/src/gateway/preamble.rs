//! The beginning of a connection: HTTP/2 with prior knowledge, or the first head of HTTP/1.
//!
//! hyper answers an unreadable head in its own way, where Envoy has words for it, and refuses folded headers, which Envoy
//! unfolds. So the first head of a connection is looked at before hyper gets it. Later heads on the same connection get
//! hyper's answers.

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Envoy's `max_request_headers_kb`, in bytes.
pub(crate) const LARGEST_HEAD: usize = 60 * 1024;
/// Envoy's `max_headers_count`.
pub(crate) const MOST_HEADERS: usize = 100;
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// Bytes for hyper.
    Regular(Vec<u8>),
    /// A refusal.
    Refuse(StatusCode, &'static str),
    /// Nothing to answer.
    Nothing,
}

/// Reads the beginning of a connection.
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Beginning {
    let mut bytes = Vec::with_capacity(2048);
    loop {
        if bytes.starts_with(HTTP2) {
            return Beginning::Regular(bytes);
        }
        if !HTTP2.starts_with(&bytes) {
            if let Some(end) = head_end(&bytes) {
                return examine(&bytes, end);
            }
            if bytes.len() > LARGEST_HEAD {
                return too_large();
            }
        }
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) if bytes.is_empty() => return Beginning::Nothing,
            Ok(0) | Err(_) => return Beginning::Regular(bytes),
            Ok(_) => {}
        }
    }
}

fn too_large() -> Beginning {
    Beginning::Refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "Request Header Fields Too Large")
}

const BAD_REQUEST: Beginning = Beginning::Refuse(StatusCode::BAD_REQUEST, "Bad Request");

/// Where the head ends: behind an empty line. Envoy takes `\n` for a line's end, too.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let ends = |at: usize| match &bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    };
    // A request line of HTTP/0.9 is a head of its own.
    (0..bytes.len()).filter(|at| bytes[*at] == b'\n').find_map(ends)
}

fn examine(bytes: &[u8], end: usize) -> Beginning {
    if end > LARGEST_HEAD {
        return too_large();
    }
    let (head, rest) = bytes.split_at(end);
    let lines: Vec<_> =
        head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let words: Vec<_> = lines[0].split(|byte| *byte == b' ').collect();
    let (method, target) = match words[..] {
        [method, target, b"HTTP/1.1"] => (method, target),
        [_, _] => return upgrade_required(),
        [_, _, version] if is_version(version) => return upgrade_required(),
        _ => return BAD_REQUEST,
    };
    if target == b"*" && method != b"OPTIONS" {
        return BAD_REQUEST;
    }
    if target.contains(&b'#') {
        return Beginning::Refuse(StatusCode::BAD_REQUEST, "");
    }
    let headers = &lines[1..lines.len() - 2];
    let folded = headers.iter().any(|line| line.starts_with(b" ") || line.starts_with(b"\t"));
    let mut names = Vec::new();
    for line in headers.iter().filter(|line| !line.starts_with(b" ") && !line.starts_with(b"\t")) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return BAD_REQUEST };
        let name = line[..colon].to_ascii_lowercase();
        if name.is_empty() || name.iter().any(|byte| !is_token(*byte)) {
            return BAD_REQUEST;
        }
        names.push(name);
    }
    let has = |wanted: &str| names.iter().any(|name| name == wanted.as_bytes());
    if names.len() > MOST_HEADERS {
        return too_large();
    }
    if has("content-length") && has("transfer-encoding") {
        return BAD_REQUEST;
    }
    let mut regular = if folded { unfolded(&lines) } else { head.to_vec() };
    regular.extend_from_slice(rest);
    Beginning::Regular(regular)
}

fn upgrade_required() -> Beginning {
    Beginning::Refuse(StatusCode::UPGRADE_REQUIRED, "Upgrade Required")
}

fn is_version(word: &[u8]) -> bool {
    matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit())
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The head with each folded line joined to the one before (RFC 9112 5.2).
fn unfolded(lines: &[&[u8]]) -> Vec<u8> {
    let mut head = lines[0].to_vec();
    for line in &lines[1..lines.len() - 1] {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            head.push(b' ');
            head.extend_from_slice(line.trim_ascii_start());
        } else {
            head.extend_from_slice(b"\r\n");
            head.extend_from_slice(line);
        }
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn begin(bytes: &[u8]) -> Beginning {
        read(&mut &bytes[..]).await
    }

    #[tokio::test]
    async fn irregular_heads_get_the_recorded_refusals() {
        let bad = Beginning::Refuse(StatusCode::BAD_REQUEST, "Bad Request");
        let upgrade = Beginning::Refuse(StatusCode::UPGRADE_REQUIRED, "Upgrade Required");
        for (head, expected) in [
            ("GET /\r\n\r\n", &upgrade),
            ("GET / HTTP/1.0\r\nHost: x\r\n\r\n", &upgrade),
            ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", &upgrade),
            ("GET /dex/ pipeline HTTP/1.1\r\nHost: x\r\n\r\n", &bad),
            ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", &bad),
            ("GET / HTTP/1.1\r\nHost: x\r\nkubeflow-userid : y\r\n\r\n", &bad),
            ("POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &bad),
            ("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", &Beginning::Refuse(StatusCode::BAD_REQUEST, "")),
            ("", &Beginning::Nothing),
        ] {
            assert_eq!(&begin(head.as_bytes()).await, expected, "{head:?}");
        }
        let many = (0..101).map(|number| format!("x-{number}: v\r\n")).collect::<String>();
        assert_eq!(begin(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()).await, too_large());
        let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "a".repeat(LARGEST_HEAD));
        assert_eq!(begin(large.as_bytes()).await, too_large());
    }

    #[tokio::test]
    async fn regular_heads_pass_and_folded_ones_are_unfolded() {
        for head in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\nbody",
            "GET / HTTP/1.1\nHost: x\n\n",
            "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0",
        ] {
            assert_eq!(begin(head.as_bytes()).await, Beginning::Regular(head.into()), "{head:?}");
        }
        let folded = begin(b"GET / HTTP/1.1\r\nx-a: b\r\n kubeflow-userid: c\r\nHost: x\r\n\r\nrest").await;
        let plain = "GET / HTTP/1.1\r\nx-a: b kubeflow-userid: c\r\nHost: x\r\n\r\nrest";
        assert_eq!(folded, Beginning::Regular(plain.into()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_classified(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(begin(&bytes));
        }

        #[test]
        fn any_lines_are_classified(text in "(GET|PUT)? ?/?[ -~]{0,20}( HTTP/1.1)?(\r?\n[ -~\t]{0,12}){0,6}\r?\n\r?\n?") {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(begin(text.as_bytes()));
        }
    }
}
