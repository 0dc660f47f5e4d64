//! The login of a person: a browser that visits a page, presses the button that leads to the login, fills the form in
//! and is sent back; every hop kept, so that a check can judge each.
//!
//! The same walk covers both contracts, because it does what the pages say. Contract A redirects the first visit to Dex;
//! contract B answers with a page whose only form leads to `/oauth2/start` (kubeflow/manifests v1.8.1
//! `common/oidc-client/oidc-authservice`, v1.9.1 and v1.10.2 `common/oauth2-proxy/base/oauth2_proxy.cfg`:
//! `skip_provider_button = false`).

use std::time::Duration;

use ::http::Method;

use crate::context::{Ctx, User};
use crate::fixtures::Fixture;
use crate::http::{Answer, Form, Session, forms, shortened};
use crate::stop::{Checked, Stop};

/// How many hops a login may take: contract B's takes nine, and an identity provider in between adds a few.
const HOPS: usize = 20;

/// What the browser did at a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Opened the page.
    Visit,
    /// Pressed the button of a page without a password field (contract B's sign-in page).
    SignIn,
    /// Followed a redirect on the way to the login form. The first of them is the answer of Dex's `/dex/auth`.
    Towards,
    /// Received the login form. The last redirect before leads here.
    Form,
    /// Sent the form in.
    Submit,
    /// Followed the redirect that came for it: the login's callback.
    Callback,
    /// Followed a redirect of the callback.
    Return,
}

/// One request of a login and its answer.
#[derive(Debug, Clone)]
pub struct Hop {
    /// What the browser did.
    pub step: Step,
    /// What it got.
    pub answer: Answer,
}

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The callback sent the browser on, and it got a page that asks for no login.
    In,
    /// No login was asked for: the page came at once.
    NotAsked,
    /// The login form came back, with what it says, if anything.
    Refused(Option<String>),
    /// A page that is neither a redirect nor holds a form to go on with.
    Stuck,
    /// After the login, the page asked for a login again.
    AskedAgain,
    /// More hops than a login may take.
    Endless,
    /// A redirect or form that leads away from the gateway.
    Away(String),
}

/// A login, hop by hop.
#[derive(Debug, Clone)]
pub struct Trail {
    /// The hops, in order; at least one.
    pub hops: Vec<Hop>,
    /// How it ended.
    pub end: End,
    /// The e-mail address that tried.
    email: String,
}

impl Trail {
    /// The first answer of a step.
    #[must_use]
    pub fn at(&self, step: Step) -> Option<&Answer> {
        self.hops.iter().find(|hop| hop.step == step).map(|hop| &hop.answer)
    }

    /// The last answer.
    #[must_use]
    pub fn last(&self) -> Option<&Answer> {
        self.hops.last().map(|hop| &hop.answer)
    }

    /// Whether the login led to the page that it was to end at, whatever that answered.
    #[must_use]
    pub fn came_back(&self) -> bool {
        self.hops.last().is_some_and(|last| last.step == Step::Return)
    }

    /// Every hop on one line, for the evidence: `GET / 302, GET /dex/auth 302, …`.
    #[must_use]
    pub fn outline(&self) -> String {
        let hop = |hop: &Hop| {
            let answer = &hop.answer;
            format!("{} {} {}", answer.method, answer.url.path(), answer.status.as_u16())
        };
        self.hops.iter().map(hop).collect::<Vec<_>>().join(", ")
    }

    /// Whether the login succeeded; if not, the failure says at which hop and what came instead.
    pub fn succeeded(&self) -> Checked<()> {
        let Some(hop) = self.hops.last() else {
            return Err(Stop::errored("precondition", "the login made no request"));
        };
        let who = &self.email;
        let number = self.hops.len();
        let (expected, actual) = match &self.end {
            End::In => return Ok(()),
            End::NotAsked => (
                "a page that asks an unknown visitor to log in".to_owned(),
                format!("{}, without any login", hop.answer.summary()),
            ),
            End::Refused(message) => {
                let said = message.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                (format!("the login form accepts {who}"), format!("{}{said}", hop.answer.summary()))
            }
            End::Stuck => (
                format!("{} (hop {number} of the login)", wanted(hop.step)),
                format!("{} without a form to go on with", hop.answer.summary()),
            ),
            End::AskedAgain => (
                format!("{who} is let in after the login"),
                format!("{}: the login is asked for again", hop.answer.summary()),
            ),
            End::Endless => (
                format!("a login of at most {HOPS} hops"),
                format!("a login without an end: {}", shortened(&self.outline(), 600)),
            ),
            End::Away(target) => (
                "a login that stays on the gateway's address".to_owned(),
                format!("{} leads to {target}", hop.answer.summary()),
            ),
        };
        let stop = Stop::failed(expected, actual).at(hop.answer.at());
        Err(match &self.end {
            End::Refused(_) => stop.fix(format!(
                "check the password of {who} (--user, --password-file, CONFORMANCE_PASSWORD) and Dex's static passwords"
            )),
            End::Away(_) => stop.fix("if that is the platform's public address, judge it by that: --gateway-url"),
            _ => stop,
        })
    }
}

fn wanted(step: Step) -> &'static str {
    match step {
        Step::Visit => "a redirect to the login, or a page with a button that leads there",
        Step::SignIn | Step::Towards => "a redirect on the way to the login form, or the form",
        Step::Form => "a login form",
        Step::Submit => "a redirect to the login's callback",
        Step::Callback | Step::Return => "a redirect back to the page that was asked for, or the page",
    }
}

