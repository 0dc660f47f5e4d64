//! Tokens of service accounts: made by TokenRequest, checked by everyone who gets one.
//!
//! Claims and checks follow `pkg/serviceaccount/claims.go` of Kubernetes 1.34: the token is bound to the service account
//! (and optionally to a pod or Secret) by uid, so it dies with them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::UserInfo;
use super::credentials::Credentials;
use crate::api::Status;
use crate::api::validate::Problem;
use crate::object::{list, text, uid};
use crate::platform::World;
use crate::store::Key;

/// The issuer of the cluster's tokens, kubeadm's default.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// The audience that the API itself accepts (kube-apiserver's default: its issuer).
pub const API_AUDIENCE: &str = ISSUER;

const DEFAULT_LIFETIME: i64 = 3600;
const SHORTEST_LIFETIME: i64 = 600;
const LONGEST_LIFETIME: i64 = 1 << 32;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    aud: Vec<String>,
    exp: i64,
    iat: i64,
    iss: String,
    jti: String,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Binding,
    nbf: i64,
    sub: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Binding {
    namespace: String,
    serviceaccount: Reference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<Reference>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reference {
    name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    uid: String,
}

/// A token that holds.
#[derive(Debug, Clone)]
pub struct Valid {
    /// Whose it is.
    pub user: UserInfo,
    /// Those of the wanted audiences that it is for.
    pub audiences: Vec<String>,
}

/// Answers a TokenRequest (`serviceaccounts/NAME/token`): the same object with `status.token` and
/// `status.expirationTimestamp`.
///
/// # Errors
/// 404 without the service account or the object to bind to, 422 for a lifetime under ten minutes or a kind that tokens
/// cannot be bound to.
pub fn request(world: &World, namespace: &str, name: &str, mut request: Value) -> Result<Value, Status> {
    let account = world
        .store
        .get(&Key::new("", "serviceaccounts", namespace, name))
        .ok_or_else(|| Status::not_found("", "serviceaccounts", name))?;
    let (named, home) = (text(&request, "/metadata/name"), text(&request, "/metadata/namespace"));
    if !home.is_empty() && home != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Status::bad_request(why));
    }
    if !named.is_empty() && named != name {
        let rule = "must match the service account name if specified";
        return Err(invalid(name, Problem::invalid("metadata.name", &json!(named), rule)));
    }
    let lifetime = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_LIFETIME);
    if lifetime < SHORTEST_LIFETIME {
        let rule = "may not specify a duration less than 10 minutes";
        return Err(invalid("", Problem::invalid("spec.expirationSeconds", &json!(lifetime), rule)));
    }
    if lifetime > LONGEST_LIFETIME {
        let rule = "may not specify a duration larger than 2^32 seconds";
        return Err(invalid("", Problem::invalid("spec.expirationSeconds", &json!(lifetime), rule)));
    }
    let mut audiences: Vec<String> =
        list(&request, "/spec/audiences").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if audiences.is_empty() {
        audiences.push(API_AUDIENCE.to_owned());
    }
    let mut binding = Binding {
        namespace: namespace.to_owned(),
        serviceaccount: Reference { name: name.to_owned(), uid: uid(&account).to_owned() },
        pod: None,
        secret: None,
        node: None,
    };
    bind(world, namespace, &request, &mut binding)?;
    let issued = jiff::Timestamp::now().as_second();
    let claims = Claims {
        aud: audiences.clone(),
        exp: issued + lifetime,
        iat: issued,
        iss: ISSUER.to_owned(),
        jti: uuid::Uuid::new_v4().to_string(),
        kubernetes: binding,
        nbf: issued,
        sub: format!("system:serviceaccount:{namespace}:{name}"),
    };
    let mut header = Header::new(Algorithm::ES256);
    header.typ = None;
    header.kid = Some(key_id(&world.credentials));
    let token = jsonwebtoken::encode(&header, &claims, world.credentials.token_signing())
        .map_err(|error| Status::internal(format!("cannot sign a token: {error}")))?;
    request["spec"]["audiences"] = json!(audiences);
    request["spec"]["expirationSeconds"] = json!(lifetime);
    let expires = jiff::Timestamp::from_second(claims.exp).unwrap_or(jiff::Timestamp::MAX);
    request["metadata"]["name"] = json!(name);
    request["metadata"]["namespace"] = json!(namespace);
    request["metadata"]["uid"] = json!(uid(&account));
    request["metadata"]["creationTimestamp"] = json!(crate::store::now());
    if request["spec"].get("boundObjectRef").is_none() {
        request["spec"]["boundObjectRef"] = Value::Null;
    }
    request["status"] =
        json!({"token": token, "expirationTimestamp": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
    Ok(request)
}

fn bind(world: &World, namespace: &str, request: &Value, binding: &mut Binding) -> Result<(), Status> {
    let Some(bound) = request.pointer("/spec/boundObjectRef").filter(|bound| !bound.is_null()) else {
        return Ok(());
    };
    let (name, wanted) = (text(bound, "/name"), text(bound, "/uid"));
    let (plural, home) = match text(bound, "/kind") {
        "Pod" => ("pods", namespace),
        "Secret" => ("secrets", namespace),
        "Node" => ("nodes", ""),
        kind => {
            let (group, version) =
                text(bound, "/apiVersion").split_once('/').unwrap_or(("", text(bound, "/apiVersion")));
            let why = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
            return Err(Status::bad_request(why));
        }
    };
    let object =
        world.store.get(&Key::new("", plural, home, name)).ok_or_else(|| Status::not_found("", plural, name))?;
    if !wanted.is_empty() && wanted != uid(&object) {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been \
             deleted and then recreated"
        );
        return Err(Status::conflict("", text(bound, "/kind"), name, &why));
    }
    let reference = Some(Reference { name: name.to_owned(), uid: uid(&object).to_owned() });
    match plural {
        "pods" => binding.pod = reference,
        "secrets" => binding.secret = reference,
        _ => binding.node = reference,
    }
    Ok(())
}

