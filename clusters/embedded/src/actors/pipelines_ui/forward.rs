//! `/apis/v1beta1/_proxy/<url>` and `/apis/v2beta1/_proxy/<url>`, with or without `/pipeline` before: requests to any host
//! that this server reaches, for whoever reaches this server. Identity header, cookies and all go along. A Referer with such
//! an address redirects any other request there, too.
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/proxy-middleware.ts`; recorded exchanges.

use axum::body::Body;
use http::header::{HOST, REFERER};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use url::Url;

use super::express;
use crate::actors::{Visit, decoded};
use crate::mesh;

const BELOW: [&str; 4] = [
    "/apis/v1beta1/_proxy/",
    "/pipeline/apis/v1beta1/_proxy/",
    "/apis/v2beta1/_proxy/",
    "/pipeline/apis/v2beta1/_proxy/",
];

/// Where a request is to be sent.
pub(super) struct Target {
    url: Url,
    /// What the answer calls it where it cannot be reached.
    named: String,
}

/// Where a request is to be sent, if it is one of these; else the page that says why it cannot.
pub(super) fn target(request: &Request<Body>) -> Option<Result<Target, Response<Body>>> {
    let path = request.uri().path();
    let whole = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let below = |path: &str| BELOW.iter().find_map(|prefix| Some(path.strip_prefix(prefix)?.to_owned()));
    let invalid = || express::page(StatusCode::INTERNAL_SERVER_ERROR, "TypeError: Invalid URL");
    if let Some(rest) = below(path) {
        let Some(rest) = decoded(&rest) else {
            let line = format!("URIError: Failed to decode param &#39;{}&#39;", express::escape(&rest));
            return Some(Err(express::page(StatusCode::BAD_REQUEST, &line)));
        };
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let named = format!("{rest}{query}");
        return Some(absolute(&named).map(|url| Target { url, named }).ok_or_else(invalid));
    }
    let referer = request.headers().get(REFERER)?.to_str().ok()?;
    let rest = BELOW.iter().find_map(|prefix| referer.split_once(prefix))?.1;
    if rest.is_empty() {
        return None;
    }
    let Some(rest) = decoded(rest) else {
        return Some(Err(express::page(StatusCode::INTERNAL_SERVER_ERROR, "URIError: URI malformed")));
    };
    let Some(origin) = absolute(&rest).map(|url| url.origin().ascii_serialization()) else {
        return Some(Err(invalid()));
    };
    let named = format!("{origin}{whole}");
    Some(absolute(&named).map(|url| Target { url, named }).ok_or_else(invalid))
}

/// An address; without a scheme it is one of HTTP.
fn absolute(address: &str) -> Option<Url> {
    let has_scheme = ["http://", "https://"].iter().any(|scheme| address.starts_with(scheme));
    let address = if has_scheme { address.to_owned() } else { format!("http://{address}") };
    Url::parse(&address).ok().filter(Url::has_host)
}

/// Sends a request on.
pub(super) async fn send(visit: &Visit, target: Target, request: Request<Body>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let asked = head.headers.remove(HOST);
    let uri = target.url[..url::Position::AfterQuery].parse::<Uri>();
    let Ok(uri) = uri else { return express::page(StatusCode::INTERNAL_SERVER_ERROR, "TypeError: Invalid URL") };
    head.uri = uri;
    let mut response = mesh::call(&visit.world, visit.as_caller(), Request::from_parts(head, body)).await;
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        let asked = asked.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        response =
            Response::new(Body::from(format!("Error occured while trying to proxy to: {asked}{}", target.named)));
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    }
    response.headers_mut().insert("x-powered-by", HeaderValue::from_static("Express"));
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(path: &str, referer: Option<&str>) -> Option<String> {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        if let Some(referer) = referer {
            request.headers_mut().insert(REFERER, HeaderValue::from_str(referer).unwrap());
        }
        Some(target(&request)?.map_or_else(|page| page.status().as_u16().to_string(), |target| target.url.to_string()))
    }

    #[test]
    fn addresses_are_read_from_path_and_referer() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(asked("/pipeline/apis/v1beta1/_proxy/http%3A%2F%2Fa.b%2Fc", None), some("http://a.b/c"));
        assert_eq!(asked("/apis/v2beta1/_proxy/a.b:80/c?d=e", None), some("http://a.b/c?d=e"));
        assert_eq!(asked("/x?y", Some("http://h/pipeline/apis/v1beta1/_proxy/a.b")), some("http://a.b/x?y"));
        assert_eq!(asked("/x", Some("http://h/pipeline/")), None);
        assert_eq!(asked("/pipeline/apis/v1beta1/runs", None), None);
        assert_eq!(asked("/apis/v1beta1/_proxy/%25", None), some("500"));
        assert_eq!(asked("/apis/v1beta1/_proxy/%", None), some("400"));
        assert_eq!(asked("/", Some("http://h/apis/v1beta1/_proxy/%")), some("500"));
    }

    proptest! {
        #[test]
        fn any_address_is_read_or_refused(rest in "[a-z0-9%:/?#@\\[\\]. ]{0,40}") {
            if let Ok(request) = Request::get(format!("/apis/v1beta1/_proxy/{rest}")).body(Body::empty()) {
                prop_assert!(target(&request).is_some());
            }
        }
    }
}
