//! EnvoyFilters, as far as Kubeflow uses them at the gateway: an `ext_authz` filter and a Lua filter that adds a header.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::mesh::authorization::selects;
use crate::mesh::external::External;
use crate::object;

/// A filter that an EnvoyFilter inserts.
#[derive(Debug, Clone)]
pub(crate) struct EnvoyFilter {
    namespace: String,
    selector: Option<Value>,
    pub(crate) filter: Filter,
    /// Whether it stands before the router, behind all others; otherwise before all others.
    pub(crate) at_router: bool,
}

/// The filters that this gateway understands.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    Authorize(External),
    AddHeaders(Vec<Addition>),
    /// An `ext_authz` filter that cannot be understood: Envoy would refuse the listener; this gateway refuses requests.
    Broken,
}

/// Adds a header with the value of another, as a Lua filter does with
/// `request_handle:headers():add("name", request_handle:headers():get("other"))`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addition {
    name: HeaderName,
    from: String,
}

impl EnvoyFilter {
    /// The patches of one EnvoyFilter that concern the HTTP filters of a gateway.
    pub(crate) fn read_all(filter: &Value) -> Vec<Self> {
        object::list(filter, "/spec/configPatches")
            .iter()
            .filter(|patch| object::text(patch, "/applyTo") == "HTTP_FILTER")
            .filter(|patch| matches!(object::text(patch, "/match/context"), "" | "ANY" | "GATEWAY"))
            .filter(|patch| object::text(patch, "/patch/operation").starts_with("INSERT"))
            .filter_map(|patch| {
                let place = object::text(patch, "/match/listener/filterChain/filter/subFilter/name");
                Some(Self {
                    namespace: object::namespace(filter).to_owned(),
                    selector: filter.pointer("/spec/workloadSelector/labels").cloned(),
                    filter: Filter::read(patch.pointer("/patch/value/typed_config")?)?,
                    at_router: place.ends_with("router"),
                })
            })
            .collect()
    }

    /// Whether it holds for a pod.
    pub(crate) fn selects(&self, root_namespace: &str, pod: &Value) -> bool {
        selects(&self.namespace, self.selector.as_ref(), root_namespace, pod)
    }
}

impl Filter {
    fn read(config: &Value) -> Option<Self> {
        let kind = object::text(config, "/@type");
        if kind.ends_with(".ExtAuthz") {
            return Some(External::from_filter(config).map_or(Self::Broken, Self::Authorize));
        }
        let code = || match object::text(config, "/inlineCode") {
            "" => object::text(config, "/default_source_code/inline_string"),
            code => code,
        };
        kind.ends_with(".Lua").then(|| Self::AddHeaders(additions(code())))
    }
}

impl Addition {
    pub(crate) fn apply(&self, host: &str, headers: &mut HeaderMap) {
        let value = match self.from.as_str() {
            ":authority" => HeaderValue::from_str(host).ok(),
            name => headers.get(name).cloned(),
        };
        let Some(value) = value else { return };
        // Envoy keeps one value of this header.
        let before = headers.get(&self.name).filter(|_| self.name == "x-forwarded-host");
        match before.map(|before| HeaderValue::from_bytes(&[before.as_bytes(), b",", value.as_bytes()].concat())) {
            Some(Ok(joined)) => drop(headers.insert(self.name.clone(), joined)),
            _ => drop(headers.append(self.name.clone(), value)),
        }
    }
}

/// The additions in a Lua filter: `local x = …:get("a")` followed by `…:add("b", x)`.
fn additions(code: &str) -> Vec<Addition> {
    let quoted = |line: &str, call: &str| {
        let rest = line.split_once(call)?.1.trim_start().strip_prefix('"')?;
        let (text, after) = rest.split_once('"')?;
        Some((text.to_owned(), after.trim_matches([' ', ',', ')']).to_owned()))
    };
    let mut known: Vec<(String, String)> = Vec::new();
    let mut found = Vec::new();
    for line in code.lines() {
        if let (Some((from, _)), Some((left, _))) = (quoted(line, ":get("), line.split_once('=')) {
            known.push((left.trim().trim_start_matches("local ").trim().to_owned(), from));
        }
        if let Some((name, variable)) = quoted(line, ":add(") {
            let from = known.iter().rev().find(|(known, _)| *known == variable).map(|(_, from)| from.clone());
            if let (Ok(name), Some(from)) = (name.parse(), from) {
                found.push(Addition { name, from });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lua_filter_of_contract_a_adds_the_host() {
        let code = "function envoy_on_request(request_handle)\n  \
                    local host = request_handle:headers():get(\":authority\")\n  \
                    request_handle:headers():add(\"x-forwarded-host\", host)\nend\n";
        let found = additions(code);
        let name = HeaderName::from_static("x-forwarded-host");
        assert_eq!(found, [Addition { name: name.clone(), from: ":authority".into() }]);
        let mut headers = HeaderMap::new();
        headers.insert(&name, HeaderValue::from_static("evil.test"));
        found[0].apply("localhost:8080", &mut headers);
        let values: Vec<_> = headers.get_all(&name).iter().collect();
        assert_eq!(values, ["evil.test,localhost:8080"]);
    }

    #[test]
    fn other_code_adds_nothing() {
        for code in ["", "x", ":add(\"a\", b)", "local = :get(\"", "a = b:get(\"c\")\nd:add(\"e f\", a)"] {
            assert_eq!(additions(code), [], "{code}");
        }
    }
}
