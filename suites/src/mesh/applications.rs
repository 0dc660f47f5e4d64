//! The platform's applications, past the gateway.

use harness::check::{Run, source};
use harness::{Check, Checked, Ctx, Fault, Level, Seconds, Stop, check};

use super::target::Target;
use super::{BOUND, SECURITY, SPOOFED, none_arrived, probes, tried};
use crate::applications::App;
use crate::faults::mesh as faults;
use crate::gateway::diagnose::is_left_out;
use crate::recognise::who;

/// The checks.
pub static CHECKS: &[Check] = &[
    row(
        "MSH-010",
        "A tenant's pod does not reach the Central Dashboard past the gateway",
        &["PRF-020", "GWY-001"],
        |cx| Box::pin(guarded(cx, App::Dashboard)),
    )
    .breaks_on(&[
        &faults::EVERYBODY_ALLOWED_A,
        &faults::EVERYBODY_ALLOWED_B,
        &faults::DASHBOARD_UNGUARDED_A,
        &faults::DASHBOARD_UNGUARDED_B,
    ]),
    row(
        "MSH-011",
        "A tenant's pod does not reach the Jupyter web app past the gateway",
        &["PRF-020", "GWY-004"],
        |cx| Box::pin(guarded(cx, App::Jupyter)),
    )
    .breaks_on(EVERYBODY),
    row(
        "MSH-012",
        "A tenant's pod does not reach the volumes web app past the gateway",
        &["PRF-020", "GWY-005"],
        |cx| Box::pin(guarded(cx, App::Volumes)),
    )
    .breaks_on(EVERYBODY),
    row(
        "MSH-013",
        "A tenant's pod does not reach the TensorBoards web app past the gateway",
        &["PRF-020", "GWY-006"],
        |cx| Box::pin(guarded(cx, App::Tensorboards)),
    )
    .breaks_on(EVERYBODY),
    row(
        "MSH-014",
        "A tenant's pod does not reach Katib's application past the gateway",
        &["PRF-020", "GWY-003"],
        |cx| Box::pin(guarded(cx, App::Katib)),
    )
    .breaks_on(&[
        &faults::EVERYBODY_ALLOWED_A,
        &faults::EVERYBODY_ALLOWED_B,
        &faults::KATIB_OPENED_A,
        &faults::KATIB_OPENED_B,
    ]),
    row(
        "MSH-015",
        "A tenant's pod does not reach the UI of Kubeflow Pipelines past the gateway",
        &["PRF-020", "GWY-002"],
        |cx| Box::pin(guarded(cx, App::Pipelines)),
    )
    .breaks_on(EVERYBODY),
    row("MSH-016", "A tenant's pod does not reach the KServe models web app past the gateway", &["PRF-020"], |cx| {
        Box::pin(guarded(cx, App::Models))
    })
    .breaks_on(EVERYBODY),
];

const EVERYBODY: &[&Fault] = &[&faults::EVERYBODY_ALLOWED_A, &faults::EVERYBODY_ALLOWED_B];

const fn row(id: &'static str, title: &'static str, after: &'static [&'static str], run: Run) -> Check {
    check(
        id,
        title,
        Level::Must,
        source("kubeflow/manifests", "AuthorizationPolicies and NetworkPolicies of namespace kubeflow"),
        run,
    )
    .explain(SPOOFED)
    .profiles(SECURITY)
    .after(after)
    .writes()
    .within(Seconds(BOUND))
}

async fn guarded(cx: &Ctx, app: App) -> Checked {
    let entry = app.entry();
    let said = entry.part().is_some_and(|part| cx.leaves_out(part));
    if (said || app == App::Models) && is_left_out(cx, entry).await? {
        return Err(if said { Stop::LeftOut(app.name().to_owned()) } else { Stop::absent(app.name()) });
    }
    let route = entry.route(cx.version());
    let target = Target::of(cx, route.service.namespace, route.service.name, route.service.port).await?;
    let answer = cx.user_session().await?.get(entry.page).await?;
    if !who(&answer).is_application() {
        let instead = format!("{} ({})", who(&answer), answer.summary());
        return Err(Stop::errored(
            "precondition",
            format!("{} does not answer the gateway, either: {instead}", app.name()),
        ));
    }
    let probes = probes(cx).await?;
    let path = route.rewrite.unwrap_or(route.prefix);
    let user = cx.user().email.as_str();
    let found = tried(cx, &probes, &target, path, &[None, Some(user)]).await?;
    none_arrived(cx, &target, app.name(), &found).await
}
