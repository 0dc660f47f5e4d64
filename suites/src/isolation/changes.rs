//! What the members of a namespace may change in it by the web applications: owners and editors, and nobody else.

use harness::check::{Run, source};
use harness::context::Seen;
use harness::{Check, Checked, Ctx, Explain, Fault, Level, Profile, Seconds, Source, Stop, check};
use http::Method;
use reports::matrix::{Cell, Matrix};
use serde_json::{Value, json};

use super::applications::{Memberships, SHOWS_WITHIN, why};
use crate::applications::App;
use crate::faults::contributors::{EDIT_EMPTIED, USER_SEES_EVERYTHING};
use crate::gateway::diagnose::Cause;
use crate::notebooks::server;
use crate::reach::{REMOVALS, Removal, emptied, everywhere, may_remove, sees};
use crate::recognise::{Answered, who};
use crate::tenants::{self, EVERY};
use crate::volumes::claims;
use crate::workspaces::client::Client;

const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];

const WHAT: &str = "The run's user, logged in as a person, asks the application to remove something in four namespaces of \
                    the run's own: one that they own, one that they edit, one that they view, and a stranger's. In the first \
                    two they are told that it is not there, in the last two they are refused by the application itself; \
                    there they are also refused when they ask to make something, although the viewer is shown the list.";
const WHY: &str = "A viewer who may read over the page but change by a request of their own is an editor. The roles may be \
                   right while an application does not ask for each verb.";
const FIX: &str = "Look at the application's setting APP_DISABLE_AUTH, at ClusterRoles kubeflow-view and kubeflow-edit, and \
                   for bindings of the user.";

const FLASK: Source = source("kubeflow/kubeflow", "components/crud-web-apps/common/backend: authz.py");
const BREAKS: &[&Fault] = &[&USER_SEES_EVERYTHING, &EDIT_EMPTIED];

/// The checks.
pub static CHECKS: &[Check] = &[
    row("ISO-035", "The notebooks of a namespace are changed by its owner and editors alone", |cx| {
        Box::pin(editors_alone(cx, REMOVALS[0]))
    }),
    row("ISO-036", "The volumes of a namespace are changed by its owner and editors alone", |cx| {
        Box::pin(editors_alone(cx, REMOVALS[1]))
    }),
    row("ISO-037", "The TensorBoards of a namespace are changed by its owner and editors alone", |cx| {
        Box::pin(editors_alone(cx, REMOVALS[2]))
    }),
];

const fn row(id: &'static str, title: &'static str, run: Run) -> Check {
    check(id, title, Level::Must, FLASK, run)
        .explain(Explain {
            what: WHAT,
            why: WHY,
            fix: FIX,
            reproduce: "curl -s -b cookies.txt -b XSRF-TOKEN=x -H 'X-XSRF-TOKEN: x' -X DELETE \
                        \"$GATEWAY/jupyter/api/namespaces/NAMESPACE/notebooks/absent\", and likewise for the other \
                        applications",
        })
        .profiles(SECURITY)
        .writes()
        .within(Seconds(120))
        .after(&["PRF-020", "AUT-006"])
        .breaks_on(BREAKS)
}

async fn editors_alone(cx: &Ctx, removal: Removal) -> Checked {
    let client = Client::open(cx, removal.list.app).await?;
    let own = tenants::of_user(cx).await?;
    let other = tenants::of_other(cx).await?;
    let member = cx.fixture::<Memberships>().await?;
    let places = [
        (own.as_str(), Some("kubeflow-admin"), true),
        (&member.edited, Some("kubeflow-edit"), true),
        (&member.viewed, Some("kubeflow-view"), false),
        (&other.name, None, false),
    ];
    let mut seen = [[None; 4]; 2];
    let mut ended = Ok(());
    for (at, place) in places.into_iter().enumerate() {
        ended = removes(cx, &client, &removal, place, &mut seen[0][at]).await;
        if ended.is_ok() && !place.2 {
            ended = makes_nothing(cx, &client, place, &mut seen[1][at]).await;
        }
        if ended.is_err() {
            break;
        }
    }
    cx.matrix(Matrix::of(
        "The run's user changes what is there, as owner, editor, viewer and stranger",
        vec![cx.user().email.clone()],
        places.iter().map(|(home, role, _)| format!("{home} ({})", role.unwrap_or("no role"))).collect(),
        vec![format!("remove {}", removal.what), format!("make {}", removal.what)],
        |layer, _, column| match seen[layer][column] {
            Some(seen) => Cell::Tried { expected: places[column].2, seen: Some(seen) },
            None => Cell::Untried,
        },
    ));
    ended
}

