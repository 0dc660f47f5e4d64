//! What the login's callback refuses, and where it leads.

use harness::check::source;
use harness::http::{Answer, Session};
use harness::login::{End, Step};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Stop, check};
use url::Url;

use super::flow::parameter;
use super::steps::{FirstLogin, hands_out_session, until_callback};
use crate::faults::login as faults;
use crate::recognise::who;

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "AUT-020",
        "A callback is good for one login only",
        Level::Must,
        source("RFC 6749", "section 4.1.2: the code is used once"),
        |cx| Box::pin(replay(cx)),
    )
    .explain(Explain {
        what: "The callback of a completed login is called again with the same state cookie: no second session is \
               handed out.",
        why: "Callback addresses end up in histories, logs and referrers.",
        fix: "Nothing in a configuration allows this: look for a program in place of Dex or of the guard.",
        reproduce: "Take the callback's address out of the browser's network log and open it again.",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::CODE_REUSABLE]),
    check(
        "AUT-021",
        "A callback with another state is refused",
        Level::Must,
        source("RFC 6749", "section 10.12"),
        |cx| Box::pin(wrong_state(cx)),
    )
    .explain(Explain {
        what: "A granted login's callback is called with a changed state: no session is handed out.",
        why: "The state is what keeps an attacker from logging somebody else's browser in as himself.",
        fix: "Nothing in a configuration allows this: look for a program in place of the guard.",
        reproduce: "Change a letter of the state in the callback's address before the browser opens it.",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::STATE_UNCHECKED]),
    check(
        "AUT-022",
        "A callback in another browser is refused",
        Level::Must,
        source("RFC 6749", "section 10.12"),
        |cx| Box::pin(another_browser(cx)),
    )
    .explain(Explain {
        what: "A granted login's callback is called by a browser without the state cookie and refused; then by the \
               browser that began it, which gets its session.",
        why: "A code that leaks must be worthless to others. A state cookie that is not sent back (Secure over http, \
              another host name) shows here as well: the control fails.",
        fix: "If the control fails: use one host name from start to callback, and FORCE_HTTPS only with TLS.",
        reproduce: "Open the callback's address in a private window.",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::STATE_UNCHECKED]),
    check(
        "AUT-023",
        "A login leads back to the page that it began at",
        Level::Should,
        source("oauth2-proxy/oauth2-proxy", "pkg/app/redirect; authservice: state.go"),
        |cx| Box::pin(leads_back(cx)),
    )
    .explain(Explain {
        what: "A login that began at /pipeline/?ns=… ends there, with path and query.",
        why: "Links that people send each other begin with a login: each would end at the dashboard.",
        fix: "Restore rd in the sign-in page (templates of oauth2-proxy), and the redirect of authservice.",
        reproduce: "Open \"$GATEWAY/pipeline/?ns=x\" in a private window and log in.",
    })
    .after(&["AUT-006"])
    .breaks_on(&[&faults::TARGET_FORGOTTEN]),
    check("AUT-024", "A callback without a state is refused", Level::Must, source("RFC 6749", "section 10.12"), |cx| {
        Box::pin(without_state(cx))
    })
    .explain(Explain {
        what: "A granted login's callback is called without its state, by the browser that began the login: no session \
               is handed out.",
        why: "A check that is skipped when there is nothing to check protects nobody.",
        fix: "Nothing in a configuration allows this: look for a program in place of the guard.",
        reproduce: "Remove the state from the callback's address before the browser opens it.",
    })
    .profiles(SECURITY)
    .after(&["AUT-006"])
    .breaks_on(&[&faults::STATE_UNCHECKED]),
];

/// Fails if a callback handed out a session, or was answered by something else than the guard's refusal.
fn refused(cx: &Ctx, answer: &Answer, statuses: &[u16], cause: &str) -> Checked {
    if !hands_out_session(cx, answer) && statuses.contains(&answer.status.as_u16()) {
        return Ok(());
    }
    let given = if hands_out_session(cx, answer) { "a session was handed out: " } else { "" };
    Err(Stop::failed(
        format!("no session, and status {}", statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(" or ")),
        format!("{given}{} ({})", who(answer), answer.summary()),
    )
    .at(answer.at())
    .because(cause)
    .fix("look for a program in place of the guard, and at its configuration"))
}

