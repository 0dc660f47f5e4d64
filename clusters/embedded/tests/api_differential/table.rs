//! The table of operations: data under `tables/`, one file a topic.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The image of the containers that the topic `streams` runs: it needs `sh` and the usual commands.
pub fn image() -> String {
    std::env::var("API_DIFFERENTIAL_IMAGE").unwrap_or_else(|_| "example.com/probe:1".into())
}

/// The topics, each with its table.
pub const TOPICS: &[(&str, &str)] = &[
    ("access", include_str!("tables/access.yaml")),
    ("apply", include_str!("tables/apply.yaml")),
    ("definitions", include_str!("tables/definitions.yaml")),
    ("deletion", include_str!("tables/deletion.yaml")),
    ("discovery", include_str!("tables/discovery.yaml")),
    ("lists", include_str!("tables/lists.yaml")),
    ("objects", include_str!("tables/objects.yaml")),
    ("patches", include_str!("tables/patches.yaml")),
    ("streams", include_str!("tables/streams.yaml")),
    ("subresources", include_str!("tables/subresources.yaml")),
    ("tokens", include_str!("tables/tokens.yaml")),
    ("validation", include_str!("tables/validation.yaml")),
    ("watches", include_str!("tables/watches.yaml")),
    ("webhooks", include_str!("tables/webhooks.yaml")),
];

/// Operations that belong together, in order. They share the topic's namespace with the other scenarios.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// The operations.
    pub steps: Vec<Written>,
}

/// A step as it is written: its first line alone, or more.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Written {
    /// `METHOD PATH`.
    Short(String),
    /// All else.
    Long(Box<Step>),
}

/// One operation.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// `METHOD PATH`. A path that does not start with `/` is within the topic's namespace: `configmaps/a`,
    /// `apps/v1/deployments/a`. `{ns}` stands for that namespace, `{image}` for [`image`], `{NAME}` for what an earlier step of the scenario kept.
    #[serde(rename = "do")]
    pub call: String,
    /// The body, sent as JSON.
    pub body: Option<Value>,
    /// The body as text.
    pub raw: Option<String>,
    /// What the body is: a media type, or `merge`, `strategic`, `json-patch`, `apply`, `yaml`. JSON if absent.
    #[serde(rename = "type")]
    pub media: Option<String>,
    /// What is wanted: a media type, or `table`, `metadata`. JSON if absent.
    pub accept: Option<String>,
    /// Whom to impersonate.
    #[serde(rename = "as")]
    pub user: Option<String>,
    /// The groups to impersonate.
    pub groups: Vec<String>,
    /// A bearer token in place of the administrator's credentials; empty for none at all.
    pub token: Option<String>,
    /// Values of the answer that later steps use: name → JSON pointer.
    pub keep: BTreeMap<String, String>,
    /// Asked again until these parts of the answer have these values (`null`: are absent): JSON pointer → value;
    /// `code` is the status code.
    pub until: BTreeMap<String, Value>,
    /// A watch: this many events are read. Of a watch that ends by itself all are, if this is large.
    pub events: Option<usize>,
    /// A WebSocket: what is sent, as channel and text.
    pub send: Option<Vec<(u8, String)>>,
    /// Only these parts of the body count (JSON pointers); all of it if empty.
    pub show: Vec<String>,
    /// These parts of the body are not compared (JSON pointers).
    pub hide: Vec<String>,
    /// A preparation, no operation of the table.
    pub quiet: bool,
}

impl Scenario {
    /// The steps.
    pub fn steps(&self) -> Vec<Step> {
        let step = |written: &Written| match written {
            Written::Short(call) => Step { call: call.clone(), ..Step::default() },
            Written::Long(step) => Step::clone(step),
        };
        self.steps.iter().map(step).collect()
    }
}

/// The scenarios of a topic.
pub fn scenarios(topic: &str) -> Vec<Scenario> {
    let (_, text) = TOPICS.iter().find(|(name, _)| *name == topic).unwrap();
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("tables/{topic}.yaml: {error}"))
}

/// The method and the whole path of a step's first line.
pub fn method_and_path(call: &str) -> (&str, String) {
    let (method, path) = call.split_once(' ').unwrap();
    if path.starts_with('/') {
        return (method, path.to_owned());
    }
    let version =
        |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let parts: Vec<&str> = path.splitn(3, '/').collect();
    let whole = match parts.as_slice() {
        [group, api, rest] if version(api) => format!("/apis/{group}/{api}/namespaces/{{ns}}/{rest}"),
        _ => format!("/api/v1/namespaces/{{ns}}/{path}"),
    };
    (method, whole)
}
