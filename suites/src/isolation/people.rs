//! Several people, each logged in: every one of them in every namespace, by every application.

use futures::StreamExt as _;
use harness::check::source;
use harness::context::User;
use harness::http::Session;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use reports::model::Skip;
use tokio::time::Instant;

use crate::applications::App;
use crate::faults::contributors::USER_SEES_EVERYTHING;
use crate::reach::{LISTS, List, everywhere, sees};
use crate::tenants;

/// The checks.
pub static CHECKS: &[Check] = &[check(
    "ISO-040",
    "Each of several people reaches their own namespace alone",
    Level::Should,
    source("kubeflow/kubeflow", "components/crud-web-apps/common/backend: authz.py"),
    |cx| Box::pin(matrix(cx)),
)
.explain(Explain {
    what: "Several people log in through the login form (--users, --users-file), each owns a Profile of the run's own, and \
           each asks the notebooks, volumes, TensorBoards and experiments of every one of these namespaces: their own are \
           shown, all others refused by the application.",
    why: "One user tells nothing of isolation. A session that is taken for another's, or an identity that is kept from the \
          request before, shows only with several people at once.",
    fix: "Look at who the applications think is asking (IDN-001), and for bindings of the users.",
    reproduce: "Log in as each user in a browser of its own and open the other's namespace: /jupyter/?ns=NAMESPACE",
})
.profiles(&[Profile::Tenancy, Profile::Security])
.writes()
.within(Seconds(600))
.after(&["PRF-020", "AUT-006"])
.breaks_on(&[&USER_SEES_EVERYTHING])];

/// How many requests are under way at once.
const AT_ONCE: usize = 8;

/// Somebody with their session and their namespace.
struct Person {
    user: User,
    session: Session,
    home: String,
}

async fn matrix(cx: &Ctx) -> Checked {
    let others = &cx.environment().others;
    if others.is_empty() {
        return Err(Stop::Skipped(Skip::NoCapability { capability: "second user: --users-file".to_owned() }));
    }
    let mut people = Vec::new();
    for (at, user) in std::iter::once(cx.user()).chain(others).enumerate() {
        let session = if at == 0 { cx.user_session().await? } else { cx.login(user).await? };
        let home = tenants::tenant(cx, &format!("person-{at}"), &user.email).await?;
        people.push(Person { user: user.clone(), session, home });
    }
    let apps: Vec<List> = LISTS.into_iter().filter(|list| is_there(cx, list)).collect();
    let started = Instant::now();
    let mut cells = Vec::new();
    for person in &people {
        for owner in &people {
            cells.extend(apps.iter().map(|list| cell(cx, person, owner, list)));
        }
    }
    let count = cells.len();
    let found: Vec<Checked<Option<String>>> = futures::stream::iter(cells).buffered(AT_ONCE).collect().await;
    cx.remark(format!("{} people, {count} cells in {} ms", people.len(), started.elapsed().as_millis()));
    let differences: Vec<String> = found.into_iter().collect::<Checked<Vec<_>>>()?.into_iter().flatten().collect();
    if differences.is_empty() {
        return Ok(());
    }
    let told = differences.iter().take(6).cloned().collect::<Vec<_>>().join("; ");
    let stop = Stop::failed(
        "everyone is shown their own namespace and refused all others",
        format!("{} of {count} cells differ: {told}", differences.len()),
    );
    for person in &people {
        if let Some(cause) = everywhere(cx, &person.user.email).await? {
            return Err(stop.because(cause.what).fix(cause.fix));
        }
    }
    Err(stop)
}

/// Whether the application is one that every release has and the site does not leave out.
fn is_there(cx: &Ctx, list: &List) -> bool {
    list.app != App::Models && !list.app.entry().part().is_some_and(|part| cx.leaves_out(part))
}

/// One person in one namespace, by one application: how it differs from what should be.
async fn cell(cx: &Ctx, person: &Person, owner: &Person, list: &List) -> Checked<Option<String>> {
    let wanted = person.user.email == owner.user.email;
    let seen = sees(cx, &person.session, list, &owner.home).await?;
    let (email, what, home) = (&person.user.email, list.what, &owner.home);
    Ok(match (seen, wanted) {
        (true, false) => Some(format!("{email} is shown the {what} of {home}, which is {}'s", owner.user.email)),
        (false, true) => Some(format!("{email} is refused the {what} of their own {home}")),
        _ => None,
    })
}
