//! Tenants are kept apart: strangers are refused, viewers look, editors work, and nobody comes without a name.

use std::time::Duration;

use clusters::versions::Contract;
use harness::check::{Seconds, source};
use harness::context::Seen;
use harness::http::Answer;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use http::Method;
use serde_json::Value;

use super::experiments::{EVERY, SQUARE, experiment, gone, home, installed, named};
use super::{server, trouble};
use crate::contributors::grant;
use crate::faults::katib as faults;
use crate::gateway::diagnose::Cause;
use crate::objects::{self, CLUSTER_ROLE, DEPLOYMENT, EXPERIMENT, items, text, variable};
use crate::reach;
use crate::recognise::who;
use crate::rights::{self, Ask, Expected};
use crate::tenants;

const TENANCY: &[Profile] = &[Profile::Katib, Profile::Tenancy, Profile::Security];
const AUTHORIZATION: &str = "pkg/ui/v1beta1/authzn.go";
/// How long a grant may take to show.
const SHOWS_WITHIN: Duration = Duration::from_secs(15);
const EXPERIMENTS: &str = "kubeflow.org/v1beta1/experiments";

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "KAT-070",
        "The experiments of a namespace are shown to its owner, and no others with them",
        Level::Must,
        source("kubeflow/katib", AUTHORIZATION),
        |cx| Box::pin(own_list(cx)),
    )
    .explain(Explain {
        what: "fetch_experiments of the user's namespace answers a list that names nothing of another namespace. That \
               fetch_namespaces tells everybody the names of all namespaces is reported.",
        why: "Names of experiments and their parameters are what teams work on.",
        fix: "Look at the binding of ClusterRole katib-ui.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/fetch_experiments/?namespace=$NAMESPACE\"",
    })
    .profiles(TENANCY)
    .after(&["GWY-013", "AUT-006"])
    .within(Seconds(60))
    .writes()
    .breaks_on(&[&faults::UI_RIGHTS_LOST]),
    check(
        "KAT-071",
        "A stranger may not list the experiments of a namespace",
        Level::Must,
        source("kubeflow/katib", AUTHORIZATION),
        |cx| Box::pin(foreign_list(cx)),
    )
    .explain(Explain {
        what: "The list of the user's own namespace is shown; that of somebody else's is refused with 403, in the UI server's \
               own words. A list of no namespace in particular is refused, too.",
        why: "Up to Katib 0.14 the server asked nobody: whoever came saw all.",
        fix: "Set APP_DISABLE_AUTH of Deployment kubeflow/katib-ui to false; look for bindings of this user.",
        reproduce: "curl -s -b cookies.txt \"$GATEWAY/katib/fetch_experiments/?namespace=FOREIGN\"",
    })
    .profiles(TENANCY)
    .after(&["KAT-070"])
    .within(Seconds(120))
    .writes()
    .breaks_on(&[&faults::NOBODY_IS_ASKED, &faults::USER_EDITS_EVERYWHERE]),
    check(
        "KAT-072",
        "A stranger may not make an experiment in a namespace",
        Level::Must,
        source("kubeflow/katib", AUTHORIZATION),
        |cx| Box::pin(foreign_create(cx)),
    )
    .explain(Explain {
        what: "create_experiment in somebody else's namespace is refused with 403, in the UI server's own words, and makes \
               nothing.",
        why: "Trials run with the rights of the namespace's account, on its quota.",
        fix: "Set APP_DISABLE_AUTH of Deployment kubeflow/katib-ui to false; look for bindings of this user.",
        reproduce: "curl -s -b cookies.txt -d '{\"postData\": …}' \"$GATEWAY/katib/create_experiment/\"",
    })
    .profiles(TENANCY)
    .after(&["KAT-070"])
    .within(Seconds(120))
    .writes()
    .breaks_on(&[&faults::NOBODY_IS_ASKED, &faults::USER_EDITS_EVERYWHERE]),
    check(
        "KAT-073",
        "A stranger may neither look at an experiment nor delete it",
        Level::Must,
        source("kubeflow/katib", AUTHORIZATION),
        |cx| Box::pin(foreign_object(cx)),
    )
    .explain(Explain {
        what: "An experiment, suggestion, trial, a trial's metrics and logs, and the deletion of an experiment of somebody \
               else's namespace are refused with 403, in the UI server's own words, whether they are there or not.",
        why: "A list that is guarded is worth nothing if its items are not.",
        fix: "Set APP_DISABLE_AUTH of Deployment kubeflow/katib-ui to false; look for bindings of this user.",
        reproduce: "curl -s -b cookies.txt -X DELETE \
                    \"$GATEWAY/katib/delete_experiment/?experimentName=NAME&namespace=FOREIGN\"",
    })
    .profiles(TENANCY)
    .after(&["KAT-070"])
    .within(Seconds(120))
    .writes()
    .breaks_on(&[&faults::NOBODY_IS_ASKED, &faults::USER_EDITS_EVERYWHERE]),
    check(
        "KAT-074",
        "Nobody uses Katib without a login",
        Level::Must,
        source("kubeflow/katib", AUTHORIZATION),
        |cx| Box::pin(nameless(cx)),
    )
    .explain(Explain {
        what: "Without a session, the list of experiments is refused by the gateway, or by the UI server with 401. With one it \
               is shown: see KAT-070.",
        why: "The UI server believes the header that the gateway sets.",
        fix: "Restore the gateway's guard (see AUT-001), and APP_DISABLE_AUTH=false of Deployment kubeflow/katib-ui.",
        reproduce: "curl -s -i \"$GATEWAY/katib/fetch_experiments/?namespace=$NAMESPACE\"",
    })
    .profiles(TENANCY)
    .after(&["KAT-070"])
    .within(Seconds(60))
    .writes()
    .breaks_on(&[&faults::OPEN_A, &faults::OPEN_B]),
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

