//! The sweep at the end of a run: whatever carries its label is removed, and what stays is reported.

use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use kube::api::ListParams;
use tokio::time::{Instant, timeout_at};

use super::{CHECK_LABEL, Kind, Owned, RUN_LABEL, undo};

/// How many objects are removed at once.
const AT_ONCE: usize = 8;

/// An object that could not be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leftover {
    /// The check that created it.
    pub check: String,
    /// Kind, namespace and name, and why it is still there.
    pub text: String,
    /// A command that removes it.
    pub command: String,
}

/// What a sweep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// What was removed.
    pub removed: Vec<String>,
    /// What could not be.
    pub left: Vec<Leftover>,
    /// The kinds that could not be looked for, and why.
    pub unseen: Vec<String>,
}

/// Removes everything of these kinds that carries the run's label, within `budget` in all.
pub(crate) async fn sweep(client: &kube::Client, run_id: &str, kinds: &[&'static Kind], budget: Duration) -> Swept {
    let deadline = Instant::now() + budget;
    let mut swept = Swept::default();
    let mut found = Vec::new();
    for kind in kinds {
        match timeout_at(deadline, list(client, kind, &format!("{RUN_LABEL}={run_id}"))).await {
            Ok(Ok(objects)) => found.extend(objects),
            Ok(Err(error)) => swept.unseen.push(format!("{}: {error}", kind.plural)),
            Err(_) => swept.unseen.push(format!("{}: no answer within {budget:?}", kind.plural)),
        }
    }
    let mut removals = stream::iter(found)
        .map(|(owned, check)| async move {
            let end = timeout_at(deadline, undo::remove(client, &owned, run_id)).await;
            (owned, check, end)
        })
        .buffer_unordered(AT_ONCE);
    while let Some((owned, check, end)) = removals.next().await {
        let why = match end {
            Ok(Ok(_)) => {
                swept.removed.push(owned.to_string());
                continue;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not gone within {budget:?}"),
        };
        swept.left.push(Leftover { check, text: format!("{owned}: {why}"), command: command(&owned) });
    }
    swept
}

/// The objects of a kind that match a label selector, each with the id of its check.
pub(super) async fn list(
    client: &kube::Client,
    kind: &'static Kind,
    selector: &str,
) -> Result<Vec<(Owned, String)>, kube::Error> {
    let objects = kind.api(client.clone(), None).list(&ListParams::default().labels(selector)).await?;
    Ok(objects
        .items
        .into_iter()
        .map(|object| {
            let check = object.metadata.labels.iter().flatten().find(|(key, _)| *key == CHECK_LABEL);
            (Owned::of(kind, &object), check.map(|(_, id)| id.clone()).unwrap_or_default())
        })
        .collect())
}

fn command(owned: &Owned) -> String {
    let namespace = owned.namespace.as_ref().map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    format!("kubectl delete{namespace} {} {}", owned.kind.in_command(), owned.name)
}
