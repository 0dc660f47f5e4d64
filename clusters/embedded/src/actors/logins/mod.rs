//! Tests that drive Dex, oauth2-proxy and oidc-authservice by calling the actors directly.

mod authservice;
mod browser;
mod dex;
mod hostile;
mod oauth2_proxy;
mod stage;
