//! What the two contracts promise about login, sessions and identity.
//!
//! Contract A: arrikto/oidc-authservice `e236439` (`server.go`, `state.go`, `session.go`, `settings.go`), asked by
//! EnvoyFilter `istio-system/authn-filter`. Contract B: oauth2-proxy 7.6.0 and 7.7.1 (`oauthproxy.go`, `pkg/cookies`,
//! `pkg/app/redirect`) as MeshConfig's `extensionProviders[0]`, then Istio's RequestAuthentication and
//! AuthorizationPolicies, in the order CUSTOM, JWT, DENY, ALLOW (istio/istio
//! `pilot/pkg/networking/core/listener_builder.go`). Where running the programs showed something else than their
//! sources suggest, the tables hold what was seen. Dex is the same in both: `server/handlers.go`, `web/templates`.

use super::{Contract, Object};

mod authservice;
mod oauth2_proxy;
mod refusal;

pub use authservice::AUTHSERVICE;
pub use oauth2_proxy::OAUTH2_PROXY;
pub use refusal::{Anonymous, RBAC_DENIED, Refusal};

/// What a contract promises.
#[derive(Debug)]
pub struct Auth {
    /// The contract.
    pub contract: Contract,
    /// The program that guards the gateway.
    pub guard: &'static str,
    /// The workload that runs it.
    pub workload: Object,
    /// Its Service.
    pub service: Object,
    /// The object that makes the gateway ask it. A contract is recognised by this object.
    pub gate: Object,
    /// All objects that this contract adds and the other does not have.
    pub objects: &'static [Object],
    /// How to log in.
    pub login: Login,
    /// What a browser holds once logged in.
    pub session: SessionCookie,
    /// What somebody without a session gets.
    pub anonymous: Anonymous,
    /// How to log out, and what that ends.
    pub logout: Logout,
    /// How an application learns who asks.
    pub identity: Identity,
    /// What a token in `Authorization` is worth.
    pub tokens: Tokens,
    /// What happens when the guard is down.
    pub guard_down: GuardDown,
}

/// How to log in.
#[derive(Debug)]
pub struct Login {
    /// Where a login begins.
    pub entry: Entry,
    /// Dex's authorization endpoint, where the entry sends the browser.
    pub authorize: &'static str,
    /// Dex's login form, where that leads (two redirects later). The form posts to itself.
    pub form: &'static str,
    /// Names of the form's fields for the e-mail address and the password.
    pub fields: (&'static str, &'static str),
    /// Status of the form's answer to a right password: a redirect to `callback`.
    pub granted: u16,
    /// Status of the form's answer to a wrong password or an unknown user: the form again.
    pub refused: u16,
    /// The OAuth client's id.
    pub client_id: &'static str,
    /// The scopes asked for, in the order sent.
    pub scope: &'static str,
    /// Whether the code is bound to the browser by PKCE (S256).
    pub pkce: bool,
    /// Where Dex sends the browser back to. Relative, as the client sends it.
    pub callback: &'static str,
    /// Status of a successful callback: a redirect to where the login began.
    pub completed: u16,
    /// The cookie that ties the callback to the browser which began.
    pub state_cookie: &'static str,
    /// Statuses of a callback whose state cookie is missing.
    pub without_state_cookie: &'static [u16],
    /// Statuses of a callback whose `state` does not fit its state cookie.
    pub with_wrong_state: &'static [u16],
    /// Statuses of a callback without `state`.
    pub without_state: &'static [u16],
    /// Statuses of a callback whose code Dex refuses, for example a code used before.
    pub with_bad_code: &'static [u16],
}

/// Where a login begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// At any guarded path; the login ends there.
    AnyPath,
    /// At a path of its own, which takes the target as a query parameter.
    Start {
        /// The path.
        path: &'static str,
        /// The parameter that holds the target.
        target: &'static str,
    },
}

