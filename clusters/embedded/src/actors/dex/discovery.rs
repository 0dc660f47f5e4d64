//! What Dex publishes about itself: the discovery document and its keys.

use axum::body::Body;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

use super::Exchange;
use crate::actors::net_http::{answer, set_header};

/// The least time that clients may keep the keys, in seconds.
const LEAST_KEY_AGE: i64 = 120;

/// `/.well-known/openid-configuration`. The endpoints are the issuer's, so they are addresses inside the cluster.
pub fn document(exchange: &Exchange) -> Response<Body> {
    let settings = &exchange.server.settings;
    let below = |path: &str| format!("{}{path}", settings.issuer.trim_end_matches('/'));
    let mut document = json!({
        "issuer": settings.issuer,
        "authorization_endpoint": below("/auth"),
        "token_endpoint": below("/token"),
        "jwks_uri": below("/keys"),
        "userinfo_endpoint": below("/userinfo"),
        "device_authorization_endpoint": below("/device/code"),
    });
    if settings.version.since_2_39() {
        document["introspection_endpoint"] = json!(below("/token/introspect"));
    }
    for (key, value) in [
        ("grant_types_supported", json!(settings.grants)),
        ("response_types_supported", json!(settings.response_types)),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(["RS256"])),
        ("code_challenge_methods_supported", json!(["S256", "plain"])),
        ("scopes_supported", json!(["openid", "email", "groups", "profile", "offline_access"])),
        ("token_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post"])),
        (
            "claims_supported",
            json!([
                "iss",
                "sub",
                "aud",
                "iat",
                "exp",
                "email",
                "email_verified",
                "locale",
                "name",
                "preferred_username",
                "at_hash",
            ]),
        ),
    ] {
        document[key] = value;
    }
    indented(&document)
}

/// `/keys`: a JWK set (RFC 7517) that clients may keep until the next rotation.
pub async fn keys(exchange: &Exchange) -> Response<Body> {
    if exchange.server.signing_key().await.is_err() {
        return exchange.refuse(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error.");
    }
    let (keys, seconds) = exchange.server.storage.keys.published();
    let mut response = indented(&keys);
    let age = format!("max-age={}, must-revalidate", seconds.max(LEAST_KEY_AGE));
    set_header(response.headers_mut(), header::CACHE_CONTROL, &age);
    response
}

fn indented(document: &Value) -> Response<Body> {
    answer(StatusCode::OK, "application/json", serde_json::to_string_pretty(document).unwrap_or_default())
}
