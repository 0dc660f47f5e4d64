//! Several people, each logged in: every one of them in every namespace, by every application.

use harness::check::source;
use harness::context::User;
use harness::http::Session;
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Seconds, Stop, check};
use reports::matrix::{Cell, Matrix};
use reports::model::Skip;
use tokio::time::Instant;

use crate::applications::App;
use crate::bounded::each;
use crate::faults::contributors::USER_SEES_EVERYTHING;
use crate::objects::text;
use crate::reach::{LISTS, List, REMOVALS, Removal, everywhere, may_remove, sees};
use crate::tenants;
use crate::workspaces::client::Client;

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
           each asks the notebooks, volumes, TensorBoards and experiments of every one of these namespaces, and for the \
           removal of a notebook, a volume and a TensorBoard that are not there: in their own they are served, in all \
           others refused by the application. The report has the matrix as a picture.",
    why: "One user tells nothing of isolation. A session that is taken for another's, or an identity that is kept from the \
          request before, shows only with several people at once.",
    fix: "Look at who the applications think is asking (IDN-001), and for bindings of the users.",
    reproduce: "Log in as each user in a browser of its own and open the other's namespace: /jupyter/?ns=NAMESPACE",
})
.profiles(&[Profile::Tenancy, Profile::Security])
.divided()
.writes()
.within(Seconds(600))
// Seven requests, sixteen at once: ten times what they take on the embedded platform of a busy machine.
.for_each_pair(200)
.after(&["PRF-020", "AUT-006"])
.breaks_on(&[&USER_SEES_EVERYTHING])];

/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// How many people log in, or wait for their namespace, at once.
const PREPARED_AT_ONCE: usize = 8;

/// Somebody with their session, and the applications whose pages they have opened.
struct Person {
    user: User,
    session: Session,
    opened: Vec<Client>,
}

/// Somebody's namespace.
struct Home {
    owner: String,
    name: String,
}

/// What everybody tries everywhere.
#[derive(Clone, Copy)]
enum Try {
    Shown(List),
    Remove(Removal),
}

impl Try {
    fn list(&self) -> &List {
        match self {
            Self::Shown(list) => list,
            Self::Remove(removal) => &removal.list,
        }
    }

    fn what(&self) -> String {
        match self {
            Self::Shown(list) => format!("list {}", list.what),
            Self::Remove(removal) => format!("remove {}", removal.what),
        }
    }

    /// The failure, if it could not be told, is boxed: there may be a million of these.
    async fn succeeds(&self, cx: &Ctx, person: &Person, home: &str) -> Result<bool, Box<Stop>> {
        let seen = match self {
            Self::Shown(list) => sees(cx, &person.session, list, home).await,
            Self::Remove(removal) => match person.opened.iter().find(|client| client.app() == removal.list.app) {
                Some(client) => may_remove(client, removal, home).await,
                None => Err(Stop::errored("precondition", format!("{} was not opened", removal.list.app.name()))),
            },
        };
        seen.map_err(Box::new)
    }
}

async fn matrix(cx: &Ctx) -> Checked {
    let others = &cx.environment().others;
    if others.is_empty() {
        return Err(Stop::Skipped(Skip::NoCapability { capability: "second user: --users-file".to_owned() }));
    }
    let users: Vec<User> = std::iter::once(cx.user()).chain(others).cloned().collect();
    let ours: Vec<usize> = (0..users.len()).filter(|at| is_ours(cx, *at)).collect();
    if ours.is_empty() {
        // There are more shards than users: the others have them all.
        return Err(Stop::Skipped(Skip::NotSelected));
    }
    let tries = tries(cx);
    let tried = tries.as_slice();
    let (people, logins) =
        timed(each(users.len(), PREPARED_AT_ONCE, |at| Box::pin(person(cx, &users[at], tried)))).await;
    let people = people.into_iter().collect::<Checked<Vec<_>>>()?;
    let (homes, housing) =
        timed(each(ours.len(), PREPARED_AT_ONCE, |at| Box::pin(home(cx, ours[at], &users[ours[at]])))).await;
    let homes = homes.into_iter().collect::<Checked<Vec<_>>>()?;

    let count = tries.len() * people.len() * homes.len();
    let (found, asking) = timed(each(count, AT_ONCE, |at| {
        let (layer, cell) = (at / (people.len() * homes.len()), at % (people.len() * homes.len()));
        let (person, home) = (&people[cell / homes.len()], &homes[cell % homes.len()]);
        Box::pin(tries[layer].succeeds(cx, person, &home.name))
    }))
    .await;
    let (who, places) = (people.len(), homes.len());
    let pace = format!("logins {logins} ms, namespaces {housing} ms, cells {asking} ms");
    cx.note("matrix", format!("{who} people in {places} namespaces, {count} cells: {pace}"));
    judged(cx, &people, &homes, &tries, found).await
}

