//! Whom an owner lets into a namespace: viewers look, editors work, and so do the accounts of notebooks.

use harness::check::{Seconds, source};
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Level, Stop, check};
use http::Method;

use super::access::{EXPERIMENTS, SHOWS_WITHIN, TENANCY, list, make, refused};
use super::experiments::{EVERY, SQUARE, experiment, gone, installed, named};
use super::server;
use crate::contributors::grant;
use crate::faults::katib as faults;
use crate::gateway::diagnose::Cause;
use crate::objects::{self, CLUSTER_ROLE, items, text};
use crate::rights::{self, Ask, Expected};
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-075",
        "A viewer sees the experiments of a namespace and makes none",
        Level::Must,
        source("kubeflow/manifests", "ClusterRole kubeflow-katib-view"),
        |cx| Box::pin(viewer(cx)),
    )
    .explain(Explain {
        what: "Let in as a viewer, the user is shown the experiments of somebody else's namespace; to make one there is \
               refused with 403.",
        why: "Viewers are let in to look.",
        fix: "Look at ClusterRole kubeflow-katib-view, and at what is gathered into kubeflow-view.",
        reproduce: "kubectl auth can-i create experiments.kubeflow.org -n NAMESPACE --as VIEWER",
    })
    .profiles(TENANCY)
    .after(&["KAT-070"])
    .within(Seconds(120))
    .writes()
    .breaks_on(&[&faults::VIEWERS_MAKE_EXPERIMENTS]),
    check(
        "KAT-076",
        "An editor makes and deletes experiments in a namespace",
        Level::Must,
        source("kubeflow/manifests", "ClusterRole kubeflow-katib-edit"),
        |cx| Box::pin(editor(cx)),
    )
    .explain(Explain {
        what: "Let in as an editor, the user makes an experiment in somebody else's namespace through the UI server, sees it \
               there, and deletes it.",
        why: "Teams tune together.",
        fix: "Look at ClusterRole kubeflow-katib-edit, and at what is gathered into kubeflow-edit.",
        reproduce: "kubectl auth can-i create experiments.kubeflow.org -n NAMESPACE --as EDITOR",
    })
    .profiles(TENANCY)
    .after(&["KAT-070"])
    .within(Seconds(200))
    .writes()
    .breaks_on(&[&faults::EDITORS_MAKE_NOTHING]),
    check(
        "KAT-077",
        "A notebook's account may make experiments in its namespace, and a viewer's account none",
        Level::Must,
        source("kubeflow/katib", "issue 843: default-editor may not create experiments"),
        |cx| Box::pin(accounts(cx)),
    )
    .explain(Explain {
        what: "The API allows account default-editor to create, list and delete experiments and to read trials in its own \
               namespace, and neither there nor elsewhere what it should not; default-viewer may only look.",
        why: "Katib's SDK works with the account of the notebook.",
        fix: "Look at the aggregation labels of ClusterRoles kubeflow-katib-edit and kubeflow-katib-view.",
        reproduce: "kubectl auth can-i create experiments.kubeflow.org -n NAMESPACE --as \
                    system:serviceaccount:NAMESPACE:default-editor",
    })
    .profiles(TENANCY)
    .after(&["PRF-020"])
    .within(Seconds(90))
    .writes()
    .breaks_on(&[&faults::EDITORS_MAKE_NOTHING, &faults::VIEWERS_MAKE_EXPERIMENTS]),
];

/// A namespace of somebody else, in which the user has a role; until the list shows.
async fn member(cx: &Ctx, role: &str) -> Checked<String> {
    installed(cx)?;
    let what = format!("kat-{role}-{}", cx.check().id.trim_start_matches("KAT-"));
    let place = tenants::tenant(cx, &what, &tenants::somebody(cx, &what)).await?;
    grant(cx, &place, &cx.user().email.clone(), role).await?;
    let shows = format!("the experiments of {place} are shown to a member");
    cx.eventually(&shows, SHOWS_WITHIN, EVERY, || {
        let path = list(&place);
        Box::pin(async move {
            let answer = server::call(cx, Method::GET, &path, None).await?;
            let shown =
                answer.status.is_success() && answer.json().is_some_and(|json| json.is_array() || json.is_null());
            Ok(if shown { Seen::Yes(()) } else { Seen::NotYet(server::told(&answer)) })
        })
    })
    .await?;
    Ok(place)
}

