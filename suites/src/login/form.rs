//! What Dex's login form refuses.

use std::time::Duration;

use harness::check::source;
use harness::http::{Answer, forms};
use harness::{Check, Checked, Ctx, Explain, Level, Profile, Severity, Stop, check};

use http::Method;

use super::steps::{form_page, submit, until_callback};
use crate::faults::login as faults;
use crate::recognise::{Answered, who};

const SECURITY: &[Profile] = &[Profile::Core, Profile::Security];

/// The checks.
pub static CHECKS: &[Check] = &[
    check(
        "AUT-010",
        "A wrong password is refused",
        Level::Must,
        source("dexidp/dex", "server/handlers.go: handlePasswordLogin"),
        |cx| Box::pin(wrong_password(cx)),
    )
    .explain(Explain {
        what: "The run's user sends a wrong password: Dex answers 401 with the form and hands out no code. With the \
               right password the same form is granted one (AUT-005).",
        why: "It is what passwords are for.",
        fix: "Look for a connector in Dex's configuration that lets everybody in (mockCallback, mockPassword).",
        reproduce: "URL=$(curl -s -L -c cookies.txt -b cookies.txt -o /dev/null -w '%{url_effective}' \
                    \"$GATEWAY/oauth2/start?rd=/\"); curl -s -i -b cookies.txt -d login=USER -d password=wrong \"$URL\"",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&faults::ANY_PASSWORD]),
    check(
        "AUT-011",
        "An unknown user is refused",
        Level::Must,
        source("dexidp/dex", "server/handlers.go: handlePasswordLogin"),
        |cx| Box::pin(unknown_user(cx)),
    )
    .explain(Explain {
        what: "Somebody whom Dex does not know sends a password: Dex answers 401 with the form and hands out no code.",
        why: "Whoever is let in here becomes a user of the platform, with whatever e-mail address they typed.",
        fix: "Look for a connector in Dex's configuration that lets everybody in (mockCallback, mockPassword).",
        reproduce: "As AUT-010, with another login.",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&faults::ANY_USER]),
    check(
        "AUT-012",
        "Dex does not tell unknown users from wrong passwords",
        Level::Should,
        source("OWASP", "Authentication Cheat Sheet: Authentication and Error Messages"),
        |cx| Box::pin(same_answer(cx)),
    )
    .explain(Explain {
        what: "The answers to a wrong password and to an unknown user have the same status and the same words. How \
               long each took is compared, too, and reported.",
        why: "Different answers tell an attacker which e-mail addresses are worth guessing at.",
        fix: "Use Dex's own templates. The time differs in every supported release, because Dex compares a hash for \
              known users only: an identity provider behind Dex does not have this weakness.",
        reproduce: "As AUT-010, once with a known and once with an unknown login; add -w '%{time_total}'.",
    })
    .profiles(SECURITY)
    .after(&["AUT-010"])
    .breaks_on(&[&faults::ANY_USER]),
    check(
        "AUT-013",
        "An empty form is refused",
        Level::Must,
        source("dexidp/dex", "server/handlers.go: handlePasswordLogin"),
        |cx| Box::pin(empty_fields(cx)),
    )
    .explain(Explain {
        what: "The form is sent in without a password, without a login, and without both: Dex answers 401 with the \
               form each time. Whether Dex takes the right password out of an address is reported.",
        why: "Directories behind Dex take an empty password for an anonymous bind, which succeeds.",
        fix: "Look for a connector in Dex's configuration that lets everybody in (mockCallback, mockPassword).",
        reproduce: "As AUT-010, with -d password=",
    })
    .profiles(SECURITY)
    .after(&["AUT-005"])
    .breaks_on(&[&faults::ANY_PASSWORD, &faults::ANY_USER]),
];

/// A password that nobody has: this run's id in it.
fn wrong(cx: &Ctx) -> String {
    format!("not-the-password-{}", cx.environment().run_id)
}

/// An e-mail address that nobody has.
fn nobody(cx: &Ctx) -> String {
    format!("nobody-{}@example.com", cx.environment().run_id)
}

