//! Faults of the guard before the gateway: what it lets pass, and what it keeps out.

use clusters::versions::Contract;
use harness::fault::fault;
use harness::{Change, Fault};

use super::{AUTHSERVICE, AUTHSERVICE_CONFIG, CUSTOM_POLICY, DENY_POLICY, ENVOY_GATE, TOKEN_RULES, restart};

const A: &[Contract] = &[Contract::A];
const B: &[Contract] = &[Contract::B];

/// Nobody asks for a login.
pub static REMOVED_A: Fault =
    fault("gate-removed-a", "The gateway asks authservice nothing", &[Change::Delete(ENVOY_GATE)]).only(A);

/// Nobody asks for a login.
pub static REMOVED_B: Fault = fault(
    "gate-removed-b",
    "The gateway asks neither for a session nor for a token",
    &[Change::Delete(CUSTOM_POLICY), Change::Delete(DENY_POLICY)],
)
.only(B);

/// Tokens are not looked at.
pub static TOKENS_UNCHECKED_B: Fault = fault(
    "tokens-unchecked-b",
    "The gateway takes any Authorization header for a login",
    &[Change::Delete(TOKEN_RULES), Change::Delete(DENY_POLICY)],
)
.only(B);

/// Whoever has no token is let in.
pub static TOKEN_NOT_REQUIRED_B: Fault = fault(
    "token-not-required-b",
    "The gateway checks tokens that are there and demands none",
    &[Change::Delete(DENY_POLICY)],
)
.only(B);

/// Nobody asks oauth2-proxy.
pub static SESSION_NOT_ASKED_B: Fault = fault(
    "session-not-asked-b",
    "The policy that makes the gateway ask oauth2-proxy is gone",
    &[Change::Delete(CUSTOM_POLICY)],
)
.only(B);

const WITHOUT_DEX: &str =
    r#"[{"op": "replace", "path": "/spec/rules/0/to/0/operation/notPaths", "value": ["/oauth2/*"]}]"#;
const WITH_PIPELINES: &str =
    r#"[{"op": "add", "path": "/spec/rules/0/to/0/operation/notPaths/-", "value": "/pipeline/*"}]"#;
const WITH_HEALTH: &str = r#"[{"op": "add", "path": "/spec/rules/0/to/0/operation/notPaths/-", "value": "*/healthz"}]"#;
const WITH_NOTEBOOKS: &str =
    r#"[{"op": "add", "path": "/spec/rules/0/to/0/operation/notPaths/-", "value": "/notebook/*"}]"#;

/// The login itself asks for a login.
pub static DEX_BEHIND_LOGIN_A: Fault = fault(
    "dex-behind-login-a",
    "authservice does not leave Dex's path open",
    &[Change::Merge(AUTHSERVICE_CONFIG, r#"{"data":{"SKIP_AUTH_URLS":"/no-such-path"}}"#), restart(AUTHSERVICE)],
)
.only(A);

/// The login itself asks for a login.
pub static DEX_BEHIND_LOGIN_B: Fault = fault(
    "dex-behind-login-b",
    "The gateway's policies do not leave Dex's path open",
    &[Change::Patch(CUSTOM_POLICY, WITHOUT_DEX), Change::Patch(DENY_POLICY, WITHOUT_DEX)],
)
.only(B);

/// One application needs no login.
pub static PIPELINES_LEFT_OPEN_B: Fault = fault(
    "pipelines-left-open-b",
    "The gateway's policies leave Pipelines' path out",
    &[Change::Patch(CUSTOM_POLICY, WITH_PIPELINES), Change::Patch(DENY_POLICY, WITH_PIPELINES)],
)
.only(B);

/// What ends in healthz needs no login.
pub static HEALTH_PATHS_LEFT_OPEN_B: Fault = fault(
    "health-paths-left-open-b",
    "The gateway's policies leave out every path that ends in /healthz",
    &[Change::Patch(CUSTOM_POLICY, WITH_HEALTH), Change::Patch(DENY_POLICY, WITH_HEALTH)],
)
.only(B);

/// Notebooks need no login.
pub static NOTEBOOKS_LEFT_OPEN_A: Fault = fault(
    "notebooks-left-open-a",
    "authservice lets everybody onto the paths of notebooks",
    &[Change::Merge(AUTHSERVICE_CONFIG, r#"{"data":{"SKIP_AUTH_URLS":"/dex,/notebook/"}}"#), restart(AUTHSERVICE)],
)
.only(A);

/// Notebooks need no login.
pub static NOTEBOOKS_LEFT_OPEN_B: Fault = fault(
    "notebooks-left-open-b",
    "The gateway's policies leave the paths of notebooks out",
    &[Change::Patch(CUSTOM_POLICY, WITH_NOTEBOOKS), Change::Patch(DENY_POLICY, WITH_NOTEBOOKS)],
)
.only(B);
