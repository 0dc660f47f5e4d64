//! What a user reaches by the web applications, asked through the gateway: the lists of a namespace, and the removal of
//! what is not there.
//!
//! Each application asks the API server whether the user may (kubeflow/kubeflow
//! `components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/authz.py`, kubeflow/katib
//! `pkg/ui/v1beta1/authzn.go`, kserve/models-web-app `backend`), so the answer is the role's.

use harness::http::Session;
use harness::{Checked, Ctx, Stop};
use http::Method;

use crate::applications::App;
use crate::gateway::diagnose::{Cause, blame, route};
use crate::katib::server;
use crate::objects::{self, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, items, text};
use crate::recognise::{Answered, who};
use crate::workspaces::client::Client;

/// A list that an application shows of a namespace.
#[derive(Debug, Clone, Copy)]
pub struct List {
    /// Whose.
    pub app: App,
    /// What is listed, for people.
    pub what: &'static str,
    /// The path before the namespace and after it.
    path: (&'static str, &'static str),
}

const fn list(app: App, what: &'static str, before: &'static str, after: &'static str) -> List {
    List { app, what, path: (before, after) }
}

/// The notebooks of a namespace.
pub const NOTEBOOKS: List = list(App::Jupyter, "notebooks", "/jupyter/api/namespaces/", "/notebooks");
/// The volumes of a namespace.
pub const VOLUMES: List = list(App::Volumes, "volumes", "/volumes/api/namespaces/", "/pvcs");
/// The TensorBoards of a namespace.
pub const TENSORBOARDS: List =
    list(App::Tensorboards, "tensorboards", "/tensorboards/api/namespaces/", "/tensorboards");
/// The experiments of a namespace.
pub const EXPERIMENTS: List = list(App::Katib, "experiments", "/katib/fetch_experiments/?namespace=", "");
/// The served models of a namespace.
pub const MODELS: List = list(App::Models, "models", "/kserve-endpoints/api/namespaces/", "/inferenceservices");

/// All of them.
pub const LISTS: [List; 5] = [NOTEBOOKS, VOLUMES, TENSORBOARDS, EXPERIMENTS, MODELS];

/// What a web application removes, at a path below its list.
#[derive(Debug, Clone, Copy)]
pub struct Removal {
    /// The list that it would be taken off.
    pub list: List,
    /// What would be removed, for people.
    pub what: &'static str,
}

/// What can be asked to be removed: the applications that all say the same words.
pub const REMOVALS: [Removal; 3] = [
    Removal { list: NOTEBOOKS, what: "a notebook" },
    Removal { list: VOLUMES, what: "a volume" },
    Removal { list: TENSORBOARDS, what: "a TensorBoard" },
];

/// The name of what nobody has.
const ABSENT: &str = "conformance-absent";

/// Whether whoever has opened the application may remove something in a namespace: asked with a name that nothing has, so
/// that nothing is lost. Who may is told that it is not there; only the application's own words are a denial.
pub async fn may_remove(client: &Client, removal: &Removal, namespace: &str) -> Checked<bool> {
    let path = format!("/api/namespaces/{namespace}{}/{ABSENT}", removal.list.path.1);
    let answer = client.send(Method::DELETE, &path, None).await?;
    match who(&answer) {
        Answered::WebApp { success: false, .. } if answer.status.as_u16() == 404 => Ok(true),
        Answered::WebApp { success: false, log, .. }
            if answer.status.as_u16() == 403 && log.contains("is not authorized to") =>
        {
            Ok(false)
        }
        other => {
            let stop = Stop::failed(
                format!("404 for {} that is not in {namespace}, or a refusal by the application", removal.what),
                format!("answered: {other} ({})", answer.summary()),
            );
            Err(client.blamed(stop.at(answer.at()), &answer).await)
        }
    }
}

/// Whether the session's user is shown the list of a namespace. Only the application's own words are a denial: anything
/// else that comes in place of the list is a failure of its own.
pub async fn sees(cx: &Ctx, session: &Session, list: &List, namespace: &str) -> Checked<bool> {
    let path = format!("{}{namespace}{}", list.path.0, list.path.1);
    let answer = match list.app {
        App::Katib => server::asked(cx, session, &path).await?,
        _ => session.get(&path).await?,
    };
    let not_allowed = answer.body.contains("is not authorized to");
    let listed = |answer: &harness::http::Answer| {
        list.app == App::Katib && answer.json().is_some_and(|json| json.is_array() || json.is_null())
    };
    match who(&answer) {
        Answered::WebApp { success: true, .. } if answer.status.is_success() => Ok(true),
        Answered::WebApp { success: false, .. } if answer.status.as_u16() == 403 && not_allowed => Ok(false),
        _ if answer.status.is_success() && listed(&answer) => Ok(true),
        _ if list.app == App::Katib && answer.status.as_u16() == 403 && not_allowed => Ok(false),
        other => {
            let stop = Stop::failed(
                format!("the list of {} in {namespace}, or a refusal by the application", list.what),
                format!("answered: {other} ({})", answer.summary()),
            );
            Err(blame(stop.at(answer.at()), route(cx, list.app.entry()).await))
        }
    }
}

/// What gives a user, who may be a service account, rights in every namespace.
pub async fn everywhere(cx: &Ctx, user: &str) -> Checked<Option<Cause>> {
    let bindings = objects::all(cx, CLUSTER_ROLE_BINDING).await?;
    let names = |binding: &&kube::api::DynamicObject| {
        items(&binding.data, "/subjects").iter().any(|subject| {
            let name = text(subject, "/name");
            match text(subject, "/kind") {
                "User" => name == user,
                "ServiceAccount" => format!("system:serviceaccount:{}:{name}", text(subject, "/namespace")) == user,
                _ => false,
            }
        })
    };
    Ok(bindings.iter().find(names).map(|binding| {
        let (name, role) = (objects::name(binding), text(&binding.data, "/roleRef/name"));
        Cause::new(
            format!("ClusterRoleBinding {name} binds {user} to {role} in every namespace"),
            format!("kubectl delete clusterrolebinding {name}"),
        )
    }))
}

/// What certainly takes a role's rights away: it has no rules.
pub async fn emptied(cx: &Ctx, role: &str) -> Checked<Option<Cause>> {
    let found = objects::get(cx, CLUSTER_ROLE, "", role).await?;
    if found.is_some_and(|found| !items(&found.data, "/rules").is_empty()) {
        return Ok(None);
    }
    Ok(Some(Cause::new(
        format!("ClusterRole {role} is absent or has no rules"),
        "apply common/kubeflow-roles of kubeflow/manifests again and look at its aggregation labels",
    )))
}
