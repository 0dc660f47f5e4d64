//! Namespaces of a run end after what made them: the one of a Profile when the Profile is gone, any when its content is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use tokio::time::{Instant, sleep};

use super::sweep::Leftover;

/// How long is waited between two looks, at first and at most.
const EVERY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// Waits until none of the namespaces is left, at most for `budget`; yields those that stay, and why they do.
/// `namespaces` maps each name to the check that made it.
///
/// # Errors
/// The API does not tell which namespaces there are.
pub(crate) async fn gone(
    client: &kube::Client,
    namespaces: &BTreeMap<String, &'static str>,
    budget: Duration,
) -> Result<Vec<Leftover>, kube::Error> {
    let api: Api<Namespace> = Api::all(client.clone());
    let deadline = Instant::now() + budget;
    let mut pause = EVERY.0;
    loop {
        let listed = api.list_metadata(&ListParams::default()).await?;
        let left: BTreeSet<String> = listed.items.into_iter().filter_map(|found| found.metadata.name).collect();
        let left: Vec<&String> = left.iter().filter(|name| namespaces.contains_key(*name)).collect();
        if left.is_empty() {
            return Ok(Vec::new());
        }
        if Instant::now() >= deadline {
            let mut leftovers = Vec::new();
            for name in left {
                leftovers.push(leftover(&api, name, namespaces[name], budget).await?);
            }
            return Ok(leftovers);
        }
        sleep(pause.min(deadline - Instant::now())).await;
        pause = (pause * 2).min(EVERY.1);
    }
}

/// A namespace that stays, with what Kubernetes says of it.
async fn leftover(api: &Api<Namespace>, name: &str, check: &str, budget: Duration) -> Result<Leftover, kube::Error> {
    let status = api.get_opt(name).await?.and_then(|found| found.status).unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let holding = conditions.into_iter().filter(|one| one.status == "True").filter_map(|one| one.message);
    let mut why = vec![format!("not gone within {budget:?}, phase {}", status.phase.unwrap_or_default())];
    why.extend(holding);
    Ok(Leftover {
        check: check.to_owned(),
        text: format!("Namespace {name}: {}", why.join("; ")),
        command: format!("kubectl describe namespace {name}"),
    })
}