async fn attempt(cx: &Ctx, email: &str) -> Checked<Answer> {
    let browser = cx.browser();
    let page = form_page(cx, &browser, "/").await?;
    submit(cx, &browser, &page, email, &wrong(cx)).await
}

fn refused(cx: &Ctx, answer: &Answer) -> Checked {
    let login = &cx.version().auth().login;
    let granted = answer.location().is_some_and(|to| to.query_pairs().any(|(name, _)| name == "code"));
    if who(answer) == (Answered::DexForm { refused: true }) && answer.status.as_u16() == login.refused && !granted {
        return Ok(());
    }
    Err(Stop::failed(
        format!("{} and the login form, saying that the login was refused", login.refused),
        format!("answered: {} ({})", who(answer), answer.summary()),
    )
    .at(answer.at())
    .because("Dex lets people in whose password it has not checked")
    .fix("remove connectors that let everybody in from ConfigMap auth/dex, and restart Dex"))
}

async fn wrong_password(cx: &Ctx) -> Checked {
    refused(cx, &attempt(cx, &cx.user().email).await?)?;
    // The control: the same steps with the right password.
    until_callback(cx, "/").await.map(drop)
}

async fn unknown_user(cx: &Ctx) -> Checked {
    refused(cx, &attempt(cx, &nobody(cx)).await?)
}

async fn empty_fields(cx: &Ctx) -> Checked {
    let email = cx.user().email.clone();
    let wrong = wrong(cx);
    for (login, password) in [(email.as_str(), ""), ("", wrong.as_str()), ("", "")] {
        let browser = cx.browser();
        let page = form_page(cx, &browser, "/").await?;
        refused(cx, &submit(cx, &browser, &page, login, password).await?)?;
    }
    password_in_address(cx).await
}

/// Dex reads both fields out of the query as well: what is in an address is in every log on the way.
async fn password_in_address(cx: &Ctx) -> Checked {
    let browser = cx.browser();
    let page = form_page(cx, &browser, "/").await?;
    let Some(form) = forms(&page).into_iter().find(|form| form.password_field.is_some()) else {
        return Err(Stop::errored("precondition", format!("{} shows no login form", page.at())));
    };
    let (login, password) = cx.version().auth().login.fields;
    let mut address = form.action.clone();
    address.query_pairs_mut().append_pair(login, &cx.user().email).append_pair(password, &cx.user().password);
    let answer = browser.request(Method::POST, address.as_str()).form(&[]).send().await?;
    if answer.location().is_some_and(|to| to.query_pairs().any(|(name, _)| name == "code")) {
        cx.finding(
            Severity::Low,
            "Dex takes a password that stands in the address of a request",
            "Its own form does not send it so. Every release ships it so; no log of addresses before Dex should be \
             kept.",
        );
    }
    Ok(())
}

/// A difference that shows over a network.
const TELLING: Duration = Duration::from_millis(40);

async fn same_answer(cx: &Ctx) -> Checked {
    let (known, unknown) = (attempt(cx, &cx.user().email).await?, attempt(cx, &nobody(cx)).await?);
    if who(&known) != who(&unknown) || known.status != unknown.status {
        return Err(Stop::failed(
            "the same answer to a wrong password and to an unknown user",
            format!("{} and {}", known.summary(), unknown.summary()),
        )
        .at(known.at())
        .because("Dex answers unknown users in another way")
        .fix("use Dex's own templates and connectors"));
    }
    if known.took > unknown.took.saturating_mul(3) && known.took.saturating_sub(unknown.took) > TELLING {
        cx.finding(
            Severity::Low,
            "Dex's form tells known users by the time that it takes",
            format!(
                "A wrong password of a known user took {} ms, an unknown user {} ms. An identity provider behind Dex \
                 does not have this weakness; a rate limit before the gateway makes it slow to use.",
                known.took.as_millis(),
                unknown.took.as_millis()
            ),
        );
    }
    Ok(())
}