impl Entry {
    /// The path and query that begins a login which ends at `target`, a local path.
    #[must_use]
    pub fn at(self, target: &str) -> String {
        match self {
            Self::AnyPath => target.to_owned(),
            Self::Start { path, target: name } => {
                let query = url::form_urlencoded::Serializer::new(String::new()).append_pair(name, target).finish();
                format!("{path}?{query}")
            }
        }
    }
}

/// What a browser holds once logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCookie {
    /// The cookie's name.
    pub name: &'static str,
    /// Whether a large session is split over `name_0`, `name_1` …
    pub split: bool,
    /// Whether scripts of a page cannot read it.
    pub http_only: bool,
    /// Whether it is sent over TLS only. The shipped configuration speaks plain HTTP.
    pub secure: bool,
    /// Its SameSite attribute.
    pub same_site: Option<&'static str>,
    /// Seconds that it lasts.
    pub lifetime: u64,
    /// Whether the session is kept by the guard (the cookie holds a random id) or in the cookie itself.
    pub server_side: bool,
}

impl SessionCookie {
    /// Whether a cookie of that name is (a part of) the session.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        match name.strip_prefix(self.name) {
            Some("") => true,
            Some(rest) if self.split => {
                rest.strip_prefix('_').is_some_and(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
            }
            _ => false,
        }
    }
}

/// How to log out, and what that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logout {
    /// The path.
    pub path: &'static str,
    /// The method that ends the session.
    pub method: &'static str,
    /// What tells whose session to end.
    pub credential: LogoutCredential,
    /// Status of the answer.
    pub status: u16,
    /// Whether a copy of the session cookie is worthless afterwards. If not, it works until it expires.
    pub ends_session: bool,
    /// Whether a `GET`, which any foreign page can cause, logs the user out.
    pub by_get: bool,
}

/// What tells whose session to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutCredential {
    /// The session cookie.
    Cookie,
    /// `Authorization: Bearer` with the session cookie's value.
    BearerSessionId,
}

/// How an application learns who asks.
#[derive(Debug)]
pub struct Identity {
    /// The request header that names the user. Its value is the e-mail address, without a prefix.
    pub header: &'static str,
    /// The request header that names the user's groups. Users of Dex's own password list have none.
    pub groups_header: &'static str,
    /// Path prefixes on which a client's own `header` reaches the application untouched: a weakness of the contract.
    pub header_passes_on: &'static [&'static str],
    /// Whether a client's own `groups_header` reaches the application. Nothing installed reads it.
    pub groups_pass: bool,
    /// Whether an application receives the user's ID token as `Authorization: Bearer`.
    pub forwards_token: bool,
    /// Headers that look like an identity and reach the applications as the client sent them: never to be trusted.
    pub untrusted: &'static [&'static str],
}

/// What a token in `Authorization` is worth.
#[derive(Debug)]
pub struct Tokens {
    /// The issuers whose tokens are accepted in the default installation.
    pub issuers: &'static [&'static str],
    /// The audience that an ID token must have; `None` means that any is good.
    pub audience: Option<&'static str>,
    /// The audience that makes the gateway accept a Kubernetes service account's token; `None` means that none does.
    pub service_account_audience: Option<&'static str>,
    /// The answer to a `Bearer` token that does not verify.
    pub bad_bearer: TokenRefusal,
    /// The answer to `Authorization` that is no `Bearer` token.
    pub not_bearer: TokenRefusal,
    /// Whether a session cookie beside a bad token still lets the request in.
    pub cookie_wins: bool,
    /// Seconds by which an expired token is still accepted.
    pub skew: u64,
    /// Whether a token without `exp` is accepted.
    pub without_expiry: bool,
}

/// How a token is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRefusal {
    /// The status.
    pub status: u16,
    /// Whether the answer names the reason in `WWW-Authenticate: Bearer`.
    pub www_authenticate: bool,
}

