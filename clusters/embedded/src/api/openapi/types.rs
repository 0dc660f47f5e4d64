//! Types as OpenAPI schemas, with the components that they refer to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::kinds::Resource;
use crate::api::schema::{self, Link, ListMerge, ListPatch, Scalar, Schema};

/// Schemas by component name.
#[derive(Default)]
pub(super) struct Collected(BTreeMap<String, Value>);

/// The extension that tells which kind a schema or operation is about.
pub(super) fn group_version_kind(resource: &Resource) -> Value {
    json!({ "group": resource.group, "version": resource.version, "kind": resource.kind })
}

impl Collected {
    /// Adds the type of a kind, and all types that it refers to.
    pub(super) fn add_kind(&mut self, resource: &Resource) {
        let (name, mut schema) = match &resource.definition {
            Some(definition) => {
                let version = definition.version(&resource.version).unwrap_or(&Value::Null);
                let schema = version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_else(|| json!({}));
                (format!("{}.{}.{}", reversed(&resource.group), resource.version, resource.kind), self.custom(schema))
            }
            None => match schema::built_in_kind(&resource.group, &resource.version, &resource.kind) {
                Some((name, schema)) => (component(name), self.schema(&schema)),
                None => return,
            },
        };
        schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(resource)]);
        self.0.insert(name, schema);
    }

    pub(super) fn into_value(self) -> Value {
        json!(self.0)
    }

    fn custom(&mut self, mut schema: Value) -> Value {
        if !schema.is_object() {
            schema = json!({});
        }
        if !schema["properties"].is_object() {
            schema["properties"] = json!({});
        }
        schema["type"] = json!("object");
        schema["properties"]["apiVersion"] = json!({ "type": "string" });
        schema["properties"]["kind"] = json!({ "type": "string" });
        schema["properties"]["metadata"] = self.link(&Link::Named("meta.v1.ObjectMeta"));
        schema
    }

    fn link(&mut self, link: &Link) -> Value {
        match link {
            Link::Own(schema) => self.schema(schema),
            Link::Named(name) => {
                let component = component(name);
                if !self.0.contains_key(&component) {
                    // Its place is taken first: types refer to themselves.
                    self.0.insert(component.clone(), Value::Null);
                    let schema = self.schema(&link.get());
                    self.0.insert(component.clone(), schema);
                }
                json!({ "$ref": format!("#/components/schemas/{component}") })
            }
        }
    }

    fn schema(&mut self, schema: &Schema) -> Value {
        match schema {
            Schema::Any => json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
            Schema::Scalar(kind) => scalar(*kind),
            Schema::Map { fields, entries, atomic } => {
                let mut out = json!({ "type": "object" });
                let mut properties = BTreeMap::new();
                let mut required = Vec::new();
                for (name, field) in fields {
                    let mut property = self.link(&field.link);
                    if field.retain {
                        let strategy = property.get("x-kubernetes-patch-strategy").and_then(Value::as_str);
                        let strategy = strategy.map_or("retainKeys".into(), |known| format!("{known},retainKeys"));
                        property["x-kubernetes-patch-strategy"] = json!(strategy);
                    }
                    properties.insert(name, property);
                    if field.required {
                        required.push(name);
                    }
                }
                if !properties.is_empty() {
                    out["properties"] = json!(properties);
                }
                if !required.is_empty() {
                    out["required"] = json!(required);
                }
                if let Some(entries) = entries {
                    out["additionalProperties"] = self.link(entries);
                }
                if *atomic {
                    out["x-kubernetes-map-type"] = json!("atomic");
                }
                out
            }
            Schema::List { item, merge, patch } => {
                let mut out = json!({ "type": "array", "items": self.link(item) });
                out["x-kubernetes-list-type"] = match merge {
                    ListMerge::Atomic => json!("atomic"),
                    ListMerge::Set => json!("set"),
                    ListMerge::Keyed(keys) => {
                        let keys: Vec<&String> = keys.iter().map(|(key, _)| key).collect();
                        out["x-kubernetes-list-map-keys"] = json!(keys);
                        json!("map")
                    }
                };
                match patch {
                    ListPatch::Replace => {}
                    ListPatch::Add => out["x-kubernetes-patch-strategy"] = json!("merge"),
                    ListPatch::Merge(key) => {
                        out["x-kubernetes-patch-strategy"] = json!("merge");
                        out["x-kubernetes-patch-merge-key"] = json!(key);
                    }
                }
                out
            }
        }
    }
}

fn scalar(kind: Scalar) -> Value {
    match kind {
        Scalar::Text => json!({ "type": "string" }),
        Scalar::Bytes => json!({ "type": "string", "format": "byte" }),
        Scalar::Bool => json!({ "type": "boolean" }),
        Scalar::Int32 => json!({ "type": "integer", "format": "int32" }),
        Scalar::Int64 => json!({ "type": "integer", "format": "int64" }),
        Scalar::Number => json!({ "type": "number", "format": "double" }),
        Scalar::Quantity => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        Scalar::IntOrString => {
            json!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] })
        }
        Scalar::Time => json!({ "type": "string", "format": "date-time" }),
        Scalar::Unknown => json!({}),
    }
}

/// The component's name: that of the Go type, as Kubernetes names them.
fn component(name: &str) -> String {
    match name.split_once('.') {
        Some(("meta", _)) => format!("io.k8s.apimachinery.pkg.apis.{name}"),
        Some(("apiextensions", _)) => format!("io.k8s.apiextensions-apiserver.pkg.apis.{name}"),
        Some(("apiregistration", _)) => format!("io.k8s.kube-aggregator.pkg.apis.{name}"),
        _ => format!("io.k8s.api.{name}"),
    }
}

fn reversed(group: &str) -> String {
    group.rsplit('.').collect::<Vec<_>>().join(".")
}