async fn replay(cx: &Ctx) -> Checked {
    let first = cx.fixture::<FirstLogin>().await?;
    let login = &cx.version().auth().login;
    let (Some(callback), End::In) = (first.trail.at(Step::Callback), &first.trail.end) else {
        return Err(Stop::errored("precondition", "the first login did not complete: see AUT-006"));
    };
    let mut cookies = first.trail.hops.iter().flat_map(|hop| hop.answer.set_cookies());
    let state = cookies.rfind(|cookie| cookie.name == login.state_cookie && !cookie.deletes());
    let Some(state) = state else {
        return Err(Stop::errored("precondition", "the first login set no state cookie: see AUT-003"));
    };
    let browser = cx.browser();
    browser.set_cookie(&state.name, &state.value);
    let answer = browser.get(callback.url.as_str()).await?;
    let statuses = [login.with_bad_code, login.with_wrong_state].concat();
    refused(cx, &answer, &statuses, "the guard accepts a callback more than once")
}

async fn wrong_state(cx: &Ctx) -> Checked {
    let granted = until_callback(cx, "/").await?;
    let mut callback = granted.callback.clone();
    let pairs: Vec<(String, String)> = callback
        .query_pairs()
        .map(|(name, value)| {
            let value = if name == "state" { bent(&value) } else { value.into_owned() };
            (name.into_owned(), value)
        })
        .collect();
    callback.query_pairs_mut().clear().extend_pairs(pairs);
    let answer = granted.session.get(callback.as_str()).await?;
    let login = &cx.version().auth().login;
    refused(cx, &answer, login.with_wrong_state, "the guard does not compare the state")
}

async fn without_state(cx: &Ctx) -> Checked {
    let granted = until_callback(cx, "/").await?;
    let mut callback = granted.callback.clone();
    let pairs: Vec<(String, String)> =
        callback.query_pairs().into_owned().filter(|(name, _)| name != "state").collect();
    callback.query_pairs_mut().clear().extend_pairs(pairs);
    let answer = granted.session.get(callback.as_str()).await?;
    let login = &cx.version().auth().login;
    refused(cx, &answer, login.without_state, "the guard does not ask for a state")
}

/// Another first letter.
fn bent(text: &str) -> String {
    let mut letters = text.chars();
    let first = if letters.next() == Some('A') { 'B' } else { 'A' };
    std::iter::once(first).chain(letters).collect()
}

async fn another_browser(cx: &Ctx) -> Checked {
    let granted = until_callback(cx, "/").await?;
    let stranger: Session = cx.browser();
    let answer = stranger.get(granted.callback.as_str()).await?;
    let login = &cx.version().auth().login;
    refused(cx, &answer, login.without_state_cookie, "the guard does not tie a login to its browser")?;
    // The control: Dex has not redeemed the code, so it still is good where it belongs.
    let answer = granted.session.get(granted.callback.as_str()).await?;
    if hands_out_session(cx, &answer) {
        return Ok(());
    }
    Err(Stop::failed("the browser that began the login gets its session", answer.summary())
        .at(answer.at())
        .because("the state cookie does not come back to the guard")
        .fix("use one host name from start to callback, and FORCE_HTTPS only with TLS"))
}

async fn leads_back(cx: &Ctx) -> Checked {
    const TARGET: &str = "/pipeline/?ns=conformance";
    let granted = until_callback(cx, TARGET).await?;
    let answer = granted.session.get(granted.callback.as_str()).await?;
    let found = answer.location().map(|to| local(&to)).unwrap_or_default();
    if found == TARGET {
        return Ok(());
    }
    let state = parameter(&granted.callback, "state").unwrap_or_default();
    cx.remark(format!("the state ends in {}", state.rsplit(':').next().unwrap_or_default()));
    Err(Stop::failed(format!("a redirect to {TARGET}"), answer.summary())
        .at(answer.at())
        .because(format!("the guard sends everybody to {found}"))
        .fix("restore the guard's sign-in page and redirect settings"))
}

fn local(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}
