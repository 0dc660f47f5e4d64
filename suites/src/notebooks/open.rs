//! A notebook is opened behind the gateway: its page, its API, its kernels.

use std::time::Duration;

use harness::check::source;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use http::Method;
use serde_json::{Value, json};

use super::server::{BOUND, Server, shared};
use crate::applications::App;
use crate::faults::workspaces as faults;
use crate::gateway::diagnose::blame;
use crate::objects::{self, ENVOY_FILTER, text};
use crate::recognise::who;
use crate::workspaces::client::Client;
use crate::workspaces::programs::{self, NOTEBOOK_CONTROLLER};

const NOTEBOOKS: &[Profile] = &[Profile::Core, Profile::Notebooks];
const CONTROLLER: &str = "components/notebook-controller/controllers/notebook_controller.go";

/// How long a kernel may take to answer: the first one of a server has to start.
const KERNEL_WITHIN: Duration = Duration::from_secs(60);

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "NBK-010",
        "A notebook opens behind the gateway for its owner",
        Level::Must,
        source("kubeflow/kubeflow", CONTROLLER),
        |cx| Box::pin(opens(cx)),
    )
    .explain(Explain {
        what: "/notebook/NAMESPACE/NAME/ leads its owner to JupyterLab's page, and /api below it answers with the \
               server's version. The dashboard's page, which answers for every path that nobody owns, does not count.",
        why: "The button \"Connect\" leads here. Route, sidecar and the namespace's policy all have to agree.",
        fix: "Set ISTIO_GATEWAY and USE_ISTIO of Deployment kubeflow/notebook-controller-deployment as the release has \
              them; look at AuthorizationPolicy ns-owner-access-istio of the namespace.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/notebook/NAMESPACE/NAME/api\"",
    })
    .profiles(NOTEBOOKS)
    .after(&["NBK-004"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::NOTEBOOKS_ON_OTHER_GATEWAY, &faults::NOTEBOOK_CONTROLLER_STOPPED]),
    check(
        "NBK-011",
        "A kernel starts and answers over its websocket",
        Level::Must,
        source("jupyter-server/jupyter_server", "docs/source/developers/websocket-protocols.rst"),
        |cx| Box::pin(kernel(cx)),
    )
    .explain(Explain {
        what: "A kernel is started by the server's API, its websocket opens through the gateway, and the kernel answers \
               a kernel_info_request on it.",
        why: "Every cell runs over this websocket. A gateway or proxy that lets only plain requests pass shows a notebook \
              that never runs anything.",
        fix: "Let upgrades to websockets pass on the way to the gateway; look for EnvoyFilters and for proxies before it.",
        reproduce: "Open a notebook and run a cell; the browser's network view shows the websocket.",
    })
    .profiles(NOTEBOOKS)
    .after(&["NBK-010"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::NOTEBOOKS_ON_OTHER_GATEWAY]),
    check(
        "NBK-012",
        "The notebook's pod, events and log can be read in the application",
        Level::Should,
        source("kubeflow/kubeflow", "components/crud-web-apps/jupyter/backend/apps/common/routes/get.py"),
        |cx| Box::pin(details(cx)),
    )
    .explain(Explain {
        what: "The application shows the notebook's object with its state, its pod, the events about it, and the log of \
               its container.",
        why: "A user has no other way to see why a notebook does not start.",
        fix: "Restore ClusterRole jupyter-web-app-cluster-role: it reads pods, pods/log and events.",
        reproduce: "Open $GATEWAY/jupyter/ and click on the notebook's name; look at LOGS and EVENTS.",
    })
    .profiles(NOTEBOOKS)
    .after(&["NBK-004"])
    .within(Seconds(BOUND))
    .writes()
    .breaks_on(&[&faults::LOGS_FORBIDDEN]),
];

async fn opens(cx: &Ctx) -> Checked {
    let notebook = shared(cx).await?;
    Server::open(cx, &notebook).await.map(drop)
}

async fn kernel(cx: &Ctx) -> Checked {
    let notebook = shared(cx).await?;
    let server = Server::open(cx, &notebook).await?;
    let started = server.call(Method::POST, "kernels", Some(&json!({"name": "python3"}))).await?;
    let id = started.json().map(|json| text(&json, "/id").to_owned()).unwrap_or_default();
    if id.is_empty() {
        let actual = format!("answered: {} ({})", who(&started), started.summary());
        return Err(Stop::failed("a new kernel with an id", actual).at(started.at()));
    }
    let talked = talk(cx, &server, &notebook.url(&format!("api/kernels/{id}/channels"))).await;
    let ended = server.call(Method::DELETE, &format!("kernels/{id}"), None).await?;
    talked?;
    if ended.status.is_success() {
        return Ok(());
    }
    Err(Stop::failed("the kernel is ended", ended.summary()).at(ended.at()))
}

async fn talk(cx: &Ctx, server: &Server, path: &str) -> Checked {
    let mut socket = server.session().websocket(path, &[]).await?;
    if !socket.is_open() {
        let actual = format!("answered: {} ({})", who(&socket.answer), socket.answer.summary());
        let stop = Stop::failed("a websocket (101)", actual).at(socket.answer.at());
        let filters = objects::within(cx, ENVOY_FILTER, "istio-system").await?;
        let names: Vec<&str> = filters.iter().map(objects::name).collect();
        return Err(if names.is_empty() { stop } else { stop.because(format!("EnvoyFilters: {}", names.join(", "))) });
    }
    let asked = json!({
        "channel": "shell", "parent_header": {}, "metadata": {}, "content": {}, "buffers": [],
        "header": {"msg_id": cx.check().id, "msg_type": "kernel_info_request", "username": "conformance",
            "session": cx.environment().run_id, "version": "5.3", "date": jiff::Timestamp::now().to_string()},
    });
    socket.send(&asked.to_string()).await?;
    let deadline = tokio::time::Instant::now() + KERNEL_WITHIN;
    let mut last = "no message".to_owned();
    while let Some(left) = deadline.checked_duration_since(tokio::time::Instant::now()) {
        let Some(message) = socket.next(left).await? else { break };
        let message: Value = serde_json::from_str(&message).unwrap_or_default();
        if text(&message, "/header/msg_type") == "kernel_info_reply" {
            return Ok(());
        }
        last = format!("a {:?}", text(&message, "/header/msg_type"));
    }
    Err(Stop::failed("a kernel_info_reply", last).at(socket.answer.at()))
}

async fn details(cx: &Ctx) -> Checked {
    let notebook = shared(cx).await?;
    let client = Client::open(cx, App::Jupyter).await?;
    let pod = format!("{}-0", notebook.name);
    for (path, field) in [
        (notebook.item(), "notebook"),
        (format!("{}/pod", notebook.item()), "pod"),
        (format!("{}/events", notebook.item()), "events"),
        (format!("{}/pod/{pod}/logs", notebook.item()), "logs"),
    ] {
        let found = match client.get(&path).await {
            Ok(found) => found,
            Err(stop) => return Err(blame(stop, programs::stopped(cx, NOTEBOOK_CONTROLLER).await)),
        };
        let is_empty = match &found[field] {
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => true,
        };
        if is_empty {
            let at = format!("GET {}", client.path(&path));
            return Err(Stop::failed(format!("{field} of the notebook"), found.to_string()).at(at));
        }
    }
    Ok(())
}
