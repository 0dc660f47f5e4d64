//! Routes, rewrites, and what the connection manager refuses.

use serde_json::json;

use super::*;

fn platform() -> Arc<World> {
    let mut objects = Vec::new();
    for name in ["dashboard", "jupyter", "pipeline", "exact"] {
        objects.extend(program("kubeflow", name, "lab/echo", 80, false));
    }
    let mut jupyter = to("/jupyter/", "jupyter");
    jupyter[0]["rewrite"] = json!({"uri": "/"});
    jupyter[0]["headers"] = json!({"request": {"add": {"x-forwarded-prefix": "/jupyter"}, "remove": ["x-gone"]}});
    let mut pipeline = to("/pipeline", "pipeline");
    pipeline[0]["timeout"] = json!("300s");
    let mut exact = to("/", "exact");
    exact[0]["match"] = json!([
        {"uri": {"exact": "/exact"}, "method": {"regex": "GET|HEAD"}, "queryParams": {"a": {"exact": "1"}}},
        {"uri": {"regex": "/r[0-9]+"}, "headers": {"x-a": {"prefix": "b"}}, "withoutHeaders": {"x-not": {}}}]);
    let mut down = to("/down", "nobody");
    down[0]["route"][0]["destination"]["port"]["number"] = json!(1);
    objects.extend([
        // The catch-all is the oldest, and last all the same.
        virtual_service("kubeflow", "a-dashboard", to("/", "dashboard")),
        virtual_service("kubeflow", "jupyter", jupyter),
        virtual_service("kubeflow", "pipeline", pipeline),
        virtual_service("kubeflow", "exact", exact),
        virtual_service("kubeflow", "down", down),
        virtual_service(
            "kubeflow",
            "moved",
            json!([{"match": [{"uri": {"prefix": "/moved"}}],
            "redirect": {"uri": "/new", "authority": "other.test", "redirectCode": 302}}]),
        ),
    ]);
    world(objects)
}

#[tokio::test]
async fn each_path_reaches_its_application() {
    let world = platform();
    for (target, headers, route, line) in [
        ("/", vec![], "dashboard", "GET / HTTP/1.1"),
        ("/jupyter", vec![], "dashboard", "GET /jupyter HTTP/1.1"),
        ("/jupyter/api/x?y=/z", vec![], "jupyter", "GET /api/x?y=/z HTTP/1.1"),
        ("/pipelines", vec![], "pipeline", "GET /pipelines HTTP/1.1"),
        ("/exact?b=2&a=1", vec![], "exact", "GET /exact?b=2&a=1 HTTP/1.1"),
        ("/exact?a=2", vec![], "dashboard", "GET /exact?a=2 HTTP/1.1"),
        ("/r12", vec!["x-a: bc"], "exact", "GET /r12 HTTP/1.1"),
        ("/r12", vec!["x-a: c"], "dashboard", "GET /r12 HTTP/1.1"),
        ("/r12", vec!["x-a: bc", "x-not: 1"], "dashboard", "GET /r12 HTTP/1.1"),
        ("http://evil.test/pipeline/x", vec![], "pipeline", "GET /pipeline/x HTTP/1.1"),
    ] {
        let echo = get(&world, target, &headers).await.echo();
        assert_eq!((echo["route"].as_str(), echo["request_line"].as_str()), (Some(route), Some(line)), "{target}");
    }
}

#[tokio::test]
async fn routes_change_headers_and_envoy_adds_its_own() {
    let world = platform();
    let answer = get(
        &world,
        "/jupyter/x",
        &[
            "x-forwarded-prefix: /evil",
            "x-gone: 1",
            "x-envoy-internal: true",
            "x-forwarded-client-cert: By=x",
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-Proto: https",
        ],
    )
    .await;
    assert_eq!(answer.received("x-forwarded-prefix"), ["/evil", "/jupyter"]);
    assert_eq!(answer.received("x-envoy-original-path"), ["/jupyter/x"]);
    assert_eq!(answer.received("x-forwarded-for"), ["203.0.113.9,127.0.0.1"]);
    assert_eq!(answer.received("x-forwarded-proto"), ["http"]);
    for name in ["x-gone", "x-envoy-internal", "x-forwarded-client-cert", "connection"] {
        assert_eq!(answer.received(name), Vec::<String>::new(), "{name}");
    }
    assert_eq!(get(&world, "/pipeline", &[]).await.received("x-envoy-expected-rq-timeout-ms"), ["300000"]);
}

