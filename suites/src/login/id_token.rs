//! An ID token of the run's user, asked of Dex as the gateway's guard asks for one: a code by the login form, redeemed
//! with the client's secret.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use harness::fixtures::Fixture;
use harness::http::{Answer, Session};
use harness::{Checked, Ctx, Stop};
use http::Method;
use serde_json::Value;

use super::flow::parameter;
use super::settings::{self, Client};
use super::steps::submit;

/// One ID token of the run's user, and what is in it.
pub struct IdToken {
    /// The token. It is a secret.
    pub token: String,
    /// Its header.
    pub header: Value,
    /// Its claims.
    pub claims: Value,
}

impl Fixture for IdToken {
    const NAME: &'static str = "ID token of the run's user";
    const WITHIN: Duration = Duration::from_secs(25);

    async fn make(cx: Ctx) -> Checked<Self> {
        let client = known_client(&cx).await?;
        let session = cx.browser();
        let code = code(&cx, &session, &client).await?;
        let answer = redeem(&cx, &session, &client.id, Some(&client.secret), &code).await?;
        let token = answer.json().and_then(|json| Some(json.get("id_token")?.as_str()?.to_owned()));
        let Some(token) = token else {
            let message = format!("Dex redeemed no ID token: {} to {}", answer.summary(), answer.at());
            return Err(Stop::errored("precondition", message));
        };
        cx.secret(&token);
        let Some((header, claims)) = decoded(&token) else {
            return Err(Stop::errored("precondition", "what Dex calls an ID token is no signed JWT"));
        };
        Ok(Self { token, header, claims })
    }
}

/// The client as Dex knows it; without reading rights there is none to ask in the name of.
pub async fn known_client(cx: &Ctx) -> Checked<Client> {
    settings::at_dex(cx).await?.ok_or_else(|| Stop::absent("Secret auth/dex-oidc-client with the OIDC client"))
}

/// A code for the client, by the login form. It is not redeemed yet.
pub async fn code(cx: &Ctx, session: &Session, client: &Client) -> Checked<String> {
    let login = &cx.version().auth().login;
    let answer = submit_at(cx, session, client, login.callback).await?;
    let code = answer.location().and_then(|to| parameter(&to, "code"));
    code.ok_or_else(|| Stop::errored("precondition", format!("Dex granted no code: {}", answer.summary())))
}

async fn submit_at(cx: &Ctx, session: &Session, client: &Client, callback: &str) -> Checked<Answer> {
    let page = form_for(cx, session, client, callback).await?;
    submit(cx, session, &page, &cx.user().email, &cx.user().password).await
}

/// Dex's answer to a client that wants its login sent to `callback`: its form, if it agrees.
pub async fn form_for(cx: &Ctx, session: &Session, client: &Client, callback: &str) -> Checked<Answer> {
    let login = &cx.version().auth().login;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &client.id)
        .append_pair("redirect_uri", callback)
        .append_pair("response_type", "code")
        .append_pair("scope", "openid profile email groups")
        .append_pair("state", &format!("conformance-{}", cx.environment().run_id))
        .finish();
    let mut answer = session.get(&format!("{}?{query}", login.authorize)).await?;
    // Two redirects: to the connector, and to its form.
    for _ in 0..4 {
        let Some(next) = answer.location().filter(|next| answer.redirects() && next.path().starts_with("/dex/")) else {
            break;
        };
        answer = session.get(next.as_str()).await?;
    }
    Ok(answer)
}

/// Dex's answer to a code that is redeemed.
pub async fn redeem(cx: &Ctx, session: &Session, id: &str, secret: Option<&str>, code: &str) -> Checked<Answer> {
    let callback = cx.version().auth().login.callback;
    let mut form =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", callback), ("client_id", id)];
    form.extend(secret.map(|secret| ("client_secret", secret)));
    session.request(Method::POST, "/dex/token").form(&form).send().await
}

/// Header and claims of a signed token, not verified.
#[must_use]
pub fn decoded(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let mut json = || serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok();
    Some((json()?, json()?))
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn a_token_is_taken_apart() {
        let (header, claims) = decoded("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.x").unwrap();
        assert_eq!((header["alg"].as_str(), claims["a"].as_i64()), (Some("none"), Some(1)));
        for bad in ["", "a", "a.b.c", "..", "eyJhbGciOiJub25lIn0"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
