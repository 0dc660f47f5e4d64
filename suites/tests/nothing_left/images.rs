//! The images that a run starts: those that `--plan --images` lists, and those that the platform's own objects name.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, ListParams};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often is looked: a step of a pipeline leaves its pod for longer.
const EVERY: Duration = Duration::from_millis(100);

/// The images of pods that were not there before, until asked.
pub struct Watch {
    seen: JoinHandle<BTreeSet<String>>,
    until: DropGuard,
}

impl Watch {
    pub async fn begin(client: &kube::Client) -> Self {
        let pods: Api<Pod> = Api::all(client.clone());
        let before: BTreeSet<String> = list(&pods).await.into_iter().filter_map(|pod| pod.metadata.uid).collect();
        let until = CancellationToken::new();
        let ends = until.clone();
        let seen = tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            while ends.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
                for pod in list(&pods).await {
                    let known = pod.metadata.uid.as_ref().is_none_or(|uid| before.contains(uid));
                    seen.extend(pod.spec.filter(|_| !known).into_iter().flat_map(|spec| {
                        let all = spec.containers.into_iter().chain(spec.init_containers.unwrap_or_default());
                        all.filter_map(|container| container.image)
                    }));
                }
            }
            seen
        });
        Self { seen, until: until.drop_guard() }
    }

    pub async fn end(self) -> BTreeSet<String> {
        drop(self.until);
        self.seen.await.unwrap()
    }
}

/// What `--plan --images` lists.
pub fn listed() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_kubeflow-conformance"))
        .args(["run", "--plan", "--images"])
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).unwrap();
    told.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// Everything that the platform's own objects say, in which the images that it names are found.
pub async fn platform(client: &kube::Client) -> String {
    let deployments = list::<Deployment>(&Api::namespaced(client.clone(), "kubeflow")).await;
    let files = list::<ConfigMap>(&Api::namespaced(client.clone(), "kubeflow")).await;
    let proxies = list::<Pod>(&Api::namespaced(client.clone(), "istio-system")).await;
    format!("{deployments:?} {files:?} {proxies:?}")
}

async fn list<K>(api: &Api<K>) -> Vec<K>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    api.list(&ListParams::default()).await.unwrap().items
}
