//! An HTTP session against good and bad servers, over real sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use harness::evidence::Recorder;
use harness::http::{Gateway, Limits, Session};
use harness::redact::Redactor;
use harness::stop::Stop;
use http::Method;
use reports::model::{EventKind, HttpExchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn recorder() -> Recorder {
    Recorder::new(tokio::time::Instant::now(), Redactor::default())
}

fn session(base: &str) -> (Session, Recorder) {
    let limits = Limits { overall: Duration::from_millis(600), body: 1 << 20, ..Limits::default() };
    let (gateway, recorder) = (Gateway::new(Url::parse(base).unwrap(), limits).unwrap(), recorder());
    (Session::new(gateway, recorder.clone(), "kubeflow-conformance/test"), recorder)
}

fn exchanges(recorder: &Recorder) -> Vec<HttpExchange> {
    let http = |event| if let EventKind::Http(exchange) = event { Some(exchange) } else { None };
    recorder.close().evidence.into_iter().filter_map(|event| http(event.what)).collect()
}

/// A server that answers every connection with the same bytes and tells what it was sent. It holds the connection
/// open for as long as the client does, unless `closes`.
async fn raw(answer: Vec<u8>, closes: bool) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (answer, tell) = (answer.clone(), tell.clone());
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                _ = tell.send(String::from_utf8_lossy(&request).into_owned());
                _ = stream.write_all(&answer).await;
                if !closes {
                    _ = stream.read_buf(&mut request).await;
                }
            });
        }
    });
    (base, told)
}

