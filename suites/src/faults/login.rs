//! Faults that the checks of the suite `login` must notice.

use clusters::versions::Contract;
use harness::fault::{Ref, fault, object};
use harness::{Change, Fault};

use super::{AUTHSERVICE, AUTHSERVICE_CONFIG, DEX, DEX_CONFIG, PROXY, PROXY_CONFIG, PROXY_SECRET, restart};

const A: &[Contract] = &[Contract::A];
const B: &[Contract] = &[Contract::B];

const AUTHSERVICE_CLIENT: Ref = object("v1", "Secret", "istio-system", "oidc-authservice-client");
const DEX_CLIENT: Ref = object("v1", "Secret", "auth", "dex-oidc-client");
const DEX_PASSWORDS: Ref = object("v1", "Secret", "auth", "dex-passwords");
const MESH_CONFIG: Ref = object("v1", "ConfigMap", "istio-system", "istio");
const NO_REPLICAS: &str = r#"{"spec":{"replicas":0}}"#;

const fn dex_setting(find: &'static str, put: &'static str) -> Change {
    Change::Replace { object: DEX_CONFIG, key: "config.yaml", find, put }
}

const fn proxy_setting(find: &'static str, put: &'static str) -> Change {
    Change::Replace { object: PROXY_CONFIG, key: "oauth2_proxy.cfg", find, put }
}

/// The guard has no pod.
pub static GUARD_STOPPED_A: Fault =
    fault("guard-stopped-a", "authservice is scaled to zero", &[Change::Merge(AUTHSERVICE, NO_REPLICAS)]).only(A);

/// The guard has no pod.
pub static GUARD_STOPPED_B: Fault =
    fault("guard-stopped-b", "oauth2-proxy is scaled to zero", &[Change::Merge(PROXY, NO_REPLICAS)]).only(B);

/// The gateway asks at the wrong address.
pub static PROVIDER_MISSPELT_B: Fault = fault(
    "provider-misspelt-b",
    "The extension provider in MeshConfig leads to a Service that does not exist",
    &[Change::Replace {
        object: MESH_CONFIG,
        key: "mesh",
        find: "oauth2-proxy.oauth2-proxy.svc.cluster.local",
        put: "oauth2-proxy.kubeflow.svc.cluster.local",
    }],
)
.only(B);

/// Programs get the page that people get.
pub static API_ROUTES_LOST_B: Fault = fault(
    "api-routes-lost-b",
    "oauth2-proxy does not know which paths are APIs",
    &[proxy_setting("\"/api/\",", "\"/no-such-api/\","), restart(PROXY)],
)
.only(B);

