//! Whom an application saw: four of them say it in their answers.

use clusters::versions::Contract;
use harness::http::{Answer, RequestBuilder};
use harness::{Checked, Ctx, Stop};
use serde_json::Value;

use crate::applications::owner;
use crate::gateway::diagnose::{Cause, blame, gate};
use crate::objects::{self, CONFIG_MAP, DEPLOYMENT, ENVOY_FILTER, REQUEST_AUTHENTICATION};
use crate::recognise::{Answered, who};
use crate::stand_in::witness;

/// Where the dashboard says whom it sees.
pub const DASHBOARD: &str = "/api/workgroup/env-info";
/// Where the web apps say whom they see.
pub const WEB_APPS: &[&str] = &["/jupyter/info", "/volumes/info", "/tensorboards/info"];
/// Whom the dashboard sees if nobody tells it.
const ANONYMOUS: &str = "anonymous@kubeflow.org";

/// What oidc-authservice takes an identity from, and where it looks for it, unless it is told otherwise.
const AUTHSERVICE_SETTINGS: [(&str, &str); 3] =
    [("USERID_CLAIM", "email"), ("AUTH_HEADER", "Authorization"), ("ID_TOKEN_HEADER", "Authorization")];

/// Whom an application saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A user, by the identity header's value.
    User(String),
    /// It was asked, and saw nobody.
    Nobody,
    /// The gateway refused: no application was asked.
    Refused,
    /// An application answered, and did not say whom it saw.
    Silent(String),
    /// Nobody answered who could say it: a gateway that cannot ask or reach, a program that fails.
    Unclear(String),
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => write!(f, "the application sees {user}"),
            Self::Nobody => write!(f, "the application is asked, and sees nobody"),
            Self::Refused => write!(f, "the request is refused"),
            Self::Silent(what) | Self::Unclear(what) => write!(f, "answered: {what}"),
        }
    }
}

/// Whom the application behind [`DASHBOARD`] or one of [`WEB_APPS`] saw; a stand-in in its place says it by the header.
#[must_use]
pub fn seen(cx: &Ctx, answer: &Answer) -> Seen {
    let answered = who(answer);
    if answered.is_refusal() {
        return Seen::Refused;
    }
    if let Some(stand_in) = witness(cx, answer) {
        return stand_in.header(cx.version().auth().identity.header).map_or(Seen::Nobody, Seen::User);
    }
    if let Answered::WebApp { user, .. } = answered {
        return user.map_or(Seen::Nobody, Seen::User);
    }
    let user = answer.json().and_then(|json| Some(json.get("user")?.as_str()?.to_owned()));
    match user {
        Some(user) if user == ANONYMOUS => Seen::Nobody,
        Some(user) if answer.status.is_success() => Seen::User(user),
        _ if answered.is_application() => Seen::Silent(format!("{answered} ({})", answer.summary())),
        _ => Seen::Unclear(format!("{answered} ({})", answer.summary())),
    }
}

/// Sends a request, and fails unless the application sees `wanted`.
pub async fn expect_seen(cx: &Ctx, request: RequestBuilder<'_>, what: &str, wanted: &Seen) -> Checked<Answer> {
    let answer = request.send().await?;
    let actual = seen(cx, &answer);
    if actual == *wanted {
        return Ok(answer);
    }
    Err(differs(cx, &answer, what, wanted, &actual).await)
}

/// The failure of an application that saw somebody else. Where nobody could say it, the check could not tell.
pub async fn differs(cx: &Ctx, answer: &Answer, what: &str, wanted: &Seen, actual: &Seen) -> Stop {
    if let Seen::Unclear(answered) = actual {
        return Stop::errored("precondition", format!("{} ({what}) was answered by {answered}", answer.at()))
            .fix("see which of the gateway's and the login's checks failed: this one builds on them");
    }
    let stop = Stop::failed(format!("{wanted} ({what})"), actual.to_string()).at(answer.at());
    blame(stop, told(cx, answer.url.path()).await)
}

