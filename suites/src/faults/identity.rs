//! Faults that the checks of the suite `identity` must notice.

use clusters::versions::Contract;
use harness::fault::fault;
use harness::{Change, Fault};

use super::{AUTHSERVICE, AUTHSERVICE_CONFIG, ENVOY_GATE, TOKEN_RULES, deployment, restart};

const A: &[Contract] = &[Contract::A];
const B: &[Contract] = &[Contract::B];

/// Nobody tells the applications who asks.
pub static NOT_COPIED_A: Fault = fault(
    "identity-not-copied-a",
    "The gateway takes no identity header over from authservice",
    &[Change::Patch(
        ENVOY_GATE,
        r#"[{"op": "replace", "path": "/spec/configPatches/0/patch/value/typed_config/http_service/authorization_response/allowed_upstream_headers/patterns",
             "value": [{"exact": "x-userid"}]}]"#,
    )],
)
.only(A);

/// Nobody tells the applications who asks.
pub static NOT_COPIED_B: Fault = fault(
    "identity-not-copied-b",
    "The gateway copies no claim of the token into a header",
    &[Change::Patch(TOKEN_RULES, r#"[{"op": "remove", "path": "/spec/jwtRules/0/outputClaimToHeaders"}]"#)],
)
.only(B);

/// The applications are told something else than the address.
pub static BY_NAME_A: Fault = fault(
    "identity-by-name-a",
    "authservice names users by their name, not by their e-mail address",
    &[Change::Merge(AUTHSERVICE_CONFIG, r#"{"data":{"USERID_CLAIM":"name"}}"#), restart(AUTHSERVICE)],
)
.only(A);

/// The applications are told something else than the address.
pub static BY_SUBJECT_B: Fault = fault(
    "identity-by-subject-b",
    "The gateway names users by their subject, not by their e-mail address",
    &[Change::Patch(
        TOKEN_RULES,
        r#"[{"op": "replace", "path": "/spec/jwtRules/0/outputClaimToHeaders/0/claim", "value": "sub"}]"#,
    )],
)
.only(B);

/// The dashboard looks at another header.
pub static DASHBOARD_HEADER_RENAMED: Fault = fault(
    "dashboard-header-renamed",
    "The dashboard reads the identity from a header that nobody sets",
    // The last of two variables of a name counts, so this works wherever the first one stands.
    &[Change::Patch(
        deployment("kubeflow", "centraldashboard"),
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "USERID_HEADER", "value": "x-forwarded-email"}}]"#,
    )],
);

/// The Jupyter web app looks at another header.
pub static JUPYTER_HEADER_RENAMED: Fault = fault(
    "jupyter-header-renamed",
    "The Jupyter web app reads the identity from a header that clients set",
    &[Change::Patch(
        deployment("kubeflow", "jupyter-web-app-deployment"),
        r#"[{"op": "add", "path": "/spec/template/spec/containers/0/env/-",
             "value": {"name": "USERID_HEADER", "value": "x-forwarded-email"}}]"#,
    )],
);

/// Good tokens are refused.
pub static AUDIENCE_UNKNOWN_B: Fault = fault(
    "audience-unknown-b",
    "The gateway wants an audience that no token has",
    &[Change::Patch(
        TOKEN_RULES,
        r#"[{"op": "add", "path": "/spec/jwtRules/0/audiences", "value": ["another-client"]}]"#,
    )],
)
.only(B);

/// Tokens never end.
pub static EXPIRY_UNCHECKED: Fault = fault(
    "token-expiry-unchecked",
    "Tokens that have ended are taken for good",
    &[Change::Switch("token-expiry-unchecked")],
);

/// Tokens for others are taken.
pub static AUDIENCE_UNCHECKED_A: Fault = fault(
    "token-audience-unchecked-a",
    "authservice takes tokens that are meant for others",
    &[Change::Switch("token-audience-unchecked")],
)
.only(A);
