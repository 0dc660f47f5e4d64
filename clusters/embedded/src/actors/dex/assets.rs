//! Static files: Dex lists its directories, and so do we, with files of our own.

use axum::body::Body;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::actors::net_http::{answer, not_found};

/// Directory, file, content type, content.
const FILES: &[(&str, &str, &str, &str)] = &[
    ("/static", "main.css", "text/css; charset=utf-8", "body { margin: 0; }\n"),
    ("/theme", "styles.css", "text/css; charset=utf-8", "body { background: #efefef; }\n"),
];

/// Serves a file or the list of a directory, if the path is below one of them.
pub fn serve(method: &Method, path: &str) -> Option<Response<Body>> {
    let (directory, rest) =
        ["/static", "/theme"].into_iter().find_map(|directory| Some((directory, path.strip_prefix(directory)?)))?;
    let body = |text: String| if method == Method::HEAD { Body::empty() } else { Body::from(text) };
    let files = FILES.iter().filter(|(at, ..)| *at == directory);
    let name = rest.trim_start_matches('/');
    if name.is_empty() {
        let links: String = files.map(|(_, name, ..)| format!("<a href=\"{name}\">{name}</a>\n")).collect();
        let page =
            format!("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n{links}</pre>\n");
        return Some(answer(StatusCode::OK, "text/html; charset=utf-8", body(page)));
    }
    let Some((.., kind, content)) = files.into_iter().find(|(_, known, ..)| *known == name) else {
        return Some(not_found());
    };
    let mut response = answer(StatusCode::OK, kind, body((*content).to_owned()));
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Some(response)
}