/// The session of the run's user, shared by all checks of a run.
pub(crate) struct UserSession(pub(crate) Session);

impl Fixture for UserSession {
    const NAME: &'static str = "session of the run's user";
    /// A login takes half a second; a cluster whose Dex has just started takes a few.
    const WITHIN: Duration = Duration::from_secs(25);

    async fn make(cx: Ctx) -> Checked<Self> {
        let session = cx.browser();
        // Not at the root: whether that has a route is for a check of its own to say, and Envoy asks nobody for a login
        // where there is none.
        let entry = cx.version().auth().login.entry.at("/jupyter/");
        let trail = walk(&session, cx.user(), &entry).await?;
        // Whether the page behind the login answers is for its own checks to say.
        if !trail.came_back() {
            trail.succeeded()?;
        }
        Ok(Self(session))
    }
}

/// Logs a user in by visiting `path`, and demands that it succeeds.
pub async fn login(session: &Session, user: &User, path: &str) -> Checked<Trail> {
    let trail = walk(session, user, path).await?;
    trail.succeeded()?;
    Ok(trail)
}

/// Walks through a login that starts with a visit of `path`, however it ends. The session must hold no cookies and
/// must not be used by anybody else meanwhile: contract A's state cookie is replaced by every anonymous request.
pub async fn walk(session: &Session, user: &User, path: &str) -> Checked<Trail> {
    let mut hops: Vec<Hop> = Vec::new();
    let mut step = Step::Visit;
    let mut answer = session.get(path).await?;
    let mut signed_in = false;
    let end = loop {
        let page = Page::of(&answer);
        if step == Step::Towards && matches!(page, Page::Login(_)) {
            step = Step::Form;
        }
        hops.push(Hop { step, answer: answer.clone() });
        let submitted = matches!(step, Step::Submit | Step::Callback | Step::Return);
        if hops.len() >= HOPS {
            break End::Endless;
        }
        let form = match page {
            Page::Redirect => {
                let Ok(next) = session.next_hop(&answer) else {
                    break End::Away(shortened(answer.header("location"), 200));
                };
                step = match step {
                    Step::Visit | Step::SignIn | Step::Towards | Step::Form => Step::Towards,
                    Step::Submit => Step::Callback,
                    Step::Callback | Step::Return => Step::Return,
                };
                answer = session.get(next.as_str()).await?;
                continue;
            }
            Page::Login(_) if step == Step::Submit => break End::Refused(complaint(&answer)),
            Page::Login(_) | Page::Button(_) if submitted => break End::AskedAgain,
            Page::Login(form) => {
                step = Step::Submit;
                filled(form, user)
            }
            Page::Button(form) if !signed_in => {
                signed_in = true;
                step = Step::SignIn;
                form
            }
            Page::Button(_) => break End::AskedAgain,
            Page::Other if matches!(step, Step::Callback | Step::Return) && answer.status.as_u16() < 400 => {
                break End::In;
            }
            Page::Other if step == Step::Visit && answer.status.is_success() => break End::NotAsked,
            Page::Other => break End::Stuck,
        };
        if form.action.origin() != session.base().origin() {
            break End::Away(shortened(form.action.as_str(), 200));
        }
        answer = submit(session, form).await?;
    };
    Ok(Trail { hops, end, email: user.email.clone() })
}

/// What a page offers the browser.
enum Page {
    Redirect,
    Login(Form),
    Button(Form),
    Other,
}

impl Page {
    fn of(answer: &Answer) -> Self {
        if answer.redirects() {
            return Self::Redirect;
        }
        let mut forms = forms(answer);
        if let Some(login) = forms.iter().position(|form| form.password_field.is_some()) {
            return Self::Login(forms.swap_remove(login));
        }
        // A page that is served to the visitor may hold forms of its own; one that refuses him offers the way in.
        if matches!(answer.status.as_u16(), 401 | 403) && !forms.is_empty() {
            return Self::Button(forms.swap_remove(0));
        }
        Self::Other
    }
}

/// Fills in the login form: the password field, and the text field before it.
fn filled(mut form: Form, user: &User) -> Form {
    let password = form.password_field.clone().unwrap_or_default();
    let before = form.fields.iter().position(|(name, _)| *name == password).unwrap_or(form.fields.len());
    let login = form.fields[..before].last().map_or_else(|| "login".to_owned(), |(name, _)| name.clone());
    form.fill(&login, &user.email);
    form.fill(&password, &user.password);
    form
}

/// Sends a form in.
async fn submit(session: &Session, form: Form) -> Checked<Answer> {
    let fields: Vec<(&str, &str)> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if form.method == "POST" {
        return session.request(Method::POST, form.action.as_str()).form(&fields).send().await;
    }
    // A GET form replaces the query of its action (HTML, "mutate action URL").
    let mut action = form.action.clone();
    action.set_query(None);
    if !fields.is_empty() {
        action.query_pairs_mut().extend_pairs(&fields);
    }
    session.get(action.as_str()).await
}

/// What a login page says is wrong: Dex puts it into the element `login-error` (dexidp/dex `web/templates/password.html`).
fn complaint(answer: &Answer) -> Option<String> {
    let page = scraper::Html::parse_document(&answer.body);
    let selector = scraper::Selector::parse("#login-error, .dex-error-box, [role=alert]").ok()?;
    let text: String = page.select(&selector).next()?.text().collect();
    Some(shortened(&text, 120))
}
