//! What must never be in a report.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use reports::matrix::{Cell, Matrix};
use reports::model::{EventKind, HttpExchange, Severity};
use tokio::time::Instant;

use super::{REDACTED, Redactor};
use crate::evidence::{BODY_LIMIT, Recorded, Recorder};

/// A token of the form that Dex issues.
fn jwt() -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256"}"#), part(r#"{"email":"user@example.com"}"#), part("the signature"))
}

/// The encodings that the writers use, made without the redactor's own code.
fn encoded(secret: &str) -> Vec<String> {
    let mut url = url::Url::parse("http://gateway/").unwrap();
    url.query_pairs_mut().append_pair("rd", secret);
    vec![
        secret.to_owned(),
        url.to_string(),
        serde_json::to_string(secret).unwrap(),
        serde_json::to_string(&serde_json::to_string(secret).unwrap()).unwrap(),
        STANDARD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        format!("'{}'", secret.replace('\'', r"'\''")),
    ]
}

fn exchange(text: &str) -> HttpExchange {
    HttpExchange {
        method: "POST".into(),
        url: format!("http://gateway/{text}"),
        request_headers: vec![("x-forwarded".into(), text.into())],
        request_body: Some(text.into()),
        status: 200,
        headers: vec![("location".into(), text.into())],
        body: text.into(),
        body_bytes: 0,
        duration_ms: 1,
        error: Some(text.into()),
        curl: format!("curl 'http://gateway/{text}'"),
    }
}

/// Everything that a check can write, as the report has it.
fn written(redactor: &Redactor, text: &str) -> String {
    let recorder = Recorder::new(Instant::now(), redactor.clone());
    recorder.record(EventKind::Http(exchange(text)));
    recorder.record(EventKind::Kubernetes { call: format!("GET /api/{text}"), status: 200, duration_ms: 1 });
    recorder.record(EventKind::Wait {
        name: text.into(),
        attempts: 1,
        duration_ms: 1,
        reached: false,
        last: text.into(),
    });
    recorder.record(EventKind::Object { action: "created".into(), object: text.into() });
    recorder.remark(text);
    recorder.finding(Severity::High, text, text);
    let names = || vec![text.to_owned()];
    recorder.matrix(Matrix::of(text, names(), names(), names(), |_, _, _| Cell::Untried));
    let Recorded { evidence, findings, matrices } = recorder.close();
    serde_json::to_string(&(evidence, findings, matrices)).unwrap()
}

proptest! {
    #[test]
    fn a_secret_that_was_handed_out_is_in_no_report(secret in "[ -~äß€]{6,40}", before in "[a-z ]{0,20}") {
        prop_assume!(!REDACTED.contains(&secret));
        let redactor = Redactor::new();
        redactor.secret(&secret);
        for form in encoded(&secret) {
            let report = written(&redactor, &format!("{before}{form} and so on"));
            for form in encoded(&secret) {
                prop_assert!(!report.contains(&form), "{form} is in {report}");
            }
        }
    }

    #[test]
    fn a_secret_within_base64_of_something_longer_is_found(secret in "[!-~]{12,40}", user in "[a-z]{1,9}") {
        let redactor = Redactor::new();
        redactor.secret(&secret);
        let basic = STANDARD.encode(format!("{user}:{secret}"));
        let redacted = redactor.text(&basic).into_owned();
        prop_assert!(redacted.contains(REDACTED), "{redacted}");
        prop_assert!(redacted.len() < REDACTED.len() + STANDARD.encode(&user).len() + 12, "{redacted}");
    }

    #[test]
    fn no_part_of_a_secret_stays_at_a_cut(secret in "[a-z]{20,60}", at in 0usize..80) {
        let redactor = Redactor::new();
        redactor.secret(&secret);
        for huge in [0, 100_000] {
            let text = format!("{}{secret}{}", "-".repeat(BODY_LIMIT - at), "=".repeat(huge));
            let kept = redactor.text_up_to(&text, BODY_LIMIT);
            prop_assert!(!kept.contains(&secret[..8]), "{}", &kept[BODY_LIMIT - 100..]);
            prop_assert!(kept.len() <= BODY_LIMIT + 40);
        }
    }

    #[test]
    fn redacting_twice_changes_nothing(text in r#"(?s)(password|state|code|Cookie|authorization|Bearer|kind: Secret|data:|"token"|[=:&?;"' \n]|[a-z0-9]{1,8}){0,20}"#) {
        let redactor = Redactor::new();
        let once = redactor.text(&text).into_owned();
        prop_assert_eq!(redactor.text(&once).into_owned(), once);
    }

    #[test]
    fn any_text_is_redacted_without_a_panic(text in ".{0,300}", limit in 0usize..300) {
        let redactor = Redactor::new();
        redactor.secret("ä€ß and more");
        let _ = redactor.text_up_to(&text, limit);
    }
}

