//! What runs that were killed left in Kubeflow Pipelines, removed by the next run that makes something there.
//!
//! The API server keeps no labels, so names tell whose something is and descriptions tell how long it is wanted: as the
//! janitor does it for objects of Kubernetes (`harness::own`), what a run that is known to be dead has left goes at
//! once, anything else when it has expired.

use std::time::Duration;

use harness::fixtures::Fixture;
use harness::own::{NEVER, expiry};
use harness::{Checked, Ctx, Stop};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout;

use super::api::{API, get};
use super::own::{home, remove};
use crate::objects::{items, text};
use crate::tenants;

/// What stands before the expiry in a description.
const MARK: &str = "made by kubeflow-conformance, expires ";
/// How long the clean-up may take: it is a courtesy, it holds no check up for long.
const BUDGET: Duration = Duration::from_secs(20);
/// No list that is worth reading has more pages.
const PAGES: usize = 10;

/// What is listed: its plural, the field of its id, and whether it lives in a namespace. What others belong to comes last.
const KINDS: &[(&str, &str, bool)] = &[
    ("runs", "run_id", true),
    ("recurringruns", "recurring_run_id", true),
    ("pipelines", "pipeline_id", true),
    ("pipelines", "pipeline_id", false),
    ("experiments", "experiment_id", true),
];

/// The description of what a check makes: until when it is wanted.
#[must_use]
pub fn description(cx: &Ctx) -> String {
    format!("{MARK}{}", expiry(cx.environment()))
}

/// The clean-up, once a run.
pub struct Cleared;

impl Fixture for Cleared {
    const NAME: &'static str = "clean-up behind killed runs in Kubeflow Pipelines";
    const WITHIN: Duration = Duration::from_secs(30);

    async fn make(cx: Ctx) -> Checked<Self> {
        if !cx.environment().housekeeping {
            return Ok(Self);
        }
        let cleared = timeout(BUDGET, clear(&cx)).await;
        let cleared = cleared.unwrap_or_else(|_| Err(Stop::errored("timeout", format!("not done within {BUDGET:?}"))));
        if let Err(stop) = cleared {
            cx.note("janitor", format!("could not look for what earlier runs left in Kubeflow Pipelines: {stop}"));
        }
        Ok(Self)
    }
}

async fn clear(cx: &Ctx) -> Checked {
    let namespace = home(cx).await?;
    let lists = KINDS.iter().map(|kind| listed(cx, kind, &namespace));
    let found = futures::future::try_join_all(lists).await?;
    let session = cx.user_session().await?;
    for (kind, id, name) in found.into_iter().flatten() {
        remove(session.copy(), format!("{API}/{kind}/{id}")).await?;
        cx.note(
            "janitor",
            format!("removed {name} of {kind} in Kubeflow Pipelines, which a killed run had left behind"),
        );
    }
    Ok(())
}

/// What runs that are over have left of a kind: kind, id and name.
async fn listed(
    cx: &Ctx,
    (kind, id, namespaced): &(&'static str, &'static str, bool),
    namespace: &str,
) -> Checked<Vec<(&'static str, String, String)>> {
    let scope = if *namespaced { format!("&namespace={namespace}") } else { String::new() };
    let (mut found, mut token) = (Vec::new(), String::new());
    for _ in 0..PAGES {
        let query: String = url::form_urlencoded::byte_serialize(token.as_bytes()).collect();
        let page = get(cx, &format!("/{kind}?page_size=200{scope}&page_token={query}")).await?;
        let over = items(&page, &format!("/{kind}").replace("recurringruns", "recurringRuns"));
        let over = over.iter().filter(|one| is_over(cx, one, Timestamp::now()));
        found.extend(over.map(|one| {
            let text = |field: &str| text(one, &format!("/{field}")).to_owned();
            (*kind, text(id), text("display_name"))
        }));
        token = text(&page, "/next_page_token").to_owned();
        if token.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Whether something was made by a run that is over.
fn is_over(cx: &Ctx, one: &Value, now: Timestamp) -> bool {
    let Some(run) = tenants::made_by_another(cx, text(one, "/display_name")) else { return false };
    let expires = text(one, "/description").strip_prefix(MARK);
    let expired = expires.and_then(|expires| expires.parse::<Timestamp>().ok()).is_some_and(|expires| expires < now);
    let killed = cx.environment().killed.iter().any(|id| harness::own::ending(id) == run);
    expired || killed && expires != Some(NEVER)
}
