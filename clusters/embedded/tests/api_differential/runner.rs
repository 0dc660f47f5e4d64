//! Runs the table against an API server.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::mask::Known;
use crate::streams;
use crate::table::{Step, image, method_and_path, scenarios};

/// How often it is asked for.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the events of a watch are waited for.
const WATCH: Duration = Duration::from_secs(2);
/// Who these operations say they are: the name of the field manager.
const AGENT: &str = "differential/1.0";

/// An API server.
pub struct Server {
    administrator: Client,
    nobody: Client,
    patience: Duration,
}

/// The answers of one topic: `SCENARIO/NUMBER` → answer.
pub type Answers = BTreeMap<String, Value>;

impl Server {
    /// An API server and its administrator. An answer that has to change is waited for as long as `patience`.
    pub fn new(mut config: Config, patience: Duration) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        // A refusal is an answer here, no reason to ask again.
        config.default_retry = false;
        let mut nobody = config.clone();
        nobody.auth_info = AuthInfo::default();
        Self { administrator: Client::try_from(config).unwrap(), nobody: Client::try_from(nobody).unwrap(), patience }
    }

    /// The version that it says it has.
    pub async fn version(&self) -> String {
        self.plain("GET", "/version", None).await.1["gitVersion"].as_str().unwrap_or_default().to_owned()
    }

    /// Runs a topic in a namespace of its own, and removes what it made.
    pub async fn run(&self, topic: &str, suffix: &str) -> Answers {
        let namespace = format!("differential-{topic}-{suffix}");
        let body = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        let made = self.plain("POST", "/api/v1/namespaces", Some(&body)).await;
        assert_eq!(made.0, 201, "{}", made.1);
        for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            self.appears(&format!("/api/v1/namespaces/{namespace}/{path}")).await;
        }
        let mut answers = Answers::new();
        let mut made = vec![format!("/api/v1/namespaces/{namespace}")];
        for scenario in scenarios(topic) {
            let mut known = Known { namespace: namespace.clone(), kept: BTreeMap::new() };
            known.kept.insert("image".into(), image());
            let mut number = 0;
            for step in scenario.steps() {
                let answer = self.step(&step, &mut known, &mut made).await;
                if !step.quiet {
                    number += 1;
                    let id = format!("{}/{number}", scenario.name);
                    assert!(answers.insert(id.clone(), answer).is_none(), "two operations {id}");
                }
            }
        }
        for path in made.iter().rev() {
            self.plain("DELETE", path, None).await;
        }
        answers
    }

    async fn appears(&self, path: &str) {
        let deadline = tokio::time::Instant::now() + self.patience;
        while self.plain("GET", path, None).await.0 != 200 {
            assert!(tokio::time::Instant::now() < deadline, "{path} does not appear");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn plain(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.into_bytes()))
            .unwrap();
        let response = self.administrator.send(request).await.unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Runs a step; its answer, masked. What it kept and made is noted.
    async fn step(&self, step: &Step, known: &mut Known, made: &mut Vec<String>) -> Value {
        let deadline = tokio::time::Instant::now() + self.patience;
        let mut answer = loop {
            let answer = self.ask(step, known).await;
            let has = |pointer: &str, value: &Value| match pointer {
                "code" => answer["code"] == *value,
                pointer => answer["body"].pointer(pointer).unwrap_or(&Value::Null) == value,
            };
            if step.until.iter().all(|(pointer, value)| has(pointer, value)) || tokio::time::Instant::now() > deadline {
                break answer;
            }
            tokio::time::sleep(PAUSE).await;
        };
        let (_, path) = method_and_path(&step.call);
        let name = answer.pointer("/body/metadata/name").and_then(Value::as_str);
        if answer["code"] == 201
            && !path.contains("/namespaces/")
            && !path.contains("dryRun")
            && let Some(name) = name
        {
            let base = path.split('?').next().unwrap();
            let single = base.rsplit('/').next().is_some_and(|last| known.fill(last) == name);
            made.push(known.fill(&if single { base.to_owned() } else { format!("{base}/{name}") }));
        }
        for (name, pointer) in &step.keep {
            let value = answer["body"].pointer(pointer).and_then(Value::as_str);
            known.kept.insert(name.clone(), value.unwrap_or("nothing").to_owned());
        }
        choose(&mut answer, step);
        known.mask(&mut answer);
        answer
    }

    async fn ask(&self, step: &Step, known: &Known) -> Value {
        let (method, path) = method_and_path(&step.call);
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(known.fill(&path));
        let mut request = request.body(Vec::new()).unwrap();
        *request.headers_mut() = headers(step, known);
        let client = if step.token.is_some() { &self.nobody } else { &self.administrator };
        if let Some(send) = &step.send {
            return streams::exchange(client, request, send).await;
        }
        let body = match (&step.body, &step.raw) {
            (Some(body), _) => known.fill(&body.to_string()),
            (None, Some(raw)) => known.fill(raw),
            (None, None) => String::new(),
        };
        let request = request.map(|_| Body::from(body.into_bytes()));
        let response = match client.send(request).await {
            Ok(response) => response,
            Err(error) => return json!({ "error": error.to_string() }),
        };
        let mut answer = json!({ "code": response.status().as_u16() });
        for name in ["content-type", "retry-after", "allow"] {
            if let Some(value) = response.headers().get(name).and_then(|value| value.to_str().ok()) {
                answer[name] = json!(value);
            }
        }
        let warnings: Vec<_> =
            response.headers().get_all("warning").iter().filter_map(|value| value.to_str().ok()).collect();
        if !warnings.is_empty() {
            answer["warnings"] = json!(warnings);
        }
        if let (Some(count), true) = (step.events, response.status().is_success()) {
            answer["events"] = json!(events(response.into_body(), count).await);
            return answer;
        }
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(body) => answer["body"] = body,
            Err(_) if bytes.is_empty() => {}
            Err(_) => match String::from_utf8(bytes.to_vec()) {
                Ok(text) => answer["body"] = json!(text),
                Err(_) => answer["body"] = json!("{binary}"),
            },
        }
        answer
    }
}

