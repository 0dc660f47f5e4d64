//! Static files: Dex lists its directories, and so do we, with files of our own.

use axum::body::Body;
use http::{HeaderValue, Method, Response, StatusCode, header};

use crate::actors::net_http::{answer, not_found};

/// One transparent pixel, in place of pictures.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82";

/// Directory, file (or directory, with a slash), content type, content.
const FILES: &[(&str, &str, &str, &[u8])] = &[
    ("/static", "img/", "", b""),
    ("/static", "main.css", "text/css; charset=utf-8", b"body { margin: 0; }\n"),
    ("/theme", "favicon.png", "image/png", PIXEL),
    ("/theme", "logo.png", "image/png", PIXEL),
    ("/theme", "styles.css", "text/css; charset=utf-8", b"body { background: #efefef; }\n"),
];

/// Serves a file or the list of a directory, if the path is below one of them.
pub fn serve(method: &Method, path: &str) -> Option<Response<Body>> {
    let (directory, rest) =
        ["/static", "/theme"].into_iter().find_map(|directory| Some((directory, path.strip_prefix(directory)?)))?;
    let body = |content: Vec<u8>| if method == Method::HEAD { Body::empty() } else { Body::from(content) };
    let files = || FILES.iter().filter(|(at, ..)| *at == directory);
    let name = rest.trim_start_matches('/');
    let list = |names: &mut dyn Iterator<Item = &str>| {
        let links: String = names.map(|name| format!("<a href=\"{name}\">{name}</a>\n")).collect();
        let page =
            format!("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n{links}</pre>\n");
        Some(answer(StatusCode::OK, "text/html; charset=utf-8", body(page.into_bytes())))
    };
    if name.is_empty() {
        return list(&mut files().map(|(_, name, ..)| *name));
    }
    let Some((.., kind, content)) = files().find(|(_, known, ..)| *known == name) else {
        return Some(not_found());
    };
    if kind.is_empty() {
        return list(&mut std::iter::empty());
    }
    let mut response = answer(StatusCode::OK, kind, body(content.to_vec()));
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Some(response)
}
