//! Taking a standalone installation away, in an order that does not hang: webhooks before their Services, objects with
//! finalizers while their controllers run, then the namespaces, then what belongs to no namespace.
//!
//! Only what the preflight of the same moment shows is deleted, each object by its uid, and only after the cluster's name
//! was typed. Data is deleted only if somebody said that it is saved, or that it may be lost.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Client;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::deletion::{delete, gone, let_go};
use self::plan::{Target, Wait, allowed};
use super::MigrateError;
use super::preflight::{Preflight, look};
use super::snapshot::Snapshot;
use super::survey::{Object, Survey};
use crate::versions::Version;

mod deletion;
mod plan;

pub use plan::{Plan, Step};

/// What was said about the data.
#[derive(Debug, Clone)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// What this snapshot lists is saved.
    Saved(Box<Snapshot>),
    /// It may be lost.
    MayBeLost,
}

/// How to clean.
#[derive(Debug, Clone)]
pub struct Options {
    /// What was typed as the cluster's name.
    pub confirm: String,
    /// What was said about the data.
    pub data: Said,
    /// Whether objects of others in the same namespaces may go along.
    pub with_others: bool,
    /// How long controllers may take to let go of their objects before their finalizers are removed.
    pub patience: Duration,
    /// How long a namespace may take to go.
    pub within: Duration,
}

/// How long controllers may take, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How long a namespace may take, unless told otherwise.
pub const WITHIN: Duration = Duration::from_secs(10 * 60);

/// What was done.
#[derive(Debug, Clone, Serialize)]
pub struct Cleaned {
    /// Objects deleted; what went along with a namespace is not counted.
    pub deleted: usize,
    /// Finalizers removed by hand, with what is left undone.
    pub unfinished: Vec<String>,
    /// What stays, with the reason.
    pub keeps: Vec<String>,
}

/// What cleaning a cluster would delete.
///
/// # Errors
/// [`MigrateError::Api`] if the cluster does not tell; [`MigrateError::NotToBeCleaned`].
pub async fn plan(client: &Client, cluster: &str, version: &Version) -> Result<(Plan, Preflight), MigrateError> {
    let survey = Survey::take(client).await?;
    let preflight = look(client, &survey, cluster, version).await?;
    allowed(&preflight)?;
    Ok((Plan::of(&survey, &preflight), preflight))
}

/// Cleans a cluster. `say` is told each step.
///
/// # Errors
/// [`MigrateError`]; what is deleted stays deleted, and another run goes on from there.
pub async fn clean(
    client: &Client,
    (cluster, version): (&str, &Version),
    options: &Options,
    say: &(dyn Fn(&str) + Sync),
    cancel: &CancellationToken,
) -> Result<Cleaned, MigrateError> {
    let cleaned = cancel.run_until_cancelled(run(client, (cluster, version), options, say)).await;
    cleaned.unwrap_or(Err(MigrateError::Interrupted))
}

async fn run(
    client: &Client,
    (cluster, version): (&str, &Version),
    options: &Options,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Cleaned, MigrateError> {
    if options.confirm != cluster {
        return Err(MigrateError::OtherName { typed: options.confirm.clone(), cluster: cluster.to_owned() });
    }
    let (plan, preflight) = plan(client, cluster, version).await?;
    if let (count @ 1.., false) = (preflight.others.len(), options.with_others) {
        let examples = preflight.others.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
        return Err(MigrateError::Others { count, examples });
    }
    saved(client, &preflight, &options.data).await?;
    let mut cleaned = Cleaned { deleted: 0, unfinished: Vec::new(), keeps: plan.keeps.clone() };
    for step in &plan.steps {
        say(&format!("{} ({})", step.title, step.targets.len()));
        for target in &step.targets {
            delete(client, target).await?;
            cleaned.deleted += 1;
        }
        match step.waits {
            Wait::No => {}
            Wait::Controllers => cleaned.unfinished.extend(let_go(client, step, options.patience, say).await?),
            Wait::Namespaces => gone(client, step, options.within, say).await?,
        }
    }
    definitions(client, &preflight, &mut cleaned, say).await?;
    Ok(cleaned)
}

async fn saved(client: &Client, preflight: &Preflight, said: &Said) -> Result<(), MigrateError> {
    match said {
        Said::MayBeLost => Ok(()),
        _ if preflight.data.is_empty() => Ok(()),
        Said::Nothing => {
            let data = &preflight.data;
            let data = format!(
                "there is data: {} volumes, {} rows in {} databases, {} objects in {} buckets, {} things that could not be told",
                data.volumes.len(),
                data.rows(),
                data.databases.len(),
                data.objects(),
                data.buckets.len(),
                data.unknown.len()
            );
            Err(MigrateError::UnsavedData { data })
        }
        Said::Saved(snapshot) => {
            let taken = snapshot.taken.clone();
            if snapshot.cluster != preflight.cluster {
                let difference = format!("it is of cluster {:?}", snapshot.cluster);
                return Err(MigrateError::OldSnapshot { taken, difference });
            }
            let now = Snapshot::take(client, &preflight.cluster).await?;
            match snapshot.change(&now) {
                Some(difference) => Err(MigrateError::OldSnapshot { taken, difference }),
                None => Ok(()),
            }
        }
    }
}

/// Deletes the definitions that nothing is left of.
async fn definitions(
    client: &Client,
    preflight: &Preflight,
    cleaned: &mut Cleaned,
    say: &(dyn Fn(&str) + Sync),
) -> Result<(), MigrateError> {
    cleaned.keeps.retain(|kept| !kept.starts_with("CustomResourceDefinition "));
    let survey = Survey::take(client).await?;
    let uids: BTreeSet<&str> = preflight.remnants.iter().map(|remnant| remnant.uid.as_str()).collect();
    let mut targets = Vec::new();
    for definition in survey.of("CustomResourceDefinition").filter(|definition| uids.contains(definition.uid())) {
        let (group, kind) = (definition.text("/spec/group"), definition.text("/spec/names/kind"));
        let instances = survey.of(kind).filter(|object| object.of.group == group);
        match instances.map(Object::place).collect::<Vec<_>>().as_slice() {
            [] => targets.push(Target::of(definition)),
            [first, ..] => cleaned.keeps.push(format!("{}: has instances, such as {first}", definition.place())),
        }
    }
    if !targets.is_empty() {
        say(&format!("definitions without instances ({})", targets.len()));
    }
    for target in &targets {
        delete(client, target).await?;
        cleaned.deleted += 1;
    }
    Ok(())
}
