//! `providerInfo`: another object store than the server's own, and the Secret with the keys to it. The server reads the
//! Secret with its own rights, whoever asks.
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/minio-helper.ts` (`parseS3ProviderInfo`); recorded exchanges. The real
//! server keeps what one caller said for the next, which is not played.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::artifacts::{Store, member};
use crate::access::{Attributes, UserInfo, authorize};
use crate::actors::Visit;
use crate::actors::object_store::Credentials;
use crate::store::Key;

/// The store that a description names; what it does not say is as the server's own.
pub(super) fn store(visit: &Visit, info: &str, namespace: Option<&str>, own: Store) -> Result<Store, String> {
    let info: Value = serde_json::from_str(info).map_err(|_| "Error: Failed to parse provider info.".to_owned())?;
    let Some(parameters) = info.get("Params") else {
        return Err("TypeError: Cannot read properties of undefined (reading 'fromEnv')".to_owned());
    };
    if member(parameters, "fromEnv") == Some("true") {
        return Ok(own);
    }
    let named = |name| member(parameters, name);
    let (Some(secret), Some(access), Some(key)) = (named("secretName"), named("accessKeyKey"), named("secretKeyKey"))
    else {
        return Err(
            "Error: Provider info with fromEnv:false supplied with incomplete secret credential info.".to_owned()
        );
    };
    let home = visit.as_caller().namespace;
    let namespace = match namespace {
        None => home.as_str(),
        Some("") => return Err("Error: Artifact Store provider given, but no namespace provided.".to_owned()),
        Some(namespace) => namespace,
    };
    let unread = || format!("Error: Encountered error when trying to fetch provider secret {secret}.");
    let value = |name| secret_value(visit, namespace, secret, name).ok_or_else(unread);
    let credentials = Credentials { access: value(access)?, secret: value(key)? };
    let Some(endpoint) = named("endpoint") else { return Ok(Store { credentials, ..own }) };
    let address = endpoint.split_once("://").map_or(endpoint, |(_, address)| address);
    let usual = if member(parameters, "disableSSL") == Some("true") { "80" } else { "443" };
    let (host, port) = address.split_once(':').unwrap_or((address, usual));
    Ok(Store { host: host.to_owned(), port: port.trim_end_matches('/').to_owned(), credentials })
}

fn secret_value(visit: &Visit, namespace: &str, secret: &str, name: &str) -> Option<String> {
    let caller = visit.as_caller();
    let own = UserInfo::service_account(&caller.namespace, &caller.service_account, "");
    if !authorize(&visit.world, &own, &Attributes::resource("get", "", "secrets", namespace, secret)) {
        return None;
    }
    let secret = visit.world.store.get(&Key::new("", "secrets", namespace, secret))?;
    let encoded = secret.get("data")?.get(name)?.as_str()?;
    String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()
}
