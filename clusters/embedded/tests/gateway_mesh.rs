//! A whole platform of a release, with the echo in place of its applications: what a user's session reaches behind the
//! gateway and the sidecars, and how a change of an object shows at once.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::HashMap;
use std::time::Duration;

use embedded::mesh::{self, Caller};
use embedded::store::Key;
use embedded::{Options, Platform, Release, Start, blueprint};
use serde_json::{Value, json};

const SECURITY: &str = "security.istio.io";
const NETWORKING: &str = "networking.istio.io";

async fn start(release: Release) -> Platform {
    let options = Options { start: Start::Release(release), echo: true, ..Options::default() };
    Platform::start(options).await.unwrap()
}

/// A client that keeps cookies and follows redirects within the platform.
struct Browser {
    client: reqwest::Client,
    gateway: String,
    cookies: HashMap<String, String>,
}

impl Browser {
    fn new(platform: &Platform) -> Self {
        // The provider may be installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { client, gateway: platform.gateway_url(), cookies: HashMap::new() }
    }

    /// Status, body, and the path that answered.
    async fn visit(&mut self, path: &str, form: Option<&[(&str, &str)]>) -> Option<(u16, String, String)> {
        let (mut path, mut form) = (path.to_owned(), form);
        loop {
            let url = format!("{}{path}", self.gateway);
            let request = match form.take() {
                Some(form) => self.client.post(url).form(form),
                None => self.client.get(url),
            };
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let answer = request.header("cookie", cookies.join("; ")).send().await.ok()?;
            for set in answer.headers().get_all("set-cookie") {
                let pair = set.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
            self.cookies.retain(|_, value| !value.is_empty());
            match answer.headers().get("location") {
                Some(location) => path = location.to_str().unwrap().to_owned(),
                None => return Some((answer.status().as_u16(), answer.text().await.unwrap(), path)),
            }
        }
    }

    /// Asks until the answer has this status: pods start, and configuration takes a moment to arrive.
    async fn eventually(&mut self, path: &str, status: u16) -> String {
        let mut last = None;
        for _ in 0..200 {
            last = self.visit(path, None).await;
            match last {
                Some((found, body, _)) if found == status => return body,
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        panic!("{path}: expected {status}, last was {last:?}");
    }

    /// Logs in as the default user, through the form behind a path.
    async fn log_in(platform: &Platform, start: &str) -> Self {
        let mut browser = Self::new(platform);
        browser.eventually("/dex/healthz", 200).await;
        browser.eventually(start, 200).await;
        let (_, _, form) = browser.visit(start, None).await.unwrap();
        let credentials = [("login", "user@example.com"), ("password", "12341234")];
        let (status, body, _) = browser.visit(&form, Some(&credentials)).await.unwrap();
        assert_eq!(status, 200, "{body}");
        browser
    }
}

fn received(body: &str, name: &str) -> Vec<String> {
    let said: Value = serde_json::from_str(body).unwrap();
    let headers = said["headers"].as_array().unwrap();
    headers.iter().filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_session_of_contract_b_reaches_applications_behind_their_sidecars() {
    let platform = start(Release::V1_10_2).await;
    let mut browser = Browser::log_in(&platform, "/oauth2/start?rd=/").await;
    for (path, account) in
        [("/", "centraldashboard"), ("/pipeline/x", "ml-pipeline-ui"), ("/jupyter/x", "jupyter-web-app")]
    {
        let body = browser.eventually(path, 200).await;
        assert_eq!(received(&body, "kubeflow-userid"), ["user@example.com"]);
        let sender = received(&body, "x-forwarded-client-cert").concat();
        assert!(sender.contains("By=spiffe://cluster.local/ns/kubeflow/sa/"), "{path} {account}: {sender}");
        assert!(sender.ends_with("URI=spiffe://cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"));
    }
    // The policy of profiles-kfam does not let the gateway in.
    assert_eq!(browser.eventually("/kfam/v1/bindings", 403).await, "RBAC: access denied");

    // Without the application's own policy the default of its namespace refuses.
    let store = &platform.world().store;
    let policy = Key::new(SECURITY, "authorizationpolicies", "kubeflow", "central-dashboard");
    let before = store.get(&policy).unwrap();
    store.delete(&policy).unwrap();
    assert_eq!(browser.eventually("/", 403).await, "RBAC: access denied");
    store.create(&policy, before.as_ref().clone()).unwrap();
    browser.eventually("/", 200).await;

    let route = Key::new(NETWORKING, "virtualservices", "kubeflow", "jupyter-web-app-jupyter-web-app");
    store.delete(&route).unwrap();
    let dashboard = browser.eventually("/jupyter/x", 200).await;
    assert!(dashboard.contains("\"route\":\"centraldashboard\""), "{dashboard}");

    let tokens = Key::new(SECURITY, "requestauthentications", "istio-system", "dex-jwt");
    store.delete(&tokens).unwrap();
    assert_eq!(browser.eventually("/", 403).await, "RBAC: access denied");
}

#[tokio::test]
async fn a_session_of_contract_a_reaches_applications_with_the_users_name() {
    let platform = start(Release::V1_8_1).await;
    let mut browser = Browser::log_in(&platform, "/").await;
    let body = browser.eventually("/pipeline/x", 200).await;
    assert_eq!(received(&body, "kubeflow-userid"), ["user@example.com"]);
    let filter = Key::new(NETWORKING, "envoyfilters", "istio-system", "authn-filter");
    platform.world().store.delete(&filter).unwrap();
    let mut stranger = Browser::new(&platform);
    let body = stranger.eventually("/pipeline/x", 200).await;
    assert!(received(&body, "kubeflow-userid").is_empty());
}

/// A workload that echoes, with a Service of its name at port 80.
fn workload(namespace: &str, name: &str, port: u16) -> Vec<Value> {
    let metadata = json!({"namespace": namespace, "name": name});
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": port}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1,
            "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": name, "image": "embedded/echo", "ports": [{"containerPort": port}]}]}}}}),
    ]
}

