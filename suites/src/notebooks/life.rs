//! A notebook is stopped, started and removed; what was in its home directory stays.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::check::source;
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use http::Method;
use serde_json::json;

use super::server::{BOUND, Notebook, READY_WITHIN, Server, is_server};
use crate::applications::App;
use crate::faults::workspaces as faults;
use crate::objects::{self, CLAIM, NOTEBOOK, POD, SERVICE, STATEFUL_SET, VIRTUAL_SERVICE, items, text};
use crate::recognise::who;
use crate::workspaces::client::Client;
use crate::workspaces::opening::KNOWN_WITHIN;
use crate::workspaces::place::EVERY;

const NOTEBOOKS: &[Profile] = &[Profile::Core, Profile::Notebooks];
const BACKEND: &str = "kubeflow/kubeflow";

/// How long stopping and removing may take: a pod is given thirty seconds to end.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "NBK-020",
        "A notebook is stopped and started, and its files are still there",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/jupyter/backend/apps/common/routes/patch.py"),
        |cx| Box::pin(keeps_files(cx)),
    )
    .explain(Explain {
        what: "A file is written into the home directory. After \"Stop\" in the application the notebook has no pod and \
               nobody answers its address; after \"Start\" it is ready and opens again, and the file is there.",
        why: "Stopped notebooks are how users save money overnight. What they lose then is their work.",
        fix: "Let workspaceVolume in ConfigMap kubeflow/jupyter-web-app-config-* ask for a new claim (newPvc) mounted at \
              /home/jovyan; look at the notebook-controller.",
        reproduce: "In $GATEWAY/jupyter/: open a notebook, save a file, stop the notebook, start it, look for the file.",
    })
    .profiles(&[Profile::Core, Profile::Notebooks, Profile::Durability])
    .after(&["NBK-004"])
    .within(Seconds(2 * BOUND))
    .writes()
    .breaks_on(&[&faults::HOME_NOT_KEPT, &faults::NOTEBOOK_CONTROLLER_STOPPED]),
    check(
        "NBK-021",
        "Removing a notebook removes all that was made for it, and keeps its volume",
        Level::Must,
        source(BACKEND, "components/crud-web-apps/common/backend/kubeflow/kubeflow/crud_backend/api/notebook.py"),
        |cx| Box::pin(removed(cx)),
    )
    .explain(Explain {
        what: "After \"Delete\" in the application, Notebook, StatefulSet, pod, Service and VirtualService of that name \
               are gone within two minutes. The claim of the home directory stays.",
        why: "What stays behind holds quota and addresses; a volume that goes holds somebody's work.",
        fix: "Look at finalizers of what stays: kubectl -n NAMESPACE get notebook,statefulset,service,virtualservice -o \
              yaml. Restore ClusterRole jupyter-web-app-cluster-role.",
        reproduce: "Delete a notebook in $GATEWAY/jupyter/, then kubectl -n NAMESPACE get \
                    notebooks,statefulsets,services,virtualservices,pvc",
    })
    .profiles(NOTEBOOKS)
    .after(&["NBK-004"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::NOTEBOOKS_NOT_DELETED, &faults::NOTEBOOK_CONTROLLER_STOPPED]),
];

async fn keeps_files(cx: &Ctx) -> Checked {
    let notebook = Notebook::create(cx, "keep", &[]).await?;
    let kept = stopped_and_started(cx, &notebook).await;
    notebook.discard(cx).await;
    kept
}

async fn stopped_and_started(cx: &Ctx, notebook: &Notebook) -> Checked {
    notebook.becomes(cx, "ready", READY_WITHIN).await?;
    let (file, content) = ("conformance.txt", cx.environment().run_id.as_str());
    Server::open(cx, notebook).await?.write(file, content).await?;

    let client = Client::open(cx, App::Jupyter).await?;
    client.change(Method::PATCH, &notebook.item(), Some(&json!({"stopped": true}))).await?;
    notebook.becomes(cx, "stopped", GONE_WITHIN).await?;
    gone(cx, "the stopped notebook's pod", &[(POD, &notebook.namespace, &format!("{}-0", notebook.name))]).await?;
    silent(cx, notebook).await?;

    client.change(Method::PATCH, &notebook.item(), Some(&json!({"stopped": false}))).await?;
    notebook.becomes(cx, "ready", READY_WITHIN).await?;
    let (at, found) = Server::open(cx, notebook).await?.read(file).await?;
    if found.as_deref() == Some(content) {
        return Ok(());
    }
    let actual = found.map_or_else(|| "there is no such file".to_owned(), |found| format!("it says {found:?}"));
    let stop = Stop::failed(format!("{file} still says {content:?} after stop and start"), actual).at(at);
    Err(match home(cx, notebook).await? {
        Some(volume) => {
            let config = objects::config_of(cx, "jupyter-web-app-deployment", "jupyter-web-app-config").await?;
            let name = config.as_ref().map_or("jupyter-web-app-config", objects::name).to_owned();
            stop.because(format!(
                "the home directory is on no claim, but on {volume}: workspaceVolume of ConfigMap kubeflow/{name}"
            ))
            .fix("let workspaceVolume ask for a new claim (newPvc)")
        }
        None => stop.because("the claim that is mounted at /home/jovyan did not keep it: its storage class"),
    })
}

