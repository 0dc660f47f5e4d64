//! RequestAuthentications: which tokens a workload accepts, and what it makes of them.
//!
//! Source: istiod's `pilot/pkg/security/authn` (one provider a rule; a missing token passes, a bad one never does) and
//! Envoy's `jwt_authn` filter (where it looks for tokens, which headers it removes and sets).

use std::sync::Arc;

use base64::Engine;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use url::form_urlencoded;

use super::jwt::{Jwt, JwtError, Keys};
use super::keys::KeySource;
use crate::object;
use crate::platform::World;
use crate::switches;

/// A RequestAuthentication, read once.
#[derive(Debug)]
pub(crate) struct RequestAuthentication {
    pub(crate) namespace: String,
    pub(crate) selector: Option<Value>,
    pub(crate) rules: Vec<Arc<JwtRule>>,
}

/// One issuer.
#[derive(Debug)]
pub(crate) struct JwtRule {
    issuer: String,
    audiences: Vec<String>,
    keys: KeySource,
    places: Vec<Place>,
    /// Keep the token in the request for the workload.
    forward: bool,
    /// Header that takes the whole payload, base64url.
    payload_header: Option<HeaderName>,
    /// Claim and the header that takes it.
    claim_headers: Vec<(String, HeaderName)>,
}

/// Where a token may stand.
#[derive(Debug)]
enum Place {
    Header(HeaderName, String),
    Parameter(String),
    Cookie(String),
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 401 with that text.
    Token(JwtError),
    /// A claim that is no header value.
    Header(HeaderName),
}

impl RequestAuthentication {
    pub(crate) fn read(authentication: &Value) -> Self {
        Self {
            namespace: object::namespace(authentication).to_owned(),
            selector: authentication.pointer("/spec/selector/matchLabels").cloned(),
            rules: object::list(authentication, "/spec/jwtRules").iter().map(JwtRule::read).map(Arc::new).collect(),
        }
    }
}

impl JwtRule {
    fn read(rule: &Value) -> Self {
        let texts = |name| object::list(rule, name).iter().filter_map(Value::as_str).map(str::to_owned);
        let header = |text: &str| text.parse::<HeaderName>().ok();
        let mut places: Vec<_> = object::list(rule, "/fromHeaders")
            .iter()
            .filter_map(|from| {
                Some(Place::Header(header(object::text(from, "/name"))?, object::text(from, "/prefix").to_owned()))
            })
            .chain(texts("/fromParams").map(Place::Parameter))
            .chain(texts("/fromCookies").map(Place::Cookie))
            .collect();
        if places.is_empty() {
            places =
                vec![Place::Header(AUTHORIZATION, "Bearer ".to_owned()), Place::Parameter("access_token".to_owned())];
        }
        let issuer = object::text(rule, "/issuer").to_owned();
        Self {
            keys: KeySource::read(rule, &issuer),
            issuer,
            audiences: texts("/audiences").collect(),
            places,
            forward: rule.get("forwardOriginalToken").and_then(Value::as_bool).unwrap_or(false),
            payload_header: header(object::text(rule, "/outputPayloadToHeader")),
            claim_headers: object::list(rule, "/outputClaimToHeaders")
                .iter()
                .filter_map(|copy| {
                    Some((object::text(copy, "/claim").to_owned(), header(object::text(copy, "/header"))?))
                })
                .collect(),
        }
    }

    /// The token texts that this rule finds in a request.
    fn tokens(&self, headers: &HeaderMap, query: &str) -> Vec<String> {
        self.places.iter().filter_map(|place| place.token(headers, query)).collect()
    }

    async fn check(&self, world: &Arc<World>, token: &str) -> Result<(Value, String), JwtError> {
        let jwt = Jwt::parse(token)?;
        if jwt.issuer() != self.issuer {
            return Err(JwtError::Issuer);
        }
        // A switch of this platform: no object makes Envoy forget the time.
        if !switches::is_on(&world.store, "token-expiry-unchecked") {
            jwt.check_time(jiff::Timestamp::now().as_second())?;
        }
        jwt.check_audience(&self.audiences)?;
        let keys: Arc<Keys> = self.keys.get(world).await;
        jwt.verify(&keys)?;
        let payload = jwt.encoded_claims.to_owned();
        Ok((jwt.claims, payload))
    }

    fn hand_over(&self, headers: &mut HeaderMap, claims: &Value, payload: &str) -> Result<(), Refusal> {
        if !self.forward {
            for place in &self.places {
                if let Place::Header(name, _) = place {
                    headers.remove(name);
                }
            }
        }
        if let Some(name) = &self.payload_header {
            headers.insert(name.clone(), HeaderValue::from_str(payload).unwrap_or(HeaderValue::from_static("")));
        }
        for (claim, name) in &self.claim_headers {
            let value = claim.split('.').try_fold(claims, |claims, part| claims.get(part));
            let Some(text) = value.and_then(claim_text) else { continue };
            let value = HeaderValue::from_bytes(text.trim().as_bytes()).map_err(|_| Refusal::Header(name.clone()))?;
            headers.insert(name.clone(), value);
        }
        Ok(())
    }
}

/// A claim as a header value: text, numbers and truth values as they are, others as base64url of their JSON; an empty
/// text makes no header.
fn claim_text(claim: &Value) -> Option<String> {
    match claim {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(claim.to_string()),
        Value::Array(_) | Value::Object(_) => Some(base64::engine::general_purpose::URL_SAFE.encode(claim.to_string())),
    }
}

impl Place {
    fn token(&self, headers: &HeaderMap, query: &str) -> Option<String> {
        match self {
            // The prefix may stand anywhere in the value; all copies of the header are joined first.
            Self::Header(name, prefix) => {
                let values: Vec<_> =
                    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
                let joined = values.join(",");
                let start = joined.find(prefix.as_str())? + prefix.len();
                Some(joined[start..].to_owned()).filter(|token| !values.is_empty() && !token.is_empty())
            }
            Self::Parameter(name) => form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name.as_str())
                .map(|(_, value)| value.into_owned()),
            Self::Cookie(name) => headers
                .get_all(COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(';'))
                .find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| key == name))
                .map(|(_, value)| value.to_owned()),
        }
    }
}

/// Checks the tokens of a request against all rules that hold for the workload, and sets the headers that carry claims.
/// Headers that a rule would set are removed first, whoever sent them. Returns the claims of the verified token.
pub(crate) async fn authenticate(
    world: &Arc<World>,
    rules: &[Arc<JwtRule>],
    headers: &mut HeaderMap,
    query: &str,
) -> Result<Option<Value>, Refusal> {
    let found: Vec<_> = rules.iter().map(|rule| rule.tokens(headers, query)).collect();
    for rule in rules {
        for (_, name) in &rule.claim_headers {
            headers.remove(name);
        }
        if let Some(name) = &rule.payload_header {
            headers.remove(name);
        }
    }
    let mut error = None;
    for (rule, tokens) in rules.iter().zip(found) {
        for token in tokens {
            match rule.check(world, &token).await {
                Ok((claims, payload)) => {
                    rule.hand_over(headers, &claims, &payload)?;
                    return Ok(Some(claims));
                }
                // Another issuer's rule has more to say about this token.
                Err(JwtError::Issuer) => error = error.or(Some(JwtError::Issuer)),
                Err(other) => error = Some(other),
            }
        }
    }
    error.map_or(Ok(None), |error| Err(Refusal::Token(error)))
}
