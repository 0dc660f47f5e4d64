//! Why a login does not work: the objects on its way, in the order of its hops.

use clusters::versions::Contract;
use clusters::versions::auth::DEX_ISSUER;
use harness::{Checked, Ctx};

use super::settings;
use crate::applications::App;
use crate::gateway::diagnose::{Cause, gate, has_endpoint, route};
use crate::objects::{self, CONFIG_MAP, DEPLOYMENT, STATEFUL_SET};

/// What is wrong on the way of a login.
pub async fn login(cx: &Ctx) -> Checked<Option<Cause>> {
    if let Some(cause) = gate(cx).await? {
        return Ok(Some(cause));
    }
    if let Some(cause) = provider(cx).await? {
        return Ok(Some(cause));
    }
    let auth = cx.version().auth();
    for (kind, namespace, name, service) in [
        (auth.workload.kind, auth.workload.namespace, auth.workload.name, auth.service.name),
        ("Deployment", "auth", "dex", "dex"),
    ] {
        if let Some(cause) = program(cx, kind, namespace, name, service).await? {
            return Ok(Some(cause));
        }
    }
    if let Some(cause) = dex(cx).await? {
        return Ok(Some(cause));
    }
    if let Some(cause) = client(cx).await? {
        return Ok(Some(cause));
    }
    // Nobody is asked for a login at a path without a route.
    route(cx, App::Dashboard.entry()).await
}

/// Whether MeshConfig leads the gateway to oauth2-proxy.
async fn provider(cx: &Ctx) -> Checked<Option<Cause>> {
    if cx.contract() == Contract::A {
        return Ok(None);
    }
    let config = objects::get(cx, CONFIG_MAP, "istio-system", "istio").await?;
    let mesh = config.as_ref().and_then(|config| objects::config_value(config, "mesh")).unwrap_or_default();
    let service = cx.version().auth().service;
    let host = format!("{}.{}.svc.cluster.local", service.name, service.namespace);
    Ok((!mesh.contains(&host)).then(|| {
        Cause::new(
            format!("no extension provider in ConfigMap istio-system/istio leads to {host}"),
            "restore extensionProviders of kubeflow/manifests common/oauth2-proxy",
        )
    }))
}

async fn program(cx: &Ctx, kind: &str, namespace: &str, name: &str, service: &str) -> Checked<Option<Cause>> {
    let place = format!("{kind} {namespace}/{name}");
    let of = if kind == "StatefulSet" { STATEFUL_SET } else { DEPLOYMENT };
    let Some(workload) = objects::get(cx, of, namespace, name).await? else {
        return Ok(Some(Cause::new(format!("{place} is absent"), format!("apply {place} again"))));
    };
    if objects::number(&workload.data, "/spec/replicas") == Some(0) {
        let fix = format!("kubectl -n {namespace} scale {} {name} --replicas=1", kind.to_lowercase());
        return Ok(Some(Cause::new(format!("{place} is scaled to zero"), fix)));
    }
    let live = has_endpoint(cx, namespace, service).await?;
    Ok((!live).then(|| {
        Cause::new(
            format!("Service {namespace}/{service} has no ready endpoint"),
            format!("kubectl -n {namespace} describe {} {name}", kind.to_lowercase()),
        )
    }))
}

async fn dex(cx: &Ctx) -> Checked<Option<Cause>> {
    let config = settings::dex_config(cx).await?;
    let callback = cx.version().auth().login.callback;
    if !config.contains(callback) {
        return Ok(Some(Cause::new(
            format!("redirectURIs in ConfigMap auth/dex lack {callback}"),
            format!("add {callback} to redirectURIs of the static client, and restart Dex"),
        )));
    }
    Ok((!config.contains(&format!("issuer: {DEX_ISSUER}"))).then(|| {
        Cause::new(
            format!("the issuer in ConfigMap auth/dex is not {DEX_ISSUER}, which the gateway expects"),
            format!("set issuer to {DEX_ISSUER}, and restart Dex"),
        )
    }))
}

/// Whether both sides know the same OIDC client.
pub async fn client(cx: &Ctx) -> Checked<Option<Cause>> {
    let (dex, guard) = (settings::at_dex(cx).await?, settings::at_guard(cx).await?);
    let (Some(dex), Some(guard)) = (dex, guard) else {
        return Ok(Some(Cause::new(
            "one side of the login has no OIDC client",
            "restore Secret auth/dex-oidc-client and that of the guard",
        )));
    };
    let differs = if dex.id != guard.id {
        "id"
    } else if dex.secret != guard.secret {
        "secret"
    } else {
        return Ok(None);
    };
    Ok(Some(Cause::new(
        format!("the OIDC client's {differs} in {} is not that in {}", guard.place, dex.place),
        "write the same client into both Secrets, and restart Dex and the guard",
    )))
}

/// Whether oauth2-proxy still knows which paths are APIs.
pub async fn api_routes(cx: &Ctx) -> Checked<Option<Cause>> {
    if cx.contract() == Contract::A {
        return gate(cx).await;
    }
    let config = proxy_config(cx).await?;
    if config.contains("\"/api/\"") && config.contains("\"/apis/\"") {
        return gate(cx).await;
    }
    Ok(Some(Cause::new(
        "api_routes in oauth2_proxy.cfg (namespace oauth2-proxy) lack /api/ or /apis/",
        "restore api_routes of kubeflow/manifests common/oauth2-proxy, and restart oauth2-proxy",
    )))
}

/// oauth2-proxy's configuration file.
pub async fn proxy_config(cx: &Ctx) -> Checked<String> {
    let maps = objects::within(cx, CONFIG_MAP, "oauth2-proxy").await?;
    let file = maps.iter().find_map(|map| objects::config_value(map, "oauth2_proxy.cfg"));
    Ok(file.unwrap_or_default().to_owned())
}
