//! The set-ups of the recordings: real Envoy, Dex and oauth2-proxy were recorded behind several listeners that differ in
//! one thing each, with an echo server in place of every application. Here each is a platform of its own.
//!
//! The laboratory had no sidecars, so its objects for the mesh behind the gateway are left out, too. All platforms of a
//! process share the first signing key of Dex, and the cookie secret is that of the blueprint: a session of one listener
//! can be tried at another, as in the laboratory.

use serde_json::{Value, json};

use crate::actors::echo;
use crate::blueprint;
use crate::object::{self, name, namespace, text};
use crate::platform::Release;
use crate::switches;

/// What is different at a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Nothing.
    Main,
    /// Tokens of the cluster's service accounts are accepted, too.
    Machines,
    /// The provider's issuer has a key more.
    TestKey,
    /// Sessions end after three seconds.
    ShortCookie,
    /// ID tokens end after four seconds.
    ShortToken,
    /// oauth2-proxy seals its cookies with another secret.
    OtherSecret,
    /// The other release's version of oauth2-proxy.
    OtherVersion,
    /// Nobody answers the gateway's authorization requests.
    ProviderDown,
    /// Contract A: only members of a group that the user is not in may enter.
    GroupsAllowed,
    /// Contract A: authservice cannot reach its issuer, and so never becomes ready.
    IssuerDown,
    /// The echo stands behind `/dex/` and `/oauth2/`, too; the policies are unchanged.
    EchoEverywhere,
}

/// All of them, with the names that the recordings use.
pub const LISTENERS: [(&str, Listener); 9] = [
    ("main", Listener::Main),
    ("m2m", Listener::Machines),
    ("test_key", Listener::TestKey),
    ("short_cookie", Listener::ShortCookie),
    ("short_token", Listener::ShortToken),
    ("other_secret", Listener::OtherSecret),
    ("other_version", Listener::OtherVersion),
    ("provider_down", Listener::ProviderDown),
    ("echo_everywhere", Listener::EchoEverywhere),
];

/// Public keys (JWK) that some listeners trust beside the provider's own.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys {
    /// The provider's keys, as its `/dex/keys` lists them.
    pub provider: Vec<Value>,
    /// One more for the provider's issuer.
    pub test: Option<Value>,
    /// That of the issuers of service account tokens.
    pub cluster: Option<Value>,
}

/// The path whose route leads to a closed port.
pub const CLOSED_PATH: &str = "/lab-down/";

/// The objects of a listener, made from those of a release.
///
/// # Errors
/// When the blueprint does not parse, or an object that is to be changed is missing.
pub fn objects(listener: Listener, release: Release, keys: &TrustedKeys) -> Result<Vec<Value>, String> {
    changed(blueprint::objects(release)?, listener, release, keys)
}

/// The objects of a listener, made from a platform's own: upstream's manifests, for example.
///
/// # Errors
/// When an object that is to be changed is missing.
pub fn changed(
    objects: Vec<Value>,
    listener: Listener,
    release: Release,
    keys: &TrustedKeys,
) -> Result<Vec<Value>, String> {
    let mut objects = without_sidecars(objects);
    objects.extend(echo_mode());
    objects.extend(closed_route());
    change(&mut objects, listener, release, keys)?;
    Ok(objects)
}

/// The ConfigMap, and its namespace, that puts the echo in place of the applications.
#[must_use]
pub fn echo_mode() -> [Value; 2] {
    [
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": switches::NAMESPACE}}),
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"namespace": switches::NAMESPACE, "name": switches::NAME}, "data": {echo::SWITCH: "true"}}),
    ]
}

