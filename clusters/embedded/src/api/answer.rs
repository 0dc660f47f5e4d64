//! What a verb returns, and how it is put on the wire: as it is, as a table for people, or as metadata only.

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Status;
use super::kinds::Resource;
use super::table;

/// What a verb returns.
pub enum Answer {
    /// One object of the resource.
    Object(u16, Arc<Value>),
    /// Any other document: a `Status`, a `Scale`, a review.
    Document(u16, Value),
    /// Objects of the resource.
    List(Listed),
    /// A response that is already made: a watch, a stream.
    Response(Response<Body>),
}

/// The outcome of a list.
pub struct Listed {
    /// The objects.
    pub items: Vec<Arc<Value>>,
    /// The revision at which they were read.
    pub revision: u64,
    /// Where the next page starts.
    pub proceed: Option<String>,
    /// How many there are beyond this page.
    pub remaining: Option<usize>,
}

/// The form that the client asked for in `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The object itself.
    Plain,
    /// `as=Table`.
    Table,
    /// `as=PartialObjectMetadata`.
    Metadata,
}

impl Form {
    /// Reads `Accept`: the first form in it that this server knows. Streams of pods have forms of their own.
    ///
    /// # Errors
    /// 406 if it knows none.
    pub fn wanted(headers: &HeaderMap, subresource: &str) -> Result<Self, Status> {
        const TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if accept.is_empty() || matches!(subresource, "log" | "exec" | "attach" | "portforward" | "proxy") {
            return Ok(Self::Plain);
        }
        let mut known = false;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            if !matches!(media, "*/*" | "application/*") && !TYPES.split(", ").any(|known| known == media) {
                continue;
            }
            known = true;
            let parameter = |name: &str| range.split(';').find_map(|part| part.trim().strip_prefix(name));
            let of_meta = matches!(parameter("v="), Some("v1" | "v1beta1")) && parameter("g=") == Some("meta.k8s.io");
            match parameter("as=") {
                Some("Table") if of_meta => return Ok(Self::Table),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") if of_meta => return Ok(Self::Metadata),
                Some(_) => {}
                None => return Ok(Self::Plain),
            }
        }
        let refused = |message: String| Status::new(406, "NotAcceptable", message);
        if known {
            return Err(refused(format!("only the following media types are accepted: {TYPES}")));
        }
        let why = format!("406: Not Acceptable\n\nAvailable representations: {TYPES}");
        Err(refused(why).with_details(json!({})))
    }
}

/// Puts an answer on the wire.
#[must_use]
pub fn render(answer: Answer, resource: &Resource, form: Form, include: &str, warnings: &[String]) -> Response<Body> {
    let (code, text) = match (answer, form) {
        (Answer::Response(response), _) => return response,
        (Answer::Document(code, document), _) => (code, document.to_string()),
        (Answer::Object(code, object), Form::Plain) => (code, plain(resource, &object)),
        (Answer::Object(code, object), Form::Metadata) => (code, metadata(&object).to_string()),
        (Answer::Object(code, object), Form::Table) => {
            let version = object["metadata"]["resourceVersion"].clone();
            let objects = std::slice::from_ref(&object);
            (code, table::table(resource, objects, json!({ "resourceVersion": version }), include, true).to_string())
        }
        (Answer::List(listed), Form::Table) => {
            let metadata = listed.metadata();
            (200, table::table(resource, &listed.items, metadata, include, true).to_string())
        }
        (Answer::List(listed), form) => (200, list(resource, &listed, form)),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    response
}

impl Listed {
    fn metadata(&self) -> Value {
        let mut metadata = json!({ "resourceVersion": self.revision.to_string() });
        if let Some(proceed) = &self.proceed {
            metadata["continue"] = json!(proceed);
            if let Some(remaining) = self.remaining {
                metadata["remainingItemCount"] = json!(remaining);
            }
        }
        metadata
    }
}

fn list(resource: &Resource, listed: &Listed, form: Form) -> String {
    let (kind, api_version) = match form {
        Form::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        _ => (resource.list_kind(), resource.api_version()),
    };
    let mut of_list = listed.metadata();
    if resource.definition.is_some() && listed.proceed.is_none() {
        of_list["continue"] = json!("");
    }
    let head = json!({ "kind": kind, "apiVersion": api_version, "metadata": of_list }).to_string();
    let mut text = String::with_capacity(1024 * (listed.items.len() + 1));
    text.push_str(head.trim_end_matches('}'));
    text.push_str("},\"items\":[");
    for (at, item) in listed.items.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        match form {
            Form::Metadata => text.push_str(&metadata(item).to_string()),
            // Items of built-in lists carry no kind of their own, those of custom resources do.
            _ if resource.definition.is_none() => text.push_str(&without_kind(item)),
            _ => text.push_str(&plain(resource, item)),
        }
    }
    text.push_str("]}");
    text
}

/// One object in the version that was asked for.
#[must_use]
pub fn plain(resource: &Resource, object: &Value) -> String {
    if object["kind"] == resource.kind.as_str() && object["apiVersion"] == resource.api_version() {
        return object.to_string();
    }
    in_version(resource, object).to_string()
}

/// A copy of an object with the kind and version of a resource: custom resources are converted by nothing more
/// (conversion strategy `None`).
#[must_use]
pub fn in_version(resource: &Resource, object: &Value) -> Value {
    let mut shown = serde_json::Map::new();
    shown.insert("apiVersion".into(), json!(resource.api_version()));
    shown.insert("kind".into(), json!(resource.kind));
    for (key, value) in object.as_object().into_iter().flatten() {
        if key != "apiVersion" && key != "kind" {
            shown.insert(key.clone(), value.clone());
        }
    }
    Value::Object(shown)
}

/// The metadata of an object, as `PartialObjectMetadata`.
#[must_use]
pub fn metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

fn without_kind(object: &Value) -> String {
    let mut text = String::from("{");
    for (key, value) in object.as_object().into_iter().flatten() {
        if key != "apiVersion" && key != "kind" {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&json!(key).to_string());
            text.push(':');
            text.push_str(&value.to_string());
        }
    }
    text.push('}');
    text
}
