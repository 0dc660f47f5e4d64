//! Tokens of Kubernetes service accounts: how programs inside the cluster come in, where the release lets them.

use clusters::versions::Contract;
use clusters::versions::credentials::DEFAULT_PROFILE;
use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use http::Method;

use super::seen::{DASHBOARD, Seen, differs, seen};
use crate::accounts::EDITOR as ACCOUNT;
use crate::accounts::token::{self, Wanted};
use crate::faults::{gate, identity as faults};
use crate::objects::{self, PROFILE, REQUEST_AUTHENTICATION};
use crate::tenants;

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "IDN-040",
    "A service account's token is worth what the release promises",
    Level::Must,
    source("kubeflow/manifests", "common/oauth2-proxy/overlays/m2m-*; authservice: kubernetesAuthenticator"),
    |cx| Box::pin(service_account(cx)),
)
.explain(Explain {
    what: "Tokens of a profile's service account default-editor are asked for (nothing is created), with the \
               audience of the API and, in v1.8, with the gateway's. v1.8 takes the second only, as \
               system:serviceaccount:…; v1.9 and later refuse, unless a RequestAuthentication for the cluster's issuer \
               is installed.",
    why: "A token that was made for the API must not open the gateway, and a pipeline that comes in as its service \
              account must be seen as that.",
    fix: "v1.8: look for a program in place of authservice. v1.9 and later: the overlays m2m-dex-and-kind and \
              m2m-dex-and-eks install the RequestAuthentication.",
    reproduce: "curl -s -i -H \"authorization: Bearer $(kubectl -n kubeflow-user-example-com create token \
                    default-editor)\" \"$GATEWAY/api/workgroup/env-info\"",
})
.profiles(SECURITY)
.after(&["AUT-001"])
.breaks_on(&[&gate::REMOVED_A, &faults::AUDIENCE_UNCHECKED_A, &gate::TOKENS_UNCHECKED_B])];

/// The default profile's namespace, or that of any profile.
async fn profile_namespace(cx: &Ctx) -> Checked<String> {
    let mut profiles = objects::all(cx, PROFILE).await?;
    profiles.sort_by_key(|profile| (objects::name(profile) != DEFAULT_PROFILE, !tenants::stays(profile)));
    profiles.first().map(|profile| objects::name(profile).to_owned()).ok_or_else(|| Stop::absent("Profile"))
}

/// Whether the gateway is told of another issuer than Dex.
async fn other_issuers(cx: &Ctx) -> Checked<bool> {
    let rules = objects::within(cx, REQUEST_AUTHENTICATION, "istio-system").await?;
    Ok(rules.iter().any(|rules| objects::name(rules) != "dex-jwt"))
}

async fn service_account(cx: &Ctx) -> Checked {
    let namespace = profile_namespace(cx).await?;
    let account = Seen::User(format!("system:serviceaccount:{namespace}:{ACCOUNT}"));
    let promised = cx.version().auth().tokens.service_account_audience;
    let overlay = cx.contract() == Contract::B && other_issuers(cx).await?;
    let plain = if overlay { account.clone() } else { Seen::Refused };
    let mut tries = vec![("a service account's token for the API", None, plain)];
    if promised.is_some() {
        tries.push(("a service account's token for the gateway", promised, account));
    }
    for (what, audience, wanted) in tries {
        let token = Wanted { namespace: &namespace, account: ACCOUNT, audience, secret: None };
        let token = token::ask(cx, token).await?;
        let answer = cx.browser().request(Method::GET, DASHBOARD).bearer(&token).send().await?;
        let actual = seen(cx, &answer);
        if actual != wanted {
            return Err(differs(cx, &answer, what, &wanted, &actual).await);
        }
    }
    if overlay {
        cx.finding(
            Severity::Medium,
            "Any service account's token opens the gateway, whatever it was made for",
            "The RequestAuthentication for the cluster's issuer has no audiences. The overlay ships it so.",
        );
    }
    Ok(())
}
