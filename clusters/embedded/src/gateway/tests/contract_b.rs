//! The policies of contract B: CUSTOM, token, DENY. Expectations are recorded answers of the real chain.

use serde_json::json;

use super::*;

/// The platform of contract B, with an echo behind `/` and `/dex/`.
fn platform() -> Arc<World> {
    let excluded = ["/dex/*", "/dex/**", "/oauth2/*"];
    let gateway = json!({"matchLabels": {"app": "istio-ingressgateway"}});
    let mesh = "rootNamespace: istio-system\nextensionProviders:\n- name: oauth2-proxy\n  envoyExtAuthzHttp:\n    \
                service: check.oauth2-proxy.svc.cluster.local\n    port: 80\n    \
                includeRequestHeadersInCheck: [authorization, cookie]\n    \
                headersToUpstreamOnAllow: [authorization]\n    headersToDownstreamOnDeny: [content-type, set-cookie]\n";
    let mut objects = program("oauth2-proxy", "check", "test/check", 80, false);
    objects.extend(program("auth", "dex", "test/issuer", 5556, false));
    objects.extend(program("kubeflow", "dashboard", "lab/echo", 80, false));
    objects.extend(program("kubeflow", "behind-dex", "lab/echo", 80, false));
    objects.extend([
        json!({"kind": "ConfigMap", "metadata": {"namespace": "istio-system", "name": "istio"}, "data": {"mesh": mesh}}),
        virtual_service("kubeflow", "dashboard", to("/", "dashboard")),
        virtual_service("auth", "dex", to("/dex/", "behind-dex")),
        policy("istio-system", "global-deny-all", json!({})),
        policy("istio-system", "ingress", json!({"selector": gateway, "action": "ALLOW", "rules": [{}]})),
        policy("istio-system", "ask", json!({"selector": gateway, "action": "CUSTOM",
            "provider": {"name": "oauth2-proxy"}, "rules": [{"to": [{"operation": {"notPaths": excluded}}],
            "when": [{"key": "request.headers[authorization]", "notValues": ["*"]}]}]})),
        policy("istio-system", "require-jwt", json!({"selector": gateway, "action": "DENY", "rules": [{
            "from": [{"source": {"notRequestPrincipals": ["*"]}}], "to": [{"operation": {"notPaths": excluded}}]}]})),
        json!({"apiVersion": "security.istio.io/v1", "kind": "RequestAuthentication",
            "metadata": {"namespace": "istio-system", "name": "dex-jwt"},
            "spec": {"selector": gateway, "jwtRules": [{"issuer": ISSUER, "forwardOriginalToken": true,
                "fromHeaders": [{"name": "Authorization", "prefix": "Bearer "}],
                "outputClaimToHeaders": [{"claim": "email", "header": "kubeflow-userid"},
                    {"claim": "groups", "header": "kubeflow-groups"}]}]}}),
    ]);
    world(objects)
}

const SESSION: &str = "Cookie: session=good";
const FORGED: &str = "Kubeflow-UserID: root@evil.test";
const DENIED: &str = "RBAC: access denied";

#[tokio::test]
async fn a_stranger_gets_the_answer_of_the_provider() {
    let world = platform();
    let answer = get(&world, "/pipeline/../x?y=1", &[FORGED]).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "sign in for /x?y=1"));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!((answer.header("set-cookie"), answer.header("location")), (Some("a=b"), Some("/login")));
    assert_eq!((answer.header("cache-control"), answer.header("server")), (None, Some("istio-envoy")));
    assert_eq!(get(&world, "/api/x", &[]).await.status, 401);
    let preflight = ["Origin: https://evil.test", "Access-Control-Request-Method: GET"];
    assert_eq!(send(&world, "OPTIONS", "/", &preflight).await.status, 403);
}

