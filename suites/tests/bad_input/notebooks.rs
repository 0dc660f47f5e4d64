//! A notebook of the run's own in a namespace that has PodDefaults, quotas or nodes of its own mind: what belongs to others
//! stays as it is, and a pod that they keep from running is no failure of the platform.

use clusters::{Embedded, Provided, Provider, versions};
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use reports::model::{Outcome, Problem};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::program::{Program, Ran};

const HOME: &str = "kubeflow-user-example-com";

struct Site(Provided);

impl Site {
    async fn new() -> Self {
        let version = versions::named("1.9.1").unwrap();
        Self(Embedded::new(version).provide(&CancellationToken::new()).await.unwrap())
    }

    fn api(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(Client::try_from(self.0.target.kube.clone()).unwrap(), HOME, &resource)
    }

    async fn has(&self, object: Value) -> DynamicObject {
        let api = self.api(object["apiVersion"].as_str().unwrap(), object["kind"].as_str().unwrap());
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap()
    }

    /// A run of the check that makes the notebook.
    async fn judged(&self, options: &[&str]) -> Ran {
        let mut program = Program::run(&[&["--cluster", "existing", "KFP-063"], options].concat());
        program.file("password", versions::credentials::DEFAULT_PASSWORD);
        let kubeconfig = program.file("kubeconfig", self.0.kubeconfig.as_deref().unwrap());
        program.command.arg("--kubeconfig").arg(kubeconfig);
        tokio::task::spawn_blocking(|| program.ends()).await.unwrap()
    }

    async fn could_not_tell(&self, options: &[&str]) -> Problem {
        let ran = self.judged(options).await;
        assert_eq!(ran.code, 6, "{ran:#?}");
        match outcome(&ran) {
            Outcome::Errored(problem) => problem,
            other => panic!("{other:?}"),
        }
    }
}

fn outcome(ran: &Ran) -> Outcome {
    ran.results().checks.into_iter().find(|check| check.id == "KFP-063").unwrap().outcome
}

fn pod_default(name: &str, selector: &Value, path: &str) -> Value {
    json!({
        "apiVersion": "kubeflow.org/v1alpha1", "kind": "PodDefault", "metadata": {"name": name, "namespace": HOME},
        "spec": {"desc": "the site's", "selector": selector, "env": [{"name": "KF_PIPELINES_SA_TOKEN_PATH", "value": path}]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_namespace_has_is_left_alone_and_named_where_it_is_in_the_way() {
    let site = Site::new().await;
    let label = json!({"matchLabels": {"access-ml-pipeline": "true"}});
    let before = site.has(pod_default("access-ml-pipeline", &label, "/site/token")).await;
    let ran = site.judged(&[]).await;
    assert_eq!((ran.code, outcome(&ran)), (0, Outcome::Passed), "{ran:#?}");
    let pod_defaults = site.api("kubeflow.org/v1alpha1", "PodDefault");
    let after: Vec<DynamicObject> = pod_defaults.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(after, [before]);

    let problem = site.could_not_tell(&["--probe-image", "registry.invalid/probe:1"]).await;
    assert!(problem.message.contains("does not run: ImagePullBackOff"), "{problem:?}");
    assert!(problem.next.as_deref().unwrap_or_default().contains("--probe-image"), "{problem:?}");

    site.has(pod_default("for-everybody", &json!({}), "/site/token")).await;
    let problem = site.could_not_tell(&[]).await;
    for words in ["conflict occurred while applying poddefaults", "for-everybody", "KF_PIPELINES_SA_TOKEN_PATH"] {
        assert!(problem.message.contains(words), "{problem:?}");
    }
    assert!(problem.next.as_deref().unwrap_or_default().contains("narrow its selector"), "{problem:?}");
    pod_defaults.delete("for-everybody", &DeleteParams::default()).await.unwrap();

    site.has(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": HOME},
        "spec": {"hard": {"pods": "0"}}}))
        .await;
    let problem = site.could_not_tell(&[]).await;
    assert!(problem.message.contains("exceeded quota: none"), "{problem:?}");
    assert!(problem.next.as_deref().unwrap_or_default().contains("room for one small pod"), "{problem:?}");
}
