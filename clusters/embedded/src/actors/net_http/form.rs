//! Values of queries and forms, as `url.ParseQuery` and `Request.ParseForm` read them.

use axum::body::Body;
use http::request::Parts;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Limited};

use super::escape::{EscapeError, escape_query, unescape_query};

/// The largest form that is read, in bytes (`Request.ParseForm`).
pub const BODY_LIMIT: usize = 10 << 20;

/// Names and values in order of appearance. A name may occur more than once; the first one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(Vec<(String, String)>);

impl Values {
    /// The values of a query that can be read, and the first thing that could not.
    #[must_use]
    pub fn parse(query: &str) -> (Self, Option<EscapeError>) {
        let mut values = Self::default();
        let mut first_error = None;
        for part in query.split('&').filter(|part| !part.is_empty()) {
            if part.contains(';') {
                first_error = first_error.or(Some(EscapeError::Semicolon));
                continue;
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match (unescape_query(name), unescape_query(value)) {
                (Ok(name), Ok(value)) => values.0.push((name, value)),
                (Err(error), _) | (_, Err(error)) => first_error = first_error.or(Some(error)),
            }
        }
        (values, first_error)
    }

    /// The first value of a name; empty if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// All values of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the name occurs.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Whether there is no value at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces all values of a name by one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.remove(name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// Removes all values of a name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// All of these, then all of those.
    #[must_use]
    pub fn followed_by(&self, those: &Self) -> Self {
        Self(self.0.iter().chain(&those.0).cloned().collect())
    }

    /// The query, sorted by name; values of one name keep their order (`url.Values.Encode`).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut sorted: Vec<&(String, String)> = self.0.iter().collect();
        sorted.sort_by(|one, other| one.0.cmp(&other.0));
        let parts: Vec<String> =
            sorted.iter().map(|(name, value)| format!("{}={}", escape_query(name), escape_query(value))).collect();
        parts.join("&")
    }
}

/// Why a form could not be read in full.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A part of the query or body is not well formed.
    #[error(transparent)]
    Escape(#[from] EscapeError),
    /// The body is larger than [`BODY_LIMIT`], or broke off.
    #[error("http: POST too large")]
    Body,
}

/// The values of one request.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Of the URL.
    pub query: Values,
    /// Of the body, if it is a form.
    pub body: Values,
    /// Body, then URL: what `Request.FormValue` looks at.
    pub all: Values,
    /// What could not be read.
    pub error: Option<FormError>,
}

/// Reads a request's form. The body counts for POST, PUT and PATCH with content type
/// `application/x-www-form-urlencoded` only.
pub async fn read(request: Request<Body>) -> (Parts, Form) {
    let (parts, body) = request.into_parts();
    let (query, query_error) = Values::parse(parts.uri.query().unwrap_or_default());
    let mut error = query_error.map(FormError::from);
    let mut posted = Values::default();
    if matches!(parts.method, Method::POST | Method::PUT | Method::PATCH) && is_form(&parts) {
        match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => {
                let (values, body_error) = Values::parse(&String::from_utf8_lossy(&body.to_bytes()));
                posted = values;
                error = body_error.map(FormError::from).or(error);
            }
            Err(_) => error = Some(FormError::Body),
        }
    }
    let all = posted.followed_by(&query);
    (parts, Form { query, body: posted, all, error })
}

fn is_form(parts: &Parts) -> bool {
    let media_type = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    };
    parts.headers.get(header::CONTENT_TYPE).is_some_and(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_parts_are_left_out_and_the_first_is_told() {
        let (values, error) = Values::parse("a=1&b=%zz&c;d=2&e=3&a=4&&f");
        assert_eq!(error, Some(EscapeError::Escape("%zz".into())));
        assert_eq!((values.get("a"), values.get("e"), values.has("f"), values.has("b")), ("1", "3", true, false));
        assert_eq!(values.encode(), "a=1&a=4&e=3&f=");
    }

    #[tokio::test]
    async fn a_form_counts_only_where_go_reads_one() {
        let post = |content_type: &str, method: &str| {
            Request::builder()
                .method(method)
                .uri("/x?a=query")
                .header("content-type", content_type)
                .body(Body::from("a=body"))
                .unwrap()
        };
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(read(post(form, "POST")).await.1.all.get("a"), "body");
        assert_eq!(read(post("application/json", "POST")).await.1.all.get("a"), "query");
        assert_eq!(read(post(form, "GET")).await.1.all.get("a"), "query");
    }

    #[tokio::test]
    async fn a_body_without_end_is_not_swallowed() {
        let request = Request::post("/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(vec![b'a'; BODY_LIMIT + 1]))
            .unwrap();
        assert_eq!(read(request).await.1.error, Some(FormError::Body));
    }

    proptest::proptest! {
        #[test]
        fn any_query_is_read(query in ".*") {
            let (values, _) = Values::parse(&query);
            proptest::prop_assert_eq!(Values::parse(&values.encode()).1, None);
        }
    }
}
