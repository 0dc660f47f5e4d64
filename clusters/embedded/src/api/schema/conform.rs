//! Reading an object as its type, as Kubernetes' decoder does: values of another type are refused, fields that the type
//! does not have are dropped and reported.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{Link, Scalar, Schema};

/// What was found.
#[derive(Debug, Default)]
pub struct Problems {
    /// Paths of the fields that the type does not have: `spec.containers[0].imag`.
    pub unknown: Vec<String>,
    /// The first value that cannot be read, in the words of the decoder.
    pub unreadable: Option<String>,
}

/// Drops what the type does not have and, in built-in types, the nulls that mean absence.
pub fn conform(value: &mut Value, schema: &Schema, type_name: &str, custom: bool) -> Problems {
    let mut walk = Walk {
        path: String::new(),
        fields: Vec::new(),
        owner: type_name.to_owned(),
        custom,
        problems: Problems::default(),
    };
    walk.value(value, schema);
    walk.problems
}

struct Walk {
    path: String,
    /// The path without keys of maps and places in lists, as the decoder tells it.
    fields: Vec<String>,
    /// Name of the innermost type with a name.
    owner: String,
    /// Within the schema of a custom resource: that schema itself checks types and nulls.
    custom: bool,
    problems: Problems,
}

impl Walk {
    fn link(&mut self, value: &mut Value, link: &Link) {
        match link {
            Link::Own(schema) => self.value(value, schema),
            Link::Named(name) => {
                let short = name.rsplit('.').next().unwrap_or(name).to_owned();
                let owner = std::mem::replace(&mut self.owner, short);
                let custom = std::mem::replace(&mut self.custom, false);
                self.value(value, &link.get());
                (self.owner, self.custom) = (owner, custom);
            }
        }
    }

    fn value(&mut self, value: &mut Value, schema: &Schema) {
        if value.is_null() {
            return;
        }
        match schema {
            Schema::Any => {}
            Schema::Scalar(scalar) => {
                if let Some(problem) = unreadable(value, *scalar) {
                    self.refuse(value, problem);
                }
            }
            Schema::Map { fields, entries, .. } => {
                let Value::Object(map) = value else {
                    let wanted = if fields.is_empty() { "map[string]string" } else { &self.owner.clone() };
                    return self.refuse(value, Problem::Type(wanted.to_owned()));
                };
                let keys: Vec<String> = map.keys().cloned().collect();
                for key in keys {
                    let link = match (fields.get(&key), entries) {
                        (Some(field), _) => &field.link,
                        (None, Some(entries)) => entries,
                        (None, None) => {
                            map.shift_remove(&key);
                            let length = self.enter(&key);
                            self.problems.unknown.push(self.path.clone());
                            self.path.truncate(length);
                            continue;
                        }
                    };
                    let Some(inner) = map.get_mut(&key) else { continue };
                    if inner.is_null() {
                        if fields.contains_key(&key) && !(self.custom && matches!(link, Link::Own(_))) {
                            map.shift_remove(&key);
                        }
                        continue;
                    }
                    let length = self.enter(&key);
                    let named = fields.contains_key(&key);
                    if named {
                        self.fields.push(key);
                    }
                    self.link(inner, link);
                    if named {
                        self.fields.pop();
                    }
                    self.path.truncate(length);
                }
            }
            Schema::List { item, .. } => {
                let Value::Array(items) = value else {
                    return self.refuse(value, Problem::Type(format!("[]{}", go_type(item))));
                };
                for (at, value) in items.iter_mut().enumerate() {
                    let length = self.path.len();
                    self.path.push_str(&format!("[{at}]"));
                    self.link(value, item);
                    self.path.truncate(length);
                }
            }
        }
    }

    fn enter(&mut self, key: &str) -> usize {
        let length = self.path.len();
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(key);
        length
    }

    fn refuse(&mut self, value: &Value, problem: Problem) {
        if self.custom || self.problems.unreadable.is_some() {
            return;
        }
        self.problems.unreadable = Some(match problem {
            Problem::Text(text) => text,
            Problem::Type(wanted) => {
                let found = found(value);
                let path = self.fields.join(".");
                format!("json: cannot unmarshal {found} into Go struct field {}.{path} of type {wanted}", self.owner)
            }
        });
    }
}