#[tokio::test]
async fn answers_without_an_application() {
    let world = platform();
    let answer = get(&world, "/moved/x?y", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://other.test/new?y")));
    assert_eq!(get(&world, "/down", &[]).await.status, 503);
    remove(&world, "", "pods", "kubeflow", "pipeline");
    assert_eq!(get(&world, "/pipeline", &[]).await.body, "no healthy upstream");
    remove(&world, "networking.istio.io", "virtualservices", "kubeflow", "a-dashboard");
    assert_eq!(get(&world, "/nothing", &[]).await.status, 404);
}

#[tokio::test]
async fn the_connection_manager_refuses_what_envoy_refuses() {
    let world = platform();
    for (request, status, body) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400, ""),
        ("GET / HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n", 400, "Bad Request"),
        ("GET / HTTP/1.0\r\nHost: x\r\n\r\n", 426, "Upgrade Required"),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, ""),
        ("GET /%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400, ""),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: foo\r\n\r\n", 403, ""),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: x-forwarded-for, close\r\n\r\n", 400, ""),
        ("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\nConnection: close\r\n\r\n", 404, ""),
    ] {
        let answer = wire(&world, request).await.unwrap();
        assert_eq!(
            (answer.status, answer.body.as_str(), answer.header("server")),
            (status, body, Some("istio-envoy")),
            "{request}"
        );
    }
    let answer = get(&world, "/", &["Connection: x-secret", "x-secret: 1"]).await;
    assert!(answer.received("x-secret").is_empty());
}

#[tokio::test]
async fn without_its_pod_its_service_or_a_gateway_nobody_answers() {
    for (group, plural, name) in [
        ("", "pods", ("istio-system", "istio-ingressgateway")),
        ("", "services", ("istio-system", "istio-ingressgateway")),
        ("networking.istio.io", "gateways", ("kubeflow", "kubeflow-gateway")),
    ] {
        let world = platform();
        assert!(wire(&world, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.is_some());
        remove(&world, group, plural, name.0, name.1);
        assert!(wire(&world, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.is_none(), "{plural}");
    }
}

#[tokio::test]
async fn a_gateway_may_serve_one_host_only_or_insist_on_tls() {
    for (server, host, status) in [
        (json!({"hosts": ["kubeflow.test"], "port": {"number": 80, "protocol": "HTTP"}}), "kubeflow.test", 200),
        (json!({"hosts": ["kubeflow.test"], "port": {"number": 80, "protocol": "HTTP"}}), "localhost:8080", 404),
        (json!({"hosts": ["*"], "port": {"number": 80, "protocol": "HTTP"}, "tls": {"httpsRedirect": true}}), "x", 301),
    ] {
        let world = platform();
        let key = Key::new("networking.istio.io", "gateways", "kubeflow", "kubeflow-gateway");
        let servers = json!([server]);
        world
            .store
            .update(&key, None, |gateway| {
                gateway["spec"]["servers"] = servers.clone();
                true
            })
            .unwrap();
        let request = format!("GET /jupyter/x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = wire(&world, &request).await.unwrap();
        assert_eq!(answer.status, status, "{server}");
        assert_eq!(answer.header("location"), (status == 301).then_some("https://x/jupyter/x"));
    }
}

#[tokio::test]
async fn while_istiod_is_away_the_configuration_stays() {
    let world = platform();
    assert_eq!(get(&world, "/jupyter/", &[]).await.echo()["route"], "jupyter");
    remove(&world, "", "pods", "istio-system", "istiod");
    remove(&world, "networking.istio.io", "virtualservices", "kubeflow", "jupyter");
    assert_eq!(get(&world, "/jupyter/", &[]).await.echo()["route"], "jupyter");
    program("istio-system", "istiod", "istio/pilot", 15010, false).into_iter().take(1).for_each(|pod| put(&world, pod));
    assert_eq!(get(&world, "/jupyter/", &[]).await.echo()["route"], "dashboard");
}

#[tokio::test]
async fn requests_may_follow_each_other_on_one_connection() {
    let world = platform();
    let two = "GET /jupyter/ HTTP/1.1\r\nHost: x\r\n\r\nGET /moved HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = wire(&world, two).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("HTTP/1.1 302"), "{}", answer.body);
}
