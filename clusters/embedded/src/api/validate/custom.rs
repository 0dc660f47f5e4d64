//! Custom resources against the OpenAPI schema of their definition.
//!
//! Sentences follow kube-openapi's `pkg/validation` as kube-apiserver shows them. What was invalid before and did not
//! change is let through on updates (ratcheting, stable since Kubernetes 1.33). Expressions
//! (`x-kubernetes-validations`) are not evaluated.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use regex::Regex;
use serde_json::{Map, Value, json};

use super::Problem;
use crate::object::{list, text};

/// The compiled patterns of one definition.
#[derive(Debug, Default)]
pub struct Patterns(Mutex<HashMap<String, Option<Arc<Regex>>>>);

impl Patterns {
    /// A pattern; `None` if this program's engine cannot read it (Go's and Rust's differ in rare classes).
    fn get(&self, pattern: &str) -> Option<Arc<Regex>> {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(regex) = known.get(pattern) {
            return regex.clone();
        }
        let regex = Regex::new(pattern).ok().map(Arc::new);
        known.insert(pattern.to_owned(), regex.clone());
        regex
    }
}

/// What is wrong with `new`.
#[must_use]
pub fn problems(schema: &Value, patterns: &Patterns, old: Option<&Value>, new: &Value) -> Vec<Problem> {
    let mut check = Check { patterns, found: Vec::new() };
    check.value(schema, old, new, &mut String::new(), true);
    check.found
}

/// Problems of these kinds keep expressions from being evaluated; then an answer says so. (None are evaluated here.)
pub(super) fn unchecked(schema: &Value, found: &[Problem]) -> Option<Problem> {
    const BLOCKING: &[&str] = &[
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    ];
    let blocked = found.iter().any(|problem| BLOCKING.contains(&problem.reason));
    let rule = "some validation rules were not checked because the object was invalid; correct the existing errors to \
                complete validation";
    (blocked && has_rules(schema)).then(|| Problem::invalid("<nil>", &Value::Null, rule))
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("x-kubernetes-validations") || map.values().any(has_rules),
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

struct Check<'a> {
    patterns: &'a Patterns,
    found: Vec<Problem>,
}

