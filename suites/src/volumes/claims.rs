//! Claims of the run's own: made with the form, used, browsed, removed.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::applications::App;
use crate::faults::workspaces as faults;
use crate::gateway::diagnose::blame;
use crate::notebooks::life::gone;
use crate::notebooks::server::{BOUND, Notebook, READY_WITHIN};
use crate::objects::{self, CLAIM, items, text};
use crate::recognise::{Answered, who};
use crate::tenants;
use crate::workspaces::client::Client;
use crate::workspaces::opening::SERVED_WITHIN;
use crate::workspaces::place::{self, EVERY};
use crate::workspaces::programs::{self, VIEWER_CONTROLLER};

const VOLUMES: &[Profile] = &[Profile::Core, Profile::Notebooks];
const BACKEND: &str = "kubeflow/kubeflow";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "VOL-010",
        "A volume that was made with the form is there as it was asked for",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/volumes/backend/apps/default/routes/post.py"),
        |cx| Box::pin(made(cx)),
    )
    .explain(Explain {
        what: "The form is sent in with a size and a mode. The claim exists with both, and the application's list shows \
               it.",
        why: "Data of notebooks, TensorBoards and pipelines live on such volumes.",
        fix: "Restore ClusterRole volumes-web-app-cluster-role with its binding; look at quotas of the namespace.",
        reproduce: "In $GATEWAY/volumes/ press \"New Volume\"; kubectl -n NAMESPACE get pvc",
    })
    .profiles(VOLUMES)
    .after(&["VOL-001"])
    .within(Seconds(180))
    .writes()
    .breaks_on(&[&faults::VOLUMES_RIGHTS_LOST, &faults::CLAIMS_NOT_MADE]),
    check(
        "VOL-011",
        "A volume that nobody uses is removed",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/volumes/backend/apps/default/routes/delete.py"),
        |cx| Box::pin(removed(cx)),
    )
    .explain(Explain {
        what: "After \"Delete\" in the application the claim is gone, and so it is from the list.",
        why: "What cannot be removed fills the storage and the quota.",
        fix: "Restore ClusterRole volumes-web-app-cluster-role; look at finalizers of the claim.",
        reproduce: "Delete a volume in $GATEWAY/volumes/; kubectl -n NAMESPACE get pvc",
    })
    .profiles(VOLUMES)
    .after(&["VOL-010"])
    .within(Seconds(240))
    .writes()
    .breaks_on(&[&faults::CLAIMS_NOT_DELETED]),
    check(
        "VOL-012",
        "A volume that a notebook uses is not removed",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/volumes/backend/apps/default/routes/delete.py"),
        |cx| Box::pin(in_use(cx)),
    )
    .explain(Explain {
        what: "The application refuses to delete a claim that a notebook's pod mounts, and names the pod. The list shows \
               which notebook it is. The claim is unchanged afterwards.",
        why: "Kubernetes itself would take the deletion and carry it out as soon as the notebook stops.",
        fix: "Restore ClusterRole volumes-web-app-cluster-role: the application has to see pods.",
        reproduce: "Try to delete the volume of a running notebook in $GATEWAY/volumes/.",
    })
    .profiles(&[Profile::Core, Profile::Notebooks, Profile::Durability])
    .after(&["VOL-010", "NBK-004"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::PODS_HIDDEN]),
    check(
        "VOL-013",
        "A user makes no volume in a namespace of somebody else",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/authz.py"),
        |cx| Box::pin(foreign(cx)),
    )
    .explain(Explain {
        what: "The complete form, with the page's token, is refused for a namespace of somebody else in the application's \
               own words, and no claim appears there.",
        why: "Claims take storage and quota from whom they are put upon.",
        fix: "Give no tenant rights by a ClusterRoleBinding; run the application's image as it was released.",
        reproduce: "kubectl auth can-i create persistentvolumeclaims -n NAMESPACE --as=USER",
    })
    .profiles(&[Profile::Core, Profile::Notebooks, Profile::Security])
    .after(&["VOL-001"])
    .within(Seconds(120))
    .writes()
    .breaks_on(&[&faults::USER_IS_ADMIN]),
    check(
        "VOL-014",
        "The files of a volume can be browsed",
        Level::Should,
        source(BACKEND, "components/pvcviewer-controller/controllers/pvcviewer_controller.go"),
        |cx| Box::pin(browsed(cx)),
    )
    .explain(Explain {
        what: "\"Browse\" in the application makes a viewer for the volume. It becomes ready, and the address that the \
               list shows leads to its page behind the gateway. When it is closed, the list knows it no more.",
        why: "It is the only way to get files in and out without a notebook.",
        fix: "Look at Deployment kubeflow/pvcviewer-controller-manager and ConfigMap volumes-web-app-viewer-spec-*.",
        reproduce: "Press the folder of a volume in $GATEWAY/volumes/.",
    })
    .profiles(VOLUMES)
    .after(&["VOL-010"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::VIEWER_CONTROLLER_STOPPED]),
];

