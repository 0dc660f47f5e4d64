//! Where the checks work: a Profile of the run's own, owned by the run's user, and one that somebody else owns. Everything
//! that a check lets an application make is in one of them and goes with it.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::fixtures::Fixture;
use harness::{Checked, Ctx, Stop};
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::objects::{self, AUTHORIZATION_POLICY, PROFILE, ROLE_BINDING, SERVICE_ACCOUNT, text};

/// How often is looked.
pub const EVERY: Duration = Duration::from_millis(200);
/// How long the profile controller may take.
const COMPLETE_WITHIN: Duration = Duration::from_secs(60);

/// A Profile of the run's own, owned by the run's user.
pub struct Own(pub String);

impl Fixture for Own {
    const NAME: &'static str = "workspace of the run's user";
    const WITHIN: Duration = Duration::from_secs(90);

    async fn make(cx: Ctx) -> Checked<Self> {
        let owner = cx.user().email.clone();
        profile(&cx, "work", &owner).await.map(Self)
    }
}

/// A Profile of the run's own that somebody else owns.
pub struct Foreign(pub String);

impl Fixture for Foreign {
    const NAME: &'static str = "workspace of somebody else";
    const WITHIN: Duration = Duration::from_secs(90);

    async fn make(cx: Ctx) -> Checked<Self> {
        let owner = format!("{}@conformance.invalid", name(&cx, "foreign"));
        profile(&cx, "foreign", &owner).await.map(Self)
    }
}

/// The namespace in which the run's user works.
pub async fn own(cx: &Ctx) -> Checked<String> {
    Ok(cx.fixture::<Own>().await?.0.clone())
}

/// A namespace of somebody else.
pub async fn foreign(cx: &Ctx) -> Checked<String> {
    Ok(cx.fixture::<Foreign>().await?.0.clone())
}

/// A namespace that the run's user owns already, for what must not write.
pub async fn existing(cx: &Ctx) -> Checked<String> {
    let profiles = objects::all(cx, PROFILE).await?;
    let mine = |profile: &&DynamicObject| {
        text(&profile.data, "/spec/owner/name") == cx.user().email && profile.metadata.deletion_timestamp.is_none()
    };
    let run = harness::own::RUN_LABEL;
    let found = profiles.iter().filter(mine).find(|profile| objects::label(profile, run).is_empty());
    found.map(|profile| objects::name(profile).to_owned()).ok_or_else(|| {
        Stop::errored("precondition", format!("{} owns no Profile", cx.user().email))
            .fix("let the run log in as a user who has a namespace (--user), or make them one")
    })
}

/// A short name of the run's own: names of pods and claims are made from it.
#[must_use]
pub fn name(cx: &Ctx, what: &str) -> String {
    let run: String = cx.environment().run_id.chars().filter(char::is_ascii_alphanumeric).collect();
    let run = &run[run.len().saturating_sub(8)..];
    format!("conf-{}-{what}", run.to_ascii_lowercase())
}

/// Creates an object of this check's own.
pub async fn make(cx: &Ctx, object: Value) -> Checked<DynamicObject> {
    let object = serde_json::from_value(object).map_err(|error| Stop::errored("precondition", error.to_string()))?;
    cx.own(object).await
}

async fn profile(cx: &Ctx, what: &str, owner: &str) -> Checked<String> {
    let name = name(cx, what);
    let profile = json!({
        "apiVersion": "kubeflow.org/v1", "kind": "Profile", "metadata": {"name": name},
        "spec": {"owner": {"kind": "User", "name": owner}},
    });
    make(cx, profile).await?;
    let wait = format!("Profile {name} is complete");
    cx.eventually(&wait, COMPLETE_WITHIN, EVERY, || Box::pin(complete(cx, &name)) as BoxFuture<'_, Checked<Seen<()>>>)
        .await?;
    Ok(name)
}

async fn complete(cx: &Ctx, name: &str) -> Checked<Seen<()>> {
    for (kind, object) in [
        (AUTHORIZATION_POLICY, "ns-owner-access-istio"),
        (SERVICE_ACCOUNT, "default-editor"),
        (ROLE_BINDING, "default-editor"),
        (ROLE_BINDING, "namespaceAdmin"),
    ] {
        if objects::get(cx, kind, name, object).await?.is_none() {
            return Ok(Seen::NotYet(format!("there is no {} {name}/{object}", kind.kind)));
        }
    }
    Ok(Seen::Yes(()))
}
