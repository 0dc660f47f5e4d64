//! One embedded platform, broken or not, and runs of checks against it.

use std::time::Duration;

use clusters::embedded_provider::Embedded;
use clusters::versions::Version;
use clusters::versions::credentials::{DEFAULT_PASSWORD, DEFAULT_USER};
use clusters::{Provided, Provider};
use harness::Check;
use harness::context::User;
use harness::engine::{self, Environment, Selection};
use harness::kubernetes::Kubernetes;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use reports::model;
use suites::SUITES;
use tokio_util::sync::CancellationToken;

/// How long a platform may take to come to rest, after its start or a change.
const AT_REST_WITHIN: Duration = Duration::from_secs(10);
/// It is at rest when nothing has changed for so long.
const AT_REST: Duration = Duration::from_millis(60);

pub struct Platform {
    version: &'static Version,
    provided: Provided,
    pub kubernetes: Kubernetes,
}

impl Platform {
    /// Starts one of a release's blueprint, and waits until its pods are up.
    pub async fn start(version: &'static Version) -> Result<Self, String> {
        let provided =
            Embedded::new(version).provide(&CancellationToken::new()).await.map_err(|error| error.to_string())?;
        let kubernetes = Kubernetes::new(provided.target.kube.clone()).map_err(|error| error.to_string())?;
        let platform = Self { version, provided, kubernetes };
        platform.come_to_rest().await?;
        Ok(platform)
    }

    pub fn mode(&self) -> clusters::Mode {
        self.provided.target.mode
    }

    /// Waits until pods, workloads and endpoints change no more. A platform that is broken comes to rest, too.
    pub async fn come_to_rest(&self) -> Result<(), String> {
        let give_up = tokio::time::Instant::now() + AT_REST_WITHIN;
        let mut before = self.state().await?;
        loop {
            tokio::time::sleep(AT_REST).await;
            let now = self.state().await?;
            // What never rests (a pod that crashes again and again) is judged as it is.
            if now == before || tokio::time::Instant::now() >= give_up {
                return Ok(());
            }
            before = now;
        }
    }

    async fn state(&self) -> Result<Vec<Option<String>>, String> {
        let mut versions = Vec::new();
        for (group, kind, plural) in [
            ("", "Pod", "pods"),
            ("apps", "Deployment", "deployments"),
            ("discovery.k8s.io", "EndpointSlice", "endpointslices"),
        ] {
            let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
            let resource = ApiResource {
                group: group.to_owned(),
                version: "v1".to_owned(),
                api_version,
                kind: kind.to_owned(),
                plural: plural.to_owned(),
            };
            let api: Api<DynamicObject> = Api::all_with(self.kubernetes.shared(), &resource);
            let list = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            versions.extend(list.items.into_iter().map(|object| object.metadata.resource_version));
        }
        Ok(versions)
    }

    /// Runs the checks that `wanted` picks, with the real engine.
    pub async fn run(&self, wanted: impl Fn(&Check) -> bool) -> Result<Vec<model::Check>, String> {
        let gateway = self.provided.target.gateway.clone().ok_or("the embedded platform has no gateway")?;
        let user = User { email: DEFAULT_USER.to_owned(), password: DEFAULT_PASSWORD.to_owned() };
        let mut environment = Environment::new(self.provided.target.clone(), gateway, self.version, user);
        environment.housekeeping = false;
        let selection = Selection::of(SUITES, |_, check| wanted(check));
        let running = engine::run(&selection, environment).map_err(|error| error.to_string())?;
        let results = running.finish().await;
        Ok(results.checks.into_iter().filter(|check| selection.chosen().any(|(_, one)| one.id == check.id)).collect())
    }
}
