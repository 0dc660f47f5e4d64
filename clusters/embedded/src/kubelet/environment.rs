//! The environment and the mounted files of a container, resolved from ConfigMaps and Secrets as a kubelet does.
//!
//! Order and texts follow `pkg/kubelet/kubelet_pods.go` (`makeEnvironmentVariables`) and `pkg/kubelet/envvars` of
//! Kubernetes 1.34.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use super::fields;
use crate::object::{list, name, namespace, text};
use crate::store::{Key, Store};

/// The environment variables of a container: `envFrom`, then `env` with `valueFrom` (ConfigMap, Secret, field) and
/// `$(NAME)` expansion; those of the namespace's Services where nothing else sets them. What cannot be resolved is left
/// out; [`resolve`] tells.
#[must_use]
pub fn variables(store: &Store, pod: &Value, container: &str) -> BTreeMap<String, String> {
    super::container(pod, container).map(|container| resolve(store, pod, container).variables).unwrap_or_default()
}

/// One of these variables. Of the Services only the one is looked at that it can be of: a namespace has dozens, and each
/// gives some ten variables.
#[must_use]
pub fn variable(store: &Store, pod: &Value, container: &str, name: &str) -> Option<String> {
    let own = specified(store, pod, super::container(pod, container)?);
    let linked = || service_variables(store, pod, |service| may_be_of(name, service)).remove(name);
    own.variables.get(name).cloned().or_else(linked)
}

/// The content of a file that a ConfigMap, Secret or projected volume puts into a container, by absolute path.
#[must_use]
pub fn file(store: &Store, pod: &Value, container: &str, path: &str) -> Option<String> {
    super::volumes::file(store, pod, super::container(pod, container)?, path)
}

/// The environment of a container, and why it is not complete.
#[derive(Debug, Default)]
pub struct Environment {
    /// What could be resolved.
    pub variables: BTreeMap<String, String>,
    /// The first reason why the container cannot be made, in the kubelet's wording; it names no secret value.
    pub problem: Option<String>,
}

/// Resolves the environment of a container (its object in the pod's spec).
#[must_use]
pub fn resolve(store: &Store, pod: &Value, container: &Value) -> Environment {
    let mut environment = specified(store, pod, container);
    for (name, value) in service_variables(store, pod, |_| true) {
        environment.variables.entry(name).or_insert(value);
    }
    environment
}

/// What a container's own specification sets, and why that is not complete.
#[must_use]
pub fn specified(store: &Store, pod: &Value, container: &Value) -> Environment {
    let linked = LazyCell::new(|| service_variables(store, pod, |_| true));
    let mut environment = Environment::default();
    for source in list(container, "/envFrom") {
        environment.take_all(store, namespace(pod), source);
    }
    for entry in list(container, "/env") {
        let value = match entry.get("valueFrom").filter(|from| from.is_object()) {
            None => Some(expand(text(entry, "/value"), |name| {
                environment.variables.get(name).or_else(|| linked.get(name)).cloned()
            })),
            Some(from) => match referred(store, pod, container, from) {
                Ok(value) => value,
                Err(problem) => {
                    environment.problem.get_or_insert(problem);
                    None
                }
            },
        };
        if let Some(value) = value {
            environment.variables.insert(text(entry, "/name").to_owned(), value);
        }
    }
    environment
}

impl Environment {
    /// One `envFrom` source. Keys that are no variable names are skipped, as the kubelet skips them.
    fn take_all(&mut self, store: &Store, namespace: &str, source: &Value) {
        let prefix = text(source, "/prefix");
        for (kind, reference) in [("configmaps", "/configMapRef"), ("secrets", "/secretRef")] {
            let Some(reference) = source.pointer(reference) else { continue };
            match contents(store, kind, namespace, text(reference, "/name")) {
                Ok(contents) => self.variables.extend(
                    contents
                        .into_iter()
                        .map(|(key, value)| (format!("{prefix}{key}"), value))
                        .filter(|(name, _)| is_variable_name(name)),
                ),
                Err(problem) if !optional(reference) => {
                    self.problem.get_or_insert(problem);
                }
                Err(_) => {}
            }
        }
    }
}

