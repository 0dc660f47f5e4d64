//! What the volumes application shows, and to whom.

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use serde_json::Value;

use crate::applications::App;
use crate::faults::{gateway, workspaces as faults};
use crate::objects::{self, STORAGE_CLASS, items, text};
use crate::workspaces::client::{Client, guards_changes, lists_own_alone};

const VOLUMES: &[Profile] = &[Profile::Core, Profile::Notebooks];
const GUARDS: &[Profile] = &[Profile::Core, Profile::Notebooks, Profile::Security];
const BACKEND: &str = "kubeflow/kubeflow";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "VOL-001",
        "The list of volumes shows the user's own namespace and no other",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/volumes/backend/apps/default/routes/get.py"),
        |cx| Box::pin(lists_own_alone(cx, App::Volumes, "pvcs")),
    )
    .explain(Explain {
        what: "The application lists the volumes of a namespace that the user owns, and refuses those of the namespace \
               kubeflow in its own words.",
        why: "The application reads with rights for the whole cluster. Only its question to the API for each user keeps \
              tenants apart.",
        fix: "Restore ClusterRole volumes-web-app-cluster-role with its binding; give no tenant rights by a \
              ClusterRoleBinding.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/volumes/api/namespaces/kubeflow/pvcs\"",
    })
    .profiles(GUARDS)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::VOLUMES_RIGHTS_LOST, &faults::USER_IS_ADMIN, &gateway::VOLUMES_ROUTE_REMOVED]),
    check(
        "VOL-002",
        "The volumes application takes no change that did not come from its page",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/csrf.py"),
        |cx| Box::pin(guards_changes(cx, App::Volumes, "/api/namespaces/kubeflow/pvcs")),
    )
    .explain(Explain {
        what: "A POST without the token of the page, and one whose header differs from the cookie, are refused for that \
               reason. The same POST with the token is refused for its empty body. Nothing is made.",
        why: "The browser sends the session with every request, also with those that a foreign site makes it send.",
        fix: "Run the application's image as it was released; look for a proxy that adds cookies or headers.",
        reproduce: "curl -s -b cookies.txt -H 'content-type: application/json' -d '{}' \
                    \"$GATEWAY/volumes/api/namespaces/kubeflow/pvcs\"",
    })
    .profiles(GUARDS)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::TOKEN_UNCHECKED]),
    check(
        "VOL-003",
        "The form for a new volume offers the cluster's storage classes",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/routes/get.py"),
        |cx| Box::pin(classes(cx)),
    )
    .explain(Explain {
        what: "The application names the storage classes that the cluster has, and which of them is the default one.",
        why: "A class that is not offered cannot be chosen; a form without a default asks users for what they do not \
              know.",
        fix: "Restore ClusterRole volumes-web-app-cluster-role; mark one StorageClass as default.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/volumes/api/storageclasses\"; kubectl get storageclasses",
    })
    .profiles(VOLUMES)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::VOLUMES_RIGHTS_LOST]),
];

async fn classes(cx: &Ctx) -> Checked {
    let client = Client::open(cx, App::Volumes).await?;
    let answer = client.get("/api/storageclasses").await?;
    let offered: Vec<&str> = items(&answer, "/storageClasses").iter().filter_map(Value::as_str).collect();
    let classes = objects::all(cx, STORAGE_CLASS).await?;
    let names: Vec<&str> = classes.iter().map(objects::name).collect();
    if let Some(missing) = names.iter().find(|name| !offered.contains(name)) {
        let at = format!("GET {}", client.path("/api/storageclasses"));
        return Err(Stop::failed(format!("the storage class {missing} is offered"), offered.join(", ")).at(at));
    }
    let marked = classes
        .iter()
        .filter(|class| objects::annotation(class, "storageclass.kubernetes.io/is-default-class") == "true")
        .map(objects::name)
        .collect::<Vec<_>>();
    let answer = client.get("/api/storageclasses/default").await?;
    let default = text(&answer, "/defaultStorageClass");
    if marked.contains(&default) || (marked.is_empty() && default.is_empty()) {
        return Ok(());
    }
    let at = format!("GET {}", client.path("/api/storageclasses/default"));
    Err(Stop::failed(format!("the default storage class {}", marked.join(", ")), default).at(at))
}
