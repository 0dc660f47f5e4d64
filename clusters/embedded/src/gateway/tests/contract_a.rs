//! The EnvoyFilters of contract A: authorization by authservice before everything else, and the host in a header.

use serde_json::json;

use super::*;

fn platform() -> Arc<World> {
    let filter = |name: &str, router: bool, config: Value| {
        let mut place = json!({"name": "envoy.http_connection_manager"});
        if router {
            place["subFilter"] = json!({"name": "envoy.router"});
        }
        json!({"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": {"namespace": "istio-system", "name": name},
            "spec": {"workloadSelector": {"labels": {"app": "istio-ingressgateway"}}, "configPatches": [{
                "applyTo": "HTTP_FILTER",
                "match": {"context": "GATEWAY", "listener": {"filterChain": {"filter": place}}},
                "patch": {"operation": "INSERT_BEFORE", "value": {"name": "x", "typed_config": config}}}]}})
    };
    let type_url = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.http.{name}");
    let mut objects = program("istio-system", "authservice", "test/check", 8080, false);
    objects.extend(program("kubeflow", "dashboard", "lab/echo", 80, false));
    objects.extend([
        virtual_service("kubeflow", "dashboard", to("/", "dashboard")),
        filter("authn-filter", false, json!({"@type": type_url("ext_authz.v3.ExtAuthz"), "http_service": {
            "server_uri": {"cluster": "outbound|8080||authservice.istio-system.svc.cluster.local", "timeout": "10s"},
            "authorization_request": {"allowed_headers": {"patterns": [{"exact": "authorization"}, {"exact": "cookie"}]}},
            "authorization_response": {"allowed_upstream_headers": {"patterns": [{"exact": "kubeflow-userid"}]}}}})),
        filter("x-forwarded-host", true, json!({"@type": type_url("lua.v3.Lua"), "inlineCode":
            "local host = h:headers():get(\":authority\")\nh:headers():add(\"x-forwarded-host\", host)\n"})),
    ]);
    world(objects)
}

#[tokio::test]
async fn every_header_of_a_denial_reaches_the_client() {
    let answer = get(&platform(), "/x", &[]).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "sign in for /x"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    assert!(answer.header("x-envoy-upstream-service-time").is_some());
}

#[tokio::test]
async fn identity_is_overwritten_and_the_host_is_appended() {
    let answer = get(
        &platform(),
        "/x",
        &[
            "Cookie: session=good",
            "kubeflow-userid: a",
            "kubeflow-userid: b",
            "kubeflow-groups: c",
            "x-forwarded-host: d",
        ],
    )
    .await;
    assert_eq!(answer.received("kubeflow-userid"), ["user@example.com"]);
    assert_eq!(answer.received("kubeflow-groups"), ["c"]);
    assert_eq!(answer.received("authorization"), Vec::<String>::new());
    assert_eq!(answer.received("x-forwarded-host"), ["d,localhost:8080"]);
}

#[tokio::test]
async fn an_unavailable_provider_closes_every_path() {
    let world = platform();
    remove(&world, "", "pods", "istio-system", "authservice");
    let answer = get(&world, "/dex/x", &["Cookie: session=good"]).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, ""));
}