fn list(namespace: &str) -> String {
    format!("fetch_experiments/?namespace={namespace}")
}

async fn own_list(cx: &Ctx) -> Checked {
    served(cx).await?;
    let namespaces = server::fetch(cx, "fetch_namespaces").await?;
    let others = items(&namespaces, "").len();
    if others > 1 {
        let title = "Every user is told the names of all namespaces by Katib";
        cx.finding(Severity::Low, title, format!("/katib/fetch_namespaces names {others}"));
    }
    Ok(())
}

/// Whether the list of the user's own namespace is served, and nothing of others with it.
async fn served(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let found = cx
        .eventually("the UI server lists the experiments", SHOWS_WITHIN, EVERY, || {
            let path = list(&namespace);
            Box::pin(async move {
                let answer = server::call(cx, Method::GET, &path, None).await?;
                if server::met_a_new_one(&answer) {
                    return Ok(Seen::NotYet(server::told(&answer)));
                }
                match answer.json().filter(|json| answer.status.is_success() && json.is_array()) {
                    Some(list) => Ok(Seen::Yes(list)),
                    None => Err(server::unserved(cx, &answer, "a JSON list of experiments").await),
                }
            })
        })
        .await?;
    let foreign = items(&found, "").iter().find(|one| text(one, "/namespace") != namespace);
    match foreign {
        None => Ok(()),
        Some(foreign) => Err(Stop::failed(format!("experiments of {namespace} alone"), format!("{foreign:.200}"))),
    }
}

/// Fails unless the UI server itself refused the user.
async fn refused(cx: &Ctx, answer: &Answer, verb: &str, namespace: &str) -> Checked {
    let wanted = format!("User: {} is not authorized to {verb}", cx.user().email);
    let place = if namespace.is_empty() { String::new() } else { format!(" in namespace: {namespace}") };
    let said = server::said(answer).unwrap_or_default();
    if answer.status.as_u16() == 403 && said.starts_with(&wanted) && said.contains(&place) {
        return Ok(());
    }
    let stop = Stop::failed(format!("403: {wanted}…{place}"), server::told(answer)).at(answer.at());
    Err(match let_in(cx).await {
        Ok(Some(cause)) => stop.because(cause.what).fix(cause.fix),
        _ => trouble::blamed(cx, stop).await,
    })
}

/// What lets the user in everywhere.
async fn let_in(cx: &Ctx) -> Checked<Option<Cause>> {
    let found = objects::get(cx, DEPLOYMENT, "kubeflow", "katib-ui").await?;
    let asks = found.as_ref().and_then(|found| variable(found, "APP_DISABLE_AUTH"));
    if asks != Some("false") {
        return Ok(Some(Cause::new(
            format!("APP_DISABLE_AUTH of Deployment kubeflow/katib-ui is {}", asks.unwrap_or("not set")),
            "set it to false",
        )));
    }
    reach::everywhere(cx, &cx.user().email).await
}

