//! What a logged-in person is shown by each application: the namespaces that they are members of.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use harness::check::{Run, source};
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::http::Session;
use harness::{Check, Checked, Ctx, Explain, Fault, Level, Profile, Seconds, Source, Stop, check};
use reports::matrix::{Cell, Matrix};

use crate::applications::App;
use crate::contributors::grant;
use crate::faults::contributors::{USER_SEES_EVERYTHING, VIEW_EMPTIED};
use crate::faults::isolation::USER_IN_KUBEFLOW;
use crate::gateway::diagnose::{Cause, is_left_out};
use crate::objects::{self, ROLE_BINDING, items, name, text};
use crate::reach::{EXPERIMENTS, List, MODELS, NOTEBOOKS, TENSORBOARDS, VOLUMES, emptied, everywhere, sees};
use crate::tenants::{self, EVERY};

const SECURITY: &[Profile] = &[Profile::Tenancy, Profile::Security];

const WHAT: &str = "The run's user, logged in as a person, asks the application for its list in four namespaces of the run's \
                    own: one that they own, one that they edit, one that they view, and a stranger's; and in the namespace \
                    kubeflow. The first three are shown, the last two refused by the application itself.";
const WHY: &str = "The applications read with rights of their own and ask the API server about the user at each request. One \
                   that does not ask shows everything to everybody.";
const FIX: &str = "Look at the application's setting APP_DISABLE_AUTH, at ClusterRoles kubeflow-view and kubeflow-edit, and \
                   for bindings of the user.";

const FLASK: Source = source("kubeflow/kubeflow", "components/crud-web-apps/common/backend: authz.py");
const KATIB: Source = source("kubeflow/katib", "pkg/ui/v1beta1/authzn.go");
const KSERVE: Source = source("kserve/models-web-app", "backend/apps/v1beta1/routes/get.py");
const BREAKS: &[&Fault] = &[&USER_SEES_EVERYTHING, &VIEW_EMPTIED, &USER_IN_KUBEFLOW];

/// The checks.
pub static CHECKS: &[Check] = &[
    row("ISO-030", "The notebooks of a namespace are shown to its members alone", FLASK, |cx| {
        Box::pin(members_alone(cx, NOTEBOOKS))
    }),
    row("ISO-031", "The volumes of a namespace are shown to its members alone", FLASK, |cx| {
        Box::pin(members_alone(cx, VOLUMES))
    }),
    row("ISO-032", "The TensorBoards of a namespace are shown to its members alone", FLASK, |cx| {
        Box::pin(members_alone(cx, TENSORBOARDS))
    }),
    row("ISO-033", "The experiments of a namespace are shown to its members alone", KATIB, |cx| {
        Box::pin(members_alone(cx, EXPERIMENTS))
    }),
    row("ISO-034", "The served models of a namespace are shown to its members alone", KSERVE, |cx| {
        Box::pin(members_alone(cx, MODELS))
    }),
];

const fn row(id: &'static str, title: &'static str, of: Source, run: Run) -> Check {
    check(id, title, Level::Must, of, run)
        .explain(Explain {
            what: WHAT,
            why: WHY,
            fix: FIX,
            reproduce: "curl -s -b cookies.txt \"$GATEWAY/jupyter/api/namespaces/NAMESPACE/notebooks\", and likewise for the \
                        other applications",
        })
        .profiles(SECURITY)
        .writes()
        .within(Seconds(120))
        .after(&["PRF-020", "AUT-006"])
        .breaks_on(BREAKS)
}

/// How long a grant may take to show.
pub(super) const SHOWS_WITHIN: Duration = Duration::from_secs(15);

/// Two namespaces of somebody else, which the run's user may edit and view.
pub(super) struct Memberships {
    pub(super) edited: String,
    pub(super) viewed: String,
}

impl Fixture for Memberships {
    const NAME: &'static str = "memberships of the run's user";
    const WITHIN: Duration = Duration::from_secs(90);