impl Check<'_> {
    fn value(&mut self, schema: &Value, old: Option<&Value>, new: &Value, path: &mut String, root: bool) {
        if old == Some(new) {
            return;
        }
        if new.is_null() && schema["nullable"] == true {
            return;
        }
        if !self.fits_type(schema, new, path) {
            return;
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(new)
        {
            self.found.push(Problem::unsupported(shown(path), new, allowed));
        }
        match new {
            Value::Object(map) => self.object(schema, old, map, path, root),
            Value::Array(items) => self.array(schema, old, new, items, path),
            Value::String(text) => self.text(schema, new, text, path),
            Value::Number(_) => self.number(schema, new, path),
            _ => {}
        }
        self.composed(schema, old, new, path, root);
    }

    fn fits_type(&mut self, schema: &Value, new: &Value, path: &str) -> bool {
        let found = type_name(new);
        let (fits, wanted) = if schema["x-kubernetes-int-or-string"] == true {
            (matches!(found, "integer" | "string"), "integer,string")
        } else {
            match text(schema, "/type") {
                // A node without a type is a part of a composition, or open.
                "" => (true, ""),
                "number" => (matches!(found, "integer" | "number"), "number"),
                "integer" => (found == "integer", "integer"),
                wanted => (found == wanted, wanted),
            }
        };
        if !fits {
            let message =
                format!("Invalid value: \"{found}\": {} in body must be of type {wanted}: \"{found}\"", shown(path));
            self.found.push(Problem { reason: "FieldValueTypeInvalid", field: shown(path), message });
            return false;
        }
        true
    }

    fn object(&mut self, schema: &Value, old: Option<&Value>, map: &Map<String, Value>, path: &mut String, root: bool) {
        for name in list(schema, "/required").iter().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                self.found.push(Problem::required(joined(path, name), ""));
            }
        }
        if schema["x-kubernetes-embedded-resource"] == true && !root {
            for name in ["apiVersion", "kind"]
                .iter()
                .filter(|name| text(&map.get(**name).cloned().unwrap_or_default(), "").is_empty())
            {
                self.found.push(Problem::required(joined(path, name), ""));
            }
        }
        self.count(schema, map.len(), "Properties", path);
        let properties = &schema["properties"];
        let entries = &schema["additionalProperties"];
        for (key, value) in map {
            if root && matches!(key.as_str(), "metadata" | "apiVersion" | "kind") {
                continue;
            }
            let of = match properties.get(key) {
                Some(of) => of,
                None if entries.is_object() => entries,
                None => continue,
            };
            let length = path.len();
            *path = joined(path, key);
            self.value(of, old.and_then(|old| old.get(key)), value, path, false);
            path.truncate(length);
        }
    }

    fn array(&mut self, schema: &Value, old: Option<&Value>, new: &Value, items: &[Value], path: &mut String) {
        self.count(schema, items.len(), "Items", path);
        if text(schema, "/x-kubernetes-list-type") == "set" {
            for (at, item) in items.iter().enumerate().filter(|(at, item)| items[..*at].contains(item)) {
                let (field, message) = (format!("{path}[{at}]"), format!("Duplicate value: {item}"));
                self.found.push(Problem { reason: "FieldValueDuplicate", field, message });
            }
        }
        if schema["uniqueItems"] == true && items.iter().enumerate().any(|(at, item)| items[..at].contains(item)) {
            let rule = format!("{} in body shouldn't contain duplicates", shown(path));
            self.found.push(Problem::invalid(shown(path), new, &rule));
        }
        if text(schema, "/x-kubernetes-list-type") == "map" {
            self.keyed(schema, items, path);
        }
        if !schema["items"].is_object() {
            return;
        }
        for (at, item) in items.iter().enumerate() {
            let length = path.len();
            path.push_str(&format!("[{at}]"));
            self.value(&schema["items"], old.and_then(|old| old.get(at)), item, path, false);
            path.truncate(length);
        }
    }

    /// Items of a list that is a map are told apart by their keys.
    fn keyed(&mut self, schema: &Value, items: &[Value], path: &str) {
        let names: Vec<&str> = list(schema, "/x-kubernetes-list-map-keys").iter().filter_map(Value::as_str).collect();
        let keys = |item: &Value| -> Map<String, Value> {
            names.iter().filter_map(|name| Some(((*name).to_owned(), item.get(name)?.clone()))).collect()
        };
        let mut seen = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let key = keys(item);
            if seen.contains(&key) {
                let message = format!("Duplicate value: {}", json!(key));
                self.found.push(Problem { reason: "FieldValueDuplicate", field: format!("{path}[{at}]"), message });
            }
            seen.push(key);
        }
    }

    fn count(&mut self, schema: &Value, count: usize, of: &str, path: &str) {
        let limit = |key: &str| schema[&format!("{key}{of}")].as_u64().and_then(|limit| usize::try_from(limit).ok());
        let what = of.to_lowercase();
        if let Some(least) = limit("min").filter(|least| count < *least) {
            let rule = format!("{} in body should have at least {least} {what}", shown(path));
            self.found.push(Problem::invalid(shown(path), &json!(count), &rule));
        }
        if let Some(most) = limit("max").filter(|most| count > *most) {
            let message = format!("Too many: {count}: must have at most {most} {what}");
            self.found.push(Problem { reason: "FieldValueTooMany", field: shown(path), message });
        }
    }

    fn text(&mut self, schema: &Value, new: &Value, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            let rule = format!("{} in body should be at least {least} chars long", shown(path));
            self.found.push(Problem::invalid(shown(path), new, &rule));
            return;
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            let message = format!("Too long: may not be more than {most} bytes");
            self.found.push(Problem { reason: "FieldValueTooLong", field: shown(path), message });
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && self.patterns.get(pattern).is_some_and(|regex| !regex.is_match(text))
        {
            let rule = format!("{} in body should match '{pattern}'", shown(path));
            self.found.push(Problem::invalid(shown(path), new, &rule));
        }
        if let Some(format) = schema["format"].as_str()
            && !has_format(text, format)
        {
            let message = format!("Invalid value: {new}: {} in body must be of type {format}: {new}", shown(path));
            self.found.push(Problem { reason: "FieldValueTypeInvalid", field: shown(path), message });
        }
    }

    fn number(&mut self, schema: &Value, new: &Value, path: &str) {
        let number = new.as_f64().unwrap_or_default();
        let mut broken = Vec::new();
        if let Some(least) = schema["minimum"].as_f64() {
            let exclusive = schema["exclusiveMinimum"] == true;
            if number < least || exclusive && number <= least {
                let or_equal = if exclusive { "" } else { " or equal to" };
                broken.push(format!("should be greater than{or_equal} {}", schema["minimum"]));
            }
        }
        if let Some(most) = schema["maximum"].as_f64() {
            let exclusive = schema["exclusiveMaximum"] == true;
            if number > most || exclusive && number >= most {
                let or_equal = if exclusive { "" } else { " or equal to" };
                broken.push(format!("should be less than{or_equal} {}", schema["maximum"]));
            }
        }
        if let Some(factor) = schema["multipleOf"].as_f64()
            && factor != 0.0
            && (number / factor).fract().abs() > f64::EPSILON
        {
            broken.push(format!("should be a multiple of {}", schema["multipleOf"]));
        }
        for rule in broken {
            self.found.push(Problem::invalid(shown(path), new, &format!("{} in body {rule}", shown(path))));
        }
    }

    fn composed(&mut self, schema: &Value, old: Option<&Value>, new: &Value, path: &str, root: bool) {
        let tried = |part: &Value| {
            let mut check = Check { patterns: self.patterns, found: Vec::new() };
            check.value(part, old, new, &mut path.to_owned(), root);
            check.found
        };
        let mut found = Vec::new();
        for part in list(schema, "/allOf") {
            found.extend(tried(part));
        }
        let mut refused = |rule: &str, closest: Vec<Problem>| {
            found.push(Problem::invalid("<nil>", &json!(""), &format!("\"{path}\" must {rule}")));
            found.extend(closest);
        };
        for (kind, rule) in [
            ("anyOf", "validate at least one schema (anyOf)"),
            ("oneOf", "validate one and only one schema (oneOf). Found none valid"),
        ] {
            let Some(parts) = schema[kind].as_array() else { continue };
            let outcomes: Vec<Vec<Problem>> = parts.iter().map(tried).collect();
            match outcomes.iter().filter(|outcome| outcome.is_empty()).count() {
                0 => refused(rule, outcomes.into_iter().min_by_key(Vec::len).unwrap_or_default()),
                1 => {}
                _ if kind == "anyOf" => {}
                count => {
                    let rule = format!("validate one and only one schema (oneOf). Found {count} valid alternatives");
                    refused(&rule, Vec::new());
                }
            }
        }
        if schema["not"].is_object() && tried(&schema["not"]).is_empty() {
            refused("not validate the schema (not)", Vec::new());
        }
        self.found.extend(found);
    }
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn shown(path: &str) -> String {
    if path.is_empty() { "<nil>".into() } else { path.to_owned() }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The formats that are looked at; others hold always, as those that kube-apiserver does not know.
fn has_format(text: &str, format: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "uuid" => text.parse::<uuid::Uuid>().is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "byte" => {
            use base64::Engine;
            base64::prelude::BASE64_STANDARD.decode(text).is_ok()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(schema: &Value, old: Option<&Value>, new: &Value) -> Vec<String> {
        let found = problems(schema, &Patterns::default(), old, new);
        found.iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
    }

    fn schema() -> Value {
        json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["size"], "properties": {
            "size": {"type": "integer", "minimum": 1},
            "mode": {"type": "string", "enum": ["a", "b"]},
            "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
            "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "note": {"type": "string", "nullable": true},
        }}}})
    }

    #[test]
    fn problems_are_told_in_the_servers_words() {
        for (spec, expected) in [
            (json!({"size": 1, "port": "http", "note": null}), vec![]),
            (json!({}), vec!["spec.size: Required value"]),
            (
                json!({"size": "x"}),
                vec!["spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\""],
            ),
            (
                json!({"size": 0}),
                vec!["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"],
            ),
            (
                json!({"size": 1, "mode": "c"}),
                vec!["spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\""],
            ),
            (
                json!({"size": 1, "name": "A"}),
                vec!["spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"],
            ),
            (json!({"size": 1, "name": "abcd"}), vec!["spec.name: Too long: may not be more than 3 bytes"]),
        ] {
            assert_eq!(lines(&schema(), None, &json!({ "spec": spec })), expected, "{spec}");
        }
    }

    #[test]
    fn what_was_invalid_before_may_stay() {
        let old = json!({"spec": {"size": 0, "mode": "a"}});
        let new = json!({"spec": {"size": 0, "mode": "b"}});
        assert!(lines(&schema(), Some(&old), &new).is_empty());
        let worse = json!({"spec": {"size": -1, "mode": "a"}});
        assert_eq!(lines(&schema(), Some(&old), &worse).len(), 1);
    }

    #[test]
    fn compositions_name_the_rule_and_the_closest_alternative() {
        let schema = json!({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert!(lines(&schema, None, &json!({"a": 1})).is_empty());
        assert_eq!(lines(&schema, None, &json!({}))[1], "a: Required value");
        assert!(lines(&schema, None, &json!({"a": 1, "b": 1}))[0].contains("Found 2 valid alternatives"));
    }
}
