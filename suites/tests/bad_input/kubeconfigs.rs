//! Kubeconfigs that are of no use, and API servers that are none.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::platform;
use crate::program::{Program, Ran};
use crate::wire;

fn existing(kubeconfig: &Path, more: &[&str]) -> Ran {
    let arguments = ["--cluster", "existing", "--kubeconfig", kubeconfig.to_str().unwrap()];
    Program::run(&[&arguments, more].concat()).ends()
}

fn with(content: &str) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    std::fs::write(&path, content).unwrap();
    existing(&path, &[])
}

fn of(server: &str, user: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: prod, contexts: [{{name: prod, context: {{cluster: c, user: u}}}}], \
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}], users: [{{name: u, user: {user}}}]}}"
    )
}

#[test]
fn missing() {
    let ran = existing(Path::new("/nowhere/config"), &[]);
    ran.refused(3, &["/nowhere/config", "No such file", "--cluster embedded"]).told(&["/nowhere/config"]);
}

#[test]
fn nowhere_at_all() {
    Program::run(&["--cluster", "existing"]).ends().refused(3, &[".kube/config", "KUBECONFIG"]);
}

#[test]
fn not_yaml() {
    with("clusters: [}\n token: hunter2-in-a-broken-file")
        .refused(3, &["cannot use the kubeconfig", "kubectl config view"]);
}

#[test]
fn not_a_kubeconfig() {
    with("just: yaml").refused(3, &["no contexts"]);
}

#[test]
fn another_context() {
    let ran = existing(platform::kubeconfig(), &["--context", "prod"]);
    ran.refused(3, &["no context", "prod", "embedded", "--context"]);
}

#[test]
fn a_dead_server() {
    with(&of(&wire::dead(), "{}"))
        .refused(3, &["does not answer", "refused", "kubectl cluster-info"])
        .told(&["refused"]);
}

#[test]
fn a_server_that_hangs() {
    with(&of(&wire::hanging(), "{}")).refused(3, &["does not answer", "no answer within"]);
}

#[test]
fn a_server_that_is_no_kubernetes() {
    let server = wire::answering(wire::answer("200 OK", "content-type: text/html\r\n", "<html>hello</html>"));
    with(&of(&server, "{}")).refused(3, &["is not a Kubernetes API"]);
}

/// What an API server says of all credentials that it does not take, expired ones included.
fn unauthorized() -> String {
    let status = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}"#;
    wire::answering(wire::answer("401 Unauthorized", "content-type: application/json\r\n", status))
}

#[test]
fn a_token_that_has_expired() {
    let ran = with(&of(&unauthorized(), "{token: an-expired-token-4711}"));
    let ran = ran.refused(3, &["refuses the credentials", "context prod", "log in again"]);
    assert!(!ran.stderr.contains("4711"), "{ran:#?}");
}

/// The embedded platform as somebody else.
fn platform_as(user: &str) -> Ran {
    let kubeconfig = std::fs::read_to_string(platform::kubeconfig()).unwrap();
    let value = |key: &str| kubeconfig.split(&format!("{key}: ")).nth(1).unwrap().lines().next().unwrap().to_owned();
    let (server, authority) = (value("server"), value("certificate-authority-data"));
    let cluster = format!("{{server: {server}, certificate-authority-data: {authority}}}");
    with(&of("", user).replace("{server: ''}", &cluster))
}

#[test]
fn a_token_that_the_platform_does_not_know() {
    let ran = platform_as("{token: an-unknown-token-4711}").refused(3, &["refuses the credentials", "401"]);
    assert!(!ran.stderr.contains("4711"), "{ran:#?}");
}

#[test]
fn somebody_without_rights() {
    platform_as("{}").refused(3, &["cannot read", "system:anonymous", "--kubeflow"]);
}

#[test]
fn a_client_certificate_that_has_expired() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut certificate = rcgen::CertificateParams::new(Vec::new()).unwrap();
    certificate.not_before = rcgen::date_time_ymd(2020, 1, 1);
    certificate.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let certificate = certificate.self_signed(&key).unwrap();
    let encoded = |pem: String| BASE64_STANDARD.encode(pem);
    let (certificate, key) = (encoded(certificate.pem()), encoded(key.serialize_pem()));
    let user = format!("{{client-certificate-data: {certificate}, client-key-data: {key}}}");
    with(&of(&unauthorized(), &user)).refused(3, &["refuses the credentials", "log in again"]);
}

#[test]
fn a_client_certificate_that_is_none() {
    let ran = with(&of("https://127.0.0.1:1", "{client-certificate-data: bm9uZQ==, client-key-data: bm9uZQ==}"));
    ran.refused(3, &["kubectl"]);
}
