//! Tenants are kept apart: strangers are refused, and nobody comes without a name.

use std::time::Duration;

use clusters::versions::Contract;
use harness::check::{Seconds, source};
use harness::context::Seen;
use harness::http::Answer;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};
use http::Method;
use serde_json::Value;

use super::experiments::{EVERY, SQUARE, experiment, home, named};
use super::{server, trouble};
use crate::faults::katib as faults;
use crate::gateway::diagnose::Cause;
use crate::objects::{self, DEPLOYMENT, EXPERIMENT, items, text, variable};
use crate::reach;
use crate::recognise::who;
use crate::tenants;

/// What they are about.
pub(super) const TENANCY: &[Profile] = &[Profile::Katib, Profile::Tenancy, Profile::Security];
const AUTHORIZATION: &str = "pkg/ui/v1beta1/authzn.go";
/// How long a grant may take to show.
pub(super) const SHOWS_WITHIN: Duration = Duration::from_secs(15);
/// The kind, as the UI server names it in a refusal.
pub(super) const EXPERIMENTS: &str = "kubeflow.org/v1beta1/experiments";

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
];

/// The path of a namespace's list.
pub(super) fn list(namespace: &str) -> String {
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
pub(super) async fn refused(cx: &Ctx, answer: &Answer, verb: &str, namespace: &str) -> Checked {
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
pub(super) async fn make(cx: &Ctx, experiment: &Value) -> Checked<Answer> {
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