fn without_sidecars(mut objects: Vec<Value>) -> Vec<Value> {
    const MESH_KINDS: [&str; 3] = ["AuthorizationPolicy", "PeerAuthentication", "DestinationRule"];
    objects.retain(|object| {
        let kind = text(object, "/kind");
        !(MESH_KINDS.contains(&kind)
            || kind == "MutatingWebhookConfiguration" && name(object).contains("sidecar-injector"))
            || namespace(object) == "istio-system" && kind == "AuthorizationPolicy"
    });
    for object in &mut objects {
        for (labels, label, asks) in [
            ("/metadata/labels", "istio-injection", "enabled"),
            ("/spec/template/metadata/labels", "sidecar.istio.io/inject", "true"),
        ] {
            if let Some(labels) = object.pointer_mut(labels).and_then(Value::as_object_mut)
                && labels.get(label).and_then(Value::as_str) == Some(asks)
            {
                labels.remove(label);
            }
        }
    }
    objects
}

fn service(namespace: &str, name: &str, app: &str, port: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name},
        "spec": {"selector": {"app": app}, "ports": [{"name": "http", "port": 80, "targetPort": port}]}})
}

/// A container whose name says which route was taken, behind a Service `<name>-echo`.
fn echo_behind(namespace: &str, name: &str) -> [Value; 2] {
    let app = format!("{name}-echo");
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": app},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": app}}, "template": {
            "metadata": {"labels": {"app": app}},
            "spec": {"containers": [{"name": name, "image": "embedded/echo", "ports": [{"containerPort": 8080}]}]}}}});
    [service(namespace, &app, &app, 8080), deployment]
}

fn closed_route() -> Vec<Value> {
    let mut objects = vec![json!({"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService",
        "metadata": {"namespace": "kubeflow", "name": "lab-down"},
        "spec": {"hosts": ["*"], "gateways": ["kubeflow/kubeflow-gateway"], "http": [{
            "match": [{"uri": {"prefix": CLOSED_PATH}}],
            "route": [{"destination": {"host": "down.kubeflow.svc.cluster.local", "port": {"number": 80}}}]}]}})];
    objects.extend(echo_behind("kubeflow", "down"));
    objects.push(service("kubeflow", "down", "down-echo", 1));
    objects
}

fn change(objects: &mut Vec<Value>, listener: Listener, release: Release, keys: &TrustedKeys) -> Result<(), String> {
    match listener {
        Listener::Main => {}
        Listener::Machines => {
            trust(objects, keys)?;
            let cluster = json!({"keys": keys.cluster.iter().collect::<Vec<_>>()}).to_string();
            let rule = |issuer: &str| {
                json!({"issuer": issuer, "jwks": cluster, "forwardOriginalToken": true,
                    "fromHeaders": [{"name": "Authorization", "prefix": "Bearer "}],
                    "outputClaimToHeaders": [{"header": "kubeflow-userid", "claim": "sub"}]})
            };
            let issuers = ["https://kubernetes.default.svc.cluster.local", "https://kubernetes.default.svc"];
            objects.extend(issuers.iter().enumerate().map(|(number, issuer)| {
                json!({"apiVersion": "security.istio.io/v1beta1", "kind": "RequestAuthentication",
                    "metadata": {"namespace": "istio-system", "name": format!("m2m-token-issuer-{number}")},
                    "spec": {"selector": {"matchLabels": {"app": "istio-ingressgateway"}}, "jwtRules": [rule(issuer)]}})
            }));
        }
        Listener::TestKey => trust(objects, keys)?,
        Listener::ShortCookie => {
            replace(objects, "ConfigMap", "oauth2-proxy", "cookie_expire = \"24h\"", "cookie_expire = \"3s\"")?;
        }
        Listener::ShortToken => {
            let (before, after) =
                ("    enablePasswordDB: true", "    expiry: {idTokens: 4s}\n    enablePasswordDB: true");
            replace(
                objects,
                "ConfigMap",
                "auth",
                before.trim_start(),
                after.trim_start().replace("\n    ", "\n").as_str(),
            )?;
        }
        Listener::OtherSecret => {
            let secret =
                find(objects, |object| text(object, "/kind") == "Secret" && namespace(object) == "oauth2-proxy")?;
            // base64 of 32 other bytes.
            secret["data"]["cookie-secret"] = json!("YW5vdGhlci1jb29raWUtc2VjcmV0LTMyLWJ5dGVzLi4=");
        }
        Listener::OtherVersion => {
            let other = if release == Release::V1_9_1 { "v7.7.1" } else { "v7.6.0" };
            let proxy = find(objects, |object| is_deployment(object, "oauth2-proxy"))?;
            proxy["spec"]["template"]["spec"]["containers"][0]["image"] =
                json!(format!("quay.io/oauth2-proxy/oauth2-proxy:{other}"));
        }
        Listener::ProviderDown => {
            let is_provider =
                |object: &Value| is_deployment(object, "oauth2-proxy") || is_stateful_set(object, "oidc-authservice");
            find(objects, is_provider)?["spec"]["replicas"] = json!(0);
        }
        Listener::GroupsAllowed => authservice_parameter(objects, "GROUPS_ALLOWLIST", "admins")?,
        Listener::IssuerDown => {
            authservice_parameter(objects, "OIDC_PROVIDER", "http://nobody.auth.svc.cluster.local:5556/dex")?;
        }
        Listener::EchoEverywhere => {
            for (namespace, name) in [("auth", "dex"), ("oauth2-proxy", "oauth2-proxy")] {
                let route = find(objects, |object| {
                    text(object, "/kind") == "VirtualService" && object::namespace(object) == namespace
                })?;
                route["spec"]["http"][0]["route"][0]["destination"] =
                    json!({"host": format!("{name}-echo.{namespace}.svc.cluster.local"), "port": {"number": 80}});
                objects.extend(echo_behind(namespace, name));
            }
        }
    }
    Ok(())
}