/// What keeps the application behind a path from knowing who asks: the gateway, or its own settings.
async fn told(cx: &Ctx, path: &str) -> Checked<Option<Cause>> {
    if let Some(cause) = cause(cx).await? {
        return Ok(Some(cause));
    }
    let Some(entry) = owner(cx.version(), path) else { return Ok(None) };
    let wanted = cx.version().auth().identity.header;
    let deployment = objects::get(cx, DEPLOYMENT, entry.namespace, entry.deployment).await?;
    let header = deployment.as_ref().and_then(|deployment| objects::variable(deployment, "USERID_HEADER"));
    Ok(header.filter(|header| !header.eq_ignore_ascii_case(wanted)).map(|header| {
        let place = format!("{}/{}", entry.namespace, entry.deployment);
        Cause::new(
            format!("Deployment {place} reads the user from the header {header}, which the gateway does not set"),
            format!("kubectl -n {} set env deployment/{} USERID_HEADER={wanted}", entry.namespace, entry.deployment),
        )
    }))
}

/// What keeps the gateway from telling the applications who asks.
pub async fn cause(cx: &Ctx) -> Checked<Option<Cause>> {
    if let Some(cause) = gate(cx).await? {
        return Ok(Some(cause));
    }
    let header = cx.version().auth().identity.header;
    match cx.contract() {
        Contract::A => {
            let filter = objects::get(cx, ENVOY_FILTER, "istio-system", "authn-filter").await?;
            let copied = filter.is_some_and(|filter| {
                let authorization =
                    "/spec/configPatches/0/patch/value/typed_config/http_service/authorization_response";
                filter.data.pointer(authorization).is_some_and(|rules| rules.to_string().contains(header))
            });
            if !copied {
                return Ok(Some(Cause::new(
                    format!("EnvoyFilter istio-system/authn-filter does not take {header} over from authservice"),
                    format!("add {header} to allowed_upstream_headers"),
                )));
            }
            let config = objects::get(cx, CONFIG_MAP, "istio-system", "oidc-authservice-parameters").await?;
            let data = config.map(|config| config.data["data"].clone()).unwrap_or_default();
            let other = AUTHSERVICE_SETTINGS.iter().find_map(|(name, shipped)| {
                let value = data[*name].as_str().filter(|value| !value.eq_ignore_ascii_case(shipped))?;
                Some((name, value.to_owned(), shipped))
            });
            Ok(other.map(|(name, value, shipped)| {
                Cause::new(
                    format!("ConfigMap istio-system/oidc-authservice-parameters sets {name} to {value}"),
                    format!("set it to {shipped}"),
                )
            }))
        }
        Contract::B => {
            let rules = objects::get(cx, REQUEST_AUTHENTICATION, "istio-system", "dex-jwt").await?;
            let rules = rules.map(|rules| rules.data).unwrap_or_default();
            let copies = objects::items(&rules, "/spec/jwtRules/0/outputClaimToHeaders");
            let claim = copies.iter().find(|copy| copy["header"] == header).and_then(|copy| copy["claim"].as_str());
            let audiences = objects::items(&rules, "/spec/jwtRules/0/audiences");
            Ok(match claim {
                _ if !audiences.is_empty() => Some(Cause::new(
                    format!("RequestAuthentication istio-system/dex-jwt wants the audience {}", Value::from(audiences)),
                    "remove audiences, or add the gateway's client",
                )),
                Some("email") => None,
                Some(claim) => Some(Cause::new(
                    format!("RequestAuthentication istio-system/dex-jwt copies the claim {claim} to {header}"),
                    "copy the claim email",
                )),
                None => Some(Cause::new(
                    format!("RequestAuthentication istio-system/dex-jwt copies no claim to {header}"),
                    "restore outputClaimToHeaders",
                )),
            })
        }
    }
}
