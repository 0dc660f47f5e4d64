//! Nobody but its owner reaches a notebook.

use futures::future::BoxFuture;
use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use kube::api::DeleteParams;
use serde_json::json;

use super::server::{BOUND, Notebook, READY_WITHIN, form, is_server, shared};
use crate::applications::App;
use crate::faults::workspaces as faults;
use crate::gateway::diagnose::{Cause, blame, gate as gate_cause};
use crate::objects::{self, AUTHORIZATION_POLICY, STATEFUL_SET, items, text};
use crate::recognise::{Answered, expect_refusal, who};
use crate::tenants;
use crate::workspaces::client::Client;
use crate::workspaces::opening::KNOWN_WITHIN;
use crate::workspaces::place::{self, EVERY};
use crate::workspaces::programs::{self, NOTEBOOK_CONTROLLER};

const GUARDS: &[Profile] = &[Profile::Core, Profile::Notebooks, Profile::Security];

/// How many times in a row a stranger must be refused: each proxy learns a policy for itself.
const IN_A_ROW: u32 = 3;
const GATEWAY_ACCOUNT: &str = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "NBK-030",
        "Without a session nobody reaches a notebook",
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicies and EnvoyFilters of istio-system"),
        |cx| Box::pin(needs_a_session(cx)),
    )
    .explain(Explain {
        what: "Page, API and kernels of a notebook that its owner can open are refused to a visitor without a session, \
               also when they claim to be the owner in the identity header.",
        why: "Notebook servers run without a password of their own. The gateway is the first of two locks.",
        fix: "Restore the gateway's guard: see GWY-010.",
        reproduce: "curl -s -i -H 'kubeflow-userid: OWNER' \"$GATEWAY/notebook/NAMESPACE/NAME/api\"",
    })
    .profiles(GUARDS)
    .after(&["NBK-010"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::WORKSPACES_OPENED_A, &faults::WORKSPACES_OPENED_B]),
    check(
        "NBK-031",
        "Who is logged in and has no part in a namespace does not reach its notebooks",
        Level::Must,
        source("kubeflow/kubeflow", "components/profile-controller/controllers/profile_controller.go: getAuthorizationPolicy"),
        |cx| Box::pin(stranger(cx)),
    )
    .explain(Explain {
        what: "In a namespace of somebody else a notebook runs. As long as a policy lets the run's user in, they reach \
               it: so it is there, and the way is open. As soon as that policy is gone, they are refused by the mesh, \
               three times in a row.",
        why: "This policy is the only lock between tenants: whoever passes it has a shell with the owner's rights.",
        fix: "Remove policies that let everybody in, above all in istio-system, where they hold for all namespaces; keep \
              sidecar injection on in every Profile.",
        reproduce: "As another user: curl -s -i -b cookies.txt \"$GATEWAY/notebook/NAMESPACE/NAME/api\"",
    })
    .profiles(GUARDS)
    .after(&["NBK-010"])
    .within(Seconds(2 * BOUND))
    .writes()
    .breaks_on(&[&faults::EVERYBODY_ALLOWED, &faults::SIDECARS_OFF]),
    check(
        "NBK-032",
        "A user makes no notebook in a namespace of somebody else",
        Level::Must,
        source("kubeflow/kubeflow", "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/authz.py"),
        |cx| Box::pin(foreign_form(cx)),
    )
    .explain(Explain {
        what: "The complete form, with the page's token, is refused for a namespace of somebody else in the application's \
               own words, and no Notebook appears there.",
        why: "A notebook in a foreign namespace runs with that namespace's rights and sees its volumes.",
        fix: "Give no tenant rights by a ClusterRoleBinding; run the application's image as it was released.",
        reproduce: "kubectl auth can-i create notebooks.kubeflow.org -n NAMESPACE --as=USER",
    })
    .profiles(GUARDS)
    .after(&["NBK-002"])
    .within(Seconds(120))
    .writes()
    .breaks_on(&[&faults::USER_IS_ADMIN]),
];

async fn needs_a_session(cx: &Ctx) -> Checked {
    let notebook = shared(cx).await?;
    notebook.answers(cx).await?;
    let browser = cx.browser();
    for below in ["", "api", "api/kernels"] {
        for claim in [None, Some(cx.user().email.as_str())] {
            let path = notebook.url(below);
            let mut request = browser.request(http::Method::GET, &path).header("cookie", "");
            if let Some(claim) = claim {
                request = request.header("kubeflow-userid", claim);
            }
            let answer = request.send().await?;
            if let Err(stop) = expect_refusal(&answer, "a notebook without a session") {
                return Err(blame(stop, gate_cause(cx).await));
            }
        }
    }
    Ok(())
}

