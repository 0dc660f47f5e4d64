//! What a check is given: the target, sessions, the Kubernetes API, own objects, waits, and a place for findings.

use std::time::Duration;

use clusters::Target;
use clusters::versions::{Contract, Version};
use futures::future::BoxFuture;
use kube::api::DynamicObject;
use reports::model::Severity;

use crate::http::Session;
use crate::stop::{Checked, Stop};

/// The context of one check of one run.
pub struct Ctx {
    target: Target,
    version: &'static Version,
}

/// Who logs in.
#[derive(Clone)]
pub struct User {
    /// The e-mail address that Dex knows.
    pub email: String,
    /// The password.
    pub password: String,
}

impl Ctx {
    /// The target.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The release whose expectations apply.
    #[must_use]
    pub fn version(&self) -> &'static Version {
        self.version
    }

    /// Its contract.
    #[must_use]
    pub fn contract(&self) -> Contract {
        self.version.contract
    }

    /// The user that the run logs in as.
    #[must_use]
    pub fn user(&self) -> &User {
        unimplemented!()
    }

    /// The Kubernetes API: no silent retries, the User-Agent carries the check's id, every call is evidence.
    #[must_use]
    pub fn kube(&self) -> kube::Client {
        unimplemented!()
    }

    /// A new session without cookies.
    #[must_use]
    pub fn browser(&self) -> Session {
        unimplemented!()
    }

    /// A session of the run's user, logged in once per run by whichever check asks first and shared by all: do not log
    /// it out, do not change its cookies ([`Session::copy`] it first).
    pub async fn user_session(&self) -> Checked<Session> {
        unimplemented!()
    }

    /// A login of its own, hop by hop through the login form, for a check that ends or bends the session.
    pub async fn login(&self, user: &User) -> Checked<Session> {
        let _ = user;
        unimplemented!()
    }

    /// Creates an object that belongs to this check: labelled with run, check and expiry, removed after the check
    /// however that ends. The namespace is the object's own.
    pub async fn own(&self, object: DynamicObject) -> Checked<DynamicObject> {
        let _ = object;
        unimplemented!()
    }

    /// Looks again `every` so often until it comes true (`Ok(Some)`), at most `within`. The wait has a name, and its
    /// attempts are evidence. What was seen last (`Ok(None)` leaves the last remark) is in the failure.
    pub async fn eventually<'a, T>(
        &'a self,
        name: &str,
        within: Duration,
        every: Duration,
        look: impl FnMut() -> BoxFuture<'a, Checked<Seen<T>>>,
    ) -> Checked<T> {
        let _ = (name, within, every, look);
        Err(Stop::errored("timeout", "not written yet"))
    }

    /// Records a weakness that does not make the check fail.
    pub fn finding(&self, severity: Severity, title: impl Into<String>, detail: impl Into<String>) {
        let _ = (severity, title.into(), detail.into());
    }

    /// Records a remark as evidence.
    pub fn remark(&self, text: impl Into<String>) {
        let _ = text.into();
    }

    /// Notes something for the whole run, for example a route that no probe covers.
    pub fn note(&self, topic: &str, text: impl Into<String>) {
        let _ = (topic, text.into());
    }

    /// Marks a text as secret: it is redacted wherever it would be written from now on.
    pub fn secret(&self, text: &str) {
        let _ = text;
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
