//! The metrics collector beside a trial's program: it waits for the program's end, looks for metrics in what it wrote, and
//! reports them to DBManager.
//!
//! Facts: kubeflow/katib v0.17.0 `cmd/metricscollector/v1beta1/file-metricscollector/main.go`,
//! `pkg/metricscollector/v1beta1/file-metricscollector/file-metricscollector.go`. Rules of early stopping are not played.

use std::cell::RefCell;
use std::sync::LazyLock;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use regex::Regex;
use serde_json::Value;

use super::db_manager;
use super::observations::Entry;
use super::{DB_MANAGER, UNAVAILABLE};
use crate::actors::{Actor, Visit};
use crate::kubelet::{self, streams};
use crate::object::{list, namespace, text};
use crate::platform::World;

/// The container `metrics-logger-and-collector`.
pub struct Collector;

/// The volume that it shares with the program.
pub const VOLUME: &str = "metrics-volume";
/// What `klog.Fatal` exits with.
const FATAL: i64 = 255;
/// The time of a value whose line begins with none.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

/// How values are written where the experiment names no filter: `NAME=VALUE`.
static FILTER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)").ok());

impl Actor for Collector {
    fn work(&self, world: &World, pod: &Value, container: &str) -> Option<i64> {
        let own = kubelet::container(pod, container)?;
        let program = beside(pod, own)?;
        let code = list(pod, "/status/containerStatuses")
            .iter()
            .find(|status| text(status, "/name") == text(program, "/name"))?
            .pointer("/state/terminated/exitCode")?
            .as_i64()?;
        if code != 0 {
            // The mark of a completed training is missing.
            return Some(FATAL);
        }
        let options = Options::of(own);
        let entries = collected(&content(world, pod, program, &options.path), &options);
        let reported = db_manager::at(world, namespace(pod), &options.manager)
            .and_then(|rows| rows.report(&options.trial, &entries));
        Some(if reported.is_ok() { 0 } else { FATAL })
    }

    fn logs(&self, world: &World, pod: &Value, container: &str) -> Vec<String> {
        let Some(own) = kubelet::container(pod, container) else { return Vec::new() };
        let options = Options::of(own);
        let written = beside(pod, own).map(|program| content(world, pod, program, &options.path)).unwrap_or_default();
        std::iter::once(format!("Trial Name: {}", options.trial)).chain(written.lines().map(str::to_owned)).collect()
    }

    fn serve(&self, _: Visit, _: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        // It listens nowhere.
        Box::pin(async {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        })
    }
}

/// The container that shares the volume.
fn beside<'a>(pod: &'a Value, own: &Value) -> Option<&'a Value> {
    list(pod, "/spec/containers").iter().find(|container| {
        text(container, "/name") != text(own, "/name")
            && list(container, "/volumeMounts").iter().any(|mount| text(mount, "/name") == VOLUME)
    })
}

/// What the program wrote into a file.
fn content(world: &World, pod: &Value, program: &Value, path: &str) -> String {
    let files = RefCell::default();
    streams::play(world, (pod, text(program, "/name")), &streams::command(program), &files);
    files.into_inner().get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// Its flags.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    trial: String,
    metrics: Vec<String>,
    manager: String,
    path: String,
    filters: Vec<String>,
    json: bool,
}

impl Options {
    fn of(container: &Value) -> Self {
        let words: Vec<&str> = list(container, "/args").iter().filter_map(Value::as_str).collect();
        let flag = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).map(|value| (*value).to_owned())
        };
        let divided = |text: String| text.split(';').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self {
            trial: flag("-t").unwrap_or_default(),
            metrics: flag("-m").map(divided).unwrap_or_default(),
            manager: flag("-s-db").unwrap_or_else(|| format!("{}.kubeflow:{}", DB_MANAGER.0, DB_MANAGER.1)),
            path: flag("-path").unwrap_or_else(|| "/var/log/katib/metrics.log".to_owned()),
            filters: flag("-f").map(divided).unwrap_or_default(),
            json: flag("-format").is_some_and(|format| format == "JSON"),
        }
    }
}

