//! Contributors: listed for everybody, changed by KFAM's leave (`app/api_workgroup.ts`). Through the dashboard they are
//! always editors.

use std::sync::LazyLock;

use axum::body::Body;
use http::{Method, Response, StatusCode};
use regex::Regex;
use serde_json::{Value, json};

use super::identity::User;
use super::{express, kfam, workgroup};
use crate::actors::Visit;

/// HTML's rule for e-mail addresses (WHATWG, `input type=email`), which dashboards follow from v1.9 on.
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    Regex::new(&format!(r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{label}(?:\.{label})*$")).ok()
});
/// The rule of v1.8: word characters, and a top-level domain of two or three letters.
static OLD_ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"^[A-Za-z0-9_]+([.-]?[A-Za-z0-9_]+)*@[A-Za-z0-9_]+([.-]?[A-Za-z0-9_]+)*(\.[A-Za-z0-9_]{2,3})+$").ok()
});

/// `get-contributors/:namespace`: nobody is asked whether it is theirs.
pub async fn list(visit: &Visit, namespace: &str) -> Response<Body> {
    let failed = format!("Unable to fetch contributors for {namespace}");
    match kfam::bindings(visit, None).await {
        Ok(bindings) => {
            let mut here = bindings.iter().filter(|binding| binding["referredNamespace"] == namespace).peekable();
            if here.peek().is_none() {
                return express::error(StatusCode::BAD_REQUEST, &failed);
            }
            let names = here.filter(|binding| workgroup::role(binding) == "contributor");
            express::json(StatusCode::OK, &json!(names.map(|binding| &binding["user"]["name"]).collect::<Vec<_>>()))
        }
        Err(refused) => refused.answer(&failed),
    }
}

/// `add-contributor/:namespace` (POST) and `remove-contributor/:namespace` (DELETE); answers the new list.
pub async fn change(visit: &Visit, user: &User, method: Method, namespace: &str, body: &Value) -> Response<Body> {
    let contributor = body.get("contributor").filter(|value| !matches!(value, Value::Null | Value::Bool(false)));
    let Some(contributor) = contributor.filter(|value| *value != "" && *value != &json!(0)) else {
        return express::error(StatusCode::BAD_REQUEST, "Missing contributor field.");
    };
    if !is_address(visit, contributor) {
        return express::error(StatusCode::BAD_REQUEST, "Contributor doesn't look like a valid email address");
    }
    let binding = json!({
        "user": {"kind": "User", "name": contributor}, "referredNamespace": namespace,
        "RoleRef": {"kind": "ClusterRole", "name": "edit"},
    });
    if let Err(refused) = kfam::send(visit, Some(user), method, "/v1/bindings", Some(&binding)).await {
        // The same words for both directions.
        let failed = format!("Unable to add new contributor for {namespace}");
        return if workgroup::is_old(visit) {
            refused.answer(&format!("{failed}: [object Object]"))
        } else {
            refused.answer_with_reason(&format!("{failed}."))
        };
    }
    list(visit, namespace).await
}

/// Whether it reads as an address; JavaScript turns a list of one into its text.
fn is_address(visit: &Visit, contributor: &Value) -> bool {
    let text = match contributor {
        Value::String(text) => text,
        Value::Array(items) => match items.as_slice() {
            [Value::String(text)] => text,
            _ => return false,
        },
        _ => return false,
    };
    let rule = if workgroup::is_old(visit) { &OLD_ADDRESS } else { &ADDRESS };
    rule.as_ref().is_some_and(|rule| rule.is_match(text))
}