    async fn make(cx: Ctx) -> Checked<Self> {
        let user = cx.user().email.clone();
        let mut homes = Vec::new();
        for (what, role) in [("iso-edit", "edit"), ("iso-view", "view")] {
            let home = tenants::tenant(&cx, what, &tenants::somebody(&cx, what)).await?;
            grant(&cx, &home, &user, role).await?;
            homes.push(home);
        }
        let mut homes = homes.into_iter();
        Ok(Self { edited: homes.next().unwrap_or_default(), viewed: homes.next().unwrap_or_default() })
    }
}

async fn members_alone(cx: &Ctx, list: List) -> Checked {
    let said = list.app.entry().part().is_some_and(|part| cx.leaves_out(part));
    if (said || list.app == App::Models) && is_left_out(cx, list.app.entry()).await? {
        return Err(if said { Stop::LeftOut(list.app.name().to_owned()) } else { Stop::absent(list.app.name()) });
    }
    let own = tenants::of_user(cx).await?;
    let other = tenants::of_other(cx).await?;
    let member = cx.fixture::<Memberships>().await?;
    let session = cx.user_session().await?;
    let (session, list) = (&session, &list);
    let places = [
        (own.as_str(), Some("kubeflow-admin")),
        (&member.edited, Some("kubeflow-edit")),
        (&member.viewed, Some("kubeflow-view")),
        (&other.name, None),
        ("kubeflow", None),
    ];
    let shown = Shown::default();
    let ended = each(cx, session, list, &places, &shown).await;
    let seen = shown.0.into_inner().unwrap_or_default();
    cx.matrix(Matrix::of(
        "The run's user as owner, editor, viewer and stranger",
        vec![cx.user().email.clone()],
        places.iter().map(|(home, role)| format!("{home} ({})", role.unwrap_or("no role"))).collect(),
        vec![format!("list {}", list.what)],
        |_, _, column| match seen.get(&column) {
            Some(seen) => Cell::Tried { expected: places[column].1.is_some(), seen: Some(*seen) },
            None => Cell::Untried,
        },
    ));
    ended
}

/// What was seen last in each place.
#[derive(Default)]
struct Shown(Mutex<BTreeMap<usize, bool>>);

impl Shown {
    fn note(&self, place: usize, seen: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(place, seen);
    }
}

async fn each(cx: &Ctx, session: &Session, list: &List, places: &[(&str, Option<&str>)], shown: &Shown) -> Checked {
    for (at, (home, role)) in places.iter().copied().enumerate() {
        let wanted = role.is_some();
        let words = if wanted { "shown to" } else { "refused to" };
        let what = format!("the {} of {home} are {words} {}", list.what, cx.user().email);
        let goal = what.as_str();
        cx.eventually(goal, SHOWS_WITHIN, EVERY, || {
            Box::pin(async move {
                let seen = sees(cx, session, list, home).await?;
                shown.note(at, seen);
                if seen == wanted {
                    return Ok(Seen::Yes(()));
                }
                let instead = if seen { "they are shown" } else { "they are refused" };
                match why(cx, home, role).await? {
                    Some(cause) => Err(Stop::failed(goal, instead).because(cause.what).fix(cause.fix)),
                    None => Ok(Seen::NotYet(instead.to_owned())),
                }
            })
        })
        .await?;
    }
    Ok(())
}

/// What certainly gives the user too much, or takes their role's rights away.
pub(super) async fn why(cx: &Ctx, home: &str, role: Option<&str>) -> Checked<Option<Cause>> {
    let user = cx.user().email.as_str();
    if let Some(role) = role {
        return match emptied(cx, role).await? {
            // What viewers may is part of what the others may.
            None => emptied(cx, "kubeflow-view").await,
            cause => Ok(cause),
        };
    }
    if let Some(cause) = everywhere(cx, user).await? {
        return Ok(Some(cause));
    }
    let bindings = objects::within(cx, ROLE_BINDING, home).await?;
    let names = |binding: &&kube::api::DynamicObject| {
        items(&binding.data, "/subjects").iter().any(|subject| text(subject, "/name") == user)
    };
    Ok(bindings.iter().find(names).map(|binding| {
        let name = name(binding);
        Cause::new(
            format!("RoleBinding {home}/{name} binds {user}"),
            format!("kubectl -n {home} delete rolebinding {name}"),
        )
    }))
}