enum Problem {
    /// Another type than this one.
    Type(String),
    /// Anything else.
    Text(String),
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(number) if number.is_f64() => format!("number {number}"),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(_) => "array".into(),
        Value::Object(_) => "object".into(),
    }
}

fn go_type(link: &Link) -> String {
    match link {
        Link::Named(name) => name.split_once('.').map_or(*name, |(_, name)| name).to_owned(),
        Link::Own(_) => "string".into(),
    }
}

/// Why a scalar cannot be read.
fn unreadable(value: &Value, scalar: Scalar) -> Option<Problem> {
    let (fits, wanted) = match scalar {
        Scalar::Text => (value.is_string(), "string"),
        Scalar::Bytes => {
            if let Some(text) = value.as_str()
                && BASE64_STANDARD.decode(text.replace(['\n', '\r'], "")).is_err()
            {
                return Some(Problem::Text(format!("illegal base64 data at input byte {}", bad_base64(text))));
            }
            (value.is_string(), "[]uint8")
        }
        Scalar::Time => (value.is_string(), "time.Time"),
        Scalar::Bool => (value.is_boolean(), "bool"),
        Scalar::Int32 => (value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()), "int32"),
        Scalar::Int64 => (value.as_i64().is_some(), "int64"),
        Scalar::Number => (value.is_number(), "float64"),
        Scalar::Quantity => {
            if !value.is_number() && !value.as_str().is_some_and(is_quantity) {
                let rule = "quantities must match the regular expression \
                            '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
                return Some(Problem::Text(rule.into()));
            }
            return None;
        }
        Scalar::IntOrString => (value.is_string() || value.as_i64().is_some(), "intstr.IntOrString"),
        Scalar::Unknown => (true, ""),
    };
    (!fits).then(|| Problem::Type(wanted.into()))
}

fn bad_base64(text: &str) -> usize {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    text.bytes().position(|byte| !fits(byte)).unwrap_or(text.len())
}

/// A number with an optional suffix, binary (`Ki`), decimal (`k`, `m`) or exponent (`e3`).
fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let suffixed = matches!(
        suffix,
        "" | "n" | "u" | "m" | "k" | "M" | "G" | "T" | "P" | "E" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei"
    ) || suffix.strip_prefix(['e', 'E']).is_some_and(|exponent| exponent.parse::<i32>().is_ok());
    number.bytes().any(|byte| byte.is_ascii_digit()) && number.matches('.').count() <= 1 && suffixed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(mut spec: Value) -> (Value, Problems) {
        let (_, schema) = super::super::built_in_kind("apps", "v1", "Deployment").unwrap();
        let problems = conform(&mut spec, &schema, "Deployment", false);
        (spec, problems)
    }

    #[test]
    fn unknown_fields_are_dropped_and_named() {
        let (object, problems) = deployment(json!({"spec": {
            "replica": 1, "template": {"spec": {"containers": [{"name": "a", "imag": "x", "command": null}]}},
        }}));
        assert_eq!(problems.unknown, ["spec.replica", "spec.template.spec.containers[0].imag"]);
        assert_eq!(object, json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}}));
    }

    #[test]
    fn values_of_another_type_are_refused_in_the_decoders_words() {
        let (_, problems) = deployment(json!({"spec": {"replicas": "two"}}));
        let expected = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32";
        assert_eq!(problems.unreadable.as_deref(), Some(expected));
        let (_, problems) =
            deployment(json!({"spec": {"template": {"spec": {"containers": [{"ports": [{"containerPort": "x"}]}]}}}}));
        let unreadable = problems.unreadable.unwrap();
        assert!(unreadable.contains("ContainerPort.spec.template.spec.containers.ports.containerPort of type int32"));
    }

    #[test]
    fn quantities_are_numbers_with_a_suffix() {
        for good in ["1", "1.5", "500m", "1Gi", "-1", "1e3", "1E3", "2E", ".5"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["", "x", "1GB", "1.2.3", "Gi", "1 Gi"] {
            assert!(!is_quantity(bad), "{bad}");
        }
    }
}