/// The values of the wanted metrics in a text; that the objective is not among them is a value, too.
fn collected(content: &str, options: &Options) -> Vec<Entry> {
    let found = if options.json { in_json(content, options) } else { in_text(content, options) };
    let objective = options.metrics.first().cloned().unwrap_or_default();
    if found.iter().any(|entry| entry.metric == objective) {
        return found;
    }
    vec![Entry { time: NO_TIME.to_owned(), metric: objective, value: UNAVAILABLE.to_owned() }]
}

fn in_text(content: &str, options: &Options) -> Vec<Entry> {
    let own: Vec<Regex> = options.filters.iter().filter_map(|filter| Regex::new(filter).ok()).collect();
    let filters: Vec<&Regex> = if own.is_empty() { FILTER.iter().collect() } else { own.iter().collect() };
    let mut entries = Vec::new();
    for line in content.lines().filter(|line| options.metrics.iter().any(|metric| line.contains(metric.as_str()))) {
        let first = line.split_once(' ').map_or("", |(first, _)| first);
        let time = if first.parse::<jiff::Timestamp>().is_ok() { first } else { NO_TIME };
        for pair in filters.iter().flat_map(|filter| filter.captures_iter(line)) {
            let (Some(name), Some(value)) = (pair.get(1), pair.get(2)) else { continue };
            let (metric, value) = (name.as_str().trim().to_owned(), value.as_str().trim().to_owned());
            if options.metrics.contains(&metric) {
                entries.push(Entry { time: time.to_owned(), metric, value });
            }
        }
    }
    entries
}

/// A JSON object a line, whose values are texts.
fn in_json(content: &str, options: &Options) -> Vec<Entry> {
    let mut entries = Vec::new();
    for line in content.lines().filter(|line| !line.is_empty()) {
        let Ok(object) = serde_json::from_str::<Value>(line) else { return Vec::new() };
        let time = text(&object, "/timestamp");
        let time = if time.parse::<jiff::Timestamp>().is_ok() { time } else { NO_TIME };
        for metric in &options.metrics {
            if let Some(value) = object.get(metric).and_then(Value::as_str) {
                entries.push(Entry { time: time.to_owned(), metric: metric.clone(), value: value.to_owned() });
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::of(&json!({"args": arguments}))
    }

    fn values(content: &str, options: &Options) -> Vec<String> {
        collected(content, options)
            .into_iter()
            .map(|entry| format!("{} {}={}", entry.time, entry.metric, entry.value))
            .collect()
    }

    #[test]
    fn values_are_found_as_the_real_collector_finds_them() {
        let wanted = options(&["-t", "x-1", "-m", "loss;accuracy"]);
        let content = "2026-11-23T01:00:00Z loss=-1.5e-3, accuracy = .9\nloss=2 other=3\nunrelated\n";
        assert_eq!(
            values(content, &wanted),
            ["2026-11-23T01:00:00Z loss=-1.5e-3", "2026-11-23T01:00:00Z accuracy=.9", "0001-01-01T00:00:00Z loss=2",]
        );
        assert_eq!(values("accuracy=1", &wanted), ["0001-01-01T00:00:00Z loss=unavailable"]);
        assert_eq!(values("", &wanted), ["0001-01-01T00:00:00Z loss=unavailable"]);
    }

    #[test]
    fn filters_and_json_are_understood() {
        let filtered = options(&["-m", "loss", "-f", r"(\w+) is (\d+);(("]);
        assert_eq!(values("loss is 7", &filtered), ["0001-01-01T00:00:00Z loss=7"]);
        let json = options(&["-m", "loss", "-format", "JSON"]);
        let content = "{\"loss\": \"0.5\", \"timestamp\": \"2026-11-23T01:00:00Z\"}\n{\"loss\": 3}\n";
        assert_eq!(values(content, &json), ["2026-11-23T01:00:00Z loss=0.5"]);
        assert_eq!(values("{\"loss\"", &json), ["0001-01-01T00:00:00Z loss=unavailable"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(content in ".{0,200}", filter in ".{0,20}") {
            prop_assert!(!collected(&content, &options(&["-m", "loss", "-f", &filter])).is_empty());
        }
    }
}
