//! Tables for people: what `kubectl get` prints (`as=Table`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::answer;
use super::kinds::Resource;

/// Objects as a `Table`; `include` is the request's `includeObject`.
#[must_use]
pub fn table(resource: &Resource, objects: &[Arc<Value>], metadata: Value, include: &str, head: bool) -> Value {
    let _ = resource;
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let included = match include {
                "None" => Value::Null,
                "Object" => answer::in_version(resource, object),
                _ => answer::metadata(object),
            };
            json!({ "cells": [object["metadata"]["name"], object["metadata"]["creationTimestamp"]], "object": included })
        })
        .collect();
    let columns = json!([
        { "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 },
        { "name": "Age", "type": "string", "format": "", "description": "", "priority": 0 },
    ]);
    let columns = if head { columns } else { json!([]) };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}
