//! What a tenant needs to run pipelines: metacontroller asks the program `sync.py` for it, and makes it in each namespace
//! that is labelled `pipelines.kubeflow.org/enabled`.
//!
//! Source: kubeflow/pipelines 2.0.5, 2.3.0 and 2.5.0 `manifests/kustomize/base/installs/multi-user/
//! pipelines-profile-controller/sync.py`; metacontroller's CompositeController and DecoratorController. What is there is
//! left as it is; what is missing is made.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::owned::{controller_reference, is_controlled_by, is_leaving, key_of};
use super::reconciler::{Controller, Next};
use super::{bootstrap, operators, services};
use crate::api::defaults;
use crate::kubelet::environment;
use crate::mesh::{config, destination::Destination, endpoints::Found};
use crate::object::{label, list, name, namespace as namespace_of, text};
use crate::platform::World;
use crate::store::{Change, Key};

pub(super) const CONTROLLER: Controller = Controller { name: "metacontroller", concerns, reconcile };

const IMAGES: &[&str] = &["metacontroller"];
/// The label of namespaces in which pipelines run.
const ENABLED: &str = "pipelines.kubeflow.org/enabled";
/// The program that metacontroller asks.
const HOOK: &str = "kubeflow-pipelines-profile-controller";
const VISUALIZATION: &str = "ml-pipeline-visualizationserver";
const ARTIFACTS: &str = "ml-pipeline-ui-artifact";
const SECRET: &str = "mlpipeline-minio-artifact";

fn concerns(world: &World, change: &Change) -> Vec<Key> {
    let Key { group, plural, namespace, name } = &change.key;
    let everywhere = || operators::all(world, "", "namespaces");
    match (group.as_str(), plural.as_str()) {
        ("", "namespaces") => vec![change.key.clone()],
        ("", "endpoints") if name == HOOK => everywhere(),
        ("metacontroller.k8s.io", _) => everywhere(),
        ("", "pods") if operators::begins(change, IMAGES) => everywhere(),
        ("", "secrets" | "configmaps" | "services") | ("apps", "deployments") if is_child(name) => {
            vec![Key::new("", "namespaces", "", namespace)]
        }
        _ => Vec::new(),
    }
}

fn is_child(name: &str) -> bool {
    [VISUALIZATION, ARTIFACTS, SECRET, "metadata-grpc-configmap", "kfp-launcher"].contains(&name)
}

fn reconcile(world: &World, key: &Key) -> Next {
    let Some(parent) = world.store.get(key).filter(|parent| !is_leaving(parent)) else { return Next::Wait };
    let Some(variables) = hook(world) else { return Next::Wait };
    let home = name(&parent);
    let wanted = if label(&parent, ENABLED) == Some("true") { children(home, &variables) } else { Vec::new() };
    for mut object in wanted {
        let Ok(place) = crate::blueprint::key(&object) else { continue };
        let place = Key::new(&place.group, &place.plural, home, &place.name);
        if world.store.get(&place).is_some() {
            continue;
        }
        object["metadata"]["namespace"] = json!(home);
        object["metadata"]["ownerReferences"] = json!([controller_reference(&parent, "v1", "Namespace")]);
        let kind = text(&object, "/kind").to_owned();
        defaults::built_in(&place.group, &kind, &mut object);
        if kind == "Service" {
            services::allocate(world, &mut object);
        }
        bootstrap::put(world, &place.group, &place.plural, home, &place.name, object);
    }
    if label(&parent, ENABLED) != Some("true") {
        remove(world, &parent);
    }
    Next::Wait
}

/// A namespace that is no tenant's any more keeps nothing of it.
fn remove(world: &World, parent: &Value) {
    for (group, plural) in [
        ("", "secrets"),
        ("", "configmaps"),
        ("", "services"),
        ("apps", "deployments"),
        ("networking.istio.io", "destinationrules"),
        ("security.istio.io", "authorizationpolicies"),
    ] {
        for child in world.store.list(group, plural, Some(name(parent))) {
            if is_controlled_by(&child, parent)
                && is_child(name(&child))
                && let Err(error) = world.store.delete(&key_of(group, plural, &child))
            {
                tracing::debug!(%error, "gone already");
            }
        }
    }
}