/// The value of a `valueFrom`; `None` for an optional reference to something absent.
fn referred(store: &Store, pod: &Value, container: &Value, from: &Value) -> Result<Option<String>, String> {
    if let Some(reference) = from.get("fieldRef") {
        let path = text(reference, "/fieldPath");
        return fields::field(pod, path).map(Some).ok_or_else(|| format!("unsupported fieldPath: {path}"));
    }
    if let Some(reference) = from.get("resourceFieldRef") {
        return Ok(fields::resource(container, reference));
    }
    let (kind, word, reference) = match (from.get("configMapKeyRef"), from.get("secretKeyRef")) {
        (Some(reference), _) => ("configmaps", "ConfigMap", reference),
        (None, Some(reference)) => ("secrets", "Secret", reference),
        (None, None) => return Ok(Some(String::new())),
    };
    let (object, key) = (text(reference, "/name"), text(reference, "/key"));
    let found = contents(store, kind, namespace(pod), object).and_then(|mut contents| {
        contents.remove(key).ok_or_else(|| format!("couldn't find key {key} in {word} {}/{object}", namespace(pod)))
    });
    match found {
        Ok(value) => Ok(Some(value)),
        Err(_) if optional(reference) => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// What a ConfigMap or Secret holds, decoded.
///
/// # Errors
/// The kubelet's words if it does not exist.
pub(crate) fn contents(
    store: &Store,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<BTreeMap<String, String>, String> {
    let missing = || format!("{} \"{name}\" not found", kind.trim_end_matches('s'));
    let object = store.get(&Key::new("", kind, namespace, name)).ok_or_else(missing)?;
    let entries = |field: &str| object.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    let encoded = |entries: Map<String, Value>| {
        entries.into_iter().filter_map(|(key, value)| Some((key, decoded(value.as_str()?)?)))
    };
    let plain = |entries: Map<String, Value>| {
        entries.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
    };
    Ok(if kind == "secrets" {
        encoded(entries("data")).chain(plain(entries("stringData"))).collect()
    } else {
        encoded(entries("binaryData")).chain(plain(entries("data"))).collect()
    })
}

fn decoded(value: &str) -> Option<String> {
    BASE64.decode(value.as_bytes()).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

pub(super) fn optional(reference: &Value) -> bool {
    reference.get("optional").and_then(Value::as_bool).unwrap_or_default()
}

/// A printable ASCII name without `=` (Kubernetes 1.34, `RelaxedEnvironmentVariableValidation`).
fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=')
}

/// Replaces `$(NAME)` by what `lookup` knows, leaves unknown references as they are and turns `$$` into `$`
/// (`third_party/forked/golang/expansion`).
#[must_use]
pub fn expand(template: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            result.push('$');
            rest = after;
            continue;
        }
        match rest.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            Some((name, after)) => {
                result.push_str(&lookup(name).unwrap_or_else(|| format!("$({name})")));
                rest = after;
            }
            None => result.push('$'),
        }
    }
    result + rest
}

/// Whether a variable can be one that a Service gives, by its name.
fn may_be_of(variable: &str, service: &str) -> bool {
    let begins = service.chars().map(|char| if char == '-' { '_' } else { char.to_ascii_uppercase() });
    let mut rest = variable.chars();
    begins.zip(&mut rest).all(|(wanted, char)| wanted == char) && rest.next() == Some('_')
}