/// One request from a pod's account to a Service, asked until its status is the expected one.
async fn sent(platform: &Platform, from: &Caller, url: &str, userid: Option<&str>, status: u16) {
    let mut last = 0;
    for _ in 0..200 {
        let mut request = http::Request::get(url);
        if let Some(userid) = userid {
            request = request.header("kubeflow-userid", userid);
        }
        let answer = mesh::call(platform.world(), from.clone(), request.body(axum::body::Body::empty()).unwrap()).await;
        last = answer.status().as_u16();
        if last == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{from:?} to {url} as {userid:?}: expected {status}, last was {last}");
}

/// The table "between pods" of the mesh that was looked at.
#[tokio::test]
async fn pods_reach_each_other_as_in_the_real_mesh() {
    const USER: &str = "kubeflow-user-example-com";
    let platform = start(Release::V1_10_2).await;
    // The tenant's namespace is made, labelled and guarded by what watches Profiles.
    let store = &platform.world().store;
    while store.get(&Key::new(SECURITY, "authorizationpolicies", USER, "ns-owner-access-istio")).is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut objects = workload(USER, "notebook", 8888);
    objects.extend(workload("default", "outside", 8888));
    blueprint::put(platform.world(), objects).unwrap();
    let caller = |namespace: &str, account: &str, in_mesh| Caller {
        namespace: namespace.to_owned(),
        service_account: account.to_owned(),
        in_mesh,
    };
    let own = caller(USER, "default-editor", true);
    let bob = caller("bob", "default-editor", true);
    let outside = caller("default", "default", false);
    let someone = Some("user@example.com");
    let pipelines = "http://ml-pipeline.kubeflow.svc.cluster.local:8888/apis/v2beta1/runs";
    let notebook = format!("http://notebook.{USER}.svc.cluster.local/");
    for (from, url, userid, status) in [
        (&own, pipelines, None, 200),
        (&own, pipelines, someone, 403),
        (&own, notebook.as_str(), None, 200),
        (&own, notebook.as_str(), someone, 200),
        (&bob, notebook.as_str(), someone, 403),
        (&bob, &format!("{notebook}healthz"), None, 200),
        (&outside, notebook.as_str(), someone, 403),
        (&outside, &format!("{notebook}healthz"), None, 200),
        (&bob, "http://outside.default.svc.cluster.local/", None, 200),
    ] {
        sent(&platform, from, url, userid, status).await;
    }
}
