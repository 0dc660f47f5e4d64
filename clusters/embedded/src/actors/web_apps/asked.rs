//! One request to a web application whose user is known: its path and body, the user's rights, and the API.

use axum::body::Body;
use http::Method;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::flask::{self, Refusal};
use crate::actors::Visit;
use crate::actors::kubernetes::Client;
use crate::api::Status;

/// More than any form here is.
const BODY_LIMIT: usize = 4 << 20;

/// One request.
pub struct Asked<'a> {
    /// Where it arrived.
    pub visit: &'a Visit,
    /// The method; HEAD counts as GET.
    pub method: Method,
    /// The user; empty if the header was.
    pub user: String,
    /// The API, with the program's own account.
    pub api: Client<'a>,
    segments: Vec<String>,
    content_type: String,
    body: Vec<u8>,
}

impl<'a> Asked<'a> {
    /// Reads a request to its end.
    pub async fn new(visit: &'a Visit, request: &Parts, body: Body, user: String, reads: bool) -> Self {
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let content_type = request.headers.get(CONTENT_TYPE).map(|value| flask::latin1(value.as_bytes()));
        Self {
            visit,
            method: if reads { Method::GET } else { request.method.clone() },
            user,
            api: Client::of(visit),
            segments: flask::segments(request.uri.path()),
            content_type: content_type.unwrap_or_default(),
            body: body.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
        }
    }

    /// The path's segments.
    pub fn path(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// The JSON body.
    ///
    /// # Errors
    /// 400 for another media type (compared letter by letter) or no JSON.
    pub fn json(&self) -> Result<Value, Refusal> {
        if self.content_type != "application/json" {
            return Err(Refusal::bad_request("Request is not in JSON format."));
        }
        let malformed = "The browser (or proxy) sent a request that this server could not understand.";
        serde_json::from_slice(&self.body).map_err(|_| Refusal::bad_request(malformed))
    }

    /// The JSON body, which must be an object with these fields.
    ///
    /// # Errors
    /// 400 if one is missing; 500 if it is no object.
    pub fn form(&self, required: &[&str]) -> Result<Value, Refusal> {
        let body = self.json()?;
        for field in required {
            let there = match &body {
                Value::Object(fields) => fields.contains_key(*field),
                Value::Array(items) => items.iter().any(|item| item == field),
                Value::String(text) => text.contains(field),
                _ => return Err(Refusal::backend()),
            };
            if !there {
                return Err(Refusal::bad_request(format!("Parameter '{field}' is missing from the request's body.")));
            }
        }
        if body.is_object() { Ok(body) } else { Err(Refusal::backend()) }
    }

    /// Whether the user may do this; asked of the API by a SubjectAccessReview. `resource` is `group/version/plural`, with
    /// a subresource after another slash; without a group, `v1/pods`.
    ///
    /// # Errors
    /// 403, or the API's refusal to say.
    pub async fn allowed(&self, verb: &str, resource: &str, namespace: Option<&str>) -> Result<(), Refusal> {
        let parts: Vec<&str> = resource.split('/').collect();
        let (group, rest) = match parts.split_first() {
            Some((&"v1", rest)) => ("", rest),
            Some((group, rest)) => (*group, rest.get(1..).unwrap_or_default()),
            None => ("", &[][..]),
        };
        let mut attributes = json!({"verb": verb, "group": group, "resource": rest.first()});
        if let Some(subresource) = rest.get(1) {
            attributes["subresource"] = json!(subresource);
        }
        if let Some(namespace) = namespace {
            attributes["namespace"] = json!(namespace);
        }
        let review = json!({"spec": {"user": self.user, "resourceAttributes": attributes}});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let answer = self.api.write(Method::POST, path, &review).await.map_err(|mut refused| {
            // The program sends no kind, and the real API does not fill it in.
            refused.message = refused.message.replace("SubjectAccessReview.authorization", ".authorization");
            said(refused)
        })?;
        if answer.pointer("/status/allowed") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        let place = namespace.map(|namespace| format!(" in namespace '{namespace}'")).unwrap_or_default();
        let user = &self.user;
        Err(Refusal::new(403, format!("User '{user}' is not authorized to {verb} {resource}{place}")))
    }
}

/// What the program makes of the API's refusal: 404 is said in its own words, the rest is passed on.
pub fn said(refused: Status) -> Refusal {
    match refused.code {
        404 => Refusal::new(404, "The requested resource could not be found in the API Server"),
        code => Refusal::new(code, refused.message),
    }
}
