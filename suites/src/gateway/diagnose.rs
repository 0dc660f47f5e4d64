//! Why a route does not lead to its application: the objects on the way, looked at in the order of a request.

use clusters::versions::Contract;
use clusters::versions::routes::{Backend, Route};
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::json;

use crate::applications::{App, Entry};
use crate::objects::{
    self, AUTHORIZATION_POLICY, CONFIG_MAP, DEPLOYMENT, ENDPOINT_SLICE, ENVOY_FILTER, GATEWAY, REQUEST_AUTHENTICATION,
    SERVICE, VIRTUAL_SERVICE,
};

/// What differs, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The object, and how it differs.
    pub what: String,
    /// What to do.
    pub fix: String,
}

impl Cause {
    /// A cause.
    pub fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

/// Adds a cause to a failure. A look that could not be taken adds nothing: it must not hide the failure.
#[must_use]
pub fn blame(stop: Stop, cause: Checked<Option<Cause>>) -> Stop {
    match cause {
        Ok(Some(cause)) => stop.because(cause.what).fix(cause.fix),
        _ => stop,
    }
}

/// The name of the gateway that the platform's routes are attached to.
pub const PLATFORM_GATEWAY: &str = "kubeflow/kubeflow-gateway";

/// What is wrong on the way to an application.
pub async fn route(cx: &Ctx, entry: &Entry) -> Checked<Option<Cause>> {
    if let Some(cause) = gateway(cx).await? {
        return Ok(Some(cause));
    }
    let wanted = entry.route(cx.version());
    let (namespace, name) = wanted.virtual_service;
    let place = format!("{namespace}/{name}");
    let Some(route) = objects::get(cx, VIRTUAL_SERVICE, namespace, name).await? else {
        return Ok(Some(Cause::new(
            format!("VirtualService {place} is absent"),
            format!("apply VirtualService {place} of kubeflow/manifests again"),
        )));
    };
    let prefixes = prefixes(&route);
    if !prefixes.iter().any(|prefix| prefix == wanted.prefix) {
        return Ok(Some(Cause::new(
            format!("VirtualService {place} matches {}, not the prefix {}", prefixes.join(", "), wanted.prefix),
            format!("set spec.http[0].match[0].uri.prefix to {}", wanted.prefix),
        )));
    }
    if let Some(cause) = other_route(cx, entry, wanted).await? {
        return Ok(Some(cause));
    }
    let host = objects::text(&route.data, "/spec/http/0/route/0/destination/host");
    let service = wanted.service;
    if host != format!("{}.{}.svc.cluster.local", service.name, service.namespace) {
        return Ok(Some(Cause::new(
            format!("VirtualService {place} leads to {host}, not to Service {}/{}", service.namespace, service.name),
            "set spec.http[0].route[0].destination.host to the application's Service",
        )));
    }
    if let Some(rewrite) = wanted.rewrite {
        let found = objects::text(&route.data, "/spec/http/0/rewrite/uri");
        if found != rewrite {
            return Ok(Some(Cause::new(
                format!("VirtualService {place} rewrites the prefix to \"{found}\", not to {rewrite}"),
                format!("set spec.http[0].rewrite.uri to {rewrite}"),
            )));
        }
    }
    if let Some(cause) = service_of(cx, entry, wanted).await? {
        return Ok(Some(cause));
    }
    policy(cx, entry).await
}

/// What is wrong with the gateway itself.
async fn gateway(cx: &Ctx) -> Checked<Option<Cause>> {
    let Some(gateway) = objects::get(cx, GATEWAY, "kubeflow", "kubeflow-gateway").await? else {
        return Ok(Some(Cause::new(
            format!("Gateway {PLATFORM_GATEWAY} is absent"),
            "apply common/istio*/kubeflow-istio-resources of kubeflow/manifests again",
        )));
    };
    let selector = gateway.data.pointer("/spec/selector").cloned().unwrap_or_default();
    let Some(deployment) = objects::get(cx, DEPLOYMENT, "istio-system", "istio-ingressgateway").await? else {
        return Ok(Some(Cause::new(
            "Deployment istio-system/istio-ingressgateway is absent",
            "apply common/istio*/istio-install of kubeflow/manifests again",
        )));
    };
    let labels = deployment.data.pointer("/spec/template/metadata/labels").cloned().unwrap_or_default();
    if !objects::selects(&selector, &labels) {
        return Ok(Some(Cause::new(
            format!("Gateway {PLATFORM_GATEWAY} selects {selector}, which no ingress gateway pod has"),
            "set spec.selector to istio: ingressgateway",
        )));
    }
    Ok(None)
}

/// A VirtualService of the same gateway that takes the application's path away by a longer prefix.
async fn other_route(cx: &Ctx, entry: &Entry, wanted: &Route) -> Checked<Option<Cause>> {
    for route in attached(cx).await? {
        let own = (objects::namespace(&route), objects::name(&route)) == wanted.virtual_service;
        if let Some(longer) = prefixes(&route)
            .into_iter()
            .find(|prefix| !own && prefix.len() > wanted.prefix.len() && entry.page.starts_with(prefix.as_str()))
        {
            return Ok(Some(Cause::new(
                format!("VirtualService {} takes the longer prefix {longer}", objects::place(&route)),
                format!("remove VirtualService {}", objects::place(&route)),
            )));
        }
    }
    Ok(None)
}

async fn service_of(cx: &Ctx, entry: &Entry, wanted: &Route) -> Checked<Option<Cause>> {
    let Backend { namespace, name, .. } = wanted.service;
    let place = format!("{namespace}/{name}");
    if objects::get(cx, SERVICE, namespace, name).await?.is_none() {
        return Ok(Some(Cause::new(
            format!("Service {place} is absent"),
            format!("apply Service {place} of kubeflow/manifests again"),
        )));
    }
    pods_behind(cx, (namespace, name), (entry.namespace, entry.deployment)).await
}

/// Why no ready pod of a Deployment stands behind a Service; both by namespace and name.
pub async fn pods_behind(cx: &Ctx, service: (&str, &str), deployment: (&str, &str)) -> Checked<Option<Cause>> {
    if has_endpoint(cx, service.0, service.1).await? {
        return Ok(None);
    }
    let (namespace, name) = deployment;
    let place = format!("{namespace}/{name}");
    Ok(Some(match objects::get(cx, DEPLOYMENT, namespace, name).await? {
        None => Cause::new(
            format!("Deployment {place} is absent"),
            format!("apply Deployment {place} of kubeflow/manifests again"),
        ),
        Some(found) if objects::number(&found.data, "/spec/replicas") == Some(0) => Cause::new(
            format!("Deployment {place} is scaled to zero"),
            format!("kubectl -n {namespace} scale deployment {name} --replicas=1"),
        ),
        Some(_) => Cause::new(
            format!("Service {}/{} has no ready endpoint: its selector finds no ready pod", service.0, service.1),
            format!("kubectl -n {namespace} describe deployment {name}"),
        ),
    }))
}

/// What keeps the gateway out at the application's sidecar.
pub async fn policy(cx: &Ctx, entry: &Entry) -> Checked<Option<Cause>> {
    if entry.policy.is_empty() {
        return Ok(None);
    }
    let place = format!("{}/{}", entry.namespace, entry.policy);
    let Some(policy) = objects::get(cx, AUTHORIZATION_POLICY, entry.namespace, entry.policy).await? else {
        return Ok(Some(Cause::new(
            format!("AuthorizationPolicy {place} is absent, and istio-system/global-deny-all denies what none allows"),
            format!("apply AuthorizationPolicy {place} of kubeflow/manifests again"),
        )));
    };
    if lets_gateway_in(&policy) {
        return Ok(None);
    }
    Ok(Some(Cause::new(
        format!("AuthorizationPolicy {place} does not name the ingress gateway's account"),
        format!("allow the principal {GATEWAY_PRINCIPAL} in AuthorizationPolicy {place}"),
    )))
}

/// The identity of the ingress gateway in the mesh.
pub const GATEWAY_PRINCIPAL: &str = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account";

/// Whether a policy allows the gateway: by its account, by its namespace (as Pipelines' does in v1.8), or everybody.
#[must_use]
pub fn lets_gateway_in(policy: &DynamicObject) -> bool {
    let spec = policy.data.get("spec").cloned().unwrap_or_default();
    objects::items(&spec, "/rules").iter().any(|rule| {
        let sources = objects::items(rule, "/from");
        sources.is_empty()
            || sources.iter().any(|from| {
                objects::items(from, "/source/principals").contains(&json!(GATEWAY_PRINCIPAL))
                    || objects::items(from, "/source/namespaces").contains(&json!("istio-system"))
            })
    })
}

/// Whether a ready pod answers for a Service.
pub async fn has_endpoint(cx: &Ctx, namespace: &str, service: &str) -> Checked<bool> {
    Ok(objects::within(cx, ENDPOINT_SLICE, namespace).await?.iter().any(|slice| is_live(slice, service)))
}

/// Whether a slice holds a ready endpoint of a Service. An endpoint without the condition counts as ready, as the
/// API's documentation demands.
#[must_use]
pub fn is_live(slice: &DynamicObject, service: &str) -> bool {
    objects::label(slice, "kubernetes.io/service-name") == service
        && objects::items(&slice.data, "/endpoints")
            .iter()
            .any(|endpoint| endpoint.pointer("/conditions/ready").is_none_or(|ready| ready != &json!(false)))
}

/// The VirtualServices that are attached to the platform's gateway.
pub async fn attached(cx: &Ctx) -> Checked<Vec<DynamicObject>> {
    let mut routes = objects::all(cx, VIRTUAL_SERVICE).await?;
    routes.retain(|route| {
        objects::items(&route.data, "/spec/gateways").iter().filter_map(|gateway| gateway.as_str()).any(|gateway| {
            gateway == PLATFORM_GATEWAY || (gateway == "kubeflow-gateway" && objects::namespace(route) == "kubeflow")
        })
    });
    Ok(routes)
}

/// The URI prefixes (and exact paths) that a VirtualService matches.
#[must_use]
pub fn prefixes(route: &DynamicObject) -> Vec<String> {
    objects::items(&route.data, "/spec/http")
        .iter()
        .flat_map(|http| {
            let matches = objects::items(http, "/match");
            // A route without a match takes every path.
            if matches.is_empty() { vec![json!({"uri": {"prefix": "/"}})] } else { matches.to_vec() }
        })
        .filter_map(|of| {
            let uri = of.get("uri")?;
            uri.get("prefix").or_else(|| uri.get("exact")).and_then(|text| text.as_str().map(str::to_owned))
        })
        .collect()
}

/// Whether a site leaves an application out altogether: neither a route nor a Deployment.
pub async fn is_left_out(cx: &Ctx, entry: &Entry) -> Checked<bool> {
    let (namespace, name) = entry.route(cx.version()).virtual_service;
    Ok(objects::get(cx, VIRTUAL_SERVICE, namespace, name).await?.is_none()
        && objects::get(cx, DEPLOYMENT, entry.namespace, entry.deployment).await?.is_none())
}

/// Which VirtualService takes a path that the dashboard should get.
pub async fn taken_by(cx: &Ctx, path: &str) -> Checked<Option<Cause>> {
    for route in attached(cx).await? {
        if let Some(prefix) = prefixes(&route).into_iter().find(|prefix| prefix != "/" && path.starts_with(&**prefix)) {
            let place = objects::place(&route);
            return Ok(Some(Cause::new(
                format!("VirtualService {place} takes every path that begins with {prefix}"),
                format!("remove VirtualService {place}, or give its prefix whole path segments and a final slash"),
            )));
        }
    }
    self::route(cx, App::Dashboard.entry()).await
}

/// What keeps people without a session away from a path that must be open.
pub async fn open_path(cx: &Ctx, entry: &Entry) -> Checked<Option<Cause>> {
    if let Some(cause) = route(cx, entry).await? {
        return Ok(Some(cause));
    }
    let prefix = entry.route(cx.version()).prefix;
    match cx.contract() {
        Contract::A => {
            let config = objects::get(cx, CONFIG_MAP, "istio-system", "oidc-authservice-parameters").await?;
            let skipped = config.as_ref().and_then(|config| objects::config_value(config, "SKIP_AUTH_URLS"));
            let open = skipped.unwrap_or_default().split_whitespace().any(|open| prefix.starts_with(open));
            Ok((!open).then(|| {
                Cause::new(
                    format!("SKIP_AUTH_URLS of ConfigMap istio-system/oidc-authservice-parameters lacks {prefix}"),
                    "set SKIP_AUTH_URLS to /dex and restart oidc-authservice",
                )
            }))
        }
        Contract::B => {
            let wanted = json!(format!("{prefix}*"));
            for policy in gate_policies(cx).await? {
                let open = objects::items(&policy.data, "/spec/rules")
                    .iter()
                    .flat_map(|rule| objects::items(rule, "/to"))
                    .all(|to| objects::items(to, "/operation/notPaths").contains(&wanted));
                if !open {
                    return Ok(Some(Cause::new(
                        format!("AuthorizationPolicy {} does not leave {prefix}* out", objects::place(&policy)),
                        format!("add {prefix}* to notPaths"),
                    )));
                }
            }
            Ok(None)
        }
    }
}

/// The gateway's policies that ask for a login: CUSTOM and DENY.
async fn gate_policies(cx: &Ctx) -> Checked<Vec<DynamicObject>> {
    let mut policies = objects::within(cx, AUTHORIZATION_POLICY, "istio-system").await?;
    policies.retain(|policy| matches!(objects::text(&policy.data, "/spec/action"), "CUSTOM" | "DENY"));
    Ok(policies)
}

/// What opens KFAM to the gateway.
pub async fn kfam(cx: &Ctx) -> Checked<Option<Cause>> {
    let place = "kubeflow/profiles-kfam";
    let Some(policy) = objects::get(cx, AUTHORIZATION_POLICY, "kubeflow", "profiles-kfam").await? else {
        return Ok(Some(Cause::new(
            format!("AuthorizationPolicy {place} is absent"),
            format!("apply AuthorizationPolicy {place} of kubeflow/manifests again"),
        )));
    };
    Ok(lets_gateway_in(&policy).then(|| {
        Cause::new(
            format!("AuthorizationPolicy {place} lets the ingress gateway in"),
            "leave cluster.local/ns/kubeflow/sa/centraldashboard as its only principal",
        )
    }))
}

/// Which object of the gate is missing, so that requests pass without a login.
pub async fn gate(cx: &Ctx) -> Checked<Option<Cause>> {
    for object in cx.version().auth().objects {
        let kind = match object.kind {
            "AuthorizationPolicy" => AUTHORIZATION_POLICY,
            "RequestAuthentication" => REQUEST_AUTHENTICATION,
            "EnvoyFilter" => ENVOY_FILTER,
            _ => continue,
        };
        if objects::get(cx, kind, object.namespace, object.name).await?.is_none() {
            return Ok(Some(Cause::new(
                format!("{object} is absent"),
                format!("apply {object} of kubeflow/manifests again"),
            )));
        }
    }
    for policy in gate_policies(cx).await? {
        let extra: Vec<&str> = objects::items(&policy.data, "/spec/rules")
            .iter()
            .flat_map(|rule| objects::items(rule, "/to"))
            .flat_map(|to| objects::items(to, "/operation/notPaths"))
            .filter_map(|path| path.as_str())
            .filter(|path| !matches!(*path, "/dex/*" | "/dex/**" | "/oauth2/*"))
            .collect();
        if !extra.is_empty() {
            return Ok(Some(Cause::new(
                format!("AuthorizationPolicy {} leaves {} out", objects::place(&policy), extra.join(", ")),
                "remove these from notPaths",
            )));
        }
    }
    let config = objects::get(cx, CONFIG_MAP, "istio-system", "oidc-authservice-parameters").await?;
    let skipped = config.as_ref().and_then(|config| objects::config_value(config, "SKIP_AUTH_URLS")).unwrap_or("/dex");
    Ok((skipped.trim() != "/dex").then(|| {
        Cause::new(
            format!("SKIP_AUTH_URLS of ConfigMap istio-system/oidc-authservice-parameters is {skipped}"),
            "set SKIP_AUTH_URLS to /dex and restart oidc-authservice",
        )
    }))
}

/// A policy on the gateway that denies what the shipped ones do not.
pub async fn denying_policy(cx: &Ctx) -> Checked<Option<Cause>> {
    let shipped = |policy: &DynamicObject| {
        cx.version().auth().objects.iter().any(|object| {
            object.kind == "AuthorizationPolicy"
                && (object.namespace, object.name) == (objects::namespace(policy), objects::name(policy))
        })
    };
    let extra = gate_policies(cx).await?.into_iter().find(|policy| !shipped(policy));
    Ok(extra.map(|policy| {
        let place = objects::place(&policy);
        Cause::new(
            format!("AuthorizationPolicy {place} on the ingress gateway is not part of the platform"),
            format!(
                "kubectl -n {} get authorizationpolicy {} -o yaml",
                objects::namespace(&policy),
                objects::name(&policy)
            ),
        )
    }))
}

/// Whether the dashboard's route serves some host names only.
pub async fn bound_host(cx: &Ctx) -> Checked<Option<Cause>> {
    let (namespace, name) = App::Dashboard.entry().route(cx.version()).virtual_service;
    let route = objects::get(cx, VIRTUAL_SERVICE, namespace, name).await?;
    let hosts = route.as_ref().map(|route| objects::items(&route.data, "/spec/hosts").to_vec()).unwrap_or_default();
    Ok((!hosts.contains(&json!("*"))).then(|| {
        Cause::new(
            format!("VirtualService {namespace}/{name} serves the hosts {} only", json!(hosts)),
            "set spec.hosts to *",
        )
    }))
}
