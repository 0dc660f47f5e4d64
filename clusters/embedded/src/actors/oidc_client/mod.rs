//! What a client of an OpenID Connect provider does: fetch its keys, check its tokens. oauth2-proxy and oidc-authservice
//! both use the library go-oidc for it (facts: coreos/go-oidc `oidc/jwks.go`, `oidc/verify.go`).

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use jiff::Timestamp;
use serde_json::Value;

use crate::mesh::{self, Caller};
use crate::platform::World;

mod keys;

pub use keys::{Patience, RemoteKeys};

/// The largest answer of a provider that is read, in bytes.
const ANSWER_LIMIT: usize = 1 << 20;
/// How far `nbf` may lie in the future, in seconds.
const NOT_BEFORE_LEEWAY: i64 = 5 * 60;

/// How to reach a provider: through the mesh, as a pod.
#[derive(Clone)]
pub struct Client {
    /// The platform.
    pub world: Arc<World>,
    /// Who asks.
    pub caller: Caller,
}

/// An answer of a provider.
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// `Cache-Control`.
    pub cache_control: String,
    /// The body, if it is JSON.
    pub json: Option<Value>,
}

impl Client {
    /// Sends a request and reads the answer.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = mesh::call(&self.world, self.caller.clone(), request).await.into_parts();
        let cache_control = parts.headers.get(header::CACHE_CONTROL);
        let cache_control = cache_control.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let body = Limited::new(body, ANSWER_LIMIT).collect().await;
        let json = body.ok().and_then(|body| serde_json::from_slice(&body.to_bytes()).ok());
        Answer { status: parts.status, cache_control, json }
    }

    /// GETs JSON; `None` unless the answer is 200 and JSON.
    pub async fn get(&self, url: &str, authorization: Option<&str>) -> Option<(Value, String)> {
        let mut request = Request::get(url);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let answer = self.send(request.body(Body::empty()).ok()?).await;
        Some((answer.json.filter(|_| answer.status == StatusCode::OK)?, answer.cache_control))
    }

    /// The discovery document of an issuer, if it is that issuer's.
    pub async fn discover(&self, issuer: &str) -> Option<Value> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let (document, _) = self.get(&url, None).await?;
        if document["issuer"].as_str() == Some(issuer) { Some(document) } else { None }
    }
}

/// Whether claims are of this issuer, for one of these audiences, and valid now.
#[must_use]
pub fn are_good(claims: &Value, issuer: &str, audiences: &[&str], now: Timestamp) -> bool {
    let number = |name: &str| claims.get(name).and_then(Value::as_f64).map(|seconds| seconds as i64);
    let for_us = match claims.get("aud") {
        Some(Value::String(one)) => audiences.contains(&one.as_str()),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(|one| audiences.contains(&one)),
        _ => false,
    };
    claims.get("iss").and_then(Value::as_str) == Some(issuer)
        && for_us
        && number("exp").unwrap_or_default() >= now.as_second()
        && number("nbf").is_none_or(|start| now.as_second() + NOT_BEFORE_LEEWAY >= start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_judged() {
        let now = Timestamp::from_second(1000).unwrap();
        let good = json!({"iss": "i", "aud": "a", "exp": 1001});
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        for (claims, expected) in [
            (good.clone(), true),
            (with("aud", json!(["x", "a"])), true),
            (with("nbf", json!(1300)), true),
            (with("nbf", json!(1301)), false),
            (with("aud", json!("x")), false),
            (with("aud", json!(1)), false),
            (with("iss", json!("j")), false),
            (with("exp", json!(999)), false),
            (with("exp", Value::Null), false),
            (json!("text"), false),
        ] {
            assert_eq!(are_good(&claims, "i", &["a"], now), expected, "{claims}");
        }
    }
}
