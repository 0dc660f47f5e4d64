//! What several checks share and one of them makes: lazily, once per run.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use reports::model::Skip;
use tokio::time::timeout;

use crate::context::Ctx;
use crate::stop::{Checked, Stop};

/// Something that is made once per run. What it creates through [`Ctx::own`] is removed after all checks, in reverse.
pub trait Fixture: Sized + Send + Sync + 'static {
    /// What it is, for example `the session of the run's user`.
    const NAME: &'static str;
    /// How long making it may take.
    const WITHIN: Duration;
    /// Makes it. The evidence belongs to the check that asked first.
    fn make(cx: Ctx) -> impl Future<Output = Checked<Self>> + Send;
}

type Made = Checked<Arc<dyn Any + Send + Sync>>;

/// The fixtures of a run.
#[derive(Default)]
pub(crate) struct Fixtures {
    made: Mutex<HashMap<TypeId, Entry>>,
}

#[derive(Clone)]
struct Entry {
    /// The id of the check that asked first.
    maker: &'static str,
    made: Shared<BoxFuture<'static, Made>>,
}

impl Fixtures {
    /// The fixture, made now if nobody has asked for it before.
    pub(crate) async fn get<F: Fixture>(&self, cx: &Ctx) -> Checked<Arc<F>> {
        let entry = self.entry::<F>(cx);
        let own = entry.maker == cx.check().id;
        if !own {
            cx.remark(format!("uses {}, which {} asked for first", F::NAME, entry.maker));
        }
        match entry.made.await {
            Ok(made) => made
                .downcast::<F>()
                .map_err(|_| Stop::errored("precondition", format!("{} is of another type", F::NAME))),
            Err(stop @ Stop::Skipped(_)) => Err(stop),
            Err(stop) if own => {
                let lacking = Stop::errored("precondition", format!("there is no {}: {stop}", F::NAME));
                let next = if let Stop::Errored(problem) = stop { problem.next } else { None };
                Err(match next {
                    Some(next) => lacking.fix(next),
                    None => lacking,
                })
            }
            Err(_) => Err(Stop::Skipped(Skip::BlockedBy { id: entry.maker.to_owned() })),
        }
    }

    fn entry<F: Fixture>(&self, cx: &Ctx) -> Entry {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry(TypeId::of::<F>()).or_insert_with(|| Entry { maker: cx.check().id, made: start::<F>(cx) }).clone()
    }
}

/// Makes it in a task of its own: the check that asked first may end before that, the others still want it.
fn start<F: Fixture>(cx: &Ctx) -> Shared<BoxFuture<'static, Made>> {
    let cx = cx.for_the_run();
    let task = tokio::spawn(async move {
        match timeout(F::WITHIN, F::make(cx)).await {
            Ok(made) => made.map(|made| Arc::new(made) as Arc<dyn Any + Send + Sync>),
            Err(_) => Err(Stop::errored("timeout", format!("{} was not ready within {:?}", F::NAME, F::WITHIN))),
        }
    });
    let made = async move { task.await.unwrap_or_else(|error| Err(Stop::errored("panic", error.to_string()))) };
    made.boxed().shared()
}
