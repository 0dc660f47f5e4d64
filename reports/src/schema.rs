//! The JSON Schema of `results.json`, published as `docs/results.schema.json`.

use crate::model::{Results, SCHEMA};

/// The schema as pretty JSON with a final newline.
#[must_use]
pub fn text() -> String {
    let mut schema = schemars::schema_for!(Results);
    schema.insert("$id".into(), SCHEMA.into());
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
