//! What a check is given: the target, sessions, the Kubernetes API, own objects, waits, and a place for findings.

use std::sync::Arc;
use std::time::Duration;

use clusters::Target;
use clusters::versions::parts::Part;
use clusters::versions::{Contract, Version};
use futures::future::BoxFuture;
use kube::api::{Api, DynamicObject};
use reports::matrix::Matrix;
use reports::model::{EventKind, Note, Severity, Shard, Skip};
use tokio::time::Instant;

use crate::check::Check;
use crate::engine::Environment;
use crate::engine::shared::Shared;
use crate::evidence::{Recorder, millis};
use crate::fixtures::Fixture;
use crate::http::Session;
use crate::login::{self, UserSession};
use crate::own::{self, Undo};
use crate::stop::{Checked, Stop};
use crate::wait::{self, Goal};

/// The context of one check of one run. Clones are the same context.
#[derive(Clone)]
pub struct Ctx {
    shared: Arc<Shared>,
    check: &'static Check,
    recorder: Recorder,
    undo: Undo,
    client: kube::Client,
}

/// Who logs in.
#[derive(Clone)]
pub struct User {
    /// The e-mail address that Dex knows.
    pub email: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("email", &self.email).finish_non_exhaustive()
    }
}

impl Ctx {
    /// The context of a check, whose `client` speaks for it.
    pub(crate) fn new(shared: Arc<Shared>, check: &'static Check, recorder: Recorder, client: kube::Client) -> Self {
        Self { shared, check, recorder, undo: Undo::default(), client }
    }

    /// The same check, but what it creates from now on belongs to the run: for fixtures.
    pub(crate) fn for_the_run(&self) -> Self {
        Self { undo: self.shared.undo.clone(), ..self.clone() }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn undo(&self) -> &Undo {
        &self.undo
    }

    /// The environment of the run.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.shared.environment
    }

