//! `watch`: the changes of a collection as a stream of JSON lines.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::stream;
use http::{HeaderValue, Response, header};
use serde_json::{Value, json};
use tokio::time::{Instant, Interval};

use super::read;
use crate::api::Status;
use crate::api::answer::{self, Answer, Form};
use crate::api::call::Call;
use crate::api::kinds::Resource;
use crate::api::selector::Selector;
use crate::api::table;
use crate::store::{Change, ChangeKind, Store};

/// How long a watch lasts that names no `timeoutSeconds` (kube-apiserver: 30 to 60 minutes).
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// How often a quiet watch tells how far it has seen.
const BOOKMARKS: Duration = Duration::from_secs(60);

struct Watch {
    store: Store,
    resource: Arc<Resource>,
    namespace: Option<String>,
    selector: Selector,
    form: Form,
    include: String,
    head: bool,
    seen: u64,
    revisions: tokio::sync::watch::Receiver<u64>,
    until: Instant,
    bookmarks: Option<Interval>,
    over: bool,
}

/// Starts a watch.
pub(super) fn watch(call: &Call) -> Result<Answer, Status> {
    let selector = read::selector(call)?;
    let version = call.query.get("resourceVersion");
    let since = match version {
        None | Some("0") => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| read::invalid_version(text))?),
    };
    let seconds = call.query.number("timeoutSeconds").map_or(LONGEST, Duration::from_secs);
    let store = call.world.store.clone();
    let namespace = Some(call.route.namespace.clone()).filter(|namespace| !namespace.is_empty());
    let marks = call.query.is("allowWatchBookmarks");
    let mut watch = Watch {
        revisions: store.revisions(),
        store,
        resource: call.resource.clone(),
        namespace,
        selector,
        form: Form::wanted(&call.headers, "")?,
        include: call.query.get("includeObject").unwrap_or_default().into(),
        head: true,
        seen: since.unwrap_or_default(),
        until: Instant::now() + seconds,
        bookmarks: marks.then(|| tokio::time::interval_at(Instant::now() + BOOKMARKS, BOOKMARKS)),
        over: false,
    };
    // Without a version, or when it asks for them, a watch starts with what is there.
    let initial = call.query.get("sendInitialEvents").map_or(since.is_none(), |wanted| wanted == "true");
    let mut first = String::new();
    if initial {
        let (revision, items) =
            watch.store.list_at(&watch.resource.kept_as, &watch.resource.plural, watch.namespace.as_deref());
        watch.seen = revision;
        for object in &items {
            if watch.selector.matches(object) {
                watch.write(&mut first, "ADDED", object);
            }
        }
        if marks && call.query.is("sendInitialEvents") {
            watch.mark(&mut first, true);
        }
    } else if since.is_none() {
        watch.seen = watch.store.revision();
    }
    let rest = stream::unfold(watch, |mut watch| async move {
        let lines = watch.next().await?;
        Some((Ok::<_, std::convert::Infallible>(lines), watch))
    });
    let whole = futures::StreamExt::chain(stream::iter((!first.is_empty()).then_some(Ok(first))), rest);
    let mut response = Response::new(Body::from_stream(whole));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Answer::Response(response))
}

impl Watch {
    /// The next lines, or `None` when the watch is over.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.over {
                return None;
            }
            self.revisions.borrow_and_update();
            let mut lines = String::new();
            match self.store.changes_of(self.seen, &self.resource.kept_as, &self.resource.plural) {
                Some((revision, changes)) => {
                    for change in &changes {
                        self.tell(&mut lines, change);
                    }
                    self.seen = self.seen.max(revision);
                }
                None => {
                    self.over = true;
                    lines = expired(self.seen, self.store.revision());
                }
            }
            if !lines.is_empty() {
                return Some(lines);
            }
            let bookmark = async {
                match &mut self.bookmarks {
                    Some(interval) => drop(interval.tick().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.revisions.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep_until(self.until) => return None,
                () = bookmark => {
                    self.mark(&mut lines, false);
                    return Some(lines);
                }
            }
        }
    }

    fn tell(&mut self, lines: &mut String, change: &Change) {
        if self.namespace.as_ref().is_some_and(|wanted| change.key.namespace != *wanted) {
            return;
        }
        let shown = |object: &Value| self.selector.matches(object);
        let before = change.before.as_deref().is_some_and(shown);
        let after = change.kind != ChangeKind::Deleted && shown(&change.object);
        match (before, after) {
            (false, true) => self.write(lines, "ADDED", &change.object),
            (true, true) => self.write(lines, "MODIFIED", &change.object),
            // An object that leaves the view is told as it was, with the version of the change.
            (true, false) if change.kind != ChangeKind::Deleted => {
                let mut last = change.before.as_deref().cloned().unwrap_or_default();
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                self.write(lines, "DELETED", &Arc::new(last));
            }
            (true, false) => self.write(lines, "DELETED", &change.object),
            (false, false) => {}
        }
    }

    fn write(&mut self, lines: &mut String, kind: &str, object: &Arc<Value>) {
        let text = match self.form {
            Form::Plain => answer::plain(&self.resource, object),
            Form::Metadata => answer::metadata(object).to_string(),
            Form::Table => {
                let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                let objects = std::slice::from_ref(object);
                let head = std::mem::replace(&mut self.head, false);
                table::table(&self.resource, objects, metadata, &self.include, head).to_string()
            }
        };
        lines.push_str("{\"type\":\"");
        lines.push_str(kind);
        lines.push_str("\",\"object\":");
        lines.push_str(&text);
        lines.push_str("}\n");
    }

    fn mark(&self, lines: &mut String, initial: bool) {
        let mut object = json!({
            "kind": self.resource.kind, "apiVersion": self.resource.api_version(),
            "metadata": { "resourceVersion": self.seen.to_string() },
        });
        if self.form == Form::Metadata {
            object["kind"] = json!("PartialObjectMetadata");
            object["apiVersion"] = json!("meta.k8s.io/v1");
        }
        if initial {
            object["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        lines.push_str(&json!({ "type": "BOOKMARK", "object": object }).to_string());
        lines.push('\n');
    }
}

fn expired(seen: u64, current: u64) -> String {
    let message = format!("too old resource version: {seen} ({current})");
    format!("{}\n", json!({ "type": "ERROR", "object": Status::new(410, "Expired", message).to_value() }))
}
