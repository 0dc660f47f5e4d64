//! The form: what it offers, what it makes, and for whom.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::server::{BOUND, Notebook, shared};
use crate::applications::App;
use crate::faults::{gateway, workspaces as faults};
use crate::objects::{self, MUTATING, POD, config_value, items, text};
use crate::tenants;
use crate::workspaces::client::{Client, guards_changes, lists_own_alone};
use crate::workspaces::place::{self, EVERY};
use crate::workspaces::programs::{self, INJECTOR, NOTEBOOK_CONTROLLER, POD_DEFAULTS};

const NOTEBOOKS: &[Profile] = &[Profile::Core, Profile::Notebooks];
const GUARDS: &[Profile] = &[Profile::Core, Profile::Notebooks, Profile::Security];
const BACKEND: &str = "kubeflow/kubeflow";

/// How long the webhook may take for a new pod; the StatefulSet's controller tries again after up to 82 seconds.
const POD_WITHIN: Duration = Duration::from_secs(120);

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "NBK-001",
        "The form for a new notebook offers what its configuration says",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/jupyter/backend/apps/common/utils.py: load_spawner_ui_config"),
        |cx| Box::pin(defaults(cx)),
    )
    .explain(Explain {
        what: "/jupyter/api/config answers with spawnerFormDefaults of ConfigMap kubeflow/jupyter-web-app-config-*, and \
               these name an image, CPU, memory and a volume for the home directory.",
        why: "Images, limits and volumes of every notebook come from here. A file that cannot be read leaves users with \
              an empty form.",
        fix: "Correct spawner_ui_config.yaml in the ConfigMap that Deployment kubeflow/jupyter-web-app-deployment mounts.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/jupyter/api/config\"",
    })
    .profiles(NOTEBOOKS)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::SPAWNER_CONFIG_MISSPELT, &gateway::JUPYTER_ROUTE_MISDIRECTED]),
    check(
        "NBK-002",
        "The list of notebooks shows the user's own namespace and no other",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/authz.py"),
        |cx| Box::pin(lists_own_alone(cx, App::Jupyter, "notebooks")),
    )
    .explain(Explain {
        what: "The application lists the notebooks of a namespace that the user owns, and refuses those of the namespace \
               kubeflow in its own words: who may not list what.",
        why: "The application reads with rights for the whole cluster. Only its question to the API for each user keeps \
              tenants apart.",
        fix: "Restore ClusterRole jupyter-web-app-cluster-role with its binding; give no tenant rights by a \
              ClusterRoleBinding.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/jupyter/api/namespaces/kubeflow/notebooks\"",
    })
    .profiles(GUARDS)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::JUPYTER_RIGHTS_LOST, &faults::USER_IS_ADMIN]),
    check(
        "NBK-003",
        "The notebooks application takes no change that did not come from its page",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/csrf.py"),
        |cx| Box::pin(guards_changes(cx, App::Jupyter, "/api/namespaces/kubeflow/notebooks")),
    )
    .explain(Explain {
        what: "A POST without the token of the page, and one whose header differs from the cookie, are refused for that \
               reason. The same POST with the token is refused for its empty body. Nothing is made.",
        why: "The browser sends the session with every request, also with those that a foreign site makes it send. The \
              token is what such a site cannot know.",
        fix: "Run the application's image as it was released; look for a proxy that adds cookies or headers.",
        reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{}' \
                    \"$GATEWAY/jupyter/api/namespaces/kubeflow/notebooks\"",
    })
    .profiles(GUARDS)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::TOKEN_UNCHECKED]),
    check(
        "NBK-004",
        "A notebook that was made with the form becomes ready",
        Level::Must,
        source(BACKEND, "components/notebook-controller/controllers/notebook_controller.go"),
        |cx| Box::pin(becomes_ready(cx)),
    )
    .explain(Explain {
        what: "The form is sent in with its defaults, as the page does it. Within fifteen minutes the application's list \
               shows the notebook as ready, running in a pod of its own with the service account default-editor and the \
               mesh's proxy, and its volume is bound.",
        why: "This is what the application is for. Controller, webhooks, storage and registry all take part.",
        fix: "Follow the cause; else kubectl -n NAMESPACE describe notebook, statefulset and pod of that name.",
        reproduce: "Open $GATEWAY/jupyter/, press \"New Notebook\", give it a name and press \"Launch\".",
    })
    .profiles(NOTEBOOKS)
    .after(&["NBK-001"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[
        &faults::NOTEBOOK_CONTROLLER_STOPPED,
        &faults::POD_DEFAULTS_STOPPED,
        &faults::JUPYTER_RIGHTS_LOST,
        &faults::SIDECARS_OFF,
    ]),
    check(
        "NBK-005",
        "A configuration that the user picks is applied to the notebook",
        Level::Must,
        source(BACKEND, "components/admission-webhook/main.go"),
        |cx| Box::pin(configured(cx)),
    )
    .explain(Explain {
        what: "A PodDefault of the user's namespace is offered in the form. A notebook that is made with it gets a pod \
               with the PodDefault's environment variable and its mark.",
        why: "Access to pipelines, credentials and proxies are handed to notebooks this way. Without the webhook the pod \
              starts all the same, and what it needs is missing inside.",
        fix: "Restore MutatingWebhookConfiguration admission-webhook-mutating-webhook-configuration and Deployment \
              kubeflow/admission-webhook-deployment.",
        reproduce: "kubectl -n NAMESPACE get pod NOTEBOOK-0 -o yaml | grep poddefault.admission",
    })
    .profiles(NOTEBOOKS)
    .after(&["NBK-001"])
    .within(Seconds(300))
    .writes()
    .breaks_on(&[&faults::POD_DEFAULTS_REMOVED, &faults::POD_DEFAULTS_STOPPED]),
];