fn errored(stop: Stop) -> String {
    match stop {
        Stop::Errored(problem) if problem.class == "transport" => problem.message,
        other => panic!("not a transport error: {other:?}"),
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_its_cookie_goes_with_the_next_request() {
    let server = MockServer::start().await;
    let redirect = ResponseTemplate::new(302)
        .insert_header("location", "/home")
        .append_header("set-cookie", "a=1; Path=/; HttpOnly")
        .append_header("set-cookie", "b=2; Path=/");
    Mock::given(path("/")).respond_with(redirect).mount(&server).await;
    Mock::given(path("/home"))
        .and(header("cookie", "a=1; b=2"))
        .respond_with(ResponseTemplate::new(204))
        .mount(&server)
        .await;
    let (session, recorder) = session(&server.uri());
    assert_eq!(session.get("/").await.unwrap().summary(), "302 to /home");
    assert_eq!(session.get("/home").await.unwrap().status, 204);
    assert_eq!(session.follow("/").await.unwrap().status, 204);
    assert_eq!(session.cookie_names(), ["a", "b"]);
    let copy = session.copy();
    copy.set_cookie("b", "3");
    assert_eq!((session.cookie("b").as_deref(), copy.cookie("b").as_deref()), (Some("2"), Some("3")));
    let seen = exchanges(&recorder);
    assert_eq!(seen.len(), 4);
    assert_eq!((seen[0].status, seen[0].error.as_ref()), (302, None));
    assert!(seen[1].curl.starts_with("curl ") && seen[1].curl.ends_with("/home"), "{}", seen[1].curl);
}

#[tokio::test]
async fn a_redirect_loop_and_a_redirect_away_are_the_platforms_failures() {
    let server = MockServer::start().await;
    let to = |target: &str| ResponseTemplate::new(302).insert_header("location", target);
    Mock::given(path("/loop")).respond_with(to("/loop?again")).mount(&server).await;
    Mock::given(path("/away")).respond_with(to("https://evil.example/x")).mount(&server).await;
    let (session, _) = session(&server.uri());
    let Err(Stop::Failed(endless)) = session.follow("/loop").await else { panic!("no failure") };
    assert!(endless.actual.contains("redirects without an end"), "{endless:?}");
    let Err(Stop::Failed(away)) = session.follow("/away").await else { panic!("no failure") };
    assert_eq!(away.actual, "302 to https://evil.example/x");
}

#[tokio::test]
async fn names_and_paths_go_as_they_were_written() {
    let (base, mut told) = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(), false).await;
    let (session, recorder) = session(&base);
    session.set_cookie("s", "1");
    let request = session.request(Method::GET, "/dex/../pipeline/%2e%2e/x?q=/../");
    let answer = request.header("KubeFlow-UserID", "a").header("KUBEFLOW-USERID", "b").send().await.unwrap();
    assert_eq!((answer.body.as_str(), answer.at()), ("ok", format!("GET {base}/dex/../pipeline/%2e%2e/x?q=/../")));
    let sent = told.recv().await.unwrap();
    assert!(sent.starts_with("GET /dex/../pipeline/%2e%2e/x?q=/../ HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("\r\nKubeFlow-UserID: a\r\n") && sent.contains("\r\nKUBEFLOW-USERID: b\r\n"), "{sent}");
    assert!(sent.contains("\r\ncookie: s=1\r\n") && sent.contains("user-agent: kubeflow-conformance/test"), "{sent}");
    session.request(Method::POST, "//x").header("cookie", "").form(&[("a", "ä&b")]).send().await.unwrap();
    let sent = told.recv().await.unwrap();
    assert!(sent.starts_with("POST //x HTTP/1.1\r\n") && !sent.contains("cookie"), "{sent}");
    assert_eq!(exchanges(&recorder)[1].request_body.as_deref(), Some("a=%C3%A4%26b"));
}

#[tokio::test]
async fn what_is_not_on_the_gateway_is_not_asked() {
    let (session, _) = session("http://127.0.0.1:9");
    for target in ["http://127.0.0.1:10/", "https://127.0.0.1:9/", "ftp://x", "x"] {
        let Err(Stop::Errored(problem)) = session.get(target).await else { panic!("{target} was asked") };
        assert_eq!(problem.class, "precondition", "{problem:?}");
    }
}

#[tokio::test]
async fn a_dead_or_hanging_gateway_is_no_denial() {
    let unused = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let (dead, _) = session(&format!("http://{unused}"));
    let message = errored(dead.get("/").await.unwrap_err());
    assert!(message.starts_with(&format!("no answer to GET http://{unused}/: ")), "{message}");
    assert!(message.contains("refused"), "{message}");
    for (name, answer) in
        [("hangs", Vec::new()), ("hangs in the body", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx".to_vec())]
    {
        let (base, _told) = raw(answer, false).await;
        let (session, recorder) = session(&base);
        for header in ["x-pooled", "X-Verbatim"] {
            let stop = session.request(Method::GET, "/").header(header, "1").send().await.unwrap_err();
            assert!(errored(stop).contains("not complete within 0.6 s"), "{name}");
        }
        assert!(exchanges(&recorder).iter().all(|seen| seen.error.is_some()), "{name}");
    }
}

#[tokio::test]
async fn half_an_answer_is_no_answer() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this".to_vec();
    let (base, _told) = raw(half, true).await;
    let (session, recorder) = session(&base);
    for header in ["x-pooled", "X-Verbatim"] {
        let message = errored(session.request(Method::GET, "/").header(header, "1").send().await.unwrap_err());
        assert!(message.starts_with("only half an answer") && message.contains("broke off after 9 bytes"), "{message}");
    }
    assert_eq!(exchanges(&recorder)[0].status, 200);
}

#[tokio::test]
async fn a_flood_is_bounded() {
    let mut headers = b"HTTP/1.1 200 OK\r\n".to_vec();
    for number in 0..100_000 {
        headers.extend_from_slice(format!("x-{number}: {}\r\n", "y".repeat(90)).as_bytes());
    }
    headers.extend_from_slice(b"\r\n");
    let (base, _told) = raw(headers, false).await;
    let (one, _) = session(&base);
    for header in ["x-pooled", "X-Verbatim"] {
        let stop = one.request(Method::GET, "/").header(header, "1").send().await.unwrap_err();
        assert!(errored(stop).contains("too large"));
    }
    let mut body = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n".to_vec();
    body.resize(8 << 20, b'z');
    let (base, _told) = raw(body, true).await;
    let (two, recorder) = session(&base);
    let answer = two.get("/").await.unwrap();
    assert!(answer.cut && answer.body.len() == 1 << 20);
    assert!(answer.summary().ends_with("(cut: longer than the limit)"), "{}", answer.summary());
    assert!(exchanges(&recorder)[0].error.as_ref().unwrap().contains("cut"));
}

#[tokio::test]
async fn a_check_that_ends_early_leaves_its_exchange_behind() {
    let (base, _told) = raw(Vec::new(), false).await;
    let (session, recorder) = session(&base);
    assert!(tokio::time::timeout(Duration::from_millis(50), session.get("/slow")).await.is_err());
    assert_eq!(exchanges(&recorder)[0].error.as_deref(), Some("the check ended before the answer was complete"));
}

#[tokio::test]
async fn a_websocket_is_granted_or_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        use futures::{SinkExt, StreamExt};
        let message = socket.next().await.unwrap().unwrap();
        socket.send(message).await.unwrap();
    });
    let (granting, recorder) = session(&base);
    let mut upgrade = granting.websocket("/ws", &[("origin", "http://evil.example")]).await.unwrap();
    assert!(upgrade.is_open() && upgrade.answer.status == 101);
    upgrade.send("hello").await.unwrap();
    assert_eq!(upgrade.next(Duration::from_secs(5)).await.unwrap().as_deref(), Some("hello"));
    assert_eq!(exchanges(&recorder)[0].status, 101);

    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(403).set_body_string("RBAC: access denied"))
        .mount(&server)
        .await;
    let (refusing, _) = session(&server.uri());
    let mut upgrade = refusing.websocket("/ws", &[]).await.unwrap();
    assert_eq!((upgrade.is_open(), upgrade.answer.summary().as_str()), (false, "403 text/plain RBAC: access denied"));
    assert!(upgrade.send("x").await.is_err());
}
