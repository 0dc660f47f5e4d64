//! KFAM. What it answered was observed without the bodies that were sent: they stand here, by the label of the case.

use http::Method;
use serde_json::{Value, json};

use super::recorded::{Answer, Recorded};
use super::{Application, Setup, play};
use crate::recordings;

const KFAM: Application = Application {
    name: "kfam",
    service: "profiles-kfam.kubeflow.svc.cluster.local:8081",
    setup,
    objects,
    seed: |_| {},
    before,
    comparable,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kfam_answers_as_observed() {
    let Some(file) = recordings::observation("kfam.json") else { return };
    let observed: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    play(&KFAM, "v1.9.1", observed["calls"].as_array().unwrap().iter().map(recorded)).await;
}

/// Asked from outside of the mesh there: here its policy lets everybody in.
fn setup(one: &Recorded) -> Setup {
    if one.label.starts_with("delete when AP gone") {
        return Setup::LeftOut("the policy was removed by hand before");
    }
    if one.label == "profile delete again" {
        return Setup::LeftOut("whether a Profile is gone yet is a race");
    }
    Setup::Changed("reachable", |objects| {
        let is_its = |object: &&mut Value| {
            object["kind"] == "AuthorizationPolicy" && object["metadata"]["name"] == "profiles-kfam"
        };
        objects.iter_mut().find(is_its).unwrap()["spec"]["rules"] = json!([{}]);
    })
}

fn objects() -> Vec<Value> {
    let profile = |name: &str, owner: &str| {
        json!({"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name},
            "spec": {"owner": {"kind": "User", "name": owner}}})
    };
    vec![profile("alice", "alice@example.com"), profile("bob", "bob2@example.com")]
}

/// An observed call; errors say why it cannot be sent again.
fn recorded(call: &Value) -> Result<Recorded, &'static str> {
    let text = |key: &str| call[key].as_str().unwrap_or_default().to_owned();
    let status = call["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let status = status.ok_or("its connection was closed without an answer")?;
    let request = text("req");
    let (method, path) = request.split_once(' ').ok_or("the request is not recorded")?;
    let mut one = Recorded::lacking("", method.parse().map_err(|_| "the method is not one")?, path, "");
    one.headers.clear();
    if let Some(user) = call["user"].as_str() {
        one.headers.push(("kubeflow-userid".to_owned(), user.to_owned()));
    }
    (one.group, one.label, one.who) =
        ("kfam".to_owned(), text("label"), call["user"].as_str().unwrap_or("none").to_owned());
    let answered = text("body");
    one.body = body(&one.label, &answered);
    let headers = call["ctype"].as_str().map(|kind| ("content-type".to_owned(), kind.to_owned())).into_iter().collect();
    // Long bodies were cut.
    let truncated =
        answered.len() >= 1500 || answered.starts_with('{') && serde_json::from_str::<Value>(&answered).is_err();
    one.answer = Answer { status, headers, body: answered, truncated };
    Ok(one)
}

fn binding(user: &str, role: &str) -> Value {
    json!({"user": {"kind": "User", "name": user}, "referredNamespace": "alice",
        "RoleRef": {"kind": "ClusterRole", "name": role}})
}

fn within(namespace: &str) -> Value {
    let mut binding = binding("r1@example.com", "edit");
    binding["referredNamespace"] = json!(namespace);
    binding
}

/// What was sent in a case; the name of a long user is read off the answer.
fn body(label: &str, answered: &str) -> String {
    let profile = |name: &str| {
        json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Profile", "metadata": {"name": name},
            "spec": {"owner": {"kind": "User", "name": "eve@example.com"}}})
    };
    let sent = match label {
        "owner adds edit"
        | "duplicate"
        | "delete edith"
        | "delete edith again"
        | "delete edith again at once"
        | "delete by stranger"
        | "delete by contributor" => binding("edith@example.com", "edit"),
        "owner adds admin" => binding("adam@example.com", "admin"),
        "contributor edit adds" | "contributor view adds" | "stranger adds" => binding("r1@example.com", "edit"),
        "missing header adds" => binding("nohdr@example.com", "edit"),
        "empty header adds" => binding("emptyhdr@example.com", "edit"),
        "role empty" => binding("r3@example.com", ""),
        "roleRef lower r" => json!({"user": {"kind": "User", "name": "r5@example.com"}, "referredNamespace": "alice",
            "roleRef": {"kind": "ClusterRole", "name": "edit"}}),
        "SA subject" => binding("system:serviceaccount:bob:default-editor", "edit"),
        "RoleRef kind Role" => json!({"user": {"kind": "User", "name": "r6@example.com"}, "referredNamespace": "alice",
            "RoleRef": {"kind": "Role", "name": "edit"}}),
        "bad json" => return "{nope".to_owned(),
        "json array" => json!([]),
        "unknown ns" | "unknown ns no header" => within("doesnotexist"),
        "foreign ns" => within("bob"),
        "ns without profile (kubeflow)" => within("kubeflow"),
        "collision 1" => binding("a.b@x.io", "edit"),
        "long user" => {
            let letters = answered.split("user-").nth(1).unwrap_or_default().chars().take_while(|c| *c == 'l').count();
            binding(&format!("{}@example.com", "l".repeat(letters)), "edit")
        }
        "user ending with symbol" => binding("zed.", "edit"),
        "unicode user" => binding("jürgen@example.com", "edit"),
        "delete absent" => binding("nobody@example.com", "edit"),
        "delete owner binding" => binding("alice@example.com", "admin"),
        "create then delete at once (create)" | "create then delete at once (delete)" | "delete quick later" => {
            binding("quick@example.com", "edit")
        }
        "delete without RoleRef.kind" => json!({"user": {"kind": "User", "name": "adam@example.com"},
            "referredNamespace": "alice", "RoleRef": {"name": "admin"}}),
        "profile create" | "profile create dup" => profile("eve"),
        "profile create no header" => profile("eve2"),
        "profile create bad name" => profile("Bad_Name"),
        "profile create no TypeMeta" => json!({"metadata": {"name": "eve3"}, "spec": profile("")["spec"]}),
        "profile create apiVersion v1" => {
            let mut profile = profile("eve4");
            profile["apiVersion"] = json!("kubeflow.org/v1");
            profile
        }
        "profile create empty obj" => json!({}),
        _ => return String::new(),
    };
    sent.to_string()
}

/// The contributors that were added by cases which are not among the observed ones.
fn before(one: &Recorded) -> Vec<Recorded> {
    let add = |binding: Value| {
        Recorded::lacking("alice@example.com", Method::POST, "/kfam/v1/bindings", &binding.to_string())
    };
    let missing = match one.label.as_str() {
        "owner adds admin" => vec![binding("victor@example.com", "view")],
        "list final" => {
            let mut team = binding("team-a", "edit");
            team["user"]["kind"] = json!("Group");
            vec![
                binding("r2@example.com", "kubeflow-edit"),
                binding("UPPER@Example.com", "edit"),
                binding("@x", "edit"),
                team,
            ]
        }
        _ => Vec::new(),
    };
    missing.into_iter().map(add).collect()
}

/// Bindings come in the order of a map, and of all namespaces the laboratory had others than this platform.
fn comparable(one: &Recorded, json: &mut Value) {
    let all = one.path == "/kfam/v1/bindings";
    let Some(Value::Array(bindings)) = json.get_mut("bindings") else { return };
    bindings.retain(|binding| !all || binding["referredNamespace"] == "alice");
    bindings.sort_by_key(Value::to_string);
}
