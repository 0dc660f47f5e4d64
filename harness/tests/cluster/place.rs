//! The clusters that the tests run against.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clusters::{Embedded, Existing, Provided, Provider, versions};
use futures::future::BoxFuture;
use harness::check::Run;
use harness::context::User;
use harness::engine::{self, Environment, Selection};
use harness::own::{KINDS, RUN_LABEL};
use harness::{Check, Level, Seconds, Suite, check};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, ObjectMeta};
use kube::core::{ApiResource, GroupVersionKind};
use reports::model::Results;
use tokio_util::sync::CancellationToken;

/// A cluster that tests may write into.
pub struct Place {
    provided: Provided,
    /// Speaks for an administrator.
    pub client: Client,
    /// Whether it is a real one.
    pub real: bool,
}

/// Runs a test against the embedded platform, and against the real cluster if one is named.
pub async fn everywhere(test: for<'a> fn(&'a Place) -> BoxFuture<'a, ()>) {
    let embedded = Embedded::new(versions::named("1.9.1").unwrap());
    test(&Place::of(&embedded, false).await).await;
    match std::env::var_os("CONFORMANCE_TEST_KUBECONFIG") {
        None => eprintln!("skipped for a real cluster: CONFORMANCE_TEST_KUBECONFIG names no kubeconfig"),
        Some(path) => {
            let existing = Existing { kubeconfig: Some(PathBuf::from(path)), ..Existing::default() };
            test(&Place::of(&existing, true).await).await;
        }
    }
}

impl Place {
    async fn of(provider: &dyn Provider, real: bool) -> Self {
        harness::init();
        let provided = provider.provide(&CancellationToken::new()).await.unwrap();
        let client = Client::try_from(provided.target.kube.clone()).unwrap();
        Self { provided, client, real }
    }

    /// A run against it, which has an id of its own.
    pub fn environment(&self) -> Environment {
        let gateway = self.provided.target.gateway.clone().unwrap_or("http://127.0.0.1:1".parse().unwrap());
        let user = User { email: "user@example.com".to_owned(), password: "12341234".to_owned() };
        let version = versions::named("1.9.1").unwrap();
        let environment = Environment::new(self.provided.target.clone(), gateway, version, user);
        Environment { housekeeping: false, ..environment }
    }

    /// The objects of a run, as an administrator sees them: `Kind namespace/name`.
    pub async fn objects_of(&self, run_id: &str) -> Vec<String> {
        let mut found = Vec::new();
        for kind in KINDS {
            let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, kind.plural);
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
            match api.list(&ListParams::default().labels(&format!("{RUN_LABEL}={run_id}"))).await {
                Ok(list) => found.extend(list.items.into_iter().map(|object| {
                    let ObjectMeta { name, namespace, .. } = object.metadata;
                    format!("{} {}/{}", kind.kind, namespace.unwrap_or_default(), name.unwrap_or_default())
                })),
                // A cluster without a platform has not all of the kinds.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => panic!("{}: {error}", kind.plural),
            }
        }
        found
    }

    pub fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// An image whose containers have `sh`, `sleep` and `busybox httpd`.
    pub fn image() -> String {
        std::env::var("CONFORMANCE_TEST_IMAGE").unwrap_or_else(|_| "docker.io/library/busybox:1.36".to_owned())
    }
}

/// A suite of made-up checks.
pub fn suite(checks: &[(&'static str, Run)]) -> &'static Suite {
    let source = harness::check::source("tests", "here");
    let checks = checks.iter().map(|(id, run)| check(id, "It works", Level::Must, source, *run).within(Seconds(120)));
    suite_of(checks.collect())
}

pub fn suite_of(checks: Vec<Check>) -> &'static Suite {
    let topics: &'static [&'static [Check]] = vec![&*checks.leak()].leak();
    Box::leak(Box::new(Suite { name: "made-up", prefix: "TST", title: "made up", images: &[], topics }))
}

/// Runs a suite.
pub async fn results(suite: &'static Suite, environment: Environment) -> Results {
    engine::run(&Selection::all(&[suite]), environment).unwrap().finish().await
}

/// The entry of a check.
pub fn entry<'a>(results: &'a Results, id: &str) -> &'a reports::model::Check {
    results.checks.iter().find(|check| check.id == id).unwrap()
}

/// An object with that content.
pub fn object(content: serde_json::Value) -> DynamicObject {
    serde_json::from_value(content).unwrap()
}

/// A ConfigMap as a run that died left it.
pub fn left_behind(name: &str, labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> ConfigMap {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        labels: Some(map(labels)),
        annotations: Some(map(annotations)),
        ..ObjectMeta::default()
    };
    ConfigMap { metadata, ..ConfigMap::default() }
}
