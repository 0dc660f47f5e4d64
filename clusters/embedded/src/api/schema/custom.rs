//! The types of custom resources, from the OpenAPI schema of their definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Field, Link, ListMerge, ListPatch, Scalar, Schema};
use crate::object::{list, text};

/// The type of an object, from `versions[].schema`.
pub(super) fn object(schema: &Value) -> Schema {
    let mut known = match &schema["openAPIV3Schema"] {
        Value::Null => Schema::Map { fields: BTreeMap::new(), entries: Some(any()), atomic: false },
        schema => node(schema),
    };
    if let Schema::Map { fields, .. } = &mut known {
        let text = || Link::Own(Arc::new(Schema::Scalar(Scalar::Text)));
        for (name, link) in [("apiVersion", text()), ("kind", text()), ("metadata", Link::Named("meta.v1.ObjectMeta"))]
        {
            fields.insert(name.into(), Field { link, required: false, retain: false });
        }
    }
    known
}

fn any() -> Link {
    Link::Own(Schema::any())
}

fn node(schema: &Value) -> Schema {
    if schema["x-kubernetes-int-or-string"] == true {
        return Schema::Scalar(Scalar::Unknown);
    }
    match text(schema, "/type") {
        "object" => map(schema),
        "array" => Schema::List { item: own(&schema["items"]), merge: merge(schema), patch: ListPatch::Replace },
        // A node without a type is open if it preserves what it does not know.
        "" if schema["x-kubernetes-preserve-unknown-fields"] == true => Schema::Any,
        _ => Schema::Scalar(Scalar::Unknown),
    }
}

fn own(schema: &Value) -> Link {
    Link::Own(Arc::new(node(schema)))
}

fn map(schema: &Value) -> Schema {
    let mut fields: BTreeMap<String, Field> = BTreeMap::new();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let required = list(schema, "/required").iter().any(|required| required == name.as_str());
        fields.insert(name.clone(), Field { link: own(property), required, retain: false });
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        let text = || Link::Own(Arc::new(Schema::Scalar(Scalar::Text)));
        for (name, link) in [("apiVersion", text()), ("kind", text()), ("metadata", Link::Named("meta.v1.ObjectMeta"))]
        {
            fields.entry(name.into()).or_insert(Field { link, required: false, retain: false });
        }
    }
    let entries = match &schema["additionalProperties"] {
        Value::Object(entry) => Some(own(&Value::Object(entry.clone()))),
        Value::Bool(true) => Some(any()),
        _ if schema["x-kubernetes-preserve-unknown-fields"] == true => Some(any()),
        _ => None,
    };
    Schema::Map { fields, entries, atomic: text(schema, "/x-kubernetes-map-type") == "atomic" }
}

fn merge(schema: &Value) -> ListMerge {
    match text(schema, "/x-kubernetes-list-type") {
        "set" => ListMerge::Set,
        "map" => {
            let keys = list(schema, "/x-kubernetes-list-map-keys").iter().filter_map(Value::as_str);
            let default = |key: &str| schema["items"]["properties"][key].get("default").cloned();
            ListMerge::Keyed(keys.map(|key| (key.to_owned(), default(key))).collect())
        }
        _ => ListMerge::Atomic,
    }
}