/// The volume at the home directory, if it is no claim.
async fn home(cx: &Ctx, notebook: &Notebook) -> Checked<Option<String>> {
    let Some(found) = objects::get(cx, NOTEBOOK, &notebook.namespace, &notebook.name).await? else { return Ok(None) };
    let pod = found.data.pointer("/spec/template/spec").cloned().unwrap_or_default();
    let mounts = items(&pod, "/containers/0/volumeMounts");
    let mounted = mounts.iter().find(|mount| text(mount, "/mountPath") == "/home/jovyan");
    let volume = items(&pod, "/volumes")
        .iter()
        .find(|volume| mounted.is_some_and(|mount| text(mount, "/name") == text(volume, "/name")));
    Ok(match volume {
        Some(volume) if volume.get("persistentVolumeClaim").is_some() => None,
        Some(volume) => Some(volume.to_string()),
        None => Some("nothing".to_owned()),
    })
}

/// Nobody answers the address of a stopped notebook: neither its server nor another application.
async fn silent(cx: &Ctx, notebook: &Notebook) -> Checked {
    let session = cx.user_session().await?;
    cx.eventually("the stopped notebook answers no more", KNOWN_WITHIN, EVERY, || {
        Box::pin(async {
            let answer = session.get(&notebook.url("api")).await?;
            let silent = !is_server(&answer) && matches!(answer.status.as_u16(), 502..=504);
            Ok(if silent { Seen::Yes(()) } else { Seen::NotYet(format!("{} ({})", who(&answer), answer.summary())) })
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}

/// Waits until objects are gone.
pub async fn gone(cx: &Ctx, what: &str, wanted: &[(objects::Kind, &str, &str)]) -> Checked {
    cx.eventually(&format!("{what} is gone"), GONE_WITHIN, EVERY, || {
        Box::pin(async {
            for (kind, namespace, name) in wanted {
                if let Some(found) = objects::get(cx, *kind, namespace, name).await? {
                    let finalizers = found.metadata.finalizers.unwrap_or_default().join(", ");
                    return Ok(Seen::NotYet(format!("{} {namespace}/{name} is there ({finalizers})", kind.kind)));
                }
            }
            Ok(Seen::Yes(()))
        }) as BoxFuture<'_, Checked<Seen<()>>>
    })
    .await
}

async fn removed(cx: &Ctx) -> Checked {
    let notebook = Notebook::create(cx, "gone", &[]).await?;
    notebook.becomes(cx, "ready", READY_WITHIN).await?;
    let home = &notebook.namespace;
    let claims = objects::within(cx, CLAIM, home).await?;
    let claim = claims.iter().map(objects::name).find(|name| name.starts_with(&notebook.name)).map(str::to_owned);
    let client = Client::open(cx, App::Jupyter).await?;
    client.change(Method::DELETE, &notebook.item(), None).await?;
    let (name, route, pod) = (notebook.name.as_str(), notebook.route(), format!("{}-0", notebook.name));
    gone(
        cx,
        "what was made for the notebook",
        &[
            (NOTEBOOK, home, name),
            (STATEFUL_SET, home, name),
            (POD, home, &pod),
            (SERVICE, home, name),
            (VIRTUAL_SERVICE, home, &route),
        ],
    )
    .await?;
    let Some(claim) = claim else { return Ok(()) };
    if objects::get(cx, CLAIM, home, &claim).await?.is_some() {
        return Ok(());
    }
    Err(Stop::failed(format!("the claim {home}/{claim} outlives its notebook"), "it is gone"))
}
