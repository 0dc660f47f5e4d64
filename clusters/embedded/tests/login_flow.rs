//! A person logs in through the gateway of each release, hop by hop, sees the dashboard, and logs out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use embedded::{Options, Platform, Release, Start};
use reqwest::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};

const USER: &str = "user@example.com";
const PASSWORD: &str = "12341234";
const DASHBOARD: &str = "<title>Kubeflow Central Dashboard</title>";
/// How long a platform may take to let its login programs run.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A browser that follows nothing by itself.
struct Browser {
    client: Client,
    origin: String,
    jar: BTreeMap<String, String>,
}

struct Page {
    status: StatusCode,
    location: String,
    body: String,
}

impl Browser {
    fn at(platform: &Platform) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(Policy::none()).no_proxy().timeout(Duration::from_secs(15));
        Self { client: client.build().unwrap(), origin: platform.gateway_url(), jar: BTreeMap::new() }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let cookies: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.request(method, format!("{}{path}", self.origin));
        if cookies.is_empty() { request } else { request.header(COOKIE, cookies.join("; ")) }
    }

    async fn send(&mut self, request: RequestBuilder) -> Page {
        let answer = request.send().await.unwrap();
        for line in answer.headers().get_all(SET_COOKIE) {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            match value {
                "" => self.jar.remove(name),
                value => self.jar.insert(name.to_owned(), value.to_owned()),
            };
        }
        let location = answer.headers().get(LOCATION).map_or("", |value| value.to_str().unwrap()).to_owned();
        Page { status: answer.status(), location, body: answer.text().await.unwrap() }
    }

    async fn get(&mut self, path: &str) -> Page {
        self.send(self.request(Method::GET, path)).await
    }

    /// Follows one redirect that must be there.
    async fn follow(&mut self, page: &Page, expected: u16) -> Page {
        assert_eq!(page.status.as_u16(), expected, "{}", page.body);
        let location = page.location.clone();
        assert!(location.starts_with('/'), "leads away from the platform: {location}");
        self.get(&location).await
    }

    /// From the redirect to Dex to its form; the form's address.
    async fn reach_form(&mut self, begun: &Page) -> String {
        let connector = self.follow(begun, 302).await;
        let login = self.follow(&connector, 302).await;
        let form = self.follow(&login, 302).await;
        assert_eq!(form.status, StatusCode::OK);
        let action = form.body.split("action=\"").nth(1).unwrap().split('"').next().unwrap();
        action.replace("&amp;", "&")
    }

    async fn give(&mut self, form: &str, password: &str) -> Page {
        let request = self.request(Method::POST, form).form(&[("login", USER), ("password", password)]);
        self.send(request).await
    }
}

async fn platform(release: Release) -> Platform {
    let options = Options { start: Start::Release(release), ..Options::default() };
    let platform = Platform::start(options).await.unwrap();
    let begun = Instant::now();
    let browser = Browser::at(&platform);
    loop {
        // Until the gateway's own pod is ready, it closes every connection.
        let health = browser.request(Method::GET, "/dex/healthz").send().await;
        if health.as_ref().is_ok_and(|answer| answer.status() == StatusCode::OK) {
            return platform;
        }
        assert!(begun.elapsed() < READY_WITHIN, "Dex is not reached: {health:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn contract_a_logs_in_at_any_page_and_out_for_good() {
    let platform = platform(Release::V1_8_1).await;
    let mut browser = Browser::at(&platform);
    let asked = browser.get("/?ns=x").await;
    let form = browser.reach_form(&asked).await;
    let refused = browser.give(&form, "wrong").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.body.contains("Invalid Email Address and password."));
    let accepted = browser.give(&form, PASSWORD).await;
    let done = browser.follow(&accepted, 303).await;
    assert_eq!(done.location, "/?ns=x");
    let home = browser.follow(&done, 302).await;
    assert_eq!((home.status, home.body.contains(DASHBOARD)), (StatusCode::OK, true), "{}", home.body);
    let who = browser.get("/api/workgroup/env-info").await;
    assert!(who.body.contains(USER), "{}", who.body);
    let session = browser.jar["authservice_session"].clone();
    let logout =
        browser.request(Method::POST, "/authservice/logout").header(AUTHORIZATION, format!("Bearer {session}"));
    let out = browser.send(logout).await;
    assert_eq!((out.status, out.body.as_str()), (StatusCode::CREATED, "{\"afterLogoutURL\":\"/\"}"));
    browser.jar = [("authservice_session".to_owned(), session)].into();
    let again = browser.get("/").await;
    assert!(again.status == StatusCode::FOUND && again.location.starts_with("/dex/auth?"), "{}", again.location);
}

#[tokio::test]
async fn contract_b_logs_in_from_the_sign_in_page_and_out_of_the_browser() {
    for release in [Release::V1_9_1, Release::V1_10_2] {
        let platform = platform(release).await;
        let mut browser = Browser::at(&platform);
        let asked = browser.get("/?ns=x").await;
        assert_eq!(asked.status, StatusCode::FORBIDDEN, "{release:?}");
        assert!(asked.body.contains("action=\"/oauth2/start\"") && asked.body.contains("value=\"/?ns=x\""));
        let begun = browser.get("/oauth2/start?rd=%2F%3Fns%3Dx").await;
        let form = browser.reach_form(&begun).await;
        let refused = browser.give(&form, "wrong").await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert!(refused.body.contains("Invalid Email Address and password."));
        let accepted = browser.give(&form, PASSWORD).await;
        let done = browser.follow(&accepted, 303).await;
        assert_eq!(done.location, "/?ns=x");
        let home = browser.follow(&done, 302).await;
        assert_eq!((home.status, home.body.contains(DASHBOARD)), (StatusCode::OK, true), "{}", home.body);
        // The page is there before the pods of what it asks are.
        let mut who = browser.get("/api/workgroup/env-info").await;
        for _ in 0..250 {
            if who.body.contains(USER) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            who = browser.get("/api/workgroup/env-info").await;
        }
        assert!(who.body.contains(USER), "{}", who.body);
        let copy = browser.jar.clone();
        let out = browser.get("/oauth2/sign_out").await;
        assert_eq!((out.status, out.location.as_str(), browser.jar.len()), (StatusCode::FOUND, "/", 0));
        assert_eq!(browser.get("/").await.status, StatusCode::FORBIDDEN);
        browser.jar = copy;
        assert_eq!(browser.get("/").await.status, StatusCode::OK, "a copied cookie outlives the sign-out");
    }
}
