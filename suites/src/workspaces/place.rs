//! Where the checks work: a Profile of the run's own, owned by the run's user, and one that somebody else owns. Everything
//! that a check lets an application make is in one of them and goes with it.

use std::time::Duration;

use harness::fixtures::Fixture;
use harness::{Checked, Ctx, Stop};

use crate::objects;
use crate::tenants;

/// How often is looked.
pub const EVERY: Duration = Duration::from_millis(200);

/// A Profile of the run's own, owned by the run's user.
pub struct Own(pub String);

impl Fixture for Own {
    const NAME: &'static str = "workspace of the run's user";
    const WITHIN: Duration = Duration::from_secs(90);

    async fn make(cx: Ctx) -> Checked<Self> {
        let owner = cx.user().email.clone();
        tenants::tenant(&cx, "work", &owner).await.map(Self)
    }
}

/// A Profile of the run's own that somebody else owns.
pub struct Foreign(pub String);

impl Fixture for Foreign {
    const NAME: &'static str = "workspace of somebody else";
    const WITHIN: Duration = Duration::from_secs(90);

    async fn make(cx: Ctx) -> Checked<Self> {
        let owner = tenants::somebody(&cx, "foreign");
        tenants::tenant(&cx, "foreign", &owner).await.map(Self)
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
    let mine = tenants::owned_by_user(cx).await?;
    let found = mine.iter().find(|profile| tenants::stays(profile));
    found.map(|profile| objects::name(profile).to_owned()).ok_or_else(|| {
        Stop::errored("precondition", format!("{} owns no Profile", cx.user().email))
            .fix("let the run log in as a user who has a namespace (--user), or make them one")
    })
}
