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

/// What a client demands of claims before it believes them.
#[derive(Debug, Clone, Copy)]
pub struct Demands<'a> {
    /// Who must have issued them.
    pub issuer: &'a str,
    /// Whom they must be for: one of these; `None` is anyone.
    pub audiences: Option<&'a [&'a str]>,
    /// How far `nbf` may lie in the future, in seconds; `None` looks at no time at all.
    pub not_before_leeway: Option<i64>,
}

impl Demands<'_> {
    /// Whether claims meet them at a moment.
    #[must_use]
    pub fn are_met_by(&self, claims: &Value, now: Timestamp) -> bool {
        let number = |name: &str| claims.get(name).and_then(Value::as_f64).map(|seconds| seconds as i64);
        let for_us = self.audiences.is_none_or(|audiences| match claims.get("aud") {
            Some(Value::String(one)) => audiences.contains(&one.as_str()),
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(|one| audiences.contains(&one)),
            _ => false,
        });
        let timely = self.not_before_leeway.is_none_or(|leeway| {
            // To the nanosecond, as go-oidc's oidc/verify.go: claims are whole seconds, the clock is not.
            let moment = |seconds: i64| i128::from(seconds) * 1_000_000_000;
            moment(number("exp").unwrap_or_default()) >= now.as_nanosecond()
                && number("nbf").is_none_or(|start| now.as_nanosecond() + moment(leeway) >= moment(start))
        });
        claims.get("iss").and_then(Value::as_str) == Some(self.issuer) && for_us && timely
    }
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
            let demands = Demands { issuer: "i", audiences: Some(&["a"]), not_before_leeway: Some(300) };
            assert_eq!(demands.are_met_by(&claims, now), expected, "{claims}");
        }
        let demands = Demands { issuer: "i", audiences: None, not_before_leeway: Some(300) };
        let (at_the_end, just_after) = (now, Timestamp::from_millisecond(1_000_001).unwrap());
        let ending = json!({"iss": "i", "exp": 1000});
        assert!(demands.are_met_by(&ending, at_the_end) && !demands.are_met_by(&ending, just_after));
        let lax = Demands { issuer: "i", audiences: None, not_before_leeway: None };
        assert!(lax.are_met_by(&json!({"iss": "i"}), now) && !lax.are_met_by(&json!({"iss": "j"}), now));
    }
}
