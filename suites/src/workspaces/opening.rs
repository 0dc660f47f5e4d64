//! The way to a user's program behind the gateway: its controller makes a route, and the gateway learns it.

use std::time::Duration;

use futures::future::BoxFuture;
use harness::context::Seen;
use harness::http::{Answer, Session};
use harness::{Checked, Ctx, Stop};

use super::place::EVERY;
use super::programs;
use crate::gateway::diagnose::blame;
use crate::recognise::who;

/// How long the gateway may take to learn a route or a policy.
pub const KNOWN_WITHIN: Duration = Duration::from_secs(60);

/// How long it may take until a program answers behind the gateway. Images of notebooks have no readiness probe: a pod is
/// ready before its server listens, which takes long where the node's disk is slow.
pub const SERVED_WITHIN: Duration = Duration::from_secs(180);

/// Where a program is reached, and by what it is known.
pub struct Opening<'a> {
    /// What is waited for.
    pub wait: String,
    /// The path at the gateway.
    pub path: String,
    /// Whether redirects are followed, as a browser does.
    pub follows: bool,
    /// Whether an answer is the program's own. The dashboard's page, which answers for every path that nobody owns, is
    /// not.
    pub is_own: fn(&Answer) -> bool,
    /// The namespace of the program and of its VirtualService.
    pub namespace: &'a str,
    /// The name of its VirtualService.
    pub route: String,
    /// The Deployment that makes the VirtualService.
    pub controller: &'a str,
}

impl Opening<'_> {
    /// Waits until the program's owner is answered by the program itself.
    pub async fn opens(&self, cx: &Ctx) -> Checked<Session> {
        let session = cx.user_session().await?.copy();
        let seen = cx
            .eventually(&self.wait, SERVED_WITHIN, EVERY, || {
                Box::pin(async {
                    let answer = match self.follows {
                        true => session.follow(&self.path).await?,
                        false => session.get(&self.path).await?,
                    };
                    if (self.is_own)(&answer) {
                        return Ok(Seen::Yes(()));
                    }
                    // A route that hangs on another gateway stays there.
                    match programs::misplaced_route(cx, self.namespace, &self.route, self.controller).await? {
                        Some(cause) => {
                            let stop = Stop::failed(self.wait.as_str(), format!("answered: {}", who(&answer)));
                            Err(stop.at(answer.at()).because(cause.what).fix(cause.fix))
                        }
                        None => Ok(Seen::NotYet(format!("{} ({})", who(&answer), answer.summary()))),
                    }
                }) as BoxFuture<'_, Checked<Seen<()>>>
            })
            .await;
        match seen {
            Ok(()) => Ok(session),
            Err(Stop::Failed(failure)) if failure.cause.is_none() => {
                let cause = programs::route(cx, self.namespace, &self.route, self.controller).await;
                Err(blame(Stop::Failed(failure), cause))
            }
            Err(stop) => Err(stop),
        }
    }
}
