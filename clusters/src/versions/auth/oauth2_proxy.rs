//! Contract B: oauth2-proxy.

use super::super::{Contract, Object};
use super::{
    AUTHORIZATION_POLICY, Anonymous, Auth, CLIENT_ID, DAY, DEPLOYMENT, DEX_ISSUER, Entry, GuardDown, Identity, Login,
    Logout, LogoutCredential, REQUEST_AUTHENTICATION, Refusal, SERVICE, SessionCookie, TokenRefusal, Tokens, UNTRUSTED,
    VIRTUAL_SERVICE, object,
};

const OAUTH2_PROXY_WORKLOAD: Object = object("apps/v1", DEPLOYMENT, "oauth2-proxy", "oauth2-proxy");
const OAUTH2_PROXY_SERVICE: Object = object("v1", SERVICE, "oauth2-proxy", "oauth2-proxy");
const OAUTH2_PROXY_POLICY: Object =
    object("security.istio.io/v1beta1", AUTHORIZATION_POLICY, "istio-system", "istio-ingressgateway-oauth2-proxy");

/// Contract B.
pub static OAUTH2_PROXY: Auth = Auth {
    contract: Contract::B,
    guard: "oauth2-proxy",
    workload: OAUTH2_PROXY_WORKLOAD,
    service: OAUTH2_PROXY_SERVICE,
    gate: OAUTH2_PROXY_POLICY,
    objects: &[
        OAUTH2_PROXY_POLICY,
        object("security.istio.io/v1beta1", AUTHORIZATION_POLICY, "istio-system", "istio-ingressgateway-require-jwt"),
        object("security.istio.io/v1beta1", REQUEST_AUTHENTICATION, "istio-system", "dex-jwt"),
        object("networking.istio.io/v1alpha3", VIRTUAL_SERVICE, "oauth2-proxy", "oauth2-proxy"),
        OAUTH2_PROXY_WORKLOAD,
        OAUTH2_PROXY_SERVICE,
    ],
    login: Login {
        entry: Entry::Start { path: "/oauth2/start", target: "rd" },
        authorize: "/dex/auth",
        form: "/dex/auth/local/login",
        fields: ("login", "password"),
        granted: 303,
        refused: 401,
        client_id: CLIENT_ID,
        scope: "profile email groups openid",
        pkce: true,
        callback: "/oauth2/callback",
        completed: 302,
        state_cookie: "oauth2_proxy_kubeflow_csrf",
        without_state_cookie: &[403],
        // 403 for a changed nonce; 500 if the cookie is another login's, whose PKCE verifier Dex refuses.
        with_wrong_state: &[403, 500],
        // 7.7.1 decodes the state first and says 500; 7.6.0 says 403 if the cookie is missing too.
        without_state: &[403, 500],
        with_bad_code: &[500],
    },
    session: SessionCookie {
        name: "oauth2_proxy_kubeflow",
        split: true,
        http_only: true,
        secure: false,
        same_site: None,
        lifetime: DAY,
        server_side: false,
    },
    anonymous: Anonymous {
        page: Refusal::SignInPage { status: 403, action: "/oauth2/start" },
        api: Refusal::Json { status: 401, body: "{}" },
        api_contains: &["/api/", "/apis/"],
        api_starts: &["/ml_metadata"],
        open: &["/dex/", "/oauth2/"],
        never: &["/ping", "/ready", "/robots.txt"],
        options_pass: false,
    },
    logout: Logout {
        path: "/oauth2/sign_out",
        method: "GET",
        credential: LogoutCredential::Cookie,
        status: 302,
        ends_session: false,
        by_get: true,
    },
    identity: Identity {
        header: "kubeflow-userid",
        groups_header: "kubeflow-groups",
        header_passes_on: &[],
        groups_pass: false,
        forwards_token: true,
        untrusted: UNTRUSTED,
    },
    tokens: Tokens {
        issuers: &[DEX_ISSUER],
        audience: None,
        service_account_audience: None,
        bad_bearer: TokenRefusal { status: 401, www_authenticate: true },
        not_bearer: TokenRefusal { status: 403, www_authenticate: false },
        cookie_wins: false,
        skew: 60,
        without_expiry: true,
    },
    guard_down: GuardDown { status: 403, dex_answers: true },
};