/// The first `count` events of a watch; fewer if it ends, or if no more come.
async fn events(body: Body, count: usize) -> Vec<Value> {
    let bytes = body.into_data_stream().map_err(std::io::Error::other);
    let mut lines = bytes.into_async_read().lines();
    let mut events = Vec::new();
    while events.len() < count {
        match tokio::time::timeout(WATCH, lines.next()).await {
            Ok(Some(Ok(line))) => events.push(serde_json::from_str(&line).unwrap_or_else(|_| json!(line))),
            Ok(_) => break,
            Err(_) => {
                events.push(json!("no more events came"));
                break;
            }
        }
    }
    events
}

fn headers(step: &Step, known: &Known) -> HeaderMap {
    let media = match step.media.as_deref() {
        None => "application/json",
        Some("merge") => "application/merge-patch+json",
        Some("strategic") => "application/strategic-merge-patch+json",
        Some("json-patch") => "application/json-patch+json",
        Some("apply") => "application/apply-patch+yaml",
        Some("yaml") => "application/yaml",
        Some(other) => other,
    };
    let accept = match step.accept.as_deref() {
        None => "application/json",
        Some("table") => "application/json;as=Table;v=v1;g=meta.k8s.io",
        Some("metadata") => "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        Some("metadata-list") => "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        Some(other) => other,
    };
    let mut headers = HeaderMap::new();
    let mut add = |name: header::HeaderName, value: &str| headers.append(name, known.fill(value).parse().unwrap());
    if step.body.is_some() || step.raw.is_some() {
        add(header::CONTENT_TYPE, media);
    }
    // A stream has no media type.
    if step.send.is_none() {
        add(header::ACCEPT, accept);
    }
    add(header::USER_AGENT, AGENT);
    if let Some(user) = &step.user {
        add(header::HeaderName::from_static("impersonate-user"), user);
    }
    for group in &step.groups {
        add(header::HeaderName::from_static("impersonate-group"), group);
    }
    if let Some(token) = step.token.as_deref().filter(|token| !token.is_empty()) {
        add(header::AUTHORIZATION, &format!("Bearer {token}"));
    }
    headers
}

/// Leaves the parts of an answer that count.
fn choose(answer: &mut Value, step: &Step) {
    if !step.show.is_empty() && answer["code"].as_u64().is_some_and(|code| code < 300) {
        let shown = step.show.iter().map(|pointer| {
            (pointer.clone(), answer["body"].pointer(pointer).cloned().unwrap_or_else(|| json!("{absent}")))
        });
        answer["body"] = Value::Object(shown.collect());
    }
    for pointer in &step.hide {
        if let Some((parent, key)) = pointer.rsplit_once('/')
            && let Some(parent) = answer["body"].pointer_mut(parent).and_then(Value::as_object_mut)
        {
            parent.remove(key);
        }
    }
}