/// A claim as the form asks for it: the class that the cluster takes by default.
pub fn form(name: &str) -> Value {
    json!({"name": name, "mode": "ReadWriteOnce", "class": "{empty}", "size": "1Gi", "type": "empty"})
}

fn collection(namespace: &str) -> String {
    format!("/api/namespaces/{namespace}/pvcs")
}

/// Makes a claim with the form.
pub async fn create(cx: &Ctx, what: &str) -> Checked<(String, String)> {
    let (namespace, name) = (place::own(cx).await?, tenants::name(cx, what));
    let client = Client::open(cx, App::Volumes).await?;
    client.change(Method::POST, &collection(&namespace), Some(&form(&name))).await?;
    Ok((namespace, name))
}

/// The row of a claim in the application's list.
async fn row(client: &Client, namespace: &str, name: &str) -> Checked<Option<Value>> {
    let answer = client.get(&collection(namespace)).await?;
    Ok(items(&answer, "/pvcs").iter().find(|row| text(row, "/name") == name).cloned())
}

async fn made(cx: &Ctx) -> Checked {
    let (namespace, name) = create(cx, "made").await?;
    let Some(claim) = objects::get(cx, CLAIM, &namespace, &name).await? else {
        return Err(Stop::failed(
            format!("the claim {namespace}/{name}"),
            "the application says so, and there is none",
        ));
    };
    let size = text(&claim.data, "/spec/resources/requests/storage");
    let modes = items(&claim.data, "/spec/accessModes");
    if size != "1Gi" || modes != [json!("ReadWriteOnce")] {
        let actual = format!("{size}, {}", Value::from(modes.to_vec()));
        return Err(Stop::failed("1Gi, [\"ReadWriteOnce\"]", actual).at(format!("claim {namespace}/{name}")));
    }
    let client = Client::open(cx, App::Volumes).await?;
    match row(&client, &namespace, &name).await? {
        Some(_) => Ok(()),
        None => {
            let at = format!("GET {}", client.path(&collection(&namespace)));
            Err(Stop::failed(format!("{name} is in the list"), "it is not").at(at))
        }
    }
}

async fn removed(cx: &Ctx) -> Checked {
    let (namespace, name) = create(cx, "rm").await?;
    let client = Client::open(cx, App::Volumes).await?;
    client.change(Method::DELETE, &format!("{}/{name}", collection(&namespace)), None).await?;
    gone(cx, "the removed volume", &[(CLAIM, &namespace, &name)]).await?;
    match row(&client, &namespace, &name).await? {
        None => Ok(()),
        Some(row) => Err(Stop::failed(format!("{name} is not in the list"), row.to_string())),
    }
}

async fn in_use(cx: &Ctx) -> Checked {
    let notebook = Notebook::create(cx, "use", &[]).await?;
    let kept = refused_in_use(cx, &notebook).await;
    notebook.discard(cx).await;
    kept
}