/// What comes of some work, and how many milliseconds it took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, u128) {
    let started = Instant::now();
    let done = work.await;
    (done, started.elapsed().as_millis())
}

/// What everybody tries, by the applications that every release has and the site does not leave out.
fn tries(cx: &Ctx) -> Vec<Try> {
    let all = LISTS.into_iter().map(Try::Shown).chain(REMOVALS.into_iter().map(Try::Remove));
    let is_there = |one: &Try| {
        let app = one.list().app;
        app != App::Models && !app.entry().part().is_some_and(|part| cx.leaves_out(part))
    };
    all.filter(is_there).collect()
}

/// Whether a namespace is this run's to look at: the shards of a run divide them.
fn is_ours(cx: &Ctx, at: usize) -> bool {
    cx.shard().is_none_or(|shard| at % shard.count.max(1) as usize == shard.index as usize)
}

async fn person(cx: &Ctx, user: &User, tries: &[Try]) -> Checked<Person> {
    // The run's own user is logged in already.
    let session = if user.email == cx.user().email { cx.user_session().await? } else { login(cx, user).await? };
    let mut opened = Vec::new();
    for one in tries.iter().filter(|one| matches!(one, Try::Remove(_))) {
        opened.push(Client::opened_by(cx, &session, one.list().app).await?);
    }
    Ok(Person { user: user.clone(), session, opened })
}

/// A login of somebody whom the run was told of. The run's own user could log in, so it is not the login that is wrong.
async fn login(cx: &Ctx, user: &User) -> Checked<Session> {
    let email = &user.email;
    let session = cx.login(user).await.map_err(|stop| match stop {
        Stop::Failed(failure) => Stop::errored("precondition", format!("{email} cannot log in: {}", failure.actual))
            .fix("correct the address or the password in the users file (--users-file)"),
        other => other,
    })?;
    // Dex knows addresses in small letters alone, and rights go by the letter.
    let seen = session.get("/api/workgroup/env-info").await?.json();
    let seen = seen.as_ref().map(|seen| text(seen, "/user")).unwrap_or_default();
    if seen != email && seen.eq_ignore_ascii_case(email) {
        let message = format!("{email} is logged in as {seen}: a Profile of {email} would never be theirs");
        return Err(
            Stop::errored("precondition", message).fix(format!("write {seen} in the users file (--users-file)"))
        );
    }
    Ok(session)
}

async fn home(cx: &Ctx, at: usize, owner: &User) -> Checked<Home> {
    let name = tenants::tenant(cx, &format!("person-{at}"), &owner.email).await?;
    Ok(Home { owner: owner.email.clone(), name })
}

/// Records the matrix, and compares it with what should be.
async fn judged(
    cx: &Ctx,
    people: &[Person],
    homes: &[Home],
    tries: &[Try],
    found: Vec<Result<bool, Box<Stop>>>,
) -> Checked {
    let at = |layer: usize, row: usize, column: usize| (layer * people.len() + row) * homes.len() + column;
    let is_own = |row: usize, column: usize| people[row].user.email == homes[column].owner;
    cx.matrix(Matrix::of(
        "Several people in one another's namespaces",
        people.iter().map(|person| person.user.email.clone()).collect(),
        homes.iter().map(|home| home.name.clone()).collect(),
        tries.iter().map(Try::what).collect(),
        |layer, row, column| Cell::Tried {
            expected: is_own(row, column),
            seen: found[at(layer, row, column)].as_ref().ok().copied(),
        },
    ));
    let mut differences = Vec::new();
    let count = found.len();
    let mut found = found.into_iter();
    for one in tries {
        for (row, person) in people.iter().enumerate() {
            for (column, home) in homes.iter().enumerate() {
                let Some(seen) = found.next() else { continue };
                let seen = seen.map_err(|stop| *stop)?;
                let (email, what, name) = (&person.user.email, one.what(), &home.name);
                match (seen, is_own(row, column)) {
                    (true, false) => {
                        differences.push(format!("{email} may {what} in {name}, which is {}'s", home.owner))
                    }
                    (false, true) => differences.push(format!("{email} may not {what} in their own {name}")),
                    _ => {}
                }
            }
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    let told = differences.iter().take(6).cloned().collect::<Vec<_>>().join("; ");
    let stop = Stop::failed(
        "everyone reaches their own namespace and is refused in all others",
        format!("{} of {count} cells differ: {told}", differences.len()),
    );
    for person in people {
        if let Some(cause) = everywhere(cx, &person.user.email).await? {
            return Err(stop.because(cause.what).fix(cause.fix));
        }
    }
    Err(stop)
}