/// The environment of the program that the hook's URL leads to, while metacontroller runs and the program is ready.
fn hook(world: &World) -> Option<BTreeMap<String, String>> {
    let metacontroller = operators::running(world, IMAGES)?;
    let hooks = ["compositecontrollers", "decoratorcontrollers"]
        .iter()
        .flat_map(|plural| world.store.list("metacontroller.k8s.io", plural, None));
    let url = hooks.into_iter().find_map(|hook| {
        let url = url::Url::parse(text(&hook, "/spec/hooks/sync/webhook/url")).ok()?;
        (name(&hook) == HOOK).then_some(url)
    })?;
    let destination = Destination::new(url.host_str()?, namespace_of(&metacontroller), url.port_or_known_default()?);
    let Found::Pod(pod, _) = config::endpoints(world).find(&destination) else { return None };
    let container = list(&pod, "/spec/containers").first()?;
    let variables = environment::variables(&world.store, &pod, text(container, "/name"));
    // Without these the program does not start.
    ["KFP_VERSION", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"]
        .iter()
        .all(|name| variables.contains_key(*name))
        .then_some(variables)
}

/// The objects of a tenant.
fn children(home: &str, variables: &BTreeMap<String, String>) -> Vec<Value> {
    let get = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let version = get("KFP_VERSION").unwrap_or_default();
    // Since 2.4 images come from another registry.
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let newer = minor.is_some_and(|minor| minor >= 4);
    let (visualization, frontend) = if newer {
        ("ghcr.io/kubeflow/kfp-visualization-server", "ghcr.io/kubeflow/kfp-frontend")
    } else {
        ("gcr.io/ml-pipeline/visualization-server", "gcr.io/ml-pipeline/frontend")
    };
    let image = |variable: &str, otherwise: &str, tag: &str| {
        format!("{}:{}", get(variable).unwrap_or(otherwise), get(tag).unwrap_or(version))
    };
    let annotations = if get("DISABLE_ISTIO_SIDECAR") == Some("true") {
        json!({"sidecar.istio.io/inject": "false"})
    } else {
        json!({})
    };
    let deployment = |of: &str, image: String, port: u16, env: Value| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": of, "labels": {"app": of}},
            "spec": {"selector": {"matchLabels": {"app": of}}, "template": {
                "metadata": {"labels": {"app": of}, "annotations": annotations},
                "spec": {"serviceAccountName": "default-editor", "containers": [{
                    "name": of, "image": image, "imagePullPolicy": "IfNotPresent",
                    "ports": [{"containerPort": port}], "env": env,
                }]},
            }},
        })
    };
    let service = |of: &str, port: u16, target: u16| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": of, "labels": {"app": of}},
            "spec": {"selector": {"app": of},
                "ports": [{"name": "http", "port": port, "protocol": "TCP", "targetPort": target}]},
        })
    };
    let from = |key: &str| json!({"secretKeyRef": {"name": SECRET, "key": key}});
    let keys = json!([
        {"name": "MINIO_ACCESS_KEY", "valueFrom": from("accesskey")},
        {"name": "MINIO_SECRET_KEY", "valueFrom": from("secretkey")},
    ]);
    let encoded = |name: &str| BASE64_STANDARD.encode(get(name).unwrap_or_default());
    let mut all = vec![
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "type": "Opaque",
            "data": {"accesskey": encoded("MINIO_ACCESS_KEY"), "secretkey": encoded("MINIO_SECRET_KEY")},
        }),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "metadata-grpc-configmap"},
            "data": {"METADATA_GRPC_SERVICE_HOST": "metadata-grpc-service.kubeflow",
                "METADATA_GRPC_SERVICE_PORT": "8080"},
        }),
        deployment(
            VISUALIZATION,
            image("VISUALIZATION_SERVER_IMAGE", visualization, "VISUALIZATION_SERVER_TAG"),
            8888,
            json!([]),
        ),
        service(VISUALIZATION, 8888, 8888),
        json!({
            "apiVersion": "networking.istio.io/v1alpha3", "kind": "DestinationRule", "metadata": {"name": VISUALIZATION},
            "spec": {"host": VISUALIZATION, "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}},
        }),
        json!({
            "apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": VISUALIZATION},
            "spec": {"selector": {"matchLabels": {"app": VISUALIZATION}},
                "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/kubeflow/sa/ml-pipeline"]}}]}]},
        }),
        deployment(ARTIFACTS, image("FRONTEND_IMAGE", frontend, "FRONTEND_TAG"), 3000, keys),
        service(ARTIFACTS, 80, 3000),
    ];
    if let Some(root) = get("KFP_DEFAULT_PIPELINE_ROOT") {
        all.push(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kfp-launcher"},
            "data": {"defaultPipelineRoot": root},
        }));
    }
    all.iter_mut().for_each(|object| object["metadata"]["namespace"] = json!(home));
    all
}
