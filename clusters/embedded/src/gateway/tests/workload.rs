//! From pod to pod: the policies of the receiver's sidecar, and how the request travels.

use http_body_util::BodyExt;
use serde_json::json;

use super::*;
use crate::mesh::{self, Caller};

const PRINCIPAL: &str = "cluster.local/ns/istio-system/sa/istio-ingressgateway";

fn platform() -> Arc<World> {
    let mut objects = program("kubeflow", "app", "lab/echo", 80, true);
    objects.extend(program("kubeflow", "bare", "lab/echo", 80, false));
    objects.extend([
        policy("istio-system", "global-deny-all", json!({})),
        policy(
            "istio-system",
            "ingress",
            json!({"selector": {"matchLabels": {"app": "istio-ingressgateway"}}, "rules": [{}]}),
        ),
        policy(
            "kubeflow",
            "app",
            json!({"selector": {"matchLabels": {"app": "app"}}, "rules": [
            {"from": [{"source": {"principals": [PRINCIPAL]}}], "when": [
                {"key": "request.headers[kubeflow-userid]", "values": ["owner@example.com"]}]},
            {"from": [{"source": {"namespaces": ["kubeflow"]}}]},
            {"to": [{"operation": {"paths": ["/healthz", "/metrics"]}}]},
            {"to": [{"operation": {"methods": ["GET"], "paths": ["*/api/kernels"]}}],
                "from": [{"source": {"principals": ["cluster.local/ns/kubeflow/sa/controller"]}}]}]}),
        ),
        virtual_service("kubeflow", "app", to("/", "app")),
    ]);
    world(objects)
}

fn from(namespace: &str, account: &str, in_mesh: bool) -> Caller {
    Caller { namespace: namespace.into(), service_account: account.into(), in_mesh }
}

async fn call(world: &Arc<World>, caller: Caller, url: &str, userid: Option<&str>) -> (u16, String) {
    let mut request = Request::get(url);
    if let Some(userid) = userid {
        request = request.header("kubeflow-userid", userid);
    }
    let reply = mesh::call(world, caller, request.body(Body::empty()).unwrap()).await;
    let (head, body) = reply.into_parts();
    (status(head.status), String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn the_owners_policy_lets_in_whom_it_names() {
    let world = platform();
    let app = "http://app.kubeflow.svc.cluster.local";
    for (caller, path, userid, expected) in [
        (from("istio-system", "istio-ingressgateway", true), "/", Some("owner@example.com"), 200),
        (from("istio-system", "istio-ingressgateway", true), "/", Some("other@example.com"), 403),
        (from("istio-system", "istio-ingressgateway", false), "/", Some("owner@example.com"), 403),
        (from("other", "default-editor", true), "/", Some("owner@example.com"), 403),
        (from("other", "default-editor", false), "/healthz", None, 200),
        (from("kubeflow", "anyone", true), "/", None, 200),
        (from("kubeflow", "anyone", false), "/", None, 403),
        (from("kubeflow", "controller", true), "/notebook/api/kernels", None, 200),
    ] {
        let (status, body) = call(&world, caller.clone(), &format!("{app}{path}"), userid).await;
        assert_eq!(status, expected, "{caller:?} {path} {userid:?}");
        assert_eq!(body == "RBAC: access denied", expected == 403);
    }
    // No sidecar, no policy; and no principal to tell.
    let (_, body) = call(&world, from("other", "x", false), "http://bare.kubeflow/", None).await;
    assert!(!body.contains("x-forwarded-client-cert"), "{body}");
}

#[tokio::test]
async fn the_sidecar_names_the_sender() {
    let world = platform();
    let (_, body) = call(&world, from("kubeflow", "anyone", true), "http://app/", None).await;
    assert!(body.contains("URI=spiffe://cluster.local/ns/kubeflow/sa/anyone"), "{body}");
    let answer = get(&world, "/", &["kubeflow-userid: owner@example.com", "x-forwarded-client-cert: URI=evil"]).await;
    let named = answer.received("x-forwarded-client-cert");
    assert!(named.len() == 1 && named[0].ends_with(&format!("URI=spiffe://{PRINCIPAL}")), "{named:?}");
}

#[tokio::test]
async fn services_answer_while_somebody_stands_behind_them() {
    let world = platform();
    let caller = || from("kubeflow", "anyone", true);
    assert_eq!(call(&world, caller(), "http://app:81/", None).await.0, 503);
    assert_eq!(call(&world, caller(), "http://nobody/", None).await.0, 503);
    remove(&world, "", "pods", "kubeflow", "app");
    assert_eq!(call(&world, caller(), "http://app/", None).await, (503, "no healthy upstream".into()));
    let mut pods = program("kubeflow", "app", "unknown/image", 80, false);
    put(&world, pods.remove(0));
    let (status, body) = call(&world, caller(), "http://app/", None).await;
    assert!(status == 503 && body.ends_with("Connection refused"), "{body}");
}

#[tokio::test]
async fn mutual_tls_follows_destination_rules_and_peer_authentications() {
    let world = platform();
    let rule = |host: &str, mode: &str| {
        json!({"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
            "metadata": {"namespace": "kubeflow", "name": host.split('.').next()},
            "spec": {"host": host, "trafficPolicy": {"tls": {"mode": mode}}}})
    };
    let inside = || from("kubeflow", "anyone", true);
    put(&world, rule("bare.kubeflow.svc.cluster.local", "ISTIO_MUTUAL"));
    let (status, body) = call(&world, inside(), "http://bare/", None).await;
    assert!(status == 503 && body.contains("WRONG_VERSION_NUMBER"), "{body}");
    put(&world, rule("app", "DISABLE"));
    assert_eq!(call(&world, inside(), "http://app/", None).await.0, 403);
    put(
        &world,
        json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"namespace": "istio-system", "name": "default"}, "spec": {"mtls": {"mode": "STRICT"}}}),
    );
    let (status, body) = call(&world, inside(), "http://app/healthz", None).await;
    assert!(status == 503 && body.ends_with("connection termination"), "{body}");
    put(
        &world,
        json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
        "metadata": {"namespace": "kubeflow", "name": "app"}, "spec": {"selector": {"matchLabels": {"app": "app"}},
            "portLevelMtls": {"8000": {"mode": "PERMISSIVE"}}}}),
    );
    assert_eq!(call(&world, inside(), "http://app/healthz", None).await.0, 200);
}
