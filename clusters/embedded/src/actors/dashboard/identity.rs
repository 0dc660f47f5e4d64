//! Who the dashboard thinks is asking: the identity header, less its prefix.

use axum::body::Body;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};

use super::express;
use crate::actors::Visit;
use crate::kubelet::environment;

/// Whoever has no identity header.
const ANONYMOUS: &str = "anonymous@kubeflow.org";

/// The user of one request.
pub struct User {
    /// E-mail address.
    pub email: String,
    /// The identity header's name.
    header: String,
    /// Its prefix.
    prefix: String,
    /// Its value, if it was there and not empty.
    seen: Option<String>,
}

impl User {
    /// The user that the headers name. An empty header counts as none; doubled ones are joined, as Node.js does.
    pub fn of(visit: &Visit, headers: &HeaderMap) -> Self {
        let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
        let header = variables.get("USERID_HEADER").filter(|name| !name.is_empty()).cloned();
        let header = header.unwrap_or_else(|| "X-Goog-Authenticated-User-Email".to_owned());
        let prefix = variables.get("USERID_PREFIX").cloned().unwrap_or_default();
        let values: Vec<String> = headers
            .get_all(header.to_ascii_lowercase())
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
            .collect();
        let seen = Some(values.join(", ")).filter(|value| !value.is_empty());
        // The program cuts the prefix by its length, whatever stands there.
        let email = seen
            .as_ref()
            .map_or_else(|| ANONYMOUS.to_owned(), |value| value.chars().skip(prefix.chars().count()).collect());
        Self { email, header, prefix, seen }
    }

    /// The identity header as it came, to be passed on.
    pub fn header(&self) -> Option<(&str, &str)> {
        self.seen.as_deref().map(|value| (self.header.as_str(), value))
    }

    /// Whether an identity header was there.
    pub fn is_known(&self) -> bool {
        self.seen.is_some()
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        self.email.split('@').next().unwrap_or_default()
    }
}

/// `/debug`: the identity as the dashboard sees it.
pub fn debug(visit: &Visit, user: &User) -> Response<Body> {
    let variables = environment::variables(&visit.world.store, &visit.pod, &visit.container);
    let mut who: Value = json!({"email": user.email, "username": user.local_part(), "hasAuth": user.is_known()});
    if let Some((_, domain)) = user.email.split_once('@') {
        who["domain"] = json!(domain);
    }
    if let Some(value) = &user.seen {
        who["auth"] = json!({user.header.as_str(): value});
    }
    let body = json!({
        "user": who,
        "profilesServiceUrl": super::kfam::url(visit),
        "codeEnvironment": "production",
        "registrationFlowAllowed": variables.get("REGISTRATION_FLOW").is_some_and(|value| value == "true"),
        "headersForIdentity": {"USERID_HEADER": user.header, "USERID_PREFIX": user.prefix},
    });
    express::json(StatusCode::OK, &body)
}
