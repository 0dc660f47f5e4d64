//! The recordings' listeners, all at once: each is a platform of its own, with the echo in place of the applications.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use embedded::mesh::{self, Caller};
use embedded::recorded::{self, CLOSED_PATH, LISTENERS, Listener, TrustedKeys};
use embedded::{Options, Platform, Release, blueprint};
use http::Request;
use http_body_util::BodyExt;
use serde_json::Value;

/// The names that the recordings have for routes, and those of the containers that answer here.
const ROUTES: [(&str, &str); 2] = [("metadata-grpc", "container"), ("profiles-kfam", "kfam")];
/// How long a platform may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The running listeners.
pub struct Listeners(Vec<(&'static str, Platform)>);

impl Listeners {
    /// Starts them. `keys` is the folder with the prober's test keys: `lab` is trusted by some, `k8s` by one.
    pub async fn start(release: Release, keys: &Path) -> Result<Self, String> {
        let mut trusted =
            TrustedKeys { provider: Vec::new(), test: Some(key(keys, "lab")?), cluster: Some(key(keys, "k8s")?) };
        let mut running = Vec::new();
        for (name, listener) in LISTENERS {
            let objects = recorded::objects(listener, release, &trusted)?;
            let platform = Platform::start(Options::default()).await.map_err(|error| error.to_string())?;
            blueprint::put(platform.world(), objects)?;
            tokio::time::timeout(READY_WITHIN, ready(listener, &platform))
                .await
                .map_err(|_| format!("listener {name} is not ready after {READY_WITHIN:?}"))?;
            if listener == Listener::Main {
                trusted.provider = provider_keys(&platform).await.ok_or("the provider has no keys")?;
            }
            running.push((name, platform));
        }
        Ok(Self(running))
    }

    /// The prober's description of them (TOML).
    pub fn description(&self, keys: &Path) -> String {
        let mut text = format!(
            "label = \"embedded reference platform\"\nclient_secret = \"blueprint-client-secret\"\nkeys = {:?}\n\
             upstream_down = \"{CLOSED_PATH}x\"\n\n[listeners]\n",
            keys.display().to_string()
        );
        for (name, platform) in &self.0 {
            let _ = writeln!(text, "{name} = {:?}", platform.gateway_url().trim_start_matches("http://"));
        }
        text.push_str("\n[routes]\n");
        for (recorded, own) in ROUTES {
            let _ = writeln!(text, "{recorded} = {own:?}");
        }
        text
    }
}

fn key(folder: &Path, name: &str) -> Result<Value, String> {
    let path = folder.join(format!("{name}.public.jwk.json"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Status and body of an answer within the mesh.
async fn ask(platform: &Platform, url: &str) -> Option<(u16, Vec<u8>)> {
    let gateway = Caller {
        namespace: "istio-system".to_owned(),
        service_account: "istio-ingressgateway-service-account".to_owned(),
        in_mesh: true,
    };
    let request = Request::get(url).body(Body::empty()).ok()?;
    let (head, body) = mesh::call(platform.world(), gateway, request).await.into_parts();
    Some((head.status.as_u16(), body.collect().await.ok()?.to_bytes().to_vec()))
}

async fn ready(listener: Listener, platform: &Platform) {
    const PROGRAMS: [&str; 3] = [
        "http://dex.auth.svc.cluster.local:5556/dex/healthz",
        "http://oauth2-proxy.oauth2-proxy.svc.cluster.local/ping",
        "http://centraldashboard.kubeflow.svc.cluster.local/",
    ];
    for url in PROGRAMS.into_iter().filter(|url| listener != Listener::ProviderDown || !url.contains("oauth2")) {
        while ask(platform, url).await.is_none_or(|(status, _)| status >= 500) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    // The gateway has its routes and filters when it no longer lets strangers through, nor knows no path.
    let (address, request) = (platform.gateway_url(), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    while !gateway_guards(address.trim_start_matches("http://"), request).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn gateway_guards(address: &str, request: &str) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return false };
    let mut answer = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_err() || stream.read_to_end(&mut answer).await.is_err() {
        return false;
    }
    answer.starts_with(b"HTTP/1.1 403")
}

async fn provider_keys(platform: &Platform) -> Option<Vec<Value>> {
    let (_, body) = ask(platform, "http://dex.auth.svc.cluster.local:5556/dex/keys").await?;
    serde_json::from_slice::<Value>(&body).ok()?.get("keys")?.as_array().cloned()
}
