//! `metadata.managedFields`: one entry for each manager, operation, API version and subresource.

use serde_json::{Map, Value, json};

use super::fields::{Difference, Fields, compare};
use crate::api::kinds::Resource;
use crate::api::schema::{self, Schema};
use crate::object::{list, text};
use crate::store::now;

/// How a manager came to its fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By any other write.
    Update,
}

/// Who writes, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// Name of the field manager.
    pub manager: String,
    /// How it writes.
    pub operation: Operation,
    /// The version it writes in.
    pub api_version: String,
    /// The subresource it writes to, or empty.
    pub subresource: String,
}

impl Writer {
    /// The stand-in for whoever wrote the object before it was first applied.
    #[must_use]
    pub fn before_first_apply(api_version: &str) -> Self {
        Self {
            manager: "before-first-apply".into(),
            operation: Operation::Update,
            api_version: api_version.into(),
            subresource: String::new(),
        }
    }

    /// Applying twice in another version is one manager; updates in two versions are two.
    fn same(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    fn describe(&self) -> String {
        let subresource = match self.subresource.as_str() {
            "" => String::new(),
            name => format!(" with subresource \"{name}\""),
        };
        match self.operation {
            Operation::Apply => format!("\"{}\"{subresource}", self.manager),
            Operation::Update => format!("\"{}\"{subresource} using {}", self.manager, self.api_version),
        }
    }
}

struct Entry {
    writer: Writer,
    time: Value,
    fields: Fields,
    changed: bool,
}

/// All managers of one object.
#[derive(Default)]
pub struct Managed(Vec<Entry>);

impl Managed {
    /// Reads them from an object.
    #[must_use]
    pub fn read(object: &Value) -> Self {
        let entries = list(object, "/metadata/managedFields").iter().map(|entry| Entry {
            writer: Writer {
                manager: text(entry, "/manager").into(),
                operation: if entry["operation"] == "Apply" { Operation::Apply } else { Operation::Update },
                api_version: text(entry, "/apiVersion").into(),
                subresource: text(entry, "/subresource").into(),
            },
            time: entry["time"].clone(),
            fields: Fields::parse(&entry["fieldsV1"]),
            changed: false,
        });
        Self(entries.collect())
    }

    /// Whether nobody manages anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives a manager exactly these fields; returns what it had.
    pub fn replace(&mut self, writer: &Writer, fields: Fields) -> Option<Fields> {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.writer.same(writer)) {
            entry.changed = entry.fields != fields || entry.writer != *writer;
            entry.writer = writer.clone();
            return Some(std::mem::replace(&mut entry.fields, fields));
        }
        self.0.push(Entry { writer: writer.clone(), time: Value::Null, fields, changed: true });
        None
    }

    /// Adds fields to a manager.
    pub fn claim_all(&mut self, writer: &Writer, fields: Fields) {
        let before = self.0.iter().find(|entry| entry.writer.same(writer)).map(|entry| entry.fields.clone());
        self.replace(writer, before.unwrap_or_default().union(&fields));
    }

    /// All managed fields.
    #[must_use]
    pub fn union(&self) -> Fields {
        self.0.iter().fold(Fields::default(), |all, entry| all.union(&entry.fields))
    }

    /// The fields of other managers among the changed ones.
    #[must_use]
    pub fn conflicts(&self, writer: &Writer, changed: &Fields) -> Vec<(String, Fields)> {
        let others = self.0.iter().filter(|entry| !entry.writer.same(writer));
        others
            .map(|entry| (entry.writer.describe(), entry.fields.common(changed)))
            .filter(|(_, fields)| !fields.is_empty())
            .collect()
    }