async fn viewer(cx: &Ctx) -> Checked {
    let place = member(cx, "view").await?;
    let answer = make(cx, &experiment(&place, &named(cx, "viewed"), "random", 3, SQUARE)).await?;
    match refused(cx, &answer, &format!("create {EXPERIMENTS}"), &place).await {
        Err(stop @ Stop::Failed(_)) if answer.status.is_success() => {
            Err(stop
                .because("ClusterRole kubeflow-katib-view, gathered into kubeflow-view, lets viewers make experiments"))
        }
        judged => judged,
    }
}

async fn editor(cx: &Ctx) -> Checked {
    let place = member(cx, "edit").await?;
    let called = named(cx, "edited");
    let answer = make(cx, &experiment(&place, &called, "random", 3, SQUARE)).await?;
    if !answer.status.is_success() {
        let stop = server::unserved(cx, &answer, "an editor makes an experiment").await;
        return Err(match emptied(cx, "kubeflow-katib-edit").await? {
            Some(cause) => stop.because(cause.what).fix(cause.fix),
            None => stop,
        });
    }
    let found = server::fetch(cx, &format!("fetch_experiment/?experimentName={called}&namespace={place}")).await?;
    if text(&found, "/metadata/name") != called {
        return Err(Stop::failed(format!("experiment {called}"), format!("{found:.200}")));
    }
    server::remove(cx, &place, &called).await?;
    gone(cx, (&place, &called)).await
}

/// Whether a role of Katib's lacks the rights on experiments.
async fn emptied(cx: &Ctx, role: &str) -> Checked<Option<Cause>> {
    let found = objects::get(cx, CLUSTER_ROLE, "", role).await?;
    let rules = found.as_ref().map(|found| items(&found.data, "/rules")).unwrap_or_default();
    let has = rules.iter().any(|rule| {
        items(rule, "/resources").iter().any(|one| one == "experiments")
            && items(rule, "/verbs").iter().any(|one| one == "create")
    });
    Ok((!has).then(|| {
        Cause::new(
            format!("ClusterRole {role} does not let anybody create experiments"),
            format!("apply ClusterRole {role} of kubeflow/manifests again"),
        )
    }))
}

async fn accounts(cx: &Ctx) -> Checked {
    installed(cx)?;
    let own = tenants::of_user(cx).await?;
    let other = tenants::of_other(cx).await?;
    let (editor, viewer) =
        (format!("system:serviceaccount:{own}:default-editor"), format!("system:serviceaccount:{own}:default-viewer"));
    let ask = |verb, resource, namespace| Ask { verb, group: "kubeflow.org", resource, namespace, ..Ask::default() };
    let expected = |user, ask, allowed| Expected { user, ask, allowed };
    let mut questions = Vec::new();
    for verb in ["create", "list", "delete"] {
        questions.push(expected(editor.as_str(), ask(verb, "experiments", own.as_str()), true));
        questions.push(expected(editor.as_str(), ask(verb, "experiments", other.name.as_str()), false));
        questions.push(expected(viewer.as_str(), ask(verb, "experiments", own.as_str()), verb == "list"));
    }
    questions.push(expected(editor.as_str(), ask("get", "trials", own.as_str()), true));
    questions.push(expected(viewer.as_str(), ask("get", "trials", own.as_str()), true));
    let differences = rights::differences(cx, &questions).await?;
    let Some(first) = differences.first() else { return Ok(()) };
    let role = if first.contains("default-viewer") { "kubeflow-katib-view" } else { "kubeflow-katib-edit" };
    Err(Stop::failed("the rights of the roles", differences.join("; "))
        .because(format!("ClusterRole {role}, or its aggregation labels"))
        .fix(format!("apply ClusterRole {role} of kubeflow/manifests again")))
}