/// What happens when the guard does not answer: nobody comes in, with 403 and an empty body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardDown {
    /// The status.
    pub status: u16,
    /// Whether Dex's pages still answer.
    pub dex_answers: bool,
}

/// Dex's issuer in all supported releases. It is an address inside the cluster.
pub const DEX_ISSUER: &str = "http://dex.auth.svc.cluster.local:5556/dex";

const CLIENT_ID: &str = "kubeflow-oidc-authservice";
const DAY: u64 = 86_400;

const fn object(
    api_version: &'static str,
    (kind, plural): (&'static str, &'static str),
    namespace: &'static str,
    name: &'static str,
) -> Object {
    Object { api_version, kind, plural, namespace, name }
}

const STATEFULSET: (&str, &str) = ("StatefulSet", "statefulsets");
const DEPLOYMENT: (&str, &str) = ("Deployment", "deployments");
const SERVICE: (&str, &str) = ("Service", "services");
const ENVOY_FILTER: (&str, &str) = ("EnvoyFilter", "envoyfilters");
const AUTHORIZATION_POLICY: (&str, &str) = ("AuthorizationPolicy", "authorizationpolicies");
const REQUEST_AUTHENTICATION: (&str, &str) = ("RequestAuthentication", "requestauthentications");
const VIRTUAL_SERVICE: (&str, &str) = ("VirtualService", "virtualservices");
const CLAIM: (&str, &str) = ("PersistentVolumeClaim", "persistentvolumeclaims");

/// Seen to pass in both contracts.
const UNTRUSTED: &[&str] = &[
    "kubeflow_userid",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-groups",
    "x-forwarded-access-token",
    "x-auth-request-groups",
    "x-auth-request-preferred-username",
    "x-remote-user",
    "remote-user",
    "x-goog-authenticated-user-email",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_follows_path_and_query() {
        let b = Contract::B.auth();
        for (uri, status) in [
            ("/", Some(403)),
            ("/api/workgroup/exists", Some(401)),
            ("/?x=/api/", Some(401)),
            ("/api", Some(403)),
            ("/ml_metadata", Some(401)),
            ("/x/ml_metadata", Some(403)),
            ("/ping", Some(403)),
            ("/dex/auth", None),
            ("/dex", Some(403)),
            ("/oauth2/start?rd=/", None),
            ("/oauth2", Some(403)),
        ] {
            assert_eq!(b.refusal(uri).map(Refusal::status), status, "{uri}");
        }
        assert_eq!(b.refusal("/ping"), Some(Refusal::Rbac { status: 403, body: RBAC_DENIED }));
        let a = Contract::A.auth();
        for (uri, status) in
            [("/", Some(302)), ("/api/workgroup/exists", Some(302)), ("/ping", Some(302)), ("/dexterity", None)]
        {
            assert_eq!(a.refusal(uri).map(Refusal::status), status, "{uri}");
        }
    }

    #[test]
    fn a_login_begins_where_the_contract_says() {
        assert_eq!(Contract::A.auth().login.entry.at("/katib/?ns=a b"), "/katib/?ns=a b");
        assert_eq!(Contract::B.auth().login.entry.at("/katib/?a=b&c"), "/oauth2/start?rd=%2Fkatib%2F%3Fa%3Db%26c");
    }

    #[test]
    fn the_csrf_cookie_is_not_the_session() {
        let session = Contract::B.auth().session;
        for (name, is) in [
            ("oauth2_proxy_kubeflow", true),
            ("oauth2_proxy_kubeflow_0", true),
            ("oauth2_proxy_kubeflow_12", true),
            ("oauth2_proxy_kubeflow_csrf", false),
            ("oauth2_proxy_kubeflow_", false),
            ("oauth2_proxy", false),
        ] {
            assert_eq!(session.is(name), is, "{name}");
        }
        assert!(!Contract::A.auth().session.is("authservice_session_0"));
    }
}
