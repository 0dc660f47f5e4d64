//! The walk through a login, against pages as the contracts serve them and against broken ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use harness::context::User;
use harness::evidence::Recorder;
use harness::http::{Gateway, Limits, Session};
use harness::login::{End, Step, Trail, login, walk};
use harness::redact::Redactor;
use harness::stop::Stop;
use url::Url;
use wiremock::matchers::{body_string, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const FORM: &str = r#"<html><title>Log in</title><form method="post" action="/dex/auth/local/login?back=&amp;state=r1">
    <input name="login" type="text" value=""><input name="password" type="password"><button type="submit">Login</button>
    ERROR</form></html>"#;

fn session(server: &MockServer) -> Session {
    let recorder = Recorder::new(tokio::time::Instant::now(), Redactor::default());
    Session::new(Gateway::new(Url::parse(&server.uri()).unwrap(), Limits::default()).unwrap(), recorder, "test")
}

fn user(password: &str) -> User {
    User { email: "user@example.com".into(), password: password.into() }
}

fn to(status: u16, target: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header("location", target)
}

fn html(status: u16, body: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_raw(body.as_bytes(), "text/html; charset=utf-8")
}

async fn on(server: &MockServer, verb: &str, at: &str, answer: ResponseTemplate) {
    Mock::given(method(verb)).and(path(at)).respond_with(answer).with_priority(5).mount(server).await;
}

/// Dex: two redirects, the form, and a callback for the right password.
async fn dex(server: &MockServer, callback: &str) {
    on(server, "GET", "/dex/auth", to(302, "/dex/auth/local?x=1")).await;
    on(server, "GET", "/dex/auth/local", to(302, "/dex/auth/local/login?back=&state=r1")).await;
    on(server, "GET", "/dex/auth/local/login", html(200, FORM)).await;
    let error = "<div id=\"login-error\" class=\"dex-error-box\">\n Invalid Email Address and password.\n</div>";
    on(server, "POST", "/dex/auth/local/login", html(401, &FORM.replace("ERROR", error))).await;
    Mock::given(method("POST"))
        .and(path("/dex/auth/local/login"))
        .and(query_param("state", "r1"))
        .and(body_string("login=user%40example.com&password=right"))
        .respond_with(to(303, callback))
        .with_priority(1)
        .mount(server)
        .await;
}

async fn home(server: &MockServer, cookie: &str) {
    let home = html(200, "<title>Kubeflow Central Dashboard</title>");
    Mock::given(path("/")).and(header("cookie", cookie)).respond_with(home).with_priority(1).mount(server).await;
}

async fn contract_b() -> MockServer {
    let server = MockServer::start().await;
    let button = r#"<form method="GET" action="/oauth2/start"><input type="hidden" name="rd" value="/"><button>Sign in</button></form>"#;
    on(&server, "GET", "/", html(403, button)).await;
    let start =
        to(302, "/dex/auth?state=s").append_header("set-cookie", "oauth2_proxy_kubeflow_csrf=c; Path=/; HttpOnly");
    Mock::given(path("/oauth2/start")).and(query_param("rd", "/")).respond_with(start).mount(&server).await;
    dex(&server, "/oauth2/callback?code=1&state=s").await;
    let callback = to(302, "/")
        .append_header("set-cookie", "oauth2_proxy_kubeflow_csrf=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
        .append_header("set-cookie", "oauth2_proxy_kubeflow=session; Path=/; HttpOnly");
    on(&server, "GET", "/oauth2/callback", callback).await;
    home(&server, "oauth2_proxy_kubeflow=session").await;
    server
}

fn steps(trail: &Trail) -> Vec<Step> {
    trail.hops.iter().map(|hop| hop.step).collect()
}

fn failure(trail: &Trail) -> String {
    match trail.succeeded() {
        Err(Stop::Failed(failure)) => format!("{} / {} / {}", failure.expected, failure.actual, failure.at.unwrap()),
        other => panic!("not a failure: {other:?}"),
    }
}

#[tokio::test]
async fn contract_b_leads_through_its_sign_in_page() {
    let server = contract_b().await;
    let session = session(&server);
    let trail = login(&session, &user("right"), "/").await.unwrap();
    use Step::*;
    assert_eq!(steps(&trail), [Visit, SignIn, Towards, Towards, Form, Submit, Callback, Return]);
    assert_eq!(trail.at(Submit).unwrap().status, 303);
    assert_eq!(trail.last().unwrap().title().as_deref(), Some("Kubeflow Central Dashboard"));
    assert_eq!(session.cookie_names(), ["oauth2_proxy_kubeflow"]);
    assert!(trail.outline().starts_with("GET / 403, GET /oauth2/start 302, GET /dex/auth 302"), "{}", trail.outline());
}

#[tokio::test]
async fn contract_a_redirects_the_first_visit() {
    let server = MockServer::start().await;
    let visit =
        to(302, "/dex/auth?state=s").append_header("set-cookie", "oidc_state_csrf=s; Path=/; Max-Age=1200000000000");
    on(&server, "GET", "/", visit).await;
    dex(&server, "/authservice/oidc/callback?code=1&state=s").await;
    let callback = to(302, "/")
        .append_header("set-cookie", "oidc_state_csrf=; Path=/; Max-Age=0")
        .append_header("set-cookie", "authservice_session=id; Path=/; Max-Age=86400; SameSite=Lax");
    let callback = Mock::given(path("/authservice/oidc/callback"))
        .and(header("cookie", "oidc_state_csrf=s"))
        .respond_with(callback);
    callback.mount(&server).await;
    home(&server, "authservice_session=id").await;
    let trail = login(&session(&server), &user("right"), "/").await.unwrap();
    use Step::*;
    assert_eq!(steps(&trail), [Visit, Towards, Towards, Form, Submit, Callback, Return]);
}

#[tokio::test]
async fn a_wrong_password_is_a_refusal_with_dexs_words() {
    let server = contract_b().await;
    let trail = walk(&session(&server), &user("wrong"), "/").await.unwrap();
    assert_eq!(trail.end, End::Refused(Some("Invalid Email Address and password.".into())));
    let text = failure(&trail);
    assert!(text.contains("401 text/html, page \"Log in\": Invalid Email Address"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
}

#[tokio::test]
async fn what_is_no_login_is_named() {
    let server = MockServer::start().await;
    on(&server, "GET", "/open", html(200, "<title>Home</title>")).await;
    on(&server, "GET", "/json", ResponseTemplate::new(401).set_body_raw("{}", "application/json")).await;
    on(&server, "GET", "/noform", html(403, "<title>Denied</title>no form here")).await;
    on(&server, "GET", "/loop", to(302, "/loop")).await;
    on(&server, "GET", "/away", to(302, "https://login.example.org/")).await;
    on(&server, "GET", "/button", html(403, r#"<form action="/button">"#)).await;
    on(&server, "GET", "/badform", html(403, r#"<form action="https://elsewhere.example/">"#)).await;
    on(&server, "GET", "/down", html(502, "bad gateway")).await;
    let expected = [
        ("/open", End::NotAsked, "200 text/html, page \"Home\", without any login"),
        ("/json", End::Stuck, "401 application/json {} without a form"),
        ("/noform", End::Stuck, "403 text/html, page \"Denied\" without a form"),
        ("/loop", End::Endless, "a login without an end: GET /loop 302, GET /loop 302"),
        ("/away", End::Away("https://login.example.org/".into()), "leads to https://login.example.org/"),
        ("/button", End::AskedAgain, "the login is asked for again"),
        ("/badform", End::Away("https://elsewhere.example/".into()), "leads to https://elsewhere.example/"),
        ("/down", End::Stuck, "502 text/html"),
    ];
    for (at, end, said) in expected {
        let trail = walk(&session(&server), &user("x"), at).await.unwrap();
        assert_eq!(trail.end, end, "{at}");
        assert!(failure(&trail).contains(said), "{at}: {}", failure(&trail));
    }
}

#[tokio::test]
async fn a_login_that_does_not_hold_is_seen() {
    let server = MockServer::start().await;
    on(&server, "GET", "/", to(302, "/dex/auth")).await;
    dex(&server, "/callback").await;
    on(&server, "GET", "/callback", to(302, "/")).await;
    let trail = walk(&session(&server), &user("right"), "/").await.unwrap();
    assert_eq!(trail.end, End::AskedAgain);
    let server = contract_b().await;
    let broken = ResponseTemplate::new(500).set_body_raw("Internal Error", "text/plain");
    Mock::given(path("/oauth2/callback")).respond_with(broken).with_priority(1).mount(&server).await;
    let trail = walk(&session(&server), &user("right"), "/").await.unwrap();
    assert_eq!(trail.end, End::Stuck);
    assert!(failure(&trail).contains("500 text/plain Internal Error"), "{}", failure(&trail));
}
