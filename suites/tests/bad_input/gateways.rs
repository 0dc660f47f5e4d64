//! Gateways that do not behave, in front of a Kubernetes API that does.

use std::io::Write as _;

use reports::model::Outcome;

use crate::platform;
use crate::program::{Program, Ran};
use crate::wire;

/// Judges a gateway by the checks whose names contain a word.
fn judged(gateway: &str, filter: &str) -> Ran {
    program(gateway, filter).ends()
}

fn program(gateway: &str, filter: &str) -> Program {
    let kubeconfig = platform::kubeconfig().to_str().unwrap();
    let platform = ["--cluster", "existing", "--kubeconfig", kubeconfig, "--kubeflow", "1.9.1"];
    Program::run(&[&platform[..], &["--read-only", "--gateway-url", gateway, filter]].concat())
}

#[test]
fn nobody_listens() {
    let ran = judged(&wire::dead(), "login::");
    ran.refused(3, &["the gateway at http://127.0.0.1", "refused", "--gateway-url", "curl -v"]).told(&["refused"]);
}

#[test]
fn it_hangs() {
    judged(&wire::hanging(), "login::").refused(3, &["the gateway at", "within", "curl -v"]);
}

#[test]
fn it_closes_in_the_middle_of_a_body() {
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this";
    judged(&wire::answering(half), "login::").refused(3, &["the gateway at", "curl -v"]);
}

#[test]
fn it_sends_ten_megabytes_of_headers() {
    let gateway = wire::server(|connection| {
        _ = connection.write_all(b"HTTP/1.1 200 OK\r\n");
        let line = format!("x-flood: {}\r\n", "a".repeat(1 << 16));
        for _ in 0..160 {
            if connection.write_all(line.as_bytes()).is_err() {
                return;
            }
        }
    });
    judged(&gateway, "login::").refused(3, &["the gateway at", "curl -v"]);
}

#[test]
fn it_speaks_another_protocol() {
    judged(&wire::answering("220 mail.example.com ESMTP\r\n"), "login::").refused(3, &["the gateway at", "curl -v"]);
}

/// A platform that answers wrongly is judged: the verdict is its, with one cause and the next step.
fn is_found_wanting(ran: &Ran) {
    assert_eq!(ran.code, 101, "{ran:#?}");
    assert!(ran.stdout.contains("NON-CONFORMANT") && ran.stdout.contains("--explain"), "{ran:#?}");
    assert!(!ran.stderr.contains("error:"), "{ran:#?}");
    let failed = ran.results().checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed(_))).count();
    assert!(failed > 0, "{ran:#?}");
}

#[test]
fn it_answers_502() {
    let ran = judged(&wire::answering(wire::answer("502 Bad Gateway", "", "no healthy upstream")), "login::AUT-00");
    is_found_wanting(&ran);
    assert!(ran.stdout.contains("502"), "{ran:#?}");
}

#[test]
fn it_redirects_for_ever() {
    let gateway = wire::answering(wire::answer("302 Found", "location: /pipeline/\r\n", ""));
    is_found_wanting(&judged(&gateway, "login::AUT-00"));
}

#[test]
fn its_login_page_is_not_html() {
    let page = wire::answer("200 OK", "content-type: application/octet-stream\r\n", "\u{1}\u{2}\u{1b}[31m binary");
    let ran = judged(&wire::answering(page), "login::AUT-00");
    is_found_wanting(&ran);
    assert!(!ran.stdout.contains("\u{1b}[31m binary"), "what a gateway says must not reach the terminal: {ran:#?}");
}

#[test]
fn its_login_page_has_no_form() {
    let page = "<!DOCTYPE html><html><head><title>Welcome</title></head><body><p>Hello</p></body></html>";
    let page = wire::answer("200 OK", "content-type: text/html\r\n", page);
    is_found_wanting(&judged(&wire::answering(page), "login::AUT-00"));
}
