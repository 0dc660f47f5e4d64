//! Named ways to break a platform, each of which at least one check must notice.
//!
//! They are changes to Kubernetes objects, so that they break a real cluster as they break the embedded platform. Where a
//! program reads its configuration only when it starts, the fault restarts it too. What no object controls is a switch
//! of the embedded platform; these are all of them:
//!
//! - `dex-accepts-any-password`: Dex's form lets a known e-mail address in, whatever the password.
//! - `dex-accepts-any-user`: Dex's form lets unknown e-mail addresses in.
//! - `code-reusable`: Dex redeems a code more than once, and authservice accepts a state more than once.
//! - `state-unchecked`: the callback of oauth2-proxy and authservice compares neither state nor state cookie.
//! - `session-unchecked`: oauth2-proxy and authservice take any session cookie for that of the default user.
//! - `login-forgets-target`: a completed login always leads to `/`.
//! - `token-expiry-unchecked`: the gateway's token check (Istio's in B, authservice's in A) ignores `exp` and `nbf`.
//! - `csrf-token-unchecked`: the web applications do not compare the page's token.
//! - `token-audience-unchecked`: authservice ignores the audience of ID tokens and of service account tokens.
//! - `profile-children-unwatched`: the profile controller looks at Profiles and namespaces alone.
//! - `profile-objects-unowned`: what the profile controller makes does not belong to the Profile.
//! - `katib-parallel-unbounded`, `katib-trials-unbounded`, `katib-goal-ignored`: Katib's controller does not keep to an
//!   experiment's number of trials at once or in all, or to its goal.
//! - `profile-takes-namespaces-over`: the profile controller takes over namespaces that are somebody else's.
//! - `pod-security-unenforced`: the API server does not look at the Pod Security labels of namespaces.
//! - `object-store-full`: the volume of the object store takes no more.
//! - `database-full`: the volume of MySQL takes no more.
//! - `database-stalls`: MySQL waits for its disk before each answer.
//! - `object-store-corrupts`: the object store drops the last byte of what it stores.
//! - `pipelines-cache-forgets`: drivers find no execution with the same fingerprint.
//! - `object-store-open`: the object store lets in who has no keys.

pub mod accounts;
pub mod contributors;
pub mod dashboard;
pub mod data;
pub mod gate;
pub mod gateway;
pub mod identity;
pub mod install;
pub mod isolation;
pub mod katib;
pub mod login;
pub mod mesh;
pub mod pipelines;
pub mod profiles;
pub mod retired;
pub mod workspaces;

use harness::Change;
use harness::fault::{Ref, object};

pub(crate) const fn virtual_service(name: &'static str) -> Ref {
    object("networking.istio.io/v1beta1", "VirtualService", "kubeflow", name)
}

pub(crate) const fn policy(namespace: &'static str, name: &'static str) -> Ref {
    object("security.istio.io/v1beta1", "AuthorizationPolicy", namespace, name)
}

pub(crate) const fn deployment(namespace: &'static str, name: &'static str) -> Ref {
    object("apps/v1", "Deployment", namespace, name)
}

pub(crate) const ENVOY_GATE: Ref =
    object("networking.istio.io/v1alpha3", "EnvoyFilter", "istio-system", "authn-filter");
pub(crate) const CUSTOM_POLICY: Ref = policy("istio-system", "istio-ingressgateway-oauth2-proxy");
pub(crate) const DENY_POLICY: Ref = policy("istio-system", "istio-ingressgateway-require-jwt");
pub(crate) const TOKEN_RULES: Ref =
    object("security.istio.io/v1beta1", "RequestAuthentication", "istio-system", "dex-jwt");
pub(crate) const AUTHSERVICE_CONFIG: Ref = object("v1", "ConfigMap", "istio-system", "oidc-authservice-parameters");
/// oauth2-proxy's configuration; kustomize adds a hash to its name.
pub const PROXY_CONFIG: Ref = object("v1", "ConfigMap", "oauth2-proxy", "oauth2-proxy-*");
/// oauth2-proxy's secrets; kustomize adds a hash to its name.
pub const PROXY_SECRET: Ref = object("v1", "Secret", "oauth2-proxy", "oauth2-proxy-*");
/// Dex's configuration.
pub const DEX_CONFIG: Ref = object("v1", "ConfigMap", "auth", "dex");
pub(crate) const AUTHSERVICE: Ref = object("apps/v1", "StatefulSet", "istio-system", "oidc-authservice");
/// oauth2-proxy.
pub const PROXY: Ref = deployment("oauth2-proxy", "oauth2-proxy");
/// Dex.
pub const DEX: Ref = deployment("auth", "dex");

const RESTART: &str =
    r#"{"spec":{"template":{"metadata":{"annotations":{"conformance.kubeflow.org/fault":"restart"}}}}}"#;

/// Makes a program read its configuration again.
pub(crate) const fn restart(workload: Ref) -> Change {
    Change::Merge(workload, RESTART)
}
