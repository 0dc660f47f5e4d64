//! Discovery and the paths that are no resources: `/api`, `/apis`, `/version`, health.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use serde_json::{Value, json};

use super::Status;
use super::kinds::{self, Resource};
use super::openapi;
use super::storage_version::storage_version_hash;
use crate::access::tokens;
use crate::platform::World;

/// The Kubernetes version that the API speaks.
pub(super) const VERSION: (&str, &str, &str) = ("1", "34", "v1.34.4");

/// Answers a path that names no resource.
///
/// # Errors
/// 404.
pub fn answer(world: &World, method: &Method, path: &str, headers: &HeaderMap) -> Result<Response<Body>, Status> {
    match document_at(world, path, headers) {
        Err(status) if status.code == 404 => {
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            match parts.as_slice() {
                ["api", _] => Err(status),
                ["apis", group, _] if is_built_in(world, group) => Err(status),
                ["openapi", ..] => {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = http::StatusCode::NOT_FOUND;
                    Ok(response)
                }
                _ => Ok(not_found()),
            }
        }
        Ok(_) if method != Method::GET && method != Method::HEAD => Err(super::verbs::method_not_allowed()),
        other => other,
    }
}

/// What Go's mux says of a path that nobody serves.
pub(super) fn not_found() -> Response<Body> {
    let mut response = text("404 page not found\n");
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    response
}

fn document_at(world: &World, path: &str, headers: &HeaderMap) -> Result<Response<Body>, Status> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["healthz" | "livez" | "readyz"] | ["healthz" | "livez" | "readyz", "ping"] => Ok(text("ok")),
        ["version"] => Ok(json_response(&version())),
        ["api"] if aggregated(headers) => Ok(typed(&aggregate(world, true), AGGREGATED)),
        ["apis"] if aggregated(headers) => Ok(typed(&aggregate(world, false), AGGREGATED)),
        ["api"] => Ok(json_response(&json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        }))),
        ["apis"] => {
            let groups: Vec<Value> = groups(world).iter().map(|group| group.document()).collect();
            Ok(json_response(&json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })))
        }
        ["apis", group] => {
            let groups = groups(world);
            let found = groups.iter().find(|served| served.name == *group).ok_or_else(Status::no_such_path)?;
            let mut document = json!({ "kind": "APIGroup", "apiVersion": "v1" });
            merge(&mut document, found.document());
            Ok(json_response(&document))
        }
        ["openapi", "v2"] if headers.get(header::ACCEPT).is_some_and(|accept| accept == "application/json") => {
            let (_, _, version) = VERSION;
            let info = json!({ "title": "Kubernetes", "version": version });
            Ok(json_response(&json!({ "swagger": "2.0", "info": info, "paths": {} })))
        }
        ["openapi", "v2"] => {
            let mut response = Response::new(Body::from(openapi::empty_v2()));
            let media_type = HeaderValue::from_static(openapi::V2_MEDIA_TYPE);
            response.headers_mut().insert(header::CONTENT_TYPE, media_type);
            Ok(response)
        }
        ["openapi", "v3"] => Ok(typed(&openapi::index(world), "text/plain; charset=utf-8")),
        ["openapi", "v3", "api", version] => document(world, "", version),
        ["openapi", "v3", "apis", group, version] => document(world, group, version),
        [".well-known", "openid-configuration"] => Ok(json_response(&tokens::discovery(&own_url(headers)))),
        ["openid", "v1", "jwks"] => Ok(typed(&tokens::jwks(&world.credentials), "application/jwk-set+json")),
        ["api", "v1"] => resources(world, "", "v1"),
        ["apis", group, version] => resources(world, group, version),
        [] => Ok(json_response(&paths(world))),
        _ => Err(Status::no_such_path()),
    }
}

fn document(world: &World, group: &str, version: &str) -> Result<Response<Body>, Status> {
    openapi::document(world, group, version).map(|document| json_response(&document)).ok_or_else(Status::no_such_path)
}

