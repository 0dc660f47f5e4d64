//! What a request asks for, from its method and path.

use http::Method;

use super::query::Query;
use crate::access::Attributes;

/// What a path names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// API group, empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural resource; empty for a path that is no resource.
    pub plural: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Object name, or empty.
    pub name: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// What follows the subresource: the path of a proxied request.
    pub rest: String,
}

impl Route {
    /// Reads `/api/v1/…` and `/apis/GROUP/VERSION/…`; every other path has an empty `plural`.
    #[must_use]
    pub fn parse(path: &str) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let group = match parts.next() {
            Some("api") => "",
            Some("apis") => parts.next().unwrap_or_default(),
            _ => return Self::default(),
        };
        let mut route =
            Self { group: group.into(), version: parts.next().unwrap_or_default().into(), ..Self::default() };
        let parts: Vec<String> = parts.map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let rest = match parts.as_slice() {
            // The subresources of a namespace look like the start of a path below it.
            ["namespaces", name, sub @ ("status" | "finalize")] => {
                route.plural = "namespaces".into();
                (route.namespace, route.name, route.subresource) = ((*name).into(), (*name).into(), (*sub).into());
                return route;
            }
            ["namespaces", namespace, plural, rest @ ..] => {
                (route.namespace, route.plural) = ((*namespace).into(), (*plural).into());
                rest
            }
            ["namespaces", name] => {
                route.plural = "namespaces".into();
                (route.namespace, route.name) = ((*name).into(), (*name).into());
                return route;
            }
            [plural, rest @ ..] => {
                route.plural = (*plural).into();
                rest
            }
            [] => return route,
        };
        if let [name, rest @ ..] = rest {
            route.name = (*name).into();
            if let [subresource, rest @ ..] = rest {
                route.subresource = (*subresource).into();
                route.rest = rest.join("/");
            }
        }
        route
    }

    /// What RBAC is asked. A list of one name (`fieldSelector=metadata.name=x`) counts as naming the object.
    #[must_use]
    pub fn attributes(&self, method: &Method, path: &str, query: &Query) -> Attributes {
        if self.plural.is_empty() {
            let verb = method.as_str().to_lowercase();
            return Attributes { verb, path: path.into(), ..Attributes::default() };
        }
        let collection = self.name.is_empty();
        let verb = match method.as_str() {
            "GET" | "HEAD" if collection && query.is("watch") => "watch",
            "GET" | "HEAD" if collection => "list",
            "GET" | "HEAD" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" if collection => "deletecollection",
            "DELETE" => "delete",
            _ => "",
        };
        let mut name = self.name.clone();
        if matches!(verb, "list" | "watch" | "deletecollection") {
            let selected = query.get("fieldSelector").unwrap_or_default().split(',');
            let named = selected.filter_map(|term| term.strip_prefix("metadata.name="));
            name = named.map(|name| name.trim_start_matches('=')).next().unwrap_or_default().into();
        }
        Attributes {
            verb: verb.into(),
            group: self.group.clone(),
            version: self.version.clone(),
            resource: self.plural.clone(),
            subresource: self.subresource.clone(),
            namespace: self.namespace.clone(),
            name,
            path: String::new(),
        }
    }
}

fn decoded(part: &str) -> String {
    // In a path `+` is itself; form decoding would read it as a space.
    let escaped = part.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> [String; 6] {
        let route = Route::parse(path);
        [route.group, route.version, route.namespace, route.plural, route.name, route.subresource]
    }

    #[test]
    fn paths_name_group_version_namespace_resource_object_and_subresource() {
        for (path, expected) in [
            ("/api/v1/pods", ["", "v1", "", "pods", "", ""]),
            ("/api/v1/namespaces", ["", "v1", "", "namespaces", "", ""]),
            ("/api/v1/namespaces/a", ["", "v1", "a", "namespaces", "a", ""]),
            ("/api/v1/namespaces/a/status", ["", "v1", "a", "namespaces", "a", "status"]),
            ("/api/v1/namespaces/a/pods/p/log", ["", "v1", "a", "pods", "p", "log"]),
            ("/apis/apps/v1/namespaces/a/deployments/d/scale", ["apps", "v1", "a", "deployments", "d", "scale"]),
            (
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
                ["rbac.authorization.k8s.io", "v1", "", "clusterroles", "system:node", ""],
            ),
            ("/version", ["", "", "", "", "", ""]),
        ] {
            assert_eq!(parts(path), expected.map(str::to_owned), "{path}");
        }
    }
}