/// Checks a token: signature, issuer, times, one of the wanted audiences, and that what it is bound to still exists.
///
/// `None` whatever the cause: who holds a bad token learns nothing.
pub fn validate(world: &World, token: &str, wanted: &[&str]) -> Option<Valid> {
    validate_laxly(world, token, Some(wanted), true)
}

/// Whether this cluster signed it, whatever became of what it is bound to.
pub(super) fn is_signed(world: &World, token: &str) -> bool {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, world.credentials.token_verifying(), &validation).is_ok()
}

/// As [`validate`], but without an audience in mind, or without a look at the times: what a broken reviewer does.
pub fn validate_laxly(world: &World, token: &str, wanted: Option<&[&str]>, times: bool) -> Option<Valid> {
    let mut validation = Validation::new(Algorithm::ES256);
    match wanted {
        Some(wanted) => validation.set_audience(wanted),
        None => validation.validate_aud = false,
    }
    validation.set_issuer(&[ISSUER]);
    validation.validate_exp = times;
    validation.validate_nbf = times;
    validation.leeway = 0;
    let claims: Claims = jsonwebtoken::decode(token, world.credentials.token_verifying(), &validation).ok()?.claims;
    let bound = &claims.kubernetes;
    let exists = |plural: &str, reference: &Reference| {
        let key = Key::new("", plural, &bound.namespace, &reference.name);
        world.store.get(&key).is_some_and(|object| uid(&object) == reference.uid)
    };
    let alive = exists("serviceaccounts", &bound.serviceaccount)
        && bound.pod.as_ref().is_none_or(|pod| exists("pods", pod))
        && bound.secret.as_ref().is_none_or(|secret| exists("secrets", secret));
    if !alive {
        return None;
    }
    let mut user = UserInfo::service_account(&bound.namespace, &bound.serviceaccount.name, &bound.serviceaccount.uid);
    if let Some(pod) = &bound.pod {
        user.extra.insert("authentication.kubernetes.io/pod-name".to_owned(), vec![pod.name.clone()]);
        user.extra.insert("authentication.kubernetes.io/pod-uid".to_owned(), vec![pod.uid.clone()]);
    }
    user.extra.insert("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("JTI={}", claims.jti)]);
    let is_wanted = |audience: &String| wanted.is_none_or(|wanted| wanted.contains(&audience.as_str()));
    let audiences = claims.aud.into_iter().filter(is_wanted).collect();
    Some(Valid { user, audiences })
}

/// `/.well-known/openid-configuration`: how others find the keys. `api_url` is where this API is reached.
#[must_use]
pub fn discovery(api_url: &str) -> Value {
    json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{api_url}/openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}

/// `/openid/v1/jwks`: the public key of the cluster's tokens.
#[must_use]
pub fn jwks(credentials: &Credentials) -> Value {
    let point = credentials.token_public();
    let (x, y) = point.get(1..).and_then(|xy| xy.split_at_checked(32)).unwrap_or_default();
    json!({"keys": [{
        "use": "sig", "kty": "EC", "kid": key_id(credentials), "crv": "P-256", "alg": "ES256",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    }]})
}

fn invalid(name: &str, problem: Problem) -> Status {
    const GROUP: &str = "authentication.k8s.io";
    let mut details = json!({ "group": GROUP, "kind": "TokenRequest", "causes": [problem.cause()] });
    if !name.is_empty() {
        details["name"] = json!(name);
    }
    let message = format!("TokenRequest.{GROUP} \"{name}\" is invalid: {}: {}", problem.field, problem.message);
    Status::new(422, "Invalid", message).with_details(details)
}

fn key_id(credentials: &Credentials) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(credentials.token_public()))
}