/// How the client reached this API.
fn own_url(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("kubernetes.default.svc");
    format!("https://{host}")
}

/// The media type of aggregated discovery.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

fn aggregated(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|range| range.contains("as=APIGroupDiscoveryList") && range.contains("v=v2;"))
        || accept.split(',').any(|range| range.contains("as=APIGroupDiscoveryList") && range.ends_with("v=v2"))
}

struct Group {
    name: String,
    /// Versions, the preferred one first, with their resources.
    versions: Vec<(String, Vec<Arc<Resource>>)>,
}

impl Group {
    fn document(&self) -> Value {
        let version = |version: &str| json!({ "groupVersion": format!("{}/{version}", self.name), "version": version });
        let versions: Vec<Value> = self.versions.iter().map(|(name, _)| version(name)).collect();
        json!({ "name": self.name, "versions": versions, "preferredVersion": versions[0] })
    }
}

/// All groups but core: the built-in ones in their order, then those of definitions by name.
fn groups(world: &World) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for resource in kinds::all(world) {
        if resource.group.is_empty() {
            continue;
        }
        let at = groups.iter().position(|group| group.name == resource.group).unwrap_or_else(|| {
            groups.push(Group { name: resource.group.clone(), versions: Vec::new() });
            groups.len() - 1
        });
        let versions = &mut groups[at].versions;
        match versions.iter_mut().find(|(version, _)| *version == resource.version) {
            Some((_, resources)) => resources.push(resource),
            None => versions.push((resource.version.clone(), vec![resource])),
        }
    }
    for group in &mut groups {
        group.versions.sort_by_key(|(version, _)| std::cmp::Reverse(super::crd::version_rank(version)));
    }
    groups
}

/// Whether a group is a built-in one, which answers for its versions and resources that there are none.
pub(super) fn is_built_in(world: &World, group: &str) -> bool {
    kinds::all(world).iter().any(|served| served.group == group && served.definition.is_none())
}

fn of_version(world: &World, group: &str, version: &str) -> Vec<Arc<Resource>> {
    kinds::all(world).into_iter().filter(|served| served.group == group && served.version == version).collect()
}

fn resources(world: &World, group: &str, version: &str) -> Result<Response<Body>, Status> {
    let served = of_version(world, group, version);
    let Some(first) = served.first() else { return Err(Status::no_such_path()) };
    let group_version = first.api_version();
    let mut resources = Vec::new();
    for resource in &served {
        let mut document = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": resource.verbs(),
        });
        if !resource.short_names.is_empty() {
            document["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            document["categories"] = json!(resource.categories);
        }
        if resource.stored && resource.plural != "componentstatuses" {
            document["storageVersionHash"] = json!(storage_version_hash(resource));
        }
        resources.push(document);
        for subresource in &resource.subresources {
            let (group, version, kind, verbs) = subresource_kind(resource, subresource);
            let mut document = json!({
                "name": format!("{}/{subresource}", resource.plural), "singularName": "",
                "namespaced": resource.namespaced, "kind": kind, "verbs": verbs,
            });
            if (group, version) != (resource.group.as_str(), resource.version.as_str()) {
                document["group"] = json!(group);
                document["version"] = json!(version);
            }
            resources.push(document);
        }
    }
    Ok(json_response(&json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
    })))
}

