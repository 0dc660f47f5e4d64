//! What every cluster holds from its first moment on: namespaces, a node, a StorageClass, the API's Service.
//!
//! Names and shapes are those of a one-node cluster made by kind (kubeadm, local-path-provisioner). The default RBAC
//! objects are in `bootstrap_policy`.

use serde_json::{Value, json};

use super::bootstrap_policy;
use crate::platform::World;
use crate::store::{Key, now};

/// Name of the one node.
pub const CONTROL_PLANE_NODE: &str = "embedded-control-plane";
/// Its address, and that of pods on the host's network.
pub const NODE_ADDRESS: &str = "172.18.0.2";
/// The address of the API inside the cluster.
pub const API_ADDRESS: &str = "10.96.0.1";
/// API group of StorageClasses.
pub const STORAGE_GROUP: &str = "storage.k8s.io";
/// The Kubernetes version that the cluster says it is.
pub const KUBELET_VERSION: &str = "v1.34.4";
/// What the one node has.
pub const NODE_CAPACITY: &[(&str, &str)] =
    &[("cpu", "16"), ("memory", "64Gi"), ("ephemeral-storage", "200Gi"), ("pods", "250")];

/// Puts these objects into an empty store.
pub fn load(world: &World) {
    for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        put(world, "", "namespaces", "", namespace, json!({"apiVersion": "v1", "kind": "Namespace"}));
    }
    put(world, "", "nodes", "", CONTROL_PLANE_NODE, node());
    put(world, STORAGE_GROUP, "storageclasses", "", "standard", storage_class());
    for (name, value) in [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)] {
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": value,
            "preemptionPolicy": "PreemptLowerPriority"});
        put(world, "scheduling.k8s.io", "priorityclasses", "", name, class);
    }
    put(world, "", "services", "default", "kubernetes", api_service());
    put(
        world,
        "",
        "endpoints",
        "default",
        "kubernetes",
        json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "subsets": [{"addresses": [{"ip": NODE_ADDRESS}], "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}]}],
        }),
    );
    put(
        world,
        "discovery.k8s.io",
        "endpointslices",
        "default",
        "kubernetes",
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"labels": {"kubernetes.io/service-name": "kubernetes"}},
            "endpoints": [{"addresses": [NODE_ADDRESS], "conditions": {"ready": true}}],
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
        }),
    );
    bootstrap_policy::load(world);
}

/// Creates an object unless it exists.
pub(super) fn put(world: &World, group: &str, plural: &str, namespace: &str, name: &str, object: Value) {
    if let Err(error) = world.store.create(&Key::new(group, plural, namespace, name), object) {
        tracing::debug!(%error, "not made");
    }
}

fn node() -> Value {
    let capacity: serde_json::Map<String, Value> =
        NODE_CAPACITY.iter().map(|(resource, amount)| ((*resource).to_owned(), json!(amount))).collect();
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now(), "lastTransitionTime": now()})
    };
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"labels": {
            "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux", "kubernetes.io/hostname": CONTROL_PLANE_NODE,
            "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
            "node-role.kubernetes.io/control-plane": "",
        }},
        "spec": {"podCIDR": "10.244.0.0/16", "podCIDRs": ["10.244.0.0/16"],
            "providerID": format!("kind://docker/embedded/{CONTROL_PLANE_NODE}")},
        "status": {
            "capacity": capacity, "allocatable": capacity,
            "addresses": [
                {"type": "InternalIP", "address": NODE_ADDRESS}, {"type": "Hostname", "address": CONTROL_PLANE_NODE},
            ],
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
            ],
            "nodeInfo": {
                "kubeletVersion": KUBELET_VERSION, "kubeProxyVersion": KUBELET_VERSION, "architecture": "amd64",
                "operatingSystem": "linux", "osImage": "embedded reference platform", "kernelVersion": "simulated",
                "containerRuntimeVersion": "simulated://0", "machineID": "", "systemUUID": "", "bootID": "",
            },
        },
    })
}

fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "rancher.io/local-path", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
    })
}

fn api_service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP", "clusterIP": API_ADDRESS, "clusterIPs": [API_ADDRESS], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}],
        },
        "status": {"loadBalancer": {}},
    })
}
