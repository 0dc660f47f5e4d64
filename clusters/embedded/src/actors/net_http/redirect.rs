//! `http.Redirect`.

use axum::body::Body;
use http::{Method, Response, StatusCode, header};

use super::escape::{escape_html, unescape_path};
use super::path::clean;
use super::{answer, set_header};

/// Redirects a request for `path` by `method` to `target`: relative targets are made absolute and cleaned; a GET gets a
/// small page, too.
#[must_use]
pub fn redirect(method: &Method, path: &str, target: &str, status: StatusCode) -> Response<Body> {
    let target = location(path, target);
    let reason = status.canonical_reason().unwrap_or_default();
    let mut response = match *method {
        Method::GET => answer(status, "text/html; charset=utf-8", link(&target, reason)),
        Method::HEAD => answer(status, "text/html; charset=utf-8", Body::empty()),
        _ => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        }
    };
    set_header(response.headers_mut(), header::LOCATION, &target);
    response
}

/// The small page of a redirect.
#[must_use]
pub fn link(target: &str, reason: &str) -> String {
    format!("<a href=\"{}\">{reason}</a>.\n\n", escape_html(target))
}

/// The `Location` for a target.
fn location(path: &str, target: &str) -> String {
    if has_scheme(target) || target.starts_with("//") || !parses(target) {
        return escape_non_ascii(target);
    }
    let rooted = if target.starts_with('/') {
        target.to_owned()
    } else {
        format!("{}{target}", &path[..path.rfind('/').map_or(0, |slash| slash + 1)])
    };
    let (before, query) = rooted.find('?').map_or((rooted.as_str(), ""), |at| rooted.split_at(at));
    let mut cleaned = clean(before);
    if before.ends_with('/') && !cleaned.ends_with('/') {
        cleaned.push('/');
    }
    escape_non_ascii(&(cleaned + query))
}

/// Whether `url.Parse` takes it; what it does not take is left as it is.
fn parses(target: &str) -> bool {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    !target.bytes().any(|byte| byte < 0x20 || byte == 0x7f) && unescape_path(path).is_ok()
}

fn has_scheme(target: &str) -> bool {
    target.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|other| other.is_ascii_alphanumeric() || "+-.".contains(other))
    })
}

fn escape_non_ascii(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("%{byte:x}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_targets_become_absolute() {
        for (target, expected) in [
            ("/a//b?x=//", "/a/b?x=//"),
            ("login", "/dex/auth/login"),
            ("https://x/a//b", "https://x/a//b"),
            ("/ä", "/%c3%a4"),
            ("//evil", "//evil"),
            ("", "/dex/auth/"),
        ] {
            assert_eq!(location("/dex/auth/local", target), expected, "{target}");
        }
    }
}
