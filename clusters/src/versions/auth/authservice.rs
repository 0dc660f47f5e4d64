//! Contract A: oidc-authservice.

use super::super::{Contract, Object};
use super::{
    Anonymous, Auth, CLAIM, CLIENT_ID, DAY, DEX_ISSUER, ENVOY_FILTER, Entry, GuardDown, Identity, Login, Logout,
    LogoutCredential, Refusal, SERVICE, STATEFULSET, SessionCookie, TokenRefusal, Tokens, UNTRUSTED, object,
};

const AUTHSERVICE_WORKLOAD: Object = object("apps/v1", STATEFULSET, "istio-system", "oidc-authservice");
const AUTHSERVICE_SERVICE: Object = object("v1", SERVICE, "istio-system", "authservice");
const AUTHN_FILTER: Object = object("networking.istio.io/v1alpha3", ENVOY_FILTER, "istio-system", "authn-filter");

/// Contract A.
pub static AUTHSERVICE: Auth = Auth {
    contract: Contract::A,
    guard: "oidc-authservice",
    workload: AUTHSERVICE_WORKLOAD,
    service: AUTHSERVICE_SERVICE,
    gate: AUTHN_FILTER,
    objects: &[
        AUTHN_FILTER,
        AUTHSERVICE_WORKLOAD,
        AUTHSERVICE_SERVICE,
        object("v1", CLAIM, "istio-system", "authservice-pvc"),
        object("networking.istio.io/v1alpha3", ENVOY_FILTER, "istio-system", "x-forwarded-host"),
    ],
    login: Login {
        entry: Entry::AnyPath,
        authorize: "/dex/auth",
        form: "/dex/auth/local/login",
        fields: ("login", "password"),
        granted: 303,
        refused: 401,
        client_id: CLIENT_ID,
        scope: "openid profile email groups",
        pkce: false,
        callback: "/authservice/oidc/callback",
        completed: 302,
        state_cookie: "oidc_state_csrf",
        without_state_cookie: &[400],
        with_wrong_state: &[400],
        without_state: &[400],
        // The guard says 500, Envoy turns every 5xx of an ext_authz provider into 403.
        with_bad_code: &[403],
    },
    session: SessionCookie {
        name: "authservice_session",
        split: false,
        http_only: false,
        secure: false,
        same_site: Some("Lax"),
        lifetime: DAY,
        server_side: true,
    },
    anonymous: Anonymous {
        page: Refusal::Redirect { status: 302, to: "/dex/auth?" },
        api: Refusal::Redirect { status: 302, to: "/dex/auth?" },
        api_contains: &[],
        api_starts: &[],
        open: &["/dex", "/authservice/"],
        never: &[],
        options_pass: true,
    },
    logout: Logout {
        path: "/authservice/logout",
        method: "POST",
        credential: LogoutCredential::BearerSessionId,
        status: 201,
        ends_session: true,
        by_get: false,
    },
    identity: Identity {
        header: "kubeflow-userid",
        groups_header: "kubeflow-groups",
        header_passes_on: &["/dex", "/authservice/"],
        groups_pass: true,
        forwards_token: false,
        untrusted: UNTRUSTED,
    },
    tokens: Tokens {
        issuers: &[DEX_ISSUER],
        audience: Some(CLIENT_ID),
        service_account_audience: Some("istio-ingressgateway.istio-system.svc.cluster.local"),
        bad_bearer: TokenRefusal { status: 302, www_authenticate: false },
        not_bearer: TokenRefusal { status: 302, www_authenticate: false },
        cookie_wins: true,
        skew: 0,
        without_expiry: false,
    },
    guard_down: GuardDown { status: 403, dex_answers: false },
};
