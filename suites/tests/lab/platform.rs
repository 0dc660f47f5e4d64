//! A platform on a real cluster that may be broken.

use std::path::PathBuf;
use std::time::Duration;

use clusters::versions::Version;
use clusters::versions::credentials::{DEFAULT_PASSWORD, DEFAULT_USER};
use clusters::versions::parts::PARTS;
use clusters::{Existing, Mode, Provided, Provider};
use harness::Check;
use harness::context::User;
use harness::engine::{self, Environment, Selection};
use harness::forward::Forward;
use harness::kubernetes::Kubernetes;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use reports::model;
use tokio_util::sync::CancellationToken;

use super::selection::SUITES;

/// The annotation of namespace `kube-system` by which a cluster says that it may be broken.
const MARK: &str = "conformance.kubeflow.org/may-be-broken";
/// How long rollouts may take to end. One that is stuck, as some faults make it, is judged as it is.
const AT_REST_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub struct Platform {
    pub version: &'static Version,
    pub kubernetes: Kubernetes,
    provided: Provided,
    forward: Forward,
}

impl Platform {
    /// Reaches the cluster and its gateway. A cluster without the mark is left alone.
    pub async fn connect(kubeconfig: PathBuf) -> Result<Self, String> {
        let existing = Existing { kubeconfig: Some(kubeconfig), ..Existing::default() };
        let provided = existing.provide(&CancellationToken::new()).await.map_err(|error| error.to_string())?;
        let kubernetes = Kubernetes::new(provided.target.kube.clone()).map_err(|error| error.to_string())?;
        let client = kubernetes.shared();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let system = namespaces.get("kube-system").await.map_err(|error| error.to_string())?;
        let marked = system.metadata.annotations.as_ref().and_then(|all| all.get(MARK));
        if marked.map(String::as_str) != Some("true") {
            return Err(format!(
                "the cluster {} does not say that it may be broken; if it may: kubectl annotate namespace kube-system {MARK}=true",
                provided.target.name
            ));
        }
        let found = clusters::versions::detect(&client).await.map_err(|error| error.to_string())?;
        let version = found.version.ok_or("no supported release of Kubeflow is recognised")?;
        let forward = Forward::to_gateway(client).await.map_err(|error| error.to_string())?;
        Ok(Self { version, kubernetes, provided, forward })
    }

    /// As a fault sees it: it may be broken.
    pub fn mode(&self) -> Mode {
        Mode::Disposable
    }

    /// Waits until no Deployment is being rolled out.
    pub async fn come_to_rest(&self) -> Result<(), String> {
        let deployments: Api<Deployment> = Api::all(self.kubernetes.shared());
        let give_up = tokio::time::Instant::now() + AT_REST_WITHIN;
        loop {
            let all = deployments.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            if !all.items.iter().any(is_rolling) || tokio::time::Instant::now() >= give_up {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Runs the checks that `wanted` picks, with the real engine.
    pub async fn run(&self, wanted: impl Fn(&Check) -> bool) -> Result<Vec<model::Check>, String> {
        let user = User { email: DEFAULT_USER.to_owned(), password: DEFAULT_PASSWORD.to_owned() };
        let gateway = self.forward.url().clone();
        let mut environment = Environment::new(self.provided.target.clone(), gateway, self.version, user);
        environment.housekeeping = false;
        environment.without = PARTS.iter().collect();
        environment.may_restart = true;
        let selection = Selection::of(&SUITES, |_, check| wanted(check));
        let running = engine::run(&selection, environment).map_err(|error| error.to_string())?;
        let results = running.finish().await;
        Ok(results.checks.into_iter().filter(|check| selection.chosen().any(|(_, one)| one.id == check.id)).collect())
    }
}

fn is_rolling(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return true };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    status.observed_generation < deployment.metadata.generation
        || status.updated_replicas.unwrap_or_default() != wanted
        || status.replicas.unwrap_or_default() != wanted
        || status.available_replicas.unwrap_or_default() != wanted
}