async fn refused_in_use(cx: &Ctx, notebook: &Notebook) -> Checked {
    notebook.becomes(cx, "ready", READY_WITHIN).await?;
    let (namespace, pod) = (&notebook.namespace, format!("{}-0", notebook.name));
    let found = objects::get(cx, objects::POD, namespace, &pod).await?;
    let volumes = found.map(|pod| items(&pod.data, "/spec/volumes").to_vec()).unwrap_or_default();
    let claim =
        volumes.iter().map(|volume| text(volume, "/persistentVolumeClaim/claimName")).find(|name| !name.is_empty());
    let Some(claim) = claim else {
        let message = format!("the notebook {namespace}/{} has no volume that could be in use", notebook.name);
        return Err(Stop::errored("precondition", message).fix("look at NBK-020: its home directory is on no claim"));
    };
    let client = Client::open(cx, App::Volumes).await?;
    let users = row(&client, namespace, claim).await?.map(|row| row["notebooks"].clone()).unwrap_or_default();
    if !users.as_array().is_some_and(|users| users.iter().any(|user| *user == json!(notebook.name))) {
        let expected = format!("the list shows that {} uses {claim}", notebook.name);
        return Err(
            Stop::failed(expected, users.to_string()).at(format!("GET {}", client.path(&collection(namespace))))
        );
    }
    let answer = client.send(Method::DELETE, &format!("{}/{claim}", collection(namespace)), None).await?;
    let refused = matches!(who(&answer), Answered::WebApp { success: false, log, .. } if log.contains(&pod));
    if answer.status != StatusCode::CONFLICT || !refused {
        let expected = format!("the application refuses to delete {claim}, because pod {pod} uses it");
        let stop = Stop::failed(expected, format!("answered: {} ({})", who(&answer), answer.summary()));
        return Err(client.blamed(stop.at(answer.at()), &answer).await);
    }
    let claim_now = objects::get(cx, CLAIM, namespace, claim).await?;
    match claim_now {
        Some(found) if found.metadata.deletion_timestamp.is_none() => Ok(()),
        _ => Err(Stop::failed(format!("the claim {claim} is unchanged"), "it is being removed").at(answer.at())),
    }
}

async fn foreign(cx: &Ctx) -> Checked {
    let (namespace, name) = (place::foreign(cx).await?, tenants::name(cx, "no"));
    let client = Client::open(cx, App::Volumes).await?;
    let answer = client.send(Method::POST, &collection(&namespace), Some(&form(&name))).await?;
    client.refused(&answer, &namespace).await?;
    match objects::get(cx, CLAIM, &namespace, &name).await? {
        None => Ok(()),
        Some(_) => Err(Stop::failed("no claim in a foreign namespace", "it was refused, and made").at(answer.at())),
    }
}

async fn browsed(cx: &Ctx) -> Checked {
    let (namespace, name) = create(cx, "view").await?;
    let client = Client::open(cx, App::Volumes).await?;
    let viewers = format!("/api/namespaces/{namespace}/viewers");
    client.change(Method::POST, &viewers, Some(&json!({"name": name}))).await?;
    let wait = format!("the viewer of {name} is ready");
    let url = cx
        .eventually(&wait, READY_WITHIN, EVERY, || {
            Box::pin(async {
                let row = row(&client, &namespace, &name).await?.unwrap_or_default();
                let (status, url) = (text(&row, "/viewer/status"), text(&row, "/viewer/url"));
                if status == "ready" && !url.is_empty() {
                    return Ok(Seen::Yes(url.to_owned()));
                }
                programs::at_work(cx, &wait, VIEWER_CONTROLLER).await?;
                Ok(Seen::NotYet(format!("status {status}")))
            }) as BoxFuture<'_, Checked<Seen<String>>>
        })
        .await?;
    let session = cx.user_session().await?;
    let opened = cx
        .eventually("the viewer opens", SERVED_WITHIN, EVERY, || {
            Box::pin(async {
                let answer = session.follow(&url).await?;
                let is_other = who(&answer).is_application() || who(&answer).is_refusal();
                let open = answer.status.is_success() && answer.is_html() && !is_other;
                Ok(if open { Seen::Yes(()) } else { Seen::NotYet(format!("{} ({})", who(&answer), answer.summary())) })
            }) as BoxFuture<'_, Checked<Seen<()>>>
        })
        .await;
    if let Err(stop) = opened {
        let route = format!("pvcviewer-{name}");
        return Err(blame(stop, programs::route(cx, &namespace, &route, VIEWER_CONTROLLER).await));
    }
    client.change(Method::DELETE, &format!("{viewers}/{name}"), None).await?;
    cx.eventually("the list knows no viewer", Duration::from_secs(120), EVERY, || {
        Box::pin(async {
            let row = row(&client, &namespace, &name).await?.unwrap_or_default();
            let status = text(&row, "/viewer/status").to_owned();
            Ok(if status == "uninitialized" { Seen::Yes(()) } else { Seen::NotYet(status) })
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}