#[tokio::test]
async fn a_session_reaches_the_application_with_its_own_identity() {
    let answer = get(&platform(), "/x", &[SESSION, FORGED, "kubeflow-userid: b@evil.test", "kubeflow-groups: a"]).await;
    assert_eq!(answer.received("kubeflow-userid"), ["user@example.com"]);
    assert_eq!(answer.received("kubeflow-groups"), Vec::<String>::new());
    assert_eq!(answer.received("x-other"), Vec::<String>::new());
    assert!(answer.received("authorization")[0].starts_with("Bearer ey"));
    assert_eq!(answer.received("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(answer.received("cookie"), ["session=good"]);
}

#[tokio::test]
async fn tokens_are_taken_or_refused_with_envoys_words() {
    let world = platform();
    let good = token(json!({"email": "a@b.c"}));
    let form = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections";
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    let now = jiff::Timestamp::now().as_second();
    for (authorization, status, body) in [
        ("abc".to_owned(), 403, DENIED),
        ("Basic eDp5".to_owned(), 403, DENIED),
        (format!("bearer {good}"), 403, DENIED),
        (String::new(), 403, DENIED),
        ("Bearer".to_owned(), 403, DENIED),
        ("Bearer abc".to_owned(), 401, form),
        (format!("Bearer {unsigned}"), 401, form),
        (format!("Bearer {good} x"), 401, "Jwt verification fails"),
        (format!("Bearer {good}, Bearer abc"), 401, "Jwt signature is an invalid Base64url encoded"),
        (format!("Bearer {}AAAAAAAA", &good[..good.len() - 8]), 401, "Jwt verification fails"),
        (format!("Bearer {}", token(json!({"iss": "x"}))), 401, "Jwt issuer is not configured"),
        (format!("Bearer {}", token(json!({"iss": ["x"]}))), 401, "Jwt payload [iss] field is not a string"),
        (format!("Bearer {}", token(json!({"exp": now - 63}))), 401, "Jwt is expired"),
        (format!("Bearer {}", token(json!({"nbf": now + 600}))), 401, "Jwt not yet valid"),
        (format!("Bearer {}", token(json!({"sub": ""}))), 403, DENIED),
        (format!("Bearer {}", token(json!({"email": "a\r\nx: y"}))), 503, "invalid header value for: kubeflow-userid"),
    ] {
        let answer = get(&world, "/", &[&format!("Authorization: {authorization}"), SESSION]).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{authorization}");
        let challenge = "Bearer realm=\"http://localhost:8080/\", error=\"invalid_token\"";
        assert_eq!(answer.header("www-authenticate"), (status == 401).then_some(challenge));
    }
    for authorization in [
        format!("Bearer {good}"),
        format!("Bearer  {good}"),
        format!("Basic x Bearer {good}"),
        format!("Bearer {}", token(json!({"email": "a@b.c", "exp": now - 30}))),
        format!("Bearer {}", token(json!({"email": " a@b.c "}))),
    ] {
        let answer = get(&world, "/", &[&format!("Authorization: {authorization}"), FORGED]).await;
        assert_eq!(answer.received("kubeflow-userid"), ["a@b.c"], "{authorization}");
    }
}

#[tokio::test]
async fn claims_become_headers_as_recorded() {
    let world = platform();
    for (claims, userid, groups) in [
        (json!({"email": 42}), vec!["42"], vec![]),
        (json!({"email": ["a@x.y", "b@x.y"]}), vec!["WyJhQHgueSIsImJAeC55Il0="], vec![]),
        (json!({"email": ""}), vec![], vec![]),
        (json!({"groups": "a"}), vec![], vec!["a"]),
    ] {
        let header = format!("Authorization: Bearer {}", token(claims.clone()));
        let answer = get(&world, "/", &[&header, FORGED, "kubeflow-groups: admins"]).await;
        assert_eq!(
            (answer.received("kubeflow-userid"), answer.received("kubeflow-groups")),
            (userid.into_iter().map(str::to_owned).collect(), groups.into_iter().map(str::to_owned).collect(),),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn excluded_paths_are_open_but_headers_are_cleaned_except_on_preflight() {
    let world = platform();
    assert!(get(&world, "/dex/x", &[FORGED]).await.received("kubeflow-userid").is_empty());
    assert_eq!(get(&world, "/dex/x", &["Authorization: Bearer abc"]).await.status, 401);
    let preflight = ["Origin: https://evil.test", "Access-Control-Request-Method: GET", FORGED];
    let answer = send(&world, "OPTIONS", "/dex/x", &preflight).await;
    assert_eq!(answer.received("kubeflow-userid"), ["root@evil.test"]);
    assert_eq!(send(&world, "OPTIONS", "/", &preflight).await.status, 403);
}

#[tokio::test]
async fn a_broken_provider_refuses_and_tells_nothing() {
    let world = platform();
    let answer = get(&world, "/", &["Cookie: session=broken"]).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, ""));
    remove(&world, "", "pods", "oauth2-proxy", "check");
    let answer = get(&world, "/", &[SESSION]).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, ""));
    let header = format!("Authorization: Bearer {}", token(json!({"email": "a@b.c"})));
    assert_eq!(get(&world, "/", &[&header]).await.received("kubeflow-userid"), ["a@b.c"]);
}

#[tokio::test(start_paused = true)]
async fn keys_that_could_not_be_fetched_verify_nothing_until_the_next_interval() {
    let world = platform();
    let header = format!("Authorization: Bearer {}", token(json!({"email": "a@b.c"})));
    remove(&world, "", "pods", "auth", "dex");
    let answer = get(&world, "/", &[&header]).await;
    assert_eq!((answer.status, answer.body.as_str()), (401, "Jwt verification fails"));
    program("auth", "dex", "test/issuer", 5556, false).into_iter().take(1).for_each(|pod| put(&world, pod));
    assert_eq!(get(&world, "/", &[&header]).await.status, 401);
    tokio::time::advance(Duration::from_secs(20 * 60)).await;
    assert_eq!(get(&world, "/", &[&header]).await.status, 200);
    // Known keys outlive their issuer.
    remove(&world, "", "pods", "auth", "dex");
    tokio::time::advance(Duration::from_secs(20 * 60)).await;
    assert_eq!(get(&world, "/", &[&header]).await.status, 200);
}

#[tokio::test]
async fn grpc_clients_are_refused_in_their_own_form() {
    let world = platform();
    for (kind, headers, http, code, message) in [
        ("application/grpc", "x: y", 200, Some("7"), Some("sign in for /")),
        ("application/grpc+proto", "Authorization: Basic eDp5", 200, Some("7"), Some(DENIED)),
        ("application/grpc-web", "x: y", 403, None, None),
    ] {
        let answer = get(&world, "/", &[&format!("Content-Type: {kind}"), headers]).await;
        assert_eq!((answer.status, answer.header("grpc-status"), answer.header("grpc-message")), (http, code, message));
    }
}

#[tokio::test]
async fn a_removed_policy_opens_what_it_closed() {
    let world = platform();
    let security = "security.istio.io";
    remove(&world, security, "authorizationpolicies", "istio-system", "ask");
    assert_eq!(get(&world, "/", &[]).await.body, DENIED);
    remove(&world, security, "authorizationpolicies", "istio-system", "require-jwt");
    assert!(get(&world, "/", &[FORGED]).await.received("kubeflow-userid").is_empty());
    remove(&world, security, "requestauthentications", "istio-system", "dex-jwt");
    assert_eq!(get(&world, "/", &[FORGED]).await.received("kubeflow-userid"), ["root@evil.test"]);
    remove(&world, security, "authorizationpolicies", "istio-system", "ingress");
    assert_eq!(get(&world, "/", &[]).await.body, DENIED);
    remove(&world, security, "authorizationpolicies", "istio-system", "global-deny-all");
    assert_eq!(get(&world, "/", &[]).await.status, 200);
}
