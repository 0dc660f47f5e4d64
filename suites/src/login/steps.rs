//! A login taken apart: once per run as a person does it, and up to the callback for checks that bend what comes then.

use std::time::Duration;

use harness::fixtures::Fixture;
use harness::http::{Answer, Session, forms};
use harness::login::{Trail, walk};
use harness::{Checked, Ctx, Stop};
use http::Method;
use url::Url;

/// One login of the run's user, hop by hop, and the browser that it was made with. Shared: never change its cookies.
pub struct FirstLogin {
    /// Its hops, however it ended.
    pub trail: Trail,
    /// The browser.
    pub session: Session,
}

impl Fixture for FirstLogin {
    const NAME: &'static str = "login of the run's user, hop by hop";
    const WITHIN: Duration = Duration::from_secs(25);

    async fn make(cx: Ctx) -> Checked<Self> {
        let session = cx.browser();
        let trail = walk(&session, cx.user(), "/").await?;
        Ok(Self { trail, session })
    }
}

/// A login that Dex has granted, and whose callback has not been called.
pub struct Granted {
    /// The browser.
    pub session: Session,
    /// Where Dex sends it.
    pub callback: Url,
}

/// Redirects on the way to Dex's form: three in both contracts.
const REDIRECTS: usize = 6;

/// Logs the run's user in, up to the callback; the login began at `target`.
pub async fn until_callback(cx: &Ctx, target: &str) -> Checked<Granted> {
    let session = cx.browser();
    let form = form_page(cx, &session, target).await?;
    let answer = submit(cx, &session, &form, &cx.user().email, &cx.user().password).await?;
    let login = &cx.version().auth().login;
    match answer.location() {
        Some(callback) if answer.status.as_u16() == login.granted && callback.path() == login.callback => {
            Ok(Granted { session, callback })
        }
        _ => Err(Stop::errored("precondition", format!("Dex granted no login: {}", answer.summary()))),
    }
}

/// Dex's login form, as it appears to a browser that begins a login at `target`.
pub async fn form_page(cx: &Ctx, session: &Session, target: &str) -> Checked<Answer> {
    let mut answer = session.get(&cx.version().auth().login.entry.at(target)).await?;
    for _ in 0..REDIRECTS {
        let Some(next) = answer.location().filter(|_| answer.redirects()) else { break };
        answer = session.get(next.as_str()).await?;
    }
    Ok(answer)
}

/// Sends Dex's form in.
pub async fn submit(cx: &Ctx, session: &Session, page: &Answer, email: &str, password: &str) -> Checked<Answer> {
    let (login, secret) = cx.version().auth().login.fields;
    let form = forms(page).into_iter().find(|form| form.password_field.as_deref() == Some(secret));
    let Some(form) = form else {
        return Err(Stop::errored("precondition", format!("{} shows no login form: {}", page.at(), page.summary())));
    };
    session.request(Method::POST, form.action.as_str()).form(&[(login, email), (secret, password)]).send().await
}

/// Whether an answer hands out a session.
#[must_use]
pub fn hands_out_session(cx: &Ctx, answer: &Answer) -> bool {
    let session = cx.version().auth().session;
    answer.set_cookies().iter().any(|cookie| session.is(&cookie.name) && !cookie.deletes() && !cookie.value.is_empty())
}

/// The names and values of the cookies that make up a session.
#[must_use]
pub fn session_cookies(cx: &Ctx, session: &Session) -> Vec<(String, String)> {
    let wanted = cx.version().auth().session;
    let names = session.cookie_names().into_iter().filter(|name| wanted.is(name));
    names.filter_map(|name| session.cookie(&name).map(|value| (name, value))).collect()
}
