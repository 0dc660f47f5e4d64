//! The API as a typed client sees it: paging, watches, apply and its conflicts, definitions, refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use embedded::{Options, Platform, Start, api, object};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, PropagationPolicy,
    WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

async fn start() -> (Platform, Client) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let platform = Platform::start(Options { start: Start::Blank, ..Options::default() }).await.unwrap();
    let client = client(&platform, None).await;
    (platform, client)
}

async fn client(platform: &Platform, impersonated: Option<&str>) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(&platform.kubeconfig()).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.auth_info.impersonate = impersonated.map(str::to_owned);
    Client::try_from(config).unwrap()
}

async fn namespace(client: &Client, name: &str) -> Api<ConfigMap> {
    let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    Api::all(client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
    Api::namespaced(client.clone(), name)
}

fn config_map(name: &str, data: &Value) -> ConfigMap {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data,
    }))
    .unwrap()
}

fn refusal(error: kube::Error) -> (u16, String, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("no refusal of the API: {other}"),
    }
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let (_platform, client) = start().await;
    let maps = namespace(&client, "pages").await;
    for number in 0..7 {
        let map = config_map(&format!("m{number}"), &json!({}));
        maps.create(&PostParams::default(), &map).await.unwrap();
    }
    let mut names = Vec::new();
    let mut pages = 0;
    let mut parameters = ListParams::default().limit(3).fields("metadata.name!=kube-root-ca.crt");
    loop {
        let page = maps.list(&parameters).await.unwrap();
        pages += 1;
        names.extend(page.items.into_iter().filter_map(|map| map.metadata.name));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters = parameters.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(names, ["m0", "m1", "m2", "m3", "m4", "m5", "m6"]);
    assert_eq!(pages, 3);
    let broken = maps.list(&ListParams::default().limit(3).continue_token("x")).await.unwrap_err();
    assert_eq!(refusal(broken).0, 400);
}

