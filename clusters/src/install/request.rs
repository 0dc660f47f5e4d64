//! Requests to the API: where an object lives, and what an answer or a failure says.

use http::request::Builder;
use kube::Client;
use serde::de::DeserializeOwned;
use url::Url;

use super::kinds::Resource;
use crate::manifests::Id;

/// The path of an object, or of all objects of its kind.
pub(super) fn address(id: &Id, resource: &Resource, namespace: Option<&str>, name: Option<&str>) -> String {
    let (root, group) = if id.group.is_empty() { ("api", None) } else { ("apis", Some(id.group.as_str())) };
    let namespace = namespace.filter(|_| resource.namespaced).map(|namespace| ["namespaces", namespace]);
    let segments = [Some(root), group, Some(&id.version)]
        .into_iter()
        .chain(namespace.into_iter().flatten().map(Some))
        .chain([Some(resource.plural.as_str()), name])
        .flatten();
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.push_str(&escaped(segment));
    }
    path
}

/// A path segment; the names of RBAC objects may hold any character.
pub(crate) fn escaped(segment: &str) -> String {
    let Ok(mut url) = Url::parse("http://x") else { return String::new() };
    if let Ok(mut path) = url.path_segments_mut() {
        path.clear().push(segment);
    }
    url.path().trim_start_matches('/').to_owned()
}

/// Sends a request and reads its answer, which never reaches a log: it may be a Secret.
pub(crate) async fn fetch<T: DeserializeOwned>(
    client: &Client,
    request: Builder,
    body: Vec<u8>,
) -> Result<T, kube::Error> {
    let request = request.body(body).map_err(kube::Error::HttpError)?;
    let text = client.request_text(request).await?;
    serde_json::from_str(&text).map_err(kube::Error::SerdeError)
}

/// The server's words, or the transport's.
pub(crate) fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.is_empty() => format!("status {}", status.code),
        kube::Error::Api(status) => one_line(&status.message),
        error => {
            let mut cause: &dyn std::error::Error = error;
            while let Some(next) = cause.source() {
                cause = next;
            }
            one_line(&cause.to_string())
        }
    }
}

/// A message without line breaks and of bearable length.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 400;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_api() {
        let id = |group: &str, name: &str| Id {
            group: group.to_owned(),
            version: "v1".to_owned(),
            kind: String::new(),
            namespace: None,
            name: name.to_owned(),
        };
        let of = |plural: &str, namespaced| Resource { plural: plural.to_owned(), namespaced, defined_by: None };
        for (id, resource, namespace, expected) in [
            (id("", "a"), of("secrets", true), Some("ns"), "/api/v1/namespaces/ns/secrets/a"),
            (id("apps", "a"), of("deployments", true), Some("ns"), "/apis/apps/v1/namespaces/ns/deployments/a"),
            (id("", "a"), of("namespaces", false), Some("ns"), "/api/v1/namespaces/a"),
            (id("x.io", "sys:a b/../c?d"), of("roles", false), None, "/apis/x.io/v1/roles/sys:a%20b%2F..%2Fc%3Fd"),
        ] {
            assert_eq!(address(&id, &resource, namespace, Some(&id.name)), expected);
        }
        assert_eq!(address(&id("x.io", ""), &of("as", true), None, None), "/apis/x.io/v1/as");
    }

    #[test]
    fn long_refusals_become_one_line() {
        let refusal =
            |code, message: &str| kube::Error::Api(kube::core::Status::failure(message, "").with_code(code).boxed());
        let long = words(&refusal(422, &"spec\n  ".repeat(1000)));
        assert!(long.chars().count() < 402 && !long.contains('\n'));
        assert_eq!(words(&refusal(500, "")), "status 500");
    }
}
