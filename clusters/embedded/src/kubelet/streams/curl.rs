//! `curl`, as far as it sends one request over HTTP: through the pod's sidecar, the network's policies and the mesh's.
//!
//! Options and exit codes as in curl's manual. Nothing is waited for: a connection that would time out does so at once.

use std::sync::Arc;

use axum::body::Body;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::commands::failed;
use crate::actors::Ended;
use crate::mesh::client::{self, SocketError};
use crate::platform::World;

/// How much of an answer is shown.
const LIMIT: usize = 4 << 20;

/// What a command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    url: String,
    method: Option<Method>,
    headers: Vec<(String, String)>,
    body: Option<String>,
    with_head: bool,
    head_alone: bool,
}

/// Whether a command is this one.
pub(super) fn is_curl(words: &[String]) -> bool {
    words.first().is_some_and(|program| program.rsplit('/').next() == Some("curl"))
}

/// Runs it.
pub(super) async fn run(world: &Arc<World>, pod: &Value, words: &[String]) -> Ended {
    let wish = match read(words.get(1..).unwrap_or_default()) {
        Ok(wish) => wish,
        Err(why) => return failed(2, &format!("curl: {why}")),
    };
    let request = match request(&wish) {
        Ok(request) => request,
        Err((code, why)) => return failed(code, &format!("curl: ({code}) {why}")),
    };
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    match client::request(world, pod, request).await {
        Ok(reply) => shown(&wish, reply).await,
        Err(error) => {
            let (code, why) = told(error, &host);
            failed(code, &format!("curl: ({code}) {why}"))
        }
    }
}

/// curl's exit code and words.
fn told(error: SocketError, host: &str) -> (u8, String) {
    let name = host.split(':').next().unwrap_or_default();
    match error {
        SocketError::NoSuchHost => (6, format!("Could not resolve host: {name}")),
        SocketError::Refused => (7, format!("Failed to connect to {host}: Connection refused")),
        SocketError::TimedOut => (28, format!("Connection timed out: {host}")),
        SocketError::Reset => (56, "Recv failure: Connection reset by peer".to_owned()),
    }
}

fn read(arguments: &[String]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("option {word}: requires parameter"));
        match word {
            "-X" | "--request" => {
                wish.method = Some(value()?.parse().map_err(|_| format!("option {word}: no method"))?);
            }
            "-H" | "--header" => {
                let header = value()?;
                let (name, text) = header.split_once(':').ok_or_else(|| format!("option {word}: no header"))?;
                wish.headers.push((name.trim().to_owned(), text.trim().to_owned()));
            }
            "-d" | "--data" | "--data-raw" => wish.body = Some(value()?.to_owned()),
            "-m" | "--max-time" | "--connect-timeout" => {
                let seconds = value()?;
                seconds.parse::<f64>().map_err(|_| format!("option {word}: expected a proper numerical parameter"))?;
            }
            "--include" => wish.with_head = true,
            "--head" => wish.head_alone = true,
            "--silent" | "--show-error" | "--insecure" | "--globoff" | "--path-as-is" | "--http1.1" => {}
            long if long.starts_with("--") => return Err(format!("option {long}: is unknown")),
            short if short.len() > 1 && short.starts_with('-') => {
                for letter in short.chars().skip(1) {
                    match letter {
                        'i' => wish.with_head = true,
                        'I' => wish.head_alone = true,
                        's' | 'S' | 'k' | 'g' => {}
                        other => return Err(format!("option -{other}: is unknown")),
                    }
                }
            }
            url if wish.url.is_empty() => wish.url = url.to_owned(),
            _ => return Err("only one URL is played".to_owned()),
        }
    }
    if wish.url.is_empty() { Err("no URL specified!".to_owned()) } else { Ok(wish) }
}

fn request(wish: &Wish) -> Result<Request<Body>, (u8, String)> {
    let malformed = || (3, "URL using bad/illegal format or missing URL".to_owned());
    let whole = if wish.url.contains("://") { wish.url.clone() } else { format!("http://{}", wish.url) };
    let uri: Uri = whole.parse().map_err(|_| malformed())?;
    if uri.scheme_str() != Some("http") {
        return Err((1, format!("Protocol \"{}\" not supported", uri.scheme_str().unwrap_or_default())));
    }
    let host = uri.authority().ok_or_else(malformed)?.to_string();
    let otherwise = match (wish.head_alone, &wish.body) {
        (true, _) => Method::HEAD,
        (false, Some(_)) => Method::POST,
        (false, None) => Method::GET,
    };
    let mut headers = HeaderMap::new();
    let mut put = |name: HeaderName, text: &str| {
        HeaderValue::from_str(text).map(|value| headers.append(name, value)).map_err(|_| malformed())
    };
    for (name, text) in &wish.headers {
        put(name.parse().map_err(|_| malformed())?, text)?;
    }
    for (name, text) in [(HOST, host.as_str()), (USER_AGENT, "curl/8.5.0"), (ACCEPT, "*/*")] {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_str(text).map_err(|_| malformed())?);
        }
    }
    let mut request = Request::new(wish.body.clone().map_or_else(Body::empty, Body::from));
    *request.method_mut() = wish.method.clone().unwrap_or(otherwise);
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

async fn shown(wish: &Wish, reply: Response<Body>) -> Ended {
    let (head, body) = reply.into_parts();
    let mut stdout = Vec::new();
    if wish.with_head || wish.head_alone {
        let version = if head.version == Version::HTTP_10 { "1.0" } else { "1.1" };
        let reason = head.status.canonical_reason().unwrap_or_default();
        stdout.extend(format!("HTTP/{version} {} {reason}\r\n", head.status.as_u16()).into_bytes());
        for (name, value) in &head.headers {
            stdout.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        stdout.extend(b"\r\n");
    }
    match Limited::new(body, LIMIT).collect().await {
        Ok(body) if !wish.head_alone => stdout.extend(body.to_bytes()),
        Ok(_) => {}
        Err(_) => return Ended { stdout, ..failed(18, "curl: (18) end of response with bytes missing") },
    }
    Ended { stdout, ..Ended::default() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_line_is_a_request() {
        let wish = read(&words("-sSi -m 5 -H kubeflow-userid:a -X PUT http://x.y:8888/z?q")).unwrap();
        assert!(wish.with_head && wish.method == Some(Method::PUT));
        let request = request(&wish).unwrap();
        assert_eq!(request.uri().path(), "/z");
        assert_eq!(
            (&request.headers()["host"], &request.headers()["kubeflow-userid"]),
            (&"x.y:8888".parse().unwrap(), &"a".parse().unwrap())
        );
    }

    #[test]
    fn what_is_not_played_is_said() {
        for (line, why) in [
            ("-Z http://x/", "option -Z: is unknown"),
            ("--tcp http://x/", "option --tcp: is unknown"),
            ("http://x/ -H", "option -H: requires parameter"),
            ("http://x/ -m soon", "option -m: expected a proper numerical parameter"),
            ("http://x/ http://y/", "only one URL is played"),
            ("-s", "no URL specified!"),
        ] {
            assert_eq!(read(&words(line)), Err(why.to_owned()), "{line}");
        }
        let code =
            |url: &str| request(&Wish { url: url.to_owned(), ..Wish::default() }).map_err(|(code, _)| code).err();
        assert_eq!((code("https://x/"), code("http://"), code("x.y/z")), (Some(1), Some(3), None));
    }

    proptest! {
        #[test]
        fn any_command_line_is_read_or_refused(line in ".{0,80}") {
            if let Ok(wish) = read(&words(&line)) {
                let _ = request(&wish);
            }
        }
    }
}
