//! Notebooks and Tensorboards: kubeflow v1.9.2's notebook-controller and tensorboard-controller, without a kubelet, so
//! that nothing became ready: what a status says of pods is not compared.

use embedded::store::Key;
use embedded::{Platform, blueprint, object};
use serde_json::{Value, json};

use super::{eventually, object_differs, start};
use crate::fidelity::{self, Found};
use crate::recordings;

/// What belongs to the cluster, or to pods that did not run there.
const LEFT_OUT: [&str; 5] = [
    "/status",
    "/spec/clusterIP",
    "/spec/clusterIPs",
    "/metadata/generation",
    "/metadata/annotations/deployment.kubernetes.io~1revision",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notebooks_are_run_as_observed() {
    let Some(file) = recordings::observation("notebooks.json") else { return };
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let platform = in_alices_namespace().await;
    let mut found = Found::default();
    make(&platform, &seen["nb1"]["notebook"]);
    compare(&platform, "nb1", &seen["nb1"], &mut found).await;
    let key = Key::new("kubeflow.org", "notebooks", "alice", "nb1");
    let annotations = &seen["stopped"]["notebook"]["metadata"]["annotations"];
    let stop = |notebook: &mut Value| {
        notebook["metadata"]["annotations"] = annotations.clone();
        true
    };
    platform.world().store.update(&key, None, stop).unwrap();
    compare(&platform, "nb1 stopped", &seen["stopped"], &mut found).await;
    for (name, one) in seen["bad_names_and_variants"].as_object().unwrap() {
        if one["full"].is_object() {
            make(&platform, &one["full"]["notebook"]);
            compare(&platform, name, &one["full"], &mut found).await;
        } else {
            found.leave_out("only the names of its objects were kept");
        }
    }
    fidelity::judge("notebook-controller", "v1.9.1", &found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tensorboards_are_run_as_observed() {
    let Some(file) = recordings::observation("tensorboards.json") else { return };
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let platform = in_alices_namespace().await;
    let mut found = Found::default();
    let all: Vec<_> = seen.as_object().unwrap().iter().filter(|(_, one)| one["tb"].is_object()).collect();
    all.iter().for_each(|(_, one)| make(&platform, &one["tb"]));
    // When the controller has come to this one, it has been at all others.
    let mut last = seen["tb-s3"]["tb"].clone();
    last["metadata"]["name"] = json!("last");
    make(&platform, &last);
    assert!(exists(&platform, &Key::new("apps", "deployments", "alice", "last")).await, "no TensorBoard is run");
    for (name, one) in all {
        compare(&platform, name, one, &mut found).await;
    }
    fidelity::judge("tensorboard-controller", "v1.9.1", &found);
}

async fn in_alices_namespace() -> Platform {
    let platform = start().await;
    let profile = json!({"apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": "alice"},
        "spec": {"owner": {"kind": "User", "name": "alice@example.com"}}});
    blueprint::put(platform.world(), [profile]).unwrap();
    let namespace = Key::new("", "serviceaccounts", "alice", "default-editor");
    assert!(exists(&platform, &namespace).await, "the namespace is not made");
    platform
}

/// Whether an object appears in time.
async fn exists(platform: &Platform, key: &Key) -> bool {
    let missing = || match platform.world().store.get(key) {
        Some(_) => Vec::new(),
        None => vec!["there is none".to_owned()],
    };
    eventually(missing).await.is_empty()
}

/// Makes a custom resource as somebody applied it: without what its controller and the API added.
fn make(platform: &Platform, seen: &Value) {
    let metadata = &seen["metadata"];
    let mut applied = json!({"name": metadata["name"], "namespace": "alice"});
    for field in ["labels", "annotations"] {
        if metadata[field].is_object() {
            applied[field] = metadata[field].clone();
        }
    }
    let object =
        json!({"apiVersion": seen["apiVersion"], "kind": seen["kind"], "metadata": applied, "spec": seen["spec"]});
    blueprint::put(platform.world(), [object]).unwrap();
}

/// Compares what belongs to a custom resource; what the observer looked for in vain must be absent here, too.
async fn compare(platform: &Platform, case: &str, seen: &Value, found: &mut Found) {
    for (member, group, plural) in [
        ("sts", "apps", "statefulsets"),
        ("deployment", "apps", "deployments"),
        ("svc", "", "services"),
        ("service", "", "services"),
        ("vs", "networking.istio.io", "virtualservices"),
    ] {
        let Some(one) = seen.get(member).filter(|one| one.is_object()) else { continue };
        let name = if one["kind"] == "Status" { object::text(one, "/details/name") } else { object::name(one) };
        let key = Key::new(group, plural, "alice", name);
        let differences = if one["kind"] == "Status" {
            let is_there = platform.world().store.get(&key).is_some();
            if is_there { vec!["observed none, now there is one".to_owned()] } else { Vec::new() }
        } else {
            eventually(|| object_differs(platform, &key, one, &LEFT_OUT)).await
        };
        found.note(&format!("{case}: {plural}/{}", name.chars().take(40).collect::<String>()), differences);
    }
}