async fn defaults(cx: &Ctx) -> Checked {
    let client = Client::open(cx, App::Jupyter).await?;
    let answer = client.ask("/api/config").await?;
    let config = objects::config_of(cx, "jupyter-web-app-deployment", "jupyter-web-app-config").await?;
    let written = config.as_ref().and_then(|config| config_value(config, "spawner_ui_config.yaml"));
    let written: Option<Value> = written.and_then(|text| serde_saphyr::from_str(text).ok());
    let written = written.and_then(|mut file| file.get_mut("spawnerFormDefaults").map(Value::take));
    let because = |stop: Stop| {
        let name = config.as_ref().map_or("jupyter-web-app-config", objects::name);
        stop.because(format!("spawner_ui_config.yaml of ConfigMap kubeflow/{name}"))
            .fix(format!("kubectl -n kubeflow edit configmap {name}; restart jupyter-web-app-deployment"))
    };
    let found = match client.success(&answer).await {
        Ok(found) => found["config"].clone(),
        Err(stop) if written.is_none() => return Err(because(stop)),
        Err(stop) => return Err(stop),
    };
    if let Some(written) = written
        && written != found
    {
        let stop = Stop::failed(format!("the form's defaults {written}"), format!("{found}")).at(answer.at());
        return Err(because(stop));
    }
    for field in ["/image/value", "/cpu/value", "/memory/value", "/workspaceVolume/value/mount"] {
        if text(&found, field).is_empty() {
            return Err(because(Stop::failed(format!("a default at {field}"), "none").at(answer.at())));
        }
    }
    Ok(())
}