/// Group, version, kind and verbs of a subresource.
fn subresource_kind<'a>(
    resource: &'a Resource,
    subresource: &str,
) -> (&'a str, &'a str, &'a str, &'static [&'static str]) {
    let own = (resource.group.as_str(), resource.version.as_str());
    match (resource.plural.as_str(), subresource) {
        (_, "scale") => ("autoscaling", "v1", "Scale", &["get", "patch", "update"]),
        ("serviceaccounts", "token") => ("authentication.k8s.io", "v1", "TokenRequest", &["create"]),
        ("pods", "eviction") => ("policy", "v1", "Eviction", &["create"]),
        ("pods", "binding") => (own.0, own.1, "Binding", &["create"]),
        ("pods", "log") => (own.0, own.1, "Pod", &["get"]),
        ("pods", "exec") => (own.0, own.1, "PodExecOptions", &["create", "get"]),
        ("pods", "attach") => (own.0, own.1, "PodAttachOptions", &["create", "get"]),
        ("pods", "portforward") => (own.0, own.1, "PodPortForwardOptions", &["create", "get"]),
        ("pods", "proxy") => (own.0, own.1, "PodProxyOptions", PROXY_VERBS),
        ("services", "proxy") => (own.0, own.1, "ServiceProxyOptions", PROXY_VERBS),
        ("nodes", "proxy") => (own.0, own.1, "NodeProxyOptions", PROXY_VERBS),
        ("namespaces", "finalize") => (own.0, own.1, "Namespace", &["update"]),
        _ => (own.0, own.1, resource.kind.as_str(), &["get", "patch", "update"]),
    }
}

const PROXY_VERBS: &[&str] = &["create", "delete", "get", "patch", "update"];

/// Aggregated discovery (`apidiscovery.k8s.io/v2`): everything in one answer.
fn aggregate(world: &World, core: bool) -> Value {
    let groups = if core {
        vec![Group { name: String::new(), versions: vec![("v1".into(), of_version(world, "", "v1"))] }]
    } else {
        groups(world)
    };
    let resource = |resource: &Arc<Resource>| {
        let subresources: Vec<Value> = resource
            .subresources
            .iter()
            .map(|name| {
                let (mut group, mut version, kind, verbs) = subresource_kind(resource, name);
                // Those of the document itself go without saying.
                if (group, version) == (resource.group.as_str(), resource.version.as_str()) {
                    (group, version) = ("", "");
                }
                json!({
                    "subresource": name, "verbs": verbs,
                    "responseKind": { "group": group, "version": version, "kind": kind },
                })
            })
            .collect();
        let mut document = json!({
            "resource": resource.plural,
            "responseKind": { "group": "", "version": "", "kind": resource.kind },
            "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
            "singularResource": resource.singular,
            "verbs": resource.verbs(),
        });
        for (key, names) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
            if !names.is_empty() {
                document[key] = json!(names);
            }
        }
        if !subresources.is_empty() {
            document["subresources"] = json!(subresources);
        }
        document
    };
    let items: Vec<Value> = groups
        .iter()
        .map(|group| {
            let versions: Vec<Value> = group
                .versions
                .iter()
                .map(|(version, resources)| {
                    let resources: Vec<Value> = resources.iter().map(resource).collect();
                    json!({ "version": version, "freshness": "Current", "resources": resources })
                })
                .collect();
            let metadata = if group.name.is_empty() { json!({}) } else { json!({ "name": group.name }) };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    })
}

fn version() -> Value {
    let (major, minor, git) = VERSION;
    json!({
        "major": major, "minor": minor, "gitVersion": git, "gitCommit": "", "gitTreeState": "clean",
        "emulationMajor": major, "emulationMinor": minor, "minCompatibilityMajor": major, "minCompatibilityMinor": "33",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

fn paths(world: &World) -> Value {
    let first = ["/.well-known/openid-configuration", "/api", "/api/v1", "/apis"];
    let mut paths = first.map(str::to_owned).to_vec();
    for group in groups(world) {
        paths.push(format!("/apis/{}", group.name));
        paths.extend(group.versions.iter().map(|(version, _)| format!("/apis/{}/{version}", group.name)));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    json!({ "paths": paths })
}

fn text(text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

fn merge(into: &mut Value, from: Value) {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
}

fn json_response(document: &Value) -> Response<Body> {
    typed(document, "application/json")
}

fn typed(document: &Value, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(document.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