/// Dex does not know who asks.
pub static CLIENT_ID_CHANGED_A: Fault = fault(
    "client-id-changed-a",
    "authservice goes by a client id that Dex does not know",
    &[Change::Merge(AUTHSERVICE_CLIENT, r#"{"stringData":{"CLIENT_ID":"another-client"}}"#), restart(AUTHSERVICE)],
)
.only(A);

/// Dex does not know who asks.
pub static CLIENT_ID_CHANGED_B: Fault = fault(
    "client-id-changed-b",
    "oauth2-proxy goes by a client id that Dex does not know",
    &[Change::Merge(PROXY_SECRET, r#"{"stringData":{"client-id":"another-client"}}"#), restart(PROXY)],
)
.only(B);

/// The guard's secret is not Dex's.
pub static CLIENT_SECRET_CHANGED_A: Fault = fault(
    "client-secret-changed-a",
    "authservice's client secret is not the one that Dex knows",
    &[
        Change::Merge(AUTHSERVICE_CLIENT, r#"{"stringData":{"CLIENT_SECRET":"another-secret-of-the-client"}}"#),
        restart(AUTHSERVICE),
    ],
)
.only(A);

/// The guard's secret is not Dex's.
pub static CLIENT_SECRET_CHANGED_B: Fault = fault(
    "client-secret-changed-b",
    "oauth2-proxy's client secret is not the one that Dex knows",
    &[
        Change::Merge(PROXY_SECRET, r#"{"stringData":{"client-secret":"another-secret-of-the-client"}}"#),
        restart(PROXY),
    ],
)
.only(B);

/// A client secret that can be guessed, on both sides.
pub static CLIENT_SECRET_SHORT_A: Fault = fault(
    "client-secret-short-a",
    "The OIDC client's secret is a word",
    &[
        Change::Merge(DEX_CLIENT, r#"{"stringData":{"OIDC_CLIENT_SECRET":"kubeflow"}}"#),
        Change::Merge(AUTHSERVICE_CLIENT, r#"{"stringData":{"CLIENT_SECRET":"kubeflow"}}"#),
        restart(DEX),
        restart(AUTHSERVICE),
    ],
)
.only(A);

/// A client secret that can be guessed, on both sides.
pub static CLIENT_SECRET_SHORT_B: Fault = fault(
    "client-secret-short-b",
    "The OIDC client's secret is a word",
    &[
        Change::Merge(DEX_CLIENT, r#"{"stringData":{"OIDC_CLIENT_SECRET":"kubeflow"}}"#),
        Change::Merge(PROXY_SECRET, r#"{"stringData":{"client-secret":"kubeflow"}}"#),
        restart(DEX),
        restart(PROXY),
    ],
)
.only(B);

/// Codes are redeemed without a secret.
pub static CLIENT_PUBLIC: Fault = fault(
    "client-public",
    "Dex's client of the gateway is a public one, without a secret",
    &[dex_setting("secretEnv: OIDC_CLIENT_SECRET", "public: true"), restart(DEX)],
);

/// The challenge is lost.
pub static PKCE_LOST_B: Fault = fault(
    "pkce-lost-b",
    "oauth2-proxy sends no PKCE challenge",
    &[proxy_setting("code_challenge_method = \"S256\"", "code_challenge_method = \"\""), restart(PROXY)],
)
.only(B);

/// Dex has no pod.
pub static DEX_STOPPED: Fault = fault("dex-stopped", "Dex is scaled to zero", &[Change::Merge(DEX, NO_REPLICAS)]);

/// Browsers are sent to an address that only pods can reach.
pub static LOGIN_ADDRESS_INTERNAL_A: Fault = fault(
    "login-address-internal-a",
    "authservice sends browsers to Dex's address inside the cluster",
    &[
        Change::Merge(
            AUTHSERVICE_CONFIG,
            r#"{"data":{"OIDC_AUTH_URL":"http://dex.auth.svc.cluster.local:5556/dex/auth"}}"#,
        ),
        restart(AUTHSERVICE),
    ],
)
.only(A);

/// Browsers are sent to an address that only pods can reach.
pub static LOGIN_ADDRESS_INTERNAL_B: Fault = fault(
    "login-address-internal-b",
    "oauth2-proxy sends browsers to Dex's address inside the cluster",
    &[
        proxy_setting("login_url = \"/dex/auth\"", "login_url = \"http://dex.auth.svc.cluster.local:5556/dex/auth\""),
        restart(PROXY),
    ],
)
.only(B);

/// Dex does not know the callback.
pub static CALLBACK_UNREGISTERED_A: Fault = fault(
    "callback-unregistered-a",
    "Dex's client has the callback of another release",
    &[dex_setting("/authservice/oidc/callback", "/oauth2/callback"), restart(DEX)],
)
.only(A);

/// Dex does not know the callback.
pub static CALLBACK_UNREGISTERED_B: Fault = fault(
    "callback-unregistered-b",
    "Dex's client has the callback of another release",
    &[dex_setting("/oauth2/callback", "/authservice/oidc/callback"), restart(DEX)],
)
.only(B);

/// Codes go to somebody else.
pub static CALLBACK_ELSEWHERE: Fault = fault(
    "callback-elsewhere",
    "Dex's client has a callback on another site",
    &[dex_setting("redirectURIs: [", "redirectURIs: [\"https://conformance.example.org/callback\", "), restart(DEX)],
);

/// Tokens name an issuer that nobody expects.
pub static ISSUER_CHANGED: Fault = fault(
    "issuer-changed",
    "Dex goes by a shorter name than the one that the gateway expects",
    &[
        dex_setting("issuer: http://dex.auth.svc.cluster.local:5556/dex", "issuer: http://dex.auth.svc:5556/dex"),
        restart(DEX),
    ],
);

/// The user is another one.
pub static PASSWORD_CHANGED_A: Fault = fault(
    "password-changed-a",
    "Dex does not know the user",
    &[dex_setting("email: user@example.com", "email: somebody@example.com"), restart(DEX)],
)
.only(A);

/// The user's password is another one.
pub static PASSWORD_CHANGED_B: Fault = fault(
    "password-changed-b",
    "Dex knows the user by another password",
    &[
        Change::Merge(
            DEX_PASSWORDS,
            r#"{"stringData":{"DEX_USER_PASSWORD":"$2b$10$z2YjbrstZIENVIVh2kmAEOplXAG1tpX8uxHxXfjHPMb0C0uJjMP9K"}}"#,
        ),
        restart(DEX),
    ],
)
.only(B);

/// Tokens end long before sessions do.
pub static TOKENS_SHORT: Fault = fault(
    "tokens-short",
    "Dex's tokens end after five minutes",
    &[dex_setting("enablePasswordDB: true", "expiry: {idTokens: 5m}\nenablePasswordDB: true"), restart(DEX)],
);

/// Passwords do not matter.
pub static ANY_PASSWORD: Fault = fault(
    "any-password",
    "Dex lets a known user in, whatever the password",
    &[Change::Switch("dex-accepts-any-password")],
);

/// Nobody is unknown.
pub static ANY_USER: Fault = fault("any-user", "Dex lets unknown users in", &[Change::Switch("dex-accepts-any-user")]);

/// A code is good twice.
pub static CODE_REUSABLE: Fault =
    fault("code-reusable", "A callback works more than once", &[Change::Switch("code-reusable")]);

/// Nobody compares the state.
pub static STATE_UNCHECKED: Fault = fault(
    "state-unchecked",
    "The guard's callback compares neither state nor state cookie",
    &[Change::Switch("state-unchecked")],
);

/// Nobody looks at the session.
pub static SESSION_UNCHECKED: Fault =
    fault("session-unchecked", "The guard takes any session cookie", &[Change::Switch("session-unchecked")]);

/// The page is forgotten.
pub static TARGET_FORGOTTEN: Fault =
    fault("login-forgets-target", "A login always leads to the dashboard", &[Change::Switch("login-forgets-target")]);

/// Logins lead to other sites.
pub static REDIRECTS_OPENED_B: Fault = fault(
    "redirects-opened-b",
    "oauth2-proxy redirects to another site",
    &[
        proxy_setting(
            "relative_redirect_url = true",
            "relative_redirect_url = true\nwhitelist_domains = [ \"conformance.example.org\" ]",
        ),
        restart(PROXY),
    ],
)
.only(B);

/// Scripts can read the cookies.
pub static COOKIES_READABLE_B: Fault = fault(
    "cookies-readable-b",
    "Scripts can read oauth2-proxy's cookies",
    &[
        proxy_setting(
            "cookie_name = \"oauth2_proxy_kubeflow\"",
            "cookie_name = \"oauth2_proxy_kubeflow\"\ncookie_httponly = false",
        ),
        restart(PROXY),
    ],
)
.only(B);

/// Sessions do not end.
pub static SESSIONS_LONG_A: Fault = fault(
    "sessions-long-a",
    "authservice's sessions last a year",
    &[Change::Merge(AUTHSERVICE_CONFIG, r#"{"data":{"SESSION_MAX_AGE":"31536000"}}"#), restart(AUTHSERVICE)],
)
.only(A);

/// Sessions outlive their tokens.
pub static SESSIONS_LONG_B: Fault = fault(
    "sessions-long-b",
    "oauth2-proxy's sessions last a week, the program's own default",
    &[proxy_setting("cookie_expire = \"24h\"", "cookie_expire = \"168h\""), restart(PROXY)],
)
.only(B);

/// Nobody can sign out.
pub static SIGN_OUT_UNHEARD_A: Fault = fault(
    "sign-out-unheard-a",
    "authservice looks for session ids and tokens in another header than Authorization",
    &[
        Change::Merge(
            AUTHSERVICE_CONFIG,
            r#"{"data":{"AUTH_HEADER":"x-auth-token","ID_TOKEN_HEADER":"x-auth-token"}}"#,
        ),
        restart(AUTHSERVICE),
    ],
)
.only(A);

/// Nobody can sign out.
pub static SIGN_OUT_DENIED_B: Fault = fault(
    "sign-out-denied-b",
    "A policy on the gateway denies the sign-out",
    &[Change::Create(
        r#"{"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "no-sign-out", "namespace": "istio-system"},
            "spec": {"action": "DENY", "selector": {"matchLabels": {"app": "istio-ingressgateway"}}, "rules": [
              {"to": [{"operation": {"paths": ["/oauth2/sign_out"]}}]}]}}"#,
    )],
)
.only(B);