fn is_deployment(object: &Value, wanted: &str) -> bool {
    text(object, "/kind") == "Deployment" && name(object) == wanted
}

fn is_stateful_set(object: &Value, wanted: &str) -> bool {
    text(object, "/kind") == "StatefulSet" && name(object) == wanted
}

fn authservice_parameter(objects: &mut [Value], parameter: &str, value: &str) -> Result<(), String> {
    find(objects, |object| name(object) == "oidc-authservice-parameters")?["data"][parameter] = json!(value);
    Ok(())
}

fn find(objects: &mut [Value], wanted: impl Fn(&Value) -> bool) -> Result<&mut Value, String> {
    objects.iter_mut().find(|object| wanted(object)).ok_or_else(|| "an object to change is missing".to_owned())
}

/// Replaces a text in the data of a namespace's ConfigMap.
fn replace(objects: &mut [Value], kind: &str, of: &str, before: &str, after: &str) -> Result<(), String> {
    let holds = |value: &Value| value.as_str().is_some_and(|text| text.contains(before));
    let object = find(objects, |object| {
        text(object, "/kind") == kind
            && namespace(object) == of
            && object.get("data").and_then(Value::as_object).is_some_and(|data| data.values().any(holds))
    })?;
    for value in object.get_mut("data").and_then(Value::as_object_mut).into_iter().flat_map(serde_json::Map::values_mut)
    {
        if let Some(text) = value.as_str() {
            *value = json!(text.replace(before, after));
        }
    }
    Ok(())
}

/// Puts the provider's keys and the test key into the rule of the provider's issuer.
fn trust(objects: &mut [Value], keys: &TrustedKeys) -> Result<(), String> {
    let rule = find(objects, |object| text(object, "/kind") == "RequestAuthentication" && name(object) == "dex-jwt")?;
    let all: Vec<_> = keys.provider.iter().chain(&keys.test).collect();
    rule["spec"]["jwtRules"][0]["jwks"] = json!(json!({ "keys": all }).to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_differs_from_the_main_one() {
        for release in [Release::V1_9_1, Release::V1_10_2] {
            let main = objects(Listener::Main, release, &TrustedKeys::default()).unwrap();
            for (name, listener) in LISTENERS {
                let other = objects(listener, release, &TrustedKeys::default()).unwrap();
                assert_eq!(other == main, listener == Listener::Main, "{name}");
            }
        }
    }
}