/// A namespace, the user's role there, and whether that lets them change what is in it.
type Place<'a> = (&'a str, Option<&'static str>, bool);

async fn removes(
    cx: &Ctx,
    client: &Client,
    removal: &Removal,
    (home, role, wanted): Place<'_>,
    last: &mut Option<bool>,
) -> Checked {
    if role.is_some() && !sees(cx, client.session(), &removal.list, home).await? {
        let list = removal.list.what;
        let stop = Stop::failed(format!("the {list} of {home} are shown to a member"), "they are refused");
        return Err(blamed(stop, cause(cx, home, role, true).await?));
    }
    let may = if wanted { "may" } else { "may not" };
    let goal = format!("{} {may} remove {} in {home}", cx.user().email, removal.what);
    let (goal, last) = (goal.as_str(), std::sync::Mutex::new(last));
    let last = &last;
    cx.eventually(goal, SHOWS_WITHIN, EVERY, || {
        Box::pin(async move {
            let seen = may_remove(client, removal, home).await?;
            if let Ok(mut last) = last.lock() {
                **last = Some(seen);
            }
            if seen == wanted {
                return Ok(Seen::Yes(()));
            }
            let instead = if seen { "they may" } else { "they are refused" };
            match cause(cx, home, role, wanted).await? {
                Some(cause) => Err(Stop::failed(goal, instead).because(cause.what).fix(cause.fix)),
                None => Ok(Seen::NotYet(instead.to_owned())),
            }
        })
    })
    .await
}

/// A complete form is refused, by the application's own words.
async fn makes_nothing(cx: &Ctx, client: &Client, (home, role, _): Place<'_>, last: &mut Option<bool>) -> Checked {
    let name = tenants::name(cx, "refused");
    let (list, form) = form(client, &name).await?;
    let answer = client.send(Method::POST, &format!("/api/namespaces/{home}/{list}"), Some(&form)).await?;
    let refused = matches!(who(&answer), Answered::WebApp { success: false, ref log, .. }
        if answer.status.as_u16() == 403 && log.contains("is not authorized to create"));
    if refused {
        *last = Some(false);
        return Ok(());
    }
    let stop = Stop::failed(
        format!("{} may make nothing in {home}: 403, not authorized to create", cx.user().email),
        format!("answered: {} ({})", who(&answer), answer.summary()),
    );
    if !matches!(who(&answer), Answered::WebApp { success: true, .. }) {
        return Err(client.blamed(stop.at(answer.at()), &answer).await);
    }
    *last = Some(true);
    Err(blamed(stop.at(answer.at()), cause(cx, home, role, false).await?))
}

/// The list of the application's things, and a form that makes one.
async fn form(client: &Client, name: &str) -> Checked<(&'static str, Value)> {
    Ok(match client.app() {
        App::Volumes => ("pvcs", claims::form(name)),
        App::Tensorboards => ("tensorboards", json!({"name": name, "logspath": "pvc://none/", "configurations": []})),
        _ => ("notebooks", server::form(client, name, &[]).await?),
    })
}

/// What certainly takes a member's rights away, or gives somebody too many.
async fn cause(cx: &Ctx, home: &str, role: Option<&str>, wanted: bool) -> Checked<Option<Cause>> {
    match role {
        // What editors and viewers may is part of what owners may.
        Some(role) if wanted => {
            for role in [role, "kubeflow-edit", "kubeflow-view"] {
                if let Some(cause) = emptied(cx, role).await? {
                    return Ok(Some(cause));
                }
            }
            Ok(None)
        }
        // Their own binding is right.
        Some(_) => everywhere(cx, &cx.user().email).await,
        None => why(cx, home, None).await,
    }
}

fn blamed(stop: Stop, cause: Option<Cause>) -> Stop {
    match cause {
        Some(cause) => stop.because(cause.what).fix(cause.fix),
        None => stop,
    }
}