/// `NAME_SERVICE_HOST` and the like for those of the Services of the pod's namespace (unless `enableServiceLinks` is false)
/// and of the API whose name is `wanted`.
fn service_variables(store: &Store, pod: &Value, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let mut services = Vec::new();
    if pod.pointer("/spec/enableServiceLinks").and_then(Value::as_bool).unwrap_or(true) {
        services = store.list("", "services", Some(namespace(pod)));
    }
    services.extend(store.get(&Key::new("", "services", "default", "kubernetes")));
    let mut variables = BTreeMap::new();
    for service in services.iter().filter(|service| wanted(name(service))) {
        let address = text(service, "/spec/clusterIP");
        let ports = list(service, "/spec/ports");
        let (false, Some(first)) = (address.is_empty() || address == "None", ports.first()) else { continue };
        let prefix = name(service).to_uppercase().replace('-', "_");
        let number = |port: &Value| port.get("port").and_then(Value::as_u64).unwrap_or_default();
        let protocol = |port: &Value| match text(port, "/protocol") {
            "" => "TCP".to_owned(),
            named => named.to_owned(),
        };
        variables.insert(format!("{prefix}_SERVICE_HOST"), address.to_owned());
        variables.insert(format!("{prefix}_SERVICE_PORT"), number(first).to_string());
        let url = |port: &Value| format!("{}://{address}:{}", protocol(port).to_lowercase(), number(port));
        variables.insert(format!("{prefix}_PORT"), url(first));
        for port in ports {
            let named = text(port, "/name").to_uppercase().replace('-', "_");
            if !named.is_empty() {
                variables.insert(format!("{prefix}_SERVICE_PORT_{named}"), number(port).to_string());
            }
            let each = format!("{prefix}_PORT_{}_{}", number(port), protocol(port));
            variables.insert(format!("{each}_PROTO"), protocol(port).to_lowercase());
            variables.insert(format!("{each}_PORT"), number(port).to_string());
            variables.insert(format!("{each}_ADDR"), address.to_owned());
            variables.insert(each, url(port));
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn store() -> Store {
        let store = Store::default();
        store.create(&Key::new("", "configmaps", "a", "c"), json!({"data": {"x": "1", "bad=name": "2"}})).unwrap();
        store.create(&Key::new("", "secrets", "a", "s"), json!({"data": {"key": BASE64.encode("hidden")}})).unwrap();
        store
            .create(
                &Key::new("", "services", "a", "ml-pipeline"),
                json!({"spec": {"clusterIP": "10.96.0.9", "ports": [{"name": "http", "port": 8888}]}}),
            )
            .unwrap();
        store
    }

    fn pod(container: Value) -> Value {
        let mut container = container;
        container["name"] = json!("main");
        json!({"metadata": {"name": "p", "namespace": "a"}, "spec": {"containers": [container]}})
    }

    #[test]
    fn sources_are_read_in_the_kubelets_order() {
        let pod = pod(json!({
            "envFrom": [{"configMapRef": {"name": "c"}}, {"prefix": "P_", "secretRef": {"name": "s"}}],
            "env": [
                {"name": "FIRST", "value": "$(x)-$(P_key)-$(LATER)-$$(x)"},
                {"name": "LATER", "value": "l"},
                {"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
                {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k", "optional": true}}},
                {"name": "URL", "value": "http://$(ML_PIPELINE_SERVICE_HOST):$(ML_PIPELINE_SERVICE_PORT_HTTP)"},
            ],
        }));
        let variables = variables(&store(), &pod, "main");
        let of = |name: &str| variables.get(name).map(String::as_str);
        assert_eq!(of("FIRST"), Some("1-hidden-$(LATER)-$(x)"));
        assert_eq!(of("NS"), Some("a"));
        assert_eq!(of("KEY"), Some("hidden"));
        assert_eq!(of("NONE"), None);
        assert_eq!(of("bad=name"), None);
        assert_eq!(of("URL"), Some("http://10.96.0.9:8888"));
        assert_eq!(of("ML_PIPELINE_PORT_8888_TCP_ADDR"), Some("10.96.0.9"));
    }

    #[test]
    fn what_is_missing_is_named_in_the_kubelets_words() {
        for (container, words) in [
            (json!({"envFrom": [{"configMapRef": {"name": "none"}}]}), Some("configmap \"none\" not found")),
            (
                json!({"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "other"}}}]}),
                Some("couldn't find key other in Secret a/s"),
            ),
            (json!({"envFrom": [{"secretRef": {"name": "none", "optional": true}}]}), None),
        ] {
            let pod = pod(container);
            assert_eq!(resolve(&store(), &pod, &pod["spec"]["containers"][0]).problem.as_deref(), words);
        }
    }

    #[test]
    fn one_variable_is_found_as_among_all() {
        let store = store();
        store
            .create(
                &Key::new("", "services", "a", "ml"),
                json!({"spec": {"clusterIP": "10.96.0.8", "ports": [{"port": 1}]}}),
            )
            .unwrap();
        let pod = pod(json!({"env": [{"name": "ML_PORT", "value": "mine"}]}));
        let all = variables(&store, &pod, "main");
        for name in all.keys().map(String::as_str).chain(["ML", "ML_", "ML_PIPELINE", "ML_PIPELINEX_PORT", ""]) {
            assert_eq!(variable(&store, &pod, "main", name).as_ref(), all.get(name), "{name}");
        }
        assert_eq!(all["ML_PORT"], "mine");
        assert!(all.contains_key("ML_PIPELINE_SERVICE_PORT_HTTP") && all.contains_key("ML_SERVICE_HOST"));
    }

    #[test]
    fn service_links_can_be_switched_off() {
        let mut pod = pod(json!({}));
        pod["spec"]["enableServiceLinks"] = json!(false);
        assert_eq!(variables(&store(), &pod, "main").get("ML_PIPELINE_SERVICE_HOST"), None);
    }

    proptest! {
        #[test]
        fn any_template_expands(template in "[$()a-z]{0,24}") {
            let known = expand(&template, |name| Some(name.to_owned()));
            prop_assert!(known.len() <= template.len());
        }
    }
}