#[tokio::test]
async fn a_watch_goes_on_where_it_was_left_and_says_when_that_is_too_long_ago() {
    let (platform, client) = start().await;
    let maps = namespace(&client, "watched").await;
    let first = maps.create(&PostParams::default(), &config_map("a", &json!({}))).await.unwrap();
    let version = first.metadata.resource_version.unwrap();
    maps.patch("a", &PatchParams::default(), &Patch::Merge(json!({ "data": { "x": "1" } }))).await.unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let parameters = WatchParams::default().fields("metadata.name=a");
    let mut events = maps.watch(&parameters, &version).await.unwrap().boxed();
    let mut seen = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        match event {
            WatchEvent::Modified(map) => seen.push(("modified", map.data.unwrap()["x"].clone())),
            WatchEvent::Deleted(map) => {
                assert!(map.metadata.resource_version.unwrap() > version, "a deletion is newer than the object");
                seen.push(("deleted", String::new()));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen, [("modified", "1".to_owned()), ("deleted", String::new())]);

    // The log is finite: whoever comes too late lists again.
    let key = embedded::store::Key::new("", "configmaps", "watched", "busy");
    let store = &platform.world().store;
    store.create(&key, json!({ "apiVersion": "v1", "kind": "ConfigMap" })).unwrap();
    for turn in 0..21_000 {
        store
            .update(&key, None, |map| {
                map["data"] = json!({ "turn": turn.to_string() });
                true
            })
            .unwrap();
    }
    let mut events = maps.watch(&parameters, &version).await.unwrap().boxed();
    match events.try_next().await.unwrap() {
        Some(WatchEvent::Error(status)) => assert_eq!((status.code, status.reason.as_str()), (410, "Expired")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn apply_shares_an_object_among_managers_and_refuses_to_take_their_fields() {
    let (_platform, client) = start().await;
    let maps = namespace(&client, "applied").await;
    let apply = |manager: &str, data: Value| {
        let (maps, parameters) = (maps.clone(), PatchParams::apply(manager));
        async move { maps.patch("m", &parameters, &Patch::Apply(config_map("m", &data))).await }
    };
    apply("one", json!({ "a": "1", "b": "1" })).await.unwrap();
    apply("two", json!({ "c": "2" })).await.unwrap();
    let (code, reason, message) = refusal(apply("two", json!({ "a": "2", "c": "2" })).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (409, "Conflict"));
    assert_eq!(message, "Apply failed with 1 conflict: conflict with \"one\": .data.a");
    // What a manager no longer says goes, unless another says it.
    let after = apply("one", json!({ "a": "1" })).await.unwrap();
    assert_eq!(json!(after.data), json!({ "a": "1", "c": "2" }));
    let forced = PatchParams::apply("two").force();
    let after = maps.patch("m", &forced, &Patch::Apply(config_map("m", &json!({ "a": "2" })))).await.unwrap();
    assert_eq!(json!(after.data), json!({ "a": "2" }));
    let managers: Vec<_> =
        after.metadata.managed_fields.unwrap().into_iter().filter_map(|entry| entry.manager).collect();
    assert_eq!(managers, ["two"]);
}

const WIDGETS: &str = r#"{
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {"name": "widgets.example.com"},
  "spec": {
    "group": "example.com", "scope": "Namespaced",
    "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wi"]},
    "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
      "schema": {"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "required": ["size"], "properties": {
          "size": {"type": "integer", "minimum": 1}, "color": {"type": "string", "default": "red"},
          "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"],
              "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]
  }
}"#;

#[tokio::test]
async fn a_definition_is_served_at_once_and_prunes_defaults_and_validates() {
    let (_platform, client) = start().await;
    namespace(&client, "custom").await;
    let definitions = ApiResource::erase::<
        k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    >(&());
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &definitions);
    let definition: Value = serde_json::from_str(WIDGETS).unwrap();
    let made =
        definitions.patch("widgets.example.com", &PatchParams::apply("test"), &Patch::Apply(definition)).await.unwrap();
    let established = object::list(&made.data, "/status/conditions").iter().any(|c| c["type"] == "Established");
    assert!(established, "{:?}", made.data["status"]);

    let resource = ApiResource {
        group: "example.com".into(),
        version: "v1".into(),
        api_version: "example.com/v1".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
    };
    let widgets: Api<DynamicObject> = Api::namespaced_with(client.clone(), "custom", &resource);
    let widget = |spec: Value| -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "w" },
            "spec": spec, "status": { "sent": "too early" },
        }))
        .unwrap()
    };
    let post = PostParams::default();
    let (code, reason, message) = refusal(widgets.create(&post, &widget(json!({ "size": 0 }))).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (422, "Invalid"));
    let rule = "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1";
    assert_eq!(message, format!("Widget.example.com \"w\" is invalid: {rule}"));
    let (_, _, message) = refusal(widgets.create(&post, &widget(json!({}))).await.unwrap_err());
    assert_eq!(message, "Widget.example.com \"w\" is invalid: spec.size: Required value");

    let made = widgets.create(&post, &widget(json!({ "size": 1, "unknown": 1 }))).await.unwrap();
    assert_eq!(made.data, json!({ "spec": { "size": 1, "color": "red" } }));
    let status = Patch::Merge(json!({ "status": { "any": "thing" }, "spec": { "size": 9 } }));
    let made = widgets.patch_status("w", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(made.data["status"]["any"], "thing");
    assert_eq!(made.data["spec"]["size"], 1, "the status subresource leaves the specification alone");
    assert_eq!(made.metadata.generation, Some(1));

    // Lists that are maps merge by their keys.
    let parts = |manager: &str, part: Value| {
        let (widgets, parameters) = (widgets.clone(), PatchParams::apply(manager).force());
        let patch = json!({
            "apiVersion": "example.com/v1", "kind": "Widget", "spec": { "size": 1, "parts": [part] },
        });
        async move { widgets.patch("w", &parameters, &Patch::Apply(patch)).await.unwrap() }
    };
    parts("one", json!({ "name": "a", "n": 1 })).await;
    let both = parts("two", json!({ "name": "b", "n": 2 })).await;
    assert_eq!(both.data["spec"]["parts"], json!([{ "name": "a", "n": 1 }, { "name": "b", "n": 2 }]));
}

