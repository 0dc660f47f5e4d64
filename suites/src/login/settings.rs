//! The login's settings as the cluster's objects hold them: the OIDC client on both sides, and Dex's configuration.

use clusters::versions::Contract;
use clusters::versions::auth::DEX_ISSUER;
use harness::{Checked, Ctx};
use kube::api::DynamicObject;

use crate::objects::{self, CONFIG_MAP, REQUEST_AUTHENTICATION, SECRET};

/// One side's idea of the OIDC client.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    /// Where it is set: kind, namespace and name.
    pub place: String,
    /// The client's id.
    pub id: String,
    /// The client's secret.
    pub secret: String,
}

/// The client as Dex knows it.
pub async fn at_dex(cx: &Ctx) -> Checked<Option<Client>> {
    let secret = objects::get(cx, SECRET, "auth", "dex-oidc-client").await?;
    Ok(secret.and_then(|secret| client(cx, &secret, "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")))
}

/// The client as the gateway's guard knows it.
pub async fn at_guard(cx: &Ctx) -> Checked<Option<Client>> {
    match cx.contract() {
        Contract::A => {
            let secret = objects::get(cx, SECRET, "istio-system", "oidc-authservice-client").await?;
            Ok(secret.and_then(|secret| client(cx, &secret, "CLIENT_ID", "CLIENT_SECRET")))
        }
        Contract::B => Ok(proxy_secret(cx).await?.and_then(|secret| client(cx, &secret, "client-id", "client-secret"))),
    }
}

/// The Secret of oauth2-proxy; kustomize ends its name with a hash.
pub async fn proxy_secret(cx: &Ctx) -> Checked<Option<DynamicObject>> {
    let secrets = objects::within(cx, SECRET, "oauth2-proxy").await?;
    Ok(secrets.into_iter().find(|secret| {
        objects::name(secret).starts_with("oauth2-proxy") && secret.data.pointer("/data/cookie-secret").is_some()
    }))
}

fn client(cx: &Ctx, secret: &DynamicObject, id: &str, value: &str) -> Option<Client> {
    let found = Client {
        place: format!("Secret {}", objects::place(secret)),
        id: objects::secret_value(secret, id)?.trim().to_owned(),
        secret: objects::secret_value(secret, value)?.trim().to_owned(),
    };
    cx.secret(&found.secret);
    Some(found)
}

/// Dex's configuration file.
pub async fn dex_config(cx: &Ctx) -> Checked<String> {
    let config = objects::get(cx, CONFIG_MAP, "auth", "dex").await?;
    Ok(config.as_ref().and_then(|config| objects::config_value(config, "config.yaml")).unwrap_or_default().to_owned())
}

/// The issuer that the gateway is configured for.
pub async fn expected_issuer(cx: &Ctx) -> Checked<String> {
    let configured = match cx.contract() {
        Contract::A => {
            let config = objects::get(cx, CONFIG_MAP, "istio-system", "oidc-authservice-parameters").await?;
            config.as_ref().and_then(|config| objects::config_value(config, "OIDC_PROVIDER")).map(str::to_owned)
        }
        Contract::B => {
            let rules = objects::get(cx, REQUEST_AUTHENTICATION, "istio-system", "dex-jwt").await?;
            rules.map(|rules| objects::text(&rules.data, "/spec/jwtRules/0/issuer").to_owned())
        }
    };
    Ok(configured.filter(|issuer| !issuer.is_empty()).unwrap_or_else(|| DEX_ISSUER.to_owned()))
}
