//! Who may do what, and who is asked.

use serde_json::{Value, json};

use super::column::{AGE, Column, NAME};
use crate::object::{list, text};

pub(super) const SERVICE_ACCOUNTS: &[Column] =
    &[NAME, Column::count("Secrets", |it| json!(list(it, "/secrets").len())), AGE];

pub(super) const BINDINGS: &[Column] = &[
    NAME,
    Column::new("Role", |it| json!(format!("{}/{}", text(it, "/roleRef/kind"), text(it, "/roleRef/name")))),
    AGE,
    Column::wide("Users", |it| subjects(it, "User")),
    Column::wide("Groups", |it| subjects(it, "Group")),
    Column::wide("ServiceAccounts", |it| subjects(it, "ServiceAccount")),
];

fn subjects(binding: &Value, kind: &str) -> Value {
    let names: Vec<String> = list(binding, "/subjects")
        .iter()
        .filter(|subject| subject["kind"] == kind)
        .map(|subject| match (kind, text(subject, "/namespace")) {
            ("ServiceAccount", namespace) => format!("{namespace}/{}", text(subject, "/name")),
            _ => text(subject, "/name").to_owned(),
        })
        .collect();
    json!(names.join(", "))
}

pub(super) const WEBHOOKS: &[Column] =
    &[NAME, Column::number("Webhooks", |it| json!(list(it, "/webhooks").len())), AGE];

pub(super) const API_SERVICES: &[Column] = &[
    NAME,
    Column::new("Service", |it| match it["spec"]["service"].as_object() {
        None => json!("Local"),
        Some(_) => json!(format!("{}/{}", text(it, "/spec/service/namespace"), text(it, "/spec/service/name"))),
    }),
    Column::new("Available", |it| {
        let condition = list(it, "/status/conditions").iter().find(|condition| condition["type"] == "Available");
        condition.map_or(json!("Unknown"), |condition| condition["status"].clone())
    }),
    AGE,
];