#[tokio::test]
async fn a_foreground_deletion_waits_for_finalizers() {
    let (_platform, client) = start().await;
    let maps = namespace(&client, "finalized").await;
    let mut map = config_map("held", &json!({}));
    map.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    maps.create(&PostParams::default(), &map).await.unwrap();
    let deletion = DeleteParams { propagation_policy: Some(PropagationPolicy::Background), ..Default::default() };
    maps.delete("held", &deletion).await.unwrap();
    let held = maps.get("held").await.unwrap();
    assert!(held.metadata.deletion_timestamp.is_some());
    let release = json!([{ "op": "remove", "path": "/metadata/finalizers" }]);
    let release: Patch<ConfigMap> = Patch::Json(serde_json::from_value(release).unwrap());
    maps.patch("held", &PatchParams::default(), &release).await.unwrap();
    assert_eq!(maps.get_opt("held").await.unwrap(), None);
}

#[tokio::test]
async fn who_is_granted_nothing_is_refused_with_the_authorizers_sentence() {
    let (platform, admin) = start().await;
    namespace(&admin, "guarded").await;
    let joe = client(&platform, Some("joe")).await;
    let maps: Api<ConfigMap> = Api::namespaced(joe, "guarded");
    let (code, reason, message) = refusal(maps.list(&ListParams::default()).await.unwrap_err());
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        message,
        "configmaps is forbidden: User \"joe\" cannot list resource \"configmaps\" in API group \"\" in the namespace \
         \"guarded\""
    );
}

/// Upstream's rendered release, applied as an installer does. Speed is printed, not judged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_release_is_applied() {
    let Some(folder) = std::env::var_os("CONFORMANCE_TEST_MANIFESTS") else {
        eprintln!("skipped: CONFORMANCE_TEST_MANIFESTS names no folder with example-v*.yaml.xz");
        return;
    };
    for release in ["v1.8.1", "v1.9.1", "v1.10.2"] {
        let path = std::path::Path::new(&folder).join(format!("example-{release}.yaml.xz"));
        let packed = std::fs::File::open(&path).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut lzma_rust2::XzReader::new(packed, true), &mut text).unwrap();
        // One by one: the reader bounds how much it reads at a time.
        let objects: Vec<Value> = text
            .split("\n---\n")
            .filter_map(|document| serde_saphyr::from_str::<Value>(document).ok())
            .filter(Value::is_object)
            .collect();
        assert!(objects.len() > 500, "{release} has only {} objects", objects.len());
        let (platform, client) = start().await;
        for name in ["default", "kube-system"] {
            let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
            drop(Api::all(client.clone()).create(&PostParams::default(), &namespace).await);
        }
        let rank = |object: &Value| match object["kind"].as_str() {
            Some("Namespace") => 0,
            Some("CustomResourceDefinition") => 1,
            _ => 2,
        };
        let begin = Instant::now();
        for wave in 0..3 {
            let wave: Vec<&Value> = objects.iter().filter(|object| rank(object) == wave).collect();
            futures::stream::iter(wave)
                .map(|object| apply(&platform, &client, object))
                .buffer_unordered(16)
                .for_each(|()| async {})
                .await;
        }
        eprintln!("{release}: {} objects in {:?}, {}", objects.len(), begin.elapsed(), memory());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

async fn apply(platform: &Platform, client: &Client, object: &Value) {
    let resource = api::kinds::of_object(platform.world(), object).unwrap_or_else(|| panic!("nobody serves {object}"));
    let of = ApiResource {
        group: resource.group.clone(),
        version: resource.version.clone(),
        api_version: resource.api_version(),
        kind: resource.kind.clone(),
        plural: resource.plural.clone(),
    };
    let name = object::name(object);
    let objects: Api<DynamicObject> = if resource.namespaced {
        let namespace = Some(object::namespace(object)).filter(|namespace| !namespace.is_empty());
        Api::namespaced_with(client.clone(), namespace.unwrap_or("default"), &of)
    } else {
        Api::all_with(client.clone(), &of)
    };
    let mut parameters = PatchParams::apply("installer").force();
    parameters.field_validation = Some(kube::api::ValidationDirective::Strict);
    objects.patch(name, &parameters, &Patch::Apply(object)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
}