/// A notebook in a namespace of somebody else, with the image that the form offers, made by the API.
async fn of_somebody_else(cx: &Ctx) -> Checked<Notebook> {
    let notebook = Notebook { namespace: place::foreign(cx).await?, name: tenants::name(cx, "nb") };
    let client = Client::open(cx, App::Jupyter).await?;
    let form = form(&client, &notebook.name, &[]).await?;
    tenants::own(
        cx,
        json!({
            "apiVersion": "kubeflow.org/v1", "kind": "Notebook",
            "metadata": {"name": notebook.name, "namespace": notebook.namespace},
            // Whole, because the applications stumble over notebooks that lack any of these.
            "spec": {"template": {"spec": {
                "serviceAccountName": "default-editor", "volumes": [],
                "containers": [{
                    "name": notebook.name, "image": form["image"], "volumeMounts": [], "env": [],
                    "resources": {"requests": {"cpu": form["cpu"], "memory": form["memory"]}},
                }],
            }}},
        }),
    )
    .await?;
    let wait = format!("notebook {}/{} has a ready pod", notebook.namespace, notebook.name);
    cx.eventually(&wait, READY_WITHIN, EVERY, || {
        Box::pin(async {
            let set = objects::get(cx, STATEFUL_SET, &notebook.namespace, &notebook.name).await?;
            if set.is_some_and(|set| objects::number(&set.data, "/status/readyReplicas") == Some(1)) {
                return Ok(Seen::Yes(()));
            }
            programs::at_work(cx, &wait, NOTEBOOK_CONTROLLER).await?;
            let pod = format!("{}-0", notebook.name);
            Ok(Seen::NotYet(programs::waits(cx, &notebook.namespace, &pod).await?))
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await?;
    Ok(notebook)
}

async fn stranger(cx: &Ctx) -> Checked {
    let notebook = of_somebody_else(cx).await?;
    let policy = tenants::name(cx, "guest");
    tenants::own(
        cx,
        json!({
            "apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy",
            "metadata": {"name": policy, "namespace": notebook.namespace},
            "spec": {"rules": [{
                "from": [{"source": {"principals": [GATEWAY_ACCOUNT]}}],
                "when": [{"key": "request.headers[kubeflow-userid]", "values": [cx.user().email]}],
            }]},
        }),
    )
    .await?;
    let session = notebook.answers(cx).await?;
    let policies = cx.objects("security.istio.io/v1beta1", "AuthorizationPolicy", &notebook.namespace).await?;
    policies.delete(&policy, &DeleteParams::default()).await.map_err(Stop::from)?;
    let path = notebook.url("api");
    let seen = cx
        .eventually_steady("a stranger is refused by the mesh", IN_A_ROW, KNOWN_WITHIN, EVERY, || {
            Box::pin(async {
                let answer = session.get(&path).await?;
                if who(&answer) == Answered::RbacRefusal {
                    return Ok(Seen::Yes(()));
                }
                if is_server(&answer)
                    && let Some(cause) = opened(cx, &notebook).await?
                {
                    let stop = Stop::failed("a stranger is refused by the mesh", "the notebook answers them");
                    return Err(stop.at(answer.at()).because(cause.what).fix(cause.fix));
                }
                Ok(Seen::NotYet(format!("{} ({})", who(&answer), answer.summary())))
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await;
    seen.map_err(|stop| stop.at(format!("GET {path}")))
}

/// What lets everybody to a notebook: a policy for all, or no proxy that asks.
async fn opened(cx: &Ctx, notebook: &Notebook) -> Checked<Option<Cause>> {
    let pod = objects::get(cx, objects::POD, &notebook.namespace, &format!("{}-0", notebook.name)).await?;
    let has_proxy = pod.is_some_and(|pod| {
        let mut all = items(&pod.data, "/spec/containers").iter().chain(items(&pod.data, "/spec/initContainers"));
        all.any(|container| text(container, "/name") == "istio-proxy")
    });
    if !has_proxy {
        return Ok(Some(Cause::new(
            "the notebook's pod has no istio-proxy, which would ask the policies: MutatingWebhookConfiguration \
             istio-sidecar-injector, or the namespace's label istio-injection",
            "restore both, and restart the pods of every Profile",
        )));
    }
    for namespace in ["istio-system", notebook.namespace.as_str()] {
        for policy in objects::within(cx, AUTHORIZATION_POLICY, namespace).await? {
            let allows = matches!(text(&policy.data, "/spec/action"), "" | "ALLOW");
            let everybody = |rule: &&serde_json::Value| rule.as_object().is_some_and(serde_json::Map::is_empty);
            let selects = policy.data.pointer("/spec/selector").is_some();
            if allows && !selects && items(&policy.data, "/spec/rules").iter().any(|rule| everybody(&rule)) {
                let place = objects::place(&policy);
                return Ok(Some(Cause::new(
                    format!("AuthorizationPolicy {place} lets everybody to every workload"),
                    format!("kubectl -n {namespace} delete authorizationpolicy {}", objects::name(&policy)),
                )));
            }
        }
    }
    Ok(None)
}

async fn foreign_form(cx: &Ctx) -> Checked {
    let namespace = place::foreign(cx).await?;
    let client = Client::open(cx, App::Jupyter).await?;
    let notebook = Notebook { namespace, name: tenants::name(cx, "no") };
    let mut form = form(&client, &notebook.name, &[]).await?;
    // Should it be taken after all, it shall not take a volume, too.
    if let Some(form) = form.as_object_mut() {
        form.remove("workspace");
    }
    let answer = client.send(http::Method::POST, &notebook.collection(), Some(&form)).await?;
    client.refused(&answer, &notebook.namespace).await?;
    let found = objects::get(cx, objects::NOTEBOOK, &notebook.namespace, &notebook.name).await?;
    match found {
        None => Ok(()),
        Some(_) => Err(Stop::failed("no notebook in a foreign namespace", "it was refused, and made").at(answer.at())),
    }
}