    /// The check that runs.
    #[must_use]
    pub fn check(&self) -> &'static Check {
        self.check
    }

    /// Where its evidence goes.
    #[must_use]
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.environment().target
    }

    /// The release whose expectations apply.
    #[must_use]
    pub fn version(&self) -> &'static Version {
        self.environment().version
    }

    /// Its contract.
    #[must_use]
    pub fn contract(&self) -> Contract {
        self.version().contract
    }

    /// The user that the run logs in as.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.environment().user
    }

    /// Whether the site is said to leave a part out (`--without`). A check that then does not find it ends with
    /// [`Stop::LeftOut`]; one that finds it judges it all the same.
    #[must_use]
    pub fn leaves_out(&self, part: &'static Part) -> bool {
        self.environment().without.contains(&part)
    }

    /// The shard that this run is, unless it is whole.
    #[must_use]
    pub fn shard(&self) -> Option<&Shard> {
        self.environment().shard.as_ref()
    }

    /// The Kubernetes API: no silent retries, the User-Agent carries the check's id, every call is evidence.
    #[must_use]
    pub fn kube(&self) -> kube::Client {
        self.client.clone()
    }

    /// The Kubernetes API as whoever holds a token sees it. The token is kept out of all reports.
    pub fn kube_with_token(&self, token: &str) -> Checked<kube::Client> {
        self.secret(token);
        let theirs = self.shared.kubernetes.with_token(token)?;
        Ok(theirs.client(&self.user_agent(), self.recorder.clone()))
    }

    /// Access to the objects of a kind, in a namespace or (if that is empty) everywhere; discovery is asked once per
    /// run. [`Stop::Skipped`] if the platform does not serve the kind.
    pub async fn objects(&self, api_version: &str, kind: &str, namespace: &str) -> Checked<Api<DynamicObject>> {
        let served = self.shared.kubernetes.find(api_version, kind).await?;
        let served = served.ok_or_else(|| Stop::absent(format!("kind {kind} of {api_version}")))?;
        Ok(served.api(&self.client, namespace))
    }

    /// A new session without cookies.
    #[must_use]
    pub fn browser(&self) -> Session {
        Session::new(Arc::clone(&self.shared.gateway), self.recorder.clone(), self.user_agent())
    }

    /// A session of the run's user, logged in once per run by whichever check asks first and shared by all: do not log
    /// it out, do not change its cookies ([`Session::copy`] it first).
    pub async fn user_session(&self) -> Checked<Session> {
        let logged_in = self.fixture::<UserSession>().await?;
        Ok(logged_in.0.on_behalf_of(self.recorder.clone(), self.user_agent()))
    }

    /// A login of its own, hop by hop through the login form, for a check that ends or bends the session.
    pub async fn login(&self, user: &User) -> Checked<Session> {
        let session = self.browser();
        login::login(&session, user, "/").await?;
        Ok(session)
    }

    fn user_agent(&self) -> String {
        crate::user_agent(&self.environment().run_id, self.check.id)
    }

    /// What is made once per run by whichever check asks first and shared by all. If that does not succeed, the check
    /// that asked first errors, and every other one is blocked by it: one root cause.
    pub async fn fixture<F: Fixture>(&self) -> Checked<Arc<F>> {
        self.shared.fixtures.get(self).await
    }

    /// Creates an object that belongs to this check: labelled with run, check and expiry, removed after the check
    /// however that ends. The namespace is the object's own; the kind must be one of [`own::KINDS`].
    pub async fn own(&self, object: DynamicObject) -> Checked<DynamicObject> {
        own::create(self, object).await
    }

    /// Makes an object of Kubernetes that an application has just made for this check the check's own, as if it had come
    /// from [`Ctx::own`]. Never an object that was there before.
    pub async fn adopt(&self, object: DynamicObject) -> Checked {
        own::adopt(self, object).await
    }

    /// Remembers how to remove what an application keeps for this check; it is removed after the check however that ends,
    /// in turn with the check's own objects. Say it as soon as its name or id is known; the check may have removed it
    /// itself, so the removal of what is not there must succeed.
    pub fn afterwards(&self, what: impl Into<String>, removal: BoxFuture<'static, Checked>) -> Checked {
        if self.environment().read_only {
            return Err(Stop::Skipped(Skip::ReadOnly));
        }
        self.undo.kept(what.into(), removal)
    }

    /// Looks again `every` so often until it comes true, at most `within`. The wait has a name, and its attempts are
    /// evidence. What was seen last is in the failure.
    ///
    /// A look that could not tell ([`Stop::Errored`]) is repeated; a wait that ends with one could not tell, either.
    pub async fn eventually<'a, T>(
        &'a self,
        name: &str,
        within: Duration,
        every: Duration,
        look: impl FnMut() -> BoxFuture<'a, Checked<Seen<T>>>,
    ) -> Checked<T> {
        self.wait_for(name, Goal { within, every, in_a_row: 1 }, look).await
    }

    /// As [`Ctx::eventually`], but it must come true `in_a_row` times: what is rolled out over several proxies may be
    /// true at one of them first.
    pub async fn eventually_steady<'a, T>(
        &'a self,
        name: &str,
        in_a_row: u32,
        within: Duration,
        every: Duration,
        look: impl FnMut() -> BoxFuture<'a, Checked<Seen<T>>>,
    ) -> Checked<T> {
        self.wait_for(name, Goal { within, every, in_a_row }, look).await
    }

    async fn wait_for<'a, T>(
        &'a self,
        name: &str,
        goal: Goal,
        look: impl FnMut() -> BoxFuture<'a, Checked<Seen<T>>>,
    ) -> Checked<T> {
        let start = Instant::now();
        let waited = wait::until(goal, look).await;
        self.recorder.record(EventKind::Wait {
            name: name.to_owned(),
            attempts: waited.attempts,
            duration_ms: millis(start.elapsed()),
            reached: matches!(waited.end, wait::End::Reached(_)),
            last: waited.last.clone(),
        });
        waited.into_checked(name, goal)
    }

    /// Records a weakness that does not make the check fail.
    pub fn finding(&self, severity: Severity, title: impl Into<String>, detail: impl Into<String>) {
        self.recorder.finding(severity, &title.into(), &detail.into());
    }

    /// Records who reaches what, for the picture in the report.
    pub fn matrix(&self, matrix: Matrix) {
        self.recorder.matrix(matrix);
    }

    /// Records a remark as evidence.
    pub fn remark(&self, text: impl Into<String>) {
        self.recorder.remark(text);
    }

    /// Notes something for the whole run, for example a route that no probe covers.
    pub fn note(&self, topic: &str, text: impl Into<String>) {
        self.shared.note(Note { topic: topic.to_owned(), text: text.into() });
    }

    /// Marks a text as secret: it is redacted wherever it would be written from now on.
    pub fn secret(&self, text: &str) {
        self.recorder.secret(text);
    }
}

/// What one look of [`Ctx::eventually`] saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen<T> {
    /// It has come true.
    Yes(T),
    /// Not yet; this is what there is instead.
    NotYet(String),
}

impl<T> From<Option<T>> for Seen<T> {
    fn from(seen: Option<T>) -> Self {
        seen.map_or_else(|| Self::NotYet(String::from("nothing")), Self::Yes)
    }
}