async fn becomes_ready(cx: &Ctx) -> Checked {
    let notebook = shared(cx).await?;
    let name = format!("{}-0", notebook.name);
    let Some(pod) = objects::get(cx, POD, &notebook.namespace, &name).await? else {
        return Err(Stop::failed(format!("the pod {}/{name}", notebook.namespace), "there is none"));
    };
    let account = text(&pod.data, "/spec/serviceAccountName");
    if account != "default-editor" {
        let expected = "the notebook runs with the service account default-editor";
        return Err(Stop::failed(expected, format!("it runs as {account}")));
    }
    let mut containers = items(&pod.data, "/spec/containers").iter().chain(items(&pod.data, "/spec/initContainers"));
    if containers.any(|container| text(container, "/name") == "istio-proxy") {
        return Ok(());
    }
    let configurations = objects::all(cx, MUTATING).await?;
    let injector = configurations.iter().find(|found| objects::name(found).starts_with(INJECTOR));
    let stop = Stop::failed("the notebook's pod has the mesh's proxy (container istio-proxy)", "it has none");
    Err(match injector {
        Some(_) => stop
            .because(format!("label istio-injection of namespace {}, or istiod", notebook.namespace))
            .fix("kubectl -n istio-system logs deployment/istiod"),
        None => stop
            .because("MutatingWebhookConfiguration istio-sidecar-injector is absent")
            .fix("apply common/istio*/istio-install of kubeflow/manifests again"),
    })
}

async fn configured(cx: &Ctx) -> Checked {
    let namespace = place::own(cx).await?;
    let label = tenants::name(cx, "picked");
    tenants::own(
        cx,
        json!({
            "apiVersion": "kubeflow.org/v1alpha1", "kind": "PodDefault",
            "metadata": {"name": label, "namespace": namespace},
            "spec": {"desc": "conformance", "selector": {"matchLabels": {label.as_str(): "true"}},
                "env": [{"name": "KUBEFLOW_CONFORMANCE", "value": label}]},
        }),
    )
    .await?;
    let client = Client::open(cx, App::Jupyter).await?;
    let offered = client.get(&format!("/api/namespaces/{namespace}/poddefaults")).await?;
    if !items(&offered, "/poddefaults").iter().any(|one| text(one, "/label") == label) {
        let stop =
            Stop::failed(format!("the form offers the configuration {label}"), offered["poddefaults"].to_string());
        return Err(stop.because(format!("PodDefault {namespace}/{label}, which exists")));
    }
    let notebook = Notebook::create(cx, "pd", &[&label]).await?;
    let applied = given(cx, &notebook, &label).await;
    notebook.discard(cx).await;
    applied
}

/// Whether the notebook's pod has what the PodDefault gives.
async fn given(cx: &Ctx, notebook: &Notebook, label: &str) -> Checked {
    let namespace = notebook.namespace.as_str();
    let pod = format!("{}-0", notebook.name);
    let wait = format!("pod {namespace}/{pod} is there");
    let found = cx
        .eventually(&wait, POD_WITHIN, EVERY, || {
            Box::pin(async {
                let found = objects::get(cx, POD, namespace, &pod).await?;
                if found.is_none() {
                    programs::at_work(cx, &wait, NOTEBOOK_CONTROLLER).await?;
                }
                Ok(Seen::from(found))
            }) as BoxFuture<'_, Checked<Seen<DynamicObject>>>
        })
        .await?;
    let variable = |container: &Value| {
        items(container, "/env")
            .iter()
            .any(|one| text(one, "/name") == "KUBEFLOW_CONFORMANCE" && text(one, "/value") == label)
    };
    let mark = objects::annotation(&found, &format!("poddefault.admission.kubeflow.org/poddefault-{label}"));
    if items(&found.data, "/spec/containers").iter().any(variable) && !mark.is_empty() {
        return Ok(());
    }
    let stop = Stop::failed(format!("pod {pod} has what PodDefault {label} gives, and its mark"), "it has not");
    let configuration = objects::get(cx, MUTATING, "", POD_DEFAULTS).await?;
    Err(match configuration {
        Some(_) => stop.because(format!("MutatingWebhookConfiguration {POD_DEFAULTS} does not ask about this pod")),
        None => stop.because(format!("MutatingWebhookConfiguration {POD_DEFAULTS} is absent")),
    }
    .fix("apply apps/admission-webhook of kubeflow/manifests again"))
}
