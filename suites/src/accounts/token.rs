//! Tokens of service accounts, asked for as a pod's kubelet asks; nothing is created.

use harness::{Checked, Ctx, Stop};
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;

/// The audience of Kubeflow Pipelines (kubeflow/pipelines `backend/src/apiserver/common/config.go`:
/// `TOKEN_REVIEW_AUDIENCE`).
pub const PIPELINES: &str = "pipelines.kubeflow.org";

/// What token is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The account's namespace.
    pub namespace: &'a str,
    /// The account.
    pub account: &'a str,
    /// Whom the token is for; the Kubernetes API unless said.
    pub audience: Option<&'a str>,
    /// The Secret with which it ends.
    pub secret: Option<&'a str>,
}

/// A token for the Kubernetes API.
pub async fn for_the_api(cx: &Ctx, namespace: &str, account: &str) -> Checked<String> {
    ask(cx, Wanted { namespace, account, audience: None, secret: None }).await
}

/// A token for Kubeflow Pipelines.
pub async fn for_pipelines(cx: &Ctx, namespace: &str, account: &str) -> Checked<String> {
    ask(cx, Wanted { namespace, account, audience: Some(PIPELINES), secret: None }).await
}

/// A token that lasts ten minutes, the shortest that Kubernetes gives.
pub async fn ask(cx: &Ctx, wanted: Wanted<'_>) -> Checked<String> {
    let Wanted { namespace, account, audience, secret } = wanted;
    let accounts: Api<ServiceAccount> = Api::namespaced(cx.kube(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            audiences: audience.map(str::to_owned).into_iter().collect(),
            expiration_seconds: Some(600),
            bound_object_ref: secret.map(|secret| BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: Some(secret.to_owned()),
                uid: None,
            }),
        },
        ..TokenRequest::default()
    };
    let made = accounts.create_token_request(account, &PostParams::default(), &request).await?;
    let token = made.status.map(|status| status.token).unwrap_or_default();
    if token.is_empty() {
        return Err(Stop::errored("kubernetes", format!("no token for service account {namespace}/{account}")));
    }
    cx.secret(&token);
    Ok(token)
}
