//! The Central Dashboard.

use http::Method;
use serde_json::{Value, json};

use super::recorded::Recorded;
use super::stage::contributor;
use super::{Application, Setup, replay};

const DASHBOARD: Application = Application {
    name: "dashboard",
    service: "centraldashboard.kubeflow.svc.cluster.local:80",
    setup,
    objects: Vec::new,
    seed: |_| {},
    before,
    comparable,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_answers_as_recorded() {
    replay(&DASHBOARD, "v1.9.1").await;
}

fn setup(one: &Recorded) -> Setup {
    let is_after = one.label == "after" || one.label == "after API is back";
    match one.group.as_str() {
        "kfam-reset" if !is_after => Setup::Changed("KFAM is away", |objects| {
            of(objects, "Service", "profiles-kfam")["spec"]["ports"][0]["targetPort"] = json!(1);
        }),
        "kfam-hang" | "apiserver-hang" if !is_after => Setup::LeftOut("nothing hangs here"),
        // The profiles that the recording had made by then were removed again.
        "apiserver-hang" | "apiserver-refuse" | "apiserver-reset" | "late" => Setup::Changed("afterwards", |_| {}),
        "start-api-down" => Setup::LeftOut("the API server is never away here"),
        "create" if one.label == "exists at once" => Setup::LeftOut("whether a new Profile is known yet is a race"),
        "nuke" if one.label == "nuke again at once" => Setup::LeftOut("whether a Profile is gone yet is a race"),
        "prefix" if one.label == "configmap missing" => Setup::Changed("no ConfigMap", |objects| {
            objects.retain(|object| object["metadata"]["name"] != "centraldashboard-config");
        }),
        "prefix" => Setup::Changed("prefix", |objects| {
            variable(of(objects, "Deployment", "centraldashboard"), "USERID_PREFIX", "accounts.google.com:");
            // Added while KFAM hung, and carried out when it was back.
            objects.push(contributor("kd", "edit"));
        }),
        group if group.starts_with("kfam ADMIN") => Setup::Changed("KFAM's administrator", |objects| {
            variable(of(objects, "Deployment", "profiles-deployment"), "ADMIN", "root@example.com");
        }),
        _ => Setup::Usual,
    }
}

/// The contributors that were added and removed by cases which the recording lacks.
fn before(one: &Recorded) -> Vec<Recorded> {
    let (method, verb, missing): (_, _, &[&str]) = match (one.group.as_str(), one.label.as_str()) {
        ("contributors", label) if label.starts_with("body {\"contributor\":\"new@example.com\"") => {
            (Method::POST, "add", &["a@b"])
        }
        ("contributors", "long name") => (Method::POST, "add", &["new2@example.com", "cs@example.com"]),
        ("contributors", "list end") => {
            (Method::DELETE, "remove", &["a@b", "new@example.com", "new2@example.com", "cs@example.com"])
        }
        _ => return Vec::new(),
    };
    let path = format!("/api/workgroup/{verb}-contributor/wanda");
    let change = |contributor: &&str| {
        let body = json!({"contributor": contributor}).to_string();
        Recorded::lacking("wanda@example.com", method.clone(), &path, &body)
    };
    missing.iter().map(change).collect()
}

fn of<'a>(objects: &'a mut [Value], kind: &str, name: &str) -> &'a mut Value {
    objects.iter_mut().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).unwrap()
}

/// Sets a variable in the environment of all containers.
fn variable(workload: &mut Value, name: &str, value: &str) {
    for container in workload["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap() {
        let mut variables = container["env"].as_array().cloned().unwrap_or_default();
        variables.retain(|variable| variable["name"] != name);
        variables.push(json!({"name": name, "value": value}));
        container["env"] = json!(variables);
    }
}

/// The namespaces that the stage or a case made: the laboratory's cluster had others than this platform.
const NAMESPACES: [&str; 9] = ["wanda", "otto", "nora", "nora2", "nora3", "nora4", "nobad", "anonymous", "a.b"];

fn comparable(one: &Recorded, json: &mut Value) {
    let keep = |of: &Value| {
        let name = of.pointer("/metadata/name").or_else(|| of.get("namespace")).or_else(|| of.get(0));
        name.and_then(Value::as_str).is_some_and(|name| NAMESPACES.contains(&name))
    };
    if one.path == "/debug" {
        // KFAM's port was the laboratory's.
        let url = json["profilesServiceUrl"].as_str().unwrap_or_default().replace(":38081", ":8081");
        json["profilesServiceUrl"] = json!(url);
    }
    let list = match one.path.as_str() {
        "/api/namespaces" | "/api/workgroup/get-all-namespaces" => Some(&mut *json),
        "/api/workgroup/env-info" => json.get_mut("namespaces"),
        _ => None,
    };
    let Some(Value::Array(items)) = list else { return };
    items.retain(keep);
    items.sort_by_key(Value::to_string);
    for item in items {
        // Contributors are joined in the order of a map.
        if let Some(text) = item.get(2).and_then(Value::as_str) {
            let mut names: Vec<_> = text.split(", ").collect();
            names.sort_unstable();
            item[2] = json!(names.join(", "));
        }
    }
}
