//! Katib's UI server, once without Katib's webhooks and once with them. What it answered was observed without the bodies
//! that were sent: they stand here, by the label of the case.
//!
//! The laboratory ran no pods: here their images cannot be pulled, so that suggestions and trials stay where they were.

use serde_json::{Value, json};

use super::recorded::{Answer, Recorded};
use super::stage::contributor;
use super::{Application, Setup, play};
use crate::recordings;

const WITHOUT: Application = Application { name: "katib-without-webhooks", ..WITH };
const WITH: Application = Application {
    name: "katib",
    service: "katib-ui.kubeflow.svc.cluster.local:80",
    setup,
    objects,
    seed: |_| {},
    before: |_| Vec::new(),
    comparable,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn katib_answers_as_observed() {
    for (application, file) in [(&WITHOUT, "katib-nowebhook.json"), (&WITH, "katib-webhook.json")] {
        let Some(file) = recordings::observation(file) else { return };
        let observed: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let run = if application.name == WITH.name { "with" } else { "without" };
        play(application, "v1.9.1", observed["calls"].as_array().unwrap().iter().map(|call| recorded(call, run))).await;
    }
}

fn setup(one: &Recorded) -> Setup {
    match (one.label.as_str(), one.group.as_str()) {
        ("index" | "unknown path", _) => Setup::LeftOut("the front end was not there"),
        ("fetch_experiments no slash", _) => Setup::LeftOut("the recorder followed a redirect"),
        ("fetch_hp_job_trial_info real", _) => Setup::LeftOut("its row was reported by the recorder itself"),
        ("fetch_trial real" | "fetch_trial real stranger" | "fetch_hp_job_info with trial", _) => {
            Setup::Changed("a trial made by hand", |objects| {
                objects.retain(|object| !is_katibs_webhook(object));
                objects.extend(by_hand());
            })
        }
        (_, "without") => {
            Setup::Changed("without webhooks", |objects| objects.retain(|object| !is_katibs_webhook(object)))
        }
        _ => Setup::Usual,
    }
}

fn is_katibs_webhook(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| kind.ends_with("WebhookConfiguration"))
        && object["metadata"]["name"] == "katib.kubeflow.org"
}

fn objects() -> Vec<Value> {
    let mut viewer = contributor("sar-view", "view");
    viewer["metadata"]["namespace"] = json!("alice");
    let profile = |name: &str| {
        json!({"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name},
            "spec": {"owner": {"kind": "User", "name": format!("{name}@example.com")}}})
    };
    let switches = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": "embedded-reference-platform", "name": "switches"},
        "data": {"image-cannot-be-pulled": "suggestion-,busybox"},
    });
    vec![profile("alice"), viewer, switches]
}

/// An experiment and a trial of it, both named as there.
fn by_hand() -> Vec<Value> {
    ["nowebhook", "webhook"]
        .into_iter()
        .flat_map(|run| {
            let trial = json!({
                "apiVersion": "kubeflow.org/v1beta1", "kind": "Trial",
                "metadata": {
                    "name": format!("t-hand-{run}"), "namespace": "alice",
                    "labels": {"katib.kubeflow.org/experiment": format!("kx-{run}")},
                },
                "spec": {
                    "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                    "parameterAssignments": [{"name": "lr", "value": "0.15"}], "primaryContainerName": "main",
                    "retainRun": true, "metricsCollector": {"collector": {"kind": "StdOut"}},
                    "successCondition": "status.conditions.#(type==\"Complete\")#|#(status==\"True\")#",
                    "failureCondition": "status.conditions.#(type==\"Failed\")#|#(status==\"True\")#",
                    "runSpec": {
                        "apiVersion": "batch/v1", "kind": "Job",
                        "metadata": {"name": format!("t-hand-{run}"), "namespace": "alice"},
                        "spec": job()["spec"],
                    },
                },
            });
            [experiment(&format!("kx-{run}")), trial]
        })
        .collect()
}

fn job() -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {
        "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
        "spec": {"restartPolicy": "Never", "containers": [
            {"name": "main", "image": "busybox", "command": ["sh", "-c", "echo loss=${trialParameters.lr}"]}]},
    }}})
}

fn experiment(name: &str) -> Value {
    json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": name, "namespace": "alice"},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"}, "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": 1, "maxTrialCount": 1, "maxFailedTrialCount": 1,
            "parameters": [{"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "0.2"}}],
            "trialTemplate": {
                "primaryContainerName": "main", "retain": true,
                "trialParameters": [{"name": "lr", "reference": "lr"}], "trialSpec": job(),
            },
        },
    })
}

/// An observed call; errors say why it cannot be sent again.
fn recorded(call: &Value, run: &str) -> Result<Recorded, &'static str> {
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
    let answered = text("body");
    (one.group, one.label) = (run.to_owned(), text("label"));
    one.who = call["user"].as_str().unwrap_or("none").to_owned();
    one.body = body(&one.label, &one.group);
    let headers = call["ctype"].as_str().map(|kind| ("content-type".to_owned(), kind.to_owned())).into_iter().collect();
    one.answer = Answer { status, headers, truncated: answered.len() >= 2500, body: answered };
    Ok(one)
}

/// What was sent in a case.
fn body(label: &str, run: &str) -> String {
    let posted = |experiment: Value| json!({"postData": experiment}).to_string();
    let named = |stem: &str| experiment(&format!("{stem}-{}", if run == "without" { "nowebhook" } else { "webhook" }));
    match label {
        "create no hdr" | "create viewer" | "create owner" | "create dup" => posted(named("kx")),
        "create bad json" => "{\"postData\": ".to_owned(),
        "create no postData" => "{}".to_owned(),
        "create bad algorithm" => {
            let mut bad = named("kbad");
            bad["spec"]["algorithm"]["algorithmName"] = json!("nope");
            posted(bad)
        }
        "create bad name" => posted(experiment("Bad_Name")),
        "create no objective" => {
            let mut bad = named("knoobj");
            bad["spec"].as_object_mut().unwrap().remove("objective");
            posted(bad)
        }
        _ => String::new(),
    }
}

/// Takes out what the laboratory had beside the stage: namespaces, experiments of the run before, other templates.
fn comparable(one: &Recorded, answer: &mut Value) {
    if one.path.contains("fetch_namespaces")
        && let Some(names) = answer.as_array_mut()
    {
        names.retain(|name| {
            ["alice", "default", "istio-system", "kubeflow", "kube-system"].iter().any(|known| name == known)
        });
    }
    if one.group == "with"
        && let Some(list) = answer.as_array_mut()
    {
        list.retain(|view| !view["name"].as_str().unwrap_or_default().ends_with("-nowebhook"));
    }
    for map in answer.pointer_mut("/Data/0/ConfigMaps").and_then(Value::as_array_mut).into_iter().flatten() {
        let templates = map["Templates"].as_array_mut().unwrap();
        templates.retain(|template| template["Path"] == "defaultTrialTemplate.yaml");
        templates.iter_mut().for_each(|template| template["Yaml"] = json!("its own"));
    }
}