/// Whether the server lets the user into the own namespace: without it, a refusal elsewhere says nothing. A list that meets
/// an experiment made this moment is asked for by somebody who may: whoever may not is refused before anything is read.
async fn let_in_at_home(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let answer = server::call(cx, Method::GET, &list(&namespace), None).await?;
    let shown = answer.status.is_success() && answer.json().is_some_and(|json| json.is_array());
    if shown || server::met_a_new_one(&answer) {
        return Ok(());
    }
    Err(server::unserved(cx, &answer, "a JSON list of experiments").await)
}

async fn foreign_list(cx: &Ctx) -> Checked {
    let_in_at_home(cx).await?;
    let other = tenants::of_other(cx).await?;
    let answer = server::call(cx, Method::GET, &list(&other.name), None).await?;
    refused(cx, &answer, &format!("list {EXPERIMENTS}"), &other.name).await?;
    let everywhere = server::call(cx, Method::GET, &list(""), None).await?;
    refused(cx, &everywhere, &format!("list {EXPERIMENTS}"), "").await
}

/// Tries to make an experiment, which is removed if it is made.
async fn make(cx: &Ctx, experiment: &Value) -> Checked<Answer> {
    let (namespace, called) =
        (text(experiment, "/metadata/namespace").to_owned(), text(experiment, "/metadata/name").to_owned());
    let (owner, at) = (cx.clone(), (namespace.clone(), called.clone()));
    cx.afterwards(
        format!("Experiment {namespace}/{called}"),
        Box::pin(async move { objects::delete(&owner, EXPERIMENT, &at.0, &at.1).await }),
    )?;
    server::call(cx, Method::POST, "create_experiment/", Some(&server::posted(cx, experiment))).await
}

async fn foreign_create(cx: &Ctx) -> Checked {
    let_in_at_home(cx).await?;
    let other = tenants::of_other(cx).await?;
    let called = named(cx, "foreign");
    let answer = make(cx, &experiment(&other.name, &called, "random", 3, SQUARE)).await?;
    refused(cx, &answer, &format!("create {EXPERIMENTS}"), &other.name).await?;
    match objects::get(cx, EXPERIMENT, &other.name, &called).await? {
        None => Ok(()),
        Some(_) => Err(Stop::failed("no experiment is made", format!("{called} is there"))),
    }
}

async fn foreign_object(cx: &Ctx) -> Checked {
    let_in_at_home(cx).await?;
    let other = tenants::of_other(cx).await?;
    let (place, called) = (other.name.as_str(), "conformance-absent");
    for (method, path, verb) in [
        (Method::GET, format!("fetch_experiment/?experimentName={called}"), "get kubeflow.org/v1beta1/experiments"),
        (Method::GET, format!("fetch_suggestion/?suggestionName={called}"), "get kubeflow.org/v1beta1/suggestions"),
        (Method::GET, format!("fetch_trial/?trialName={called}"), "get kubeflow.org/v1beta1/trials"),
        (Method::GET, format!("fetch_hp_job_info/?experimentName={called}"), "get kubeflow.org/v1beta1/experiments"),
        (Method::GET, format!("fetch_hp_job_trial_info/?trialName={called}"), "list kubeflow.org/v1beta1/trials"),
        (Method::GET, format!("fetch_trial_logs/?trialName={called}"), "get kubeflow.org/v1beta1/trials"),
        (
            Method::DELETE,
            format!("delete_experiment/?experimentName={called}"),
            "delete kubeflow.org/v1beta1/experiments",
        ),
    ] {
        let answer = server::call(cx, method, &format!("{path}&namespace={place}"), None).await?;
        refused(cx, &answer, verb, place).await?;
    }
    Ok(())
}

async fn nameless(cx: &Ctx) -> Checked {
    let own = home(cx).await?;
    let answer = cx.browser().get(&format!("/katib/{}", list(&own))).await?;
    let by_server = answer.status.as_u16() == 401 && server::said(&answer) == Some("user header not present");
    if who(&answer).is_refusal() || by_server {
        return Ok(());
    }
    let guard = match cx.contract() {
        Contract::A => "EnvoyFilter istio-system/authn-filter",
        Contract::B => "AuthorizationPolicy istio-system/istio-ingressgateway-oauth2-proxy",
    };
    Err(Stop::failed("a refusal by the gateway, or 401 by the UI server", server::told(&answer))
        .at(answer.at())
        .because(format!(
            "{guard} lets everybody in, and APP_DISABLE_AUTH of Deployment kubeflow/katib-ui is not false"
        ))
        .fix("restore the guard (see AUT-001), and set APP_DISABLE_AUTH to false"))
}

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