    /// Other managers lose the fields that were changed or removed; one that updates loses what it removed, too.
    pub fn yield_to(&mut self, writer: &Writer, difference: &Difference) {
        for entry in &mut self.0 {
            let mut rest = entry.fields.without(&difference.removed);
            if !entry.writer.same(writer) {
                rest = rest.without(&difference.changed);
            } else if writer.operation == Operation::Apply {
                continue;
            }
            entry.changed |= rest != entry.fields;
            entry.fields = rest;
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    /// Writes them into an object. An entry's time is that of the last write that changed the object.
    pub fn write(mut self, object: &mut Value, live: Option<&Value>, writer: &Writer) {
        let unchanged = live.is_some_and(|live| !live.is_null() && same_but_for_bookkeeping(live, object));
        self.0.sort_by_key(|entry| entry.writer.operation == Operation::Update);
        let entries: Vec<Value> = self
            .0
            .iter()
            .map(|entry| {
                let mut written = json!({
                    "apiVersion": entry.writer.api_version,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": entry.fields.to_value(),
                    "manager": entry.writer.manager,
                    "operation": if entry.writer.operation == Operation::Apply { "Apply" } else { "Update" },
                });
                if !entry.writer.subresource.is_empty() {
                    written["subresource"] = json!(entry.writer.subresource);
                }
                let fresh = entry.writer.same(writer) && (entry.changed || !unchanged);
                written["time"] = if fresh || entry.time.is_null() { json!(now()) } else { entry.time.clone() };
                written
            })
            .collect();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            if entries.is_empty() {
                metadata.remove("managedFields");
            } else {
                metadata.insert("managedFields".into(), Value::Array(entries));
            }
        }
    }
}

/// Notes that a write other than apply made `new` out of `live` (`None` if it was created).
pub fn record_update(resource: &Resource, live: Option<&Value>, new: &mut Value, writer: &Writer) {
    let schema = schema::of(resource);
    // A client that sends an empty list asks to forget all managers; one that sends none keeps them.
    let reset = new.pointer("/metadata/managedFields").is_some_and(|sent| sent == &json!([{}]) || sent == &json!([]));
    let mut managed = live.map(Managed::read).unwrap_or_default();
    if reset && live.is_some() {
        managed = Managed::default();
    }
    let base = live.map_or_else(|| blank(new, resource), without_bookkeeping);
    let difference = compare(Some(&base), Some(&without_bookkeeping(new)), &schema);
    if live.is_some() && managed.is_empty() {
        // Objects that were never applied and have no managers stay without.
        if let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        return;
    }
    managed.yield_to(writer, &difference);
    let gained = stripped(difference.changed, resource, writer);
    if !gained.is_empty() {
        managed.claim_all(writer, gained);
    }
    managed.write(new, live, writer);
}

/// The object that a new one of a built-in kind is compared with: Go's zero value, which has those parts that are structures
/// by value and those lists that are always written. Nobody owns such a part itself, only what is in it.
fn blank(new: &Value, resource: &Resource) -> Value {
    if resource.definition.is_some() {
        return json!({});
    }
    let by_pointer = resource.plural == "replicationcontrollers";
    zero(new, by_pointer)
}

fn zero(new: &Value, template_by_pointer: bool) -> Value {
    let mut zeroed = Map::new();
    for (key, value) in new.as_object().into_iter().flatten() {
        if value.is_object() && BY_VALUE.contains(&key.as_str()) && !(template_by_pointer && key == "template") {
            zeroed.insert(key.clone(), zero(value, template_by_pointer));
        } else if value.is_null() || value == "" {
            zeroed.insert(key.clone(), value.clone());
        } else if value.is_array() && ALWAYS_WRITTEN.contains(&key.as_str()) {
            zeroed.insert(key.clone(), Value::Null);
        }
    }
    Value::Object(zeroed)
}

/// Fields whose Go type is a structure, not a pointer to one (`k8s.io/api` 0.34).
const BY_VALUE: &[&str] = &[
    "metadata",
    "spec",
    "status",
    "template",
    "jobTemplate",
    "strategy",
    "updateStrategy",
    "resources",
    "podSelector",
    "scaleTargetRef",
    "names",
    "involvedObject",
    "source",
    // A pointer, but one that is always written.
    "boundObjectRef",
];
/// Lists that Go writes even if they are empty.
const ALWAYS_WRITTEN: &[&str] = &["containers", "limits", "versions"];

/// All fields of an object that somebody can own.
pub(super) fn own(object: &Value, resource: &Resource, schema: &Schema) -> Fields {
    let writer = Writer::before_first_apply("");
    stripped(compare(Some(&json!({})), Some(&without_bookkeeping(object)), schema).changed, resource, &writer)
}

/// The fields nobody owns are taken out: identity and bookkeeping of the object, and `status` on the main resource.
pub(super) fn stripped(mut fields: Fields, resource: &Resource, writer: &Writer) -> Fields {
    for path in [&["f:apiVersion"][..], &["f:kind"]] {
        fields.remove(path);
    }
    for name in
        ["name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields", "resourceVersion"]
    {
        fields.remove(&["f:metadata", &format!("f:{name}")]);
    }
    fields.only_below("f:metadata");
    match writer.subresource.as_str() {
        "" if resource.has("status") => fields.remove(&["f:status"]),
        "status" => fields.remove(&["f:spec"]),
        _ => {}
    }
    fields
}

/// A copy without what a comparison must not see.
pub(super) fn without_bookkeeping(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("resourceVersion");
        metadata.remove("generation");
    }
    object
}

fn same_but_for_bookkeeping(one: &Value, other: &Value) -> bool {
    without_bookkeeping(one) == without_bookkeeping(other)
}