#[test]
fn what_looks_like_a_secret_goes() {
    let token = jwt();
    let hash = "$2y$12$4K/VkmDd1q1Orb3xAt82zu8gk7Ad6ReFR4LCP9UeYE90NLiN9Df72";
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----";
    let cases: &[(&str, &str)] = &[
        (&format!("Authorization: Bearer {token}"), "Authorization: Bearer <redacted>"),
        (
            &format!("curl -H 'authorization: bearer {token}' -X GET"),
            "curl -H 'authorization: bearer <redacted>' -X GET",
        ),
        (&format!("id {token} ends"), "id <redacted> ends"),
        ("curl -H 'cookie: a=1; b=2' http://x/", "curl -H 'cookie: a=<redacted>; b=<redacted>' http://x/"),
        ("curl -b 'a=1' http://x/", "curl -b 'a=<redacted>' http://x/"),
        ("Set-Cookie: s=abc; Path=/; HttpOnly", "Set-Cookie: s=<redacted>; Path=/; HttpOnly"),
        ("Set-Cookie: s=; Max-Age=0", "Set-Cookie: s=; Max-Age=0"),
        ("http://x/cb?code=abc123&state=xyz%3A%2F&n=1", "http://x/cb?code=<redacted>&state=<redacted>&n=1"),
        ("/start?rd=%2Fcb%3Fcode%3Dabc%26n%3D1", "/start?rd=%2Fcb%3Fcode%3D<redacted>%26n%3D1"),
        ("login=user%40example.com&password=12341234", "login=user%40example.com&password=<redacted>"),
        ("<a href=\"/auth?back=&amp;state=abc\">", "<a href=\"/auth?back=&amp;state=<redacted>\">"),
        (r#"{"access_token":"abc\"d","expires_in":5}"#, r#"{"access_token":"<redacted>","expires_in":5}"#),
        (r#""{\"client_secret\":\"abc\",\"a\":1}""#, r#""{\"client_secret\":\"<redacted>\",\"a\":1}""#),
        ("client_secret = \"abc\"", "client_secret = <redacted>"),
        ("clientSecret: abc\nname: dex", "clientSecret: <redacted>\nname: dex"),
        ("OIDC_CLIENT_SECRET=abc", "OIDC_CLIENT_SECRET=<redacted>"),
        (&format!("hash: {hash}"), "hash: <redacted>"),
        (&format!("key {key} end"), "key <redacted RSA PRIVATE KEY> end"),
        (&key[..40], "<redacted RSA PRIVATE KEY>"),
        (&format!("tls.key {}", STANDARD.encode(key)), "tls.key <redacted>"),
        ("mysql://root:hunter2@mysql:3306/", "mysql://root:<redacted>@mysql:3306/"),
    ];
    for (text, wanted) in cases {
        let redactor = Redactor::new();
        assert_eq!(&redactor.text(text), wanted);
        assert_eq!(&redactor.text(wanted), wanted, "not stable");
    }
}

#[test]
fn what_a_reader_needs_stays() {
    for text in [
        "403 Forbidden text/html \"Sign In\"",
        "the application saw kubeflow-userid: mallory@example.com",
        "GET http://localhost:8080/pipeline/?ns=kubeflow-user-example-com",
        "http://localhost:8080/dex/auth?client_id=kubeflow-oidc-authservice&redirect_uri=%2Foauth2%2Fcallback&scope=openid",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "RequestAuthentication istio-system/dex-jwt copies no claim to kubeflow-userid",
        "Pod kubeflow/ml-pipeline-1 container main: state: Running, exit code=137",
        "{\"kind\":\"ConfigMap\",\"data\":{\"links\":\"[]\"}}",
        "the session cookie oauth2_proxy_kubeflow has no attribute Secure",
    ] {
        assert_eq!(Redactor::new().text(text), text);
    }
}

#[test]
fn the_data_of_secrets_goes_and_the_keys_stay_in_yaml() {
    let redactor = Redactor::new();
    let json = r#"{"kind":"Secret","metadata":{"name":"dex"},"data":{"a":"c2VjcmV0","b":"e30="},"type":"Opaque"}"#;
    let wanted = r#"{"kind":"Secret","metadata":{"name":"dex"},"data":{<redacted>},"type":"Opaque"}"#;
    assert_eq!(redactor.text(json), wanted);
    assert!(!redactor.text(&json[..80]).contains("c2Vj"), "cut off");
    let nested = serde_json::json!({ "last-applied": json, "name": "dex" }).to_string();
    assert!(!redactor.text(&nested).contains("c2VjcmV0"));
    let yaml = "kind: Secret\nstringData:\n  config.yaml: |\n    issuer: abc\n    hush: hush\nmetadata:\n  name: dex\n";
    let wanted = "kind: Secret\nstringData:\n  config.yaml: <redacted>\n    issuer: <redacted>\n    hush: <redacted>\nmetadata:\n  name: dex\n";
    assert_eq!(redactor.text(yaml), wanted);
}

#[test]
fn headers_are_redacted_by_name() {
    let recorder = Recorder::new(Instant::now(), Redactor::new());
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request_headers = vec![header("Cookie", "session=s3cr3t"), header("AUTHORIZATION", "Basic dXNlcjpwdw==")];
    let headers = vec![header("set-cookie", "session=n3w; Path=/; Secure; SameSite=Lax")];
    recorder.record(EventKind::Http(HttpExchange { request_headers, headers, ..exchange("") }));
    let events = recorder.close().evidence;
    let EventKind::Http(exchange) = &events[0].what else { panic!("{events:?}") };
    assert_eq!(exchange.request_headers[0].1, "session=<redacted>");
    assert_eq!(exchange.request_headers[1].1, "Basic <redacted>");
    assert_eq!(exchange.headers[0].1, "session=<redacted>; Path=/; Secure; SameSite=Lax");
}

#[test]
fn a_text_that_becomes_a_secret_later_is_taken_out_of_what_was_recorded() {
    let recorder = Recorder::new(Instant::now(), Redactor::new());
    recorder.remark("the answer held open-sesame");
    recorder.secret("open-sesame");
    let events = recorder.close().evidence;
    assert!(!serde_json::to_string(&events).unwrap().contains("sesame"));
}

#[test]
#[ignore = "a measurement"]
fn cost() {
    let redactor = Redactor::new();
    let body = "<p>some html with words, links and numbers 1234567890</p>\n".repeat(300);
    let start = std::time::Instant::now();
    for index in 0..300 {
        redactor.secret(&format!(
            "MTcyOTg1{index:04}-cookie-value-of-about-one-hundred-bytes-as-the-proxies-make-them-{index:08}-|17298563"
        ));
        let _ = redactor.text_up_to(&body, BODY_LIMIT);
    }
    println!("300 secrets, 300 bodies: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    for _ in 0..300 {
        let _ = redactor.text_up_to(&body, BODY_LIMIT);
    }
    println!("300 bodies: {:?}", start.elapsed());
    let recorder = Recorder::new(Instant::now(), redactor);
    let start = std::time::Instant::now();
    for _ in 0..300 {
        recorder.record(EventKind::Http(exchange("short text with ?code=abcdefg&state=xyz in it")));
    }
    let _ = recorder.close();
    println!("300 small exchanges: {:?}", start.elapsed());
}
