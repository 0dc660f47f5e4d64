//! The API server of Kubeflow Pipelines 2.3.0. What it answered was observed without the bodies that were sent: they stand
//! here, by the label of the case. The cases follow each other, as they were sent; ids that it gave then are replaced by
//! those that are given now. Nothing moved runs there, so nothing does here.

use embedded::access::tokens;
use http::Method;
use serde_json::{Value, json};

use super::recorded::{Answer, Recorded};
use super::stage::Stage;
use super::{Application, Setup, compare};
use crate::fidelity::{self, Found};
use crate::recordings;

const API: Application = Application {
    name: "kfp-api",
    service: "ml-pipeline.kubeflow.svc.cluster.local:8888",
    setup: |_| Setup::Usual,
    objects,
    seed: |_| {},
    before: |_| Vec::new(),
    comparable,
};
const BOUNDARY: &str = "a-boundary";
/// The fields by which the API names what it has made.
const IDS: [&str; 5] = ["pipeline_id", "pipeline_version_id", "experiment_id", "run_id", "recurring_run_id"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelines_api_answers_as_observed() {
    let Some(file) = recordings::observation("kfp-api.json") else { return };
    let observed: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let calls = observed["calls"].as_array().unwrap();
    let stage = Stage::set(&API, changed).await;
    let mut play = Play { stage, ids: Vec::new(), pipeline: pipeline(calls) };
    let mut found = Found::default();
    for call in calls {
        for earlier in play.before(call["label"].as_str().unwrap_or_default()) {
            let answer = play.stage.send(&earlier).await;
            play.learn("", &answer.body, &earlier.label);
        }
        match play.recorded(call) {
            Err(reason) => found.leave_out(reason),
            Ok(one) => {
                let answer = play.stage.send(&one).await;
                play.learn(&one.answer.body, &answer.body, "");
                found.note(&one.name(), compare::differences(&API, &one, &answer));
            }
        }
    }
    fidelity::judge("kfp-api", "v1.9.1", &found);
}

/// The pipeline that was uploaded, as a list of versions shows it.
fn pipeline(calls: &[Value]) -> Value {
    let list = calls.iter().find(|call| call["label"] == "versions list").unwrap();
    list["body"]["pipeline_versions"][0]["pipeline_spec"].clone()
}

fn objects() -> Vec<Value> {
    let profile = |name: &str, owner: &str| {
        json!({"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name},
            "spec": {"owner": {"kind": "User", "name": owner}}})
    };
    vec![profile("alice", "alice@example.com"), profile("bob", "bob2@example.com")]
}

/// Asked from outside of the mesh there; and neither Argo nor an agent was there.
fn changed(objects: &mut Vec<Value>) {
    let moves = ["workflow-controller", "ml-pipeline-persistenceagent"];
    objects.retain(|object| {
        object["kind"] != "Deployment" || !moves.iter().any(|name| object["metadata"]["name"] == *name)
    });
    let policy =
        |object: &&mut Value| object["kind"] == "AuthorizationPolicy" && object["metadata"]["name"] == "ml-pipeline";
    objects.iter_mut().find(policy).unwrap()["spec"]["rules"] = json!([{}]);
}

/// A run's Workflow has a name of its own each time; runs that were made within one second come in any order, and a page of
/// one may show any of them.
fn comparable(one: &Recorded, json: &mut Value) {
    if let Some(Value::Array(runs)) = json.get_mut("runs") {
        if one.path.ends_with("&page_size=1") {
            runs.iter_mut().for_each(|run| *run = json!("one of them"));
        }
        let key = |run: &Value| {
            let texts = ["display_name", "service_account", "state"].map(|name| run[name].to_string());
            texts.concat() + &run["runtime_config"].to_string()
        };
        runs.sort_by_key(key);
    }
    // It has ids and times in it.
    if let Some(token) = json.get_mut("next_page_token") {
        *token = json!("TOKEN");
    }
    match json {
        Value::Object(members) => members.values_mut().for_each(comparable_value),
        other => comparable_value(other),
    }
}

fn comparable_value(json: &mut Value) {
    match json {
        Value::Object(members) => members.values_mut().for_each(comparable_value),
        Value::Array(items) => items.iter_mut().for_each(comparable_value),
        Value::String(text) => {
            let name = regex::Regex::new("kpc-artifact-[a-z0-9]{5}").unwrap();
            *text = name.replace_all(text, "kpc-artifact-XXXXX").into_owned();
        }
        _ => {}
    }
}

/// A platform, and what it has been told.
struct Play {
    stage: Stage,
    /// Ids as they were recorded, and as they are now.
    ids: Vec<(String, String)>,
    pipeline: Value,
}

impl Play {
    /// Notes the ids of what was made in an answer, recorded and now.
    fn learn(&mut self, recorded: &str, now: &str, label: &str) {
        let (recorded, now) = (parsed(recorded), parsed(now));
        for id in IDS {
            let (was, is) = (find(&recorded, id), find(&now, id));
            if let (Some(was), Some(is)) = (was, is)
                && !self.ids.iter().any(|(known, _)| known == was)
            {
                self.ids.push((was.to_owned(), is.to_owned()));
            }
        }
        // The answer to this one is not among the observed ones; the id is in the path of the next.
        if let (true, Some(is)) = (label.starts_with("id "), find(&now, "recurring_run_id")) {
            self.ids.push((label[3..].to_owned(), is.to_owned()));
        }
    }

    fn now(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_owned(), |text, (was, is)| text.replace(was, is))
    }

    /// An observed call; errors say why it cannot be sent again.
    fn recorded(&self, call: &Value) -> Result<Recorded, &'static str> {
        let text = |key: &str| call[key].as_str().unwrap_or_default().to_owned();
        let label = text("label");
        if label == "GET /metrics" || label == "GET /apis/v1alpha1/tasks" {
            return Err("metrics and the API of tasks are not played");
        }
        let status = call["status"].as_u64().and_then(|status| u16::try_from(status).ok()).ok_or("no answer")?;
        let request = text("req");
        let (method, path) = request.split_once(' ').ok_or("the request is not recorded")?;
        let mut one = Recorded::lacking("", method.parse().map_err(|_| "the method is not one")?, &self.now(path), "");
        one.headers.clear();
        if let Some(user) = call["user"].as_str() {
            one.headers.push(("kubeflow-userid".to_owned(), user.to_owned()));
        }
        if let Some(credentials) = self.credentials(&label) {
            one.headers.push(("authorization".to_owned(), credentials));
        }
        let upload = path.contains("/upload") && one.method == Method::POST;
        one.body = if upload { self.form(&label) } else { self.body(&label) };
        if upload {
            one.headers.push(("content-type".to_owned(), format!("multipart/form-data; boundary={BOUNDARY}")));
        } else if !one.body.is_empty() {
            one.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let answered = match &call["body"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let headers = call["ctype"].as_str().map(|kind| ("content-type".to_owned(), kind.to_owned()));
        let truncated = answered.starts_with('{') && serde_json::from_str::<Value>(&answered).is_err();
        one.answer = Answer { status, headers: headers.into_iter().collect(), body: answered, truncated };
        (one.group, one.label, one.who) =
            ("kfp-api".to_owned(), label, call["user"].as_str().unwrap_or("none").to_owned());
        Ok(one)
    }

    /// What was sent in `Authorization`.
    fn credentials(&self, label: &str) -> Option<String> {
        let token = |account: &str, audiences: &[&str]| {
            let request = json!({"spec": {"audiences": audiences}});
            let made = tokens::request(self.stage.world(), "alice", account, request).unwrap();
            format!("Bearer {}", made["status"]["token"].as_str().unwrap())
        };
        let good: &[&str] = &["pipelines.kubeflow.org"];
        Some(match label {
            label if label.starts_with("token kfp aud") => token("default-editor", good),
            label if label.starts_with("token default aud") => token("default-editor", &[]),
            label if label.starts_with("token other aud") => token("default-editor", &["other"]),
            "header stranger + good token" => token("default-editor", good),
            label if label.starts_with("viewer token") => token("default-viewer", good),
            "token garbage" => "Bearer garbage".to_owned(),
            "basic auth" => "Basic YTpi".to_owned(),
            _ => return None,
        })
    }

    /// The form of an upload.
    fn form(&self, label: &str) -> String {
        let mut pipeline = self.pipeline.clone();
        let mut file = "kpc.yaml";
        match label {
            "upload wrong schemaVersion" => pipeline["schemaVersion"] = json!("2.0.0"),
            "upload bad pipeline name" => pipeline["pipelineInfo"]["name"] = json!("Bad_Name"),
            "upload bad ext" => file = "kpc.txt",
            "upload no name" => file = "noname.yaml",
            _ => {}
        }
        let content = if label == "upload empty" { String::new() } else { pipeline.to_string() };
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"uploadfile\"; filename=\"{file}\"\r\n\r\n{content}\r\n\
             --{BOUNDARY}--\r\n"
        )
    }

    /// What was sent in a case.
    fn body(&self, label: &str) -> String {
        const EXPERIMENT: &str = "e9983c2a-5514-46c6-aef8-582ebe1aff90";
        const BOBS: &str = "35d3a307-63d9-424c-881e-85e2a496f635";
        let reference = json!({"pipeline_id": self.now("9b2981e8-c898-45ac-ad04-4c4333819042"),
            "pipeline_version_id": self.now("12d8a095-e264-4924-84bc-596613e738ac")});
        let run = |extra: Value| {
            let mut run = json!({"display_name": "run1", "experiment_id": self.now(EXPERIMENT),
                "pipeline_version_reference": reference});
            for (name, value) in extra.as_object().unwrap() {
                run[name] = value.clone();
            }
            run
        };
        let experiment = |name: &str, namespace: &str| json!({"display_name": name, "namespace": namespace});
        let recurring = |name: &str, concurrency: &str| {
            json!({"display_name": name, "experiment_id": self.now(EXPERIMENT), "max_concurrency": concurrency,
                "pipeline_version_reference": reference, "mode": "ENABLE",
                "trigger": {"periodic_schedule": {"interval_second": "3600"}}})
        };
        let sent = match label {
            "POST pipelines (no version)" => experiment("empty-pipe", "alice"),
            "create experiment" | "create experiment dup" => experiment("exp1", "alice"),
            "create experiment stranger" | "create experiment none" => experiment("exp2", "alice"),
            "create experiment no ns" => json!({"display_name": "exp5"}),
            "create experiment bad json" => return "{\"display_name\":".to_owned(),
            "create experiment unknown field" => {
                json!({"display_name": "exp3", "namespace": "alice", "nonsense": 1})
            }
            "create experiment ns w/o profile" => experiment("exp4", "nope"),
            "create run" | "create run stranger" | "viewer token create run" => run(json!({})),
            "create run no exp" => run(json!({"experiment_id": ""})),
            "create run unknown exp" => run(json!({"experiment_id": "nope"})),
            "create run unknown version" => {
                run(json!({"pipeline_version_reference": {"pipeline_id": "nope", "pipeline_version_id": "nope"}}))
            }
            "create run no spec" => run(json!({"pipeline_version_reference": null})),
            "create run no name" => run(json!({"display_name": ""})),
            "create run inline" => run(json!({"display_name": "inline", "pipeline_version_reference": null,
                "pipeline_spec": self.pipeline})),
            "create run inline bad spec" => run(json!({"pipeline_version_reference": null, "pipeline_spec": {"a": 1}})),
            "create run client run_id" | "create run client run_id again" => {
                run(json!({"run_id": "11111111-2222-3333-4444-555555555555"}))
            }
            "create run SA none" => run(json!({"service_account": "does-not-exist"})),
            "create run bad pipeline_root" => run(json!({"runtime_config": {"pipeline_root": "nonsense"}})),
            "create run unknown param" => run(json!({"runtime_config": {"parameters": {"zz": 1}}})),
            "bob experiment" => experiment("bexp", "bob"),
            "bob runs alice's private version" => {
                run(json!({"display_name": "steal", "experiment_id": self.now(BOBS)}))
            }
            "create recurring conc 0" => recurring("rec2", "0"),
            "create recurring conc 11" => recurring("rec3", "11"),
            "create recurring stranger" => recurring("rec4", "1"),
            "create recurring" => recurring("rec1", "1"),
            _ => return String::new(),
        };
        sent.to_string()
    }

    /// What was sent before a case and is not among the observed ones.
    fn before(&self, label: &str) -> Vec<Recorded> {
        let send = |path: &str, body: String| Recorded::lacking("alice@example.com", Method::POST, path, &body);
        let run = self.now("/apis/v2beta1/runs/7bfbc98d-1699-47b0-917a-d59a51b0c733");
        match label {
            "get after terminate" => {
                vec![
                    send(&format!("{run}:unarchive"), "{}".to_owned()),
                    send(&format!("{run}:terminate"), "{}".to_owned()),
                ]
            }
            "disable" => {
                let mut made = send("/apis/v2beta1/recurringruns", self.body("create recurring"));
                "id bb0d13fd-9f8f-478e-ba85-376d37a99f8e".clone_into(&mut made.label);
                vec![made]
            }
            _ => Vec::new(),
        }
    }
}

fn parsed(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_default()
}

/// The id of that name in an object, or in the first item of its list.
fn find<'a>(answer: &'a Value, id: &str) -> Option<&'a str> {
    let members = answer.as_object()?;
    if let Some(found) = members.get(id).and_then(Value::as_str) {
        return Some(found);
    }
    members.values().find_map(|list| list.as_array()?.first()?.get(id)?.as_str())
}
