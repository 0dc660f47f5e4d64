//! Taking a standalone installation away, in an order that does not hang: webhooks before their Services, objects with
//! finalizers while their controllers run, then the namespaces, then what belongs to no namespace.
//!
//! Only what the preflight of the same moment shows is deleted, each object by its uid, and only after the cluster's name
//! was typed. Data is deleted only if somebody said that it is saved, or that it may be lost.

use std::collections::BTreeSet;
use std::time::Duration;

use http::{Request, header};
use kube::Client;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::MigrateError;
use super::hang::FINALIZERS;
use super::marks::State;
use super::preflight::{Preflight, look};
use super::snapshot::Snapshot;
use super::survey::{Object, Served, Survey};
use crate::install::{fetch, words};
use crate::versions::Version;

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
/// How often it is looked at whether something is gone.
const GLANCE: Duration = Duration::from_millis(250);
/// Namespaces that every cluster has and that cannot be deleted.
const OF_THE_CLUSTER: &[&str] = &["default", "kube-system", "kube-public", "kube-node-lease"];

/// What would be deleted, in order.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The cluster.
    pub cluster: String,
    /// The steps.
    pub steps: Vec<Step>,
    /// What stays, with the reason.
    pub keeps: Vec<String>,
}

/// Objects that are deleted together.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// What and why now.
    pub title: &'static str,
    /// The objects.
    pub objects: Vec<String>,
    #[serde(skip)]
    targets: Vec<Target>,
    #[serde(skip)]
    waits: Wait,
}

#[derive(Debug, Clone)]
struct Target {
    place: String,
    of: Served,
    namespace: String,
    name: String,
    uid: String,
}

/// What is waited for after a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Nothing.
    No,
    /// Until controllers have let go; their finalizers are removed if they do not.
    Controllers,
    /// Until the namespace is gone.
    Namespaces,
}

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

fn allowed(preflight: &Preflight) -> Result<(), MigrateError> {
    let refused = |reason: String| Err(MigrateError::NotToBeCleaned { reason });
    if preflight.state == State::Frankenstein {
        return refused(preflight.advice());
    }
    let own = preflight.namespaces.iter().find(|namespace| OF_THE_CLUSTER.contains(&namespace.as_str()));
    match own {
        Some(namespace) => refused(format!(
            "namespace {namespace} holds a standalone installation and cannot be deleted; delete the installation by its own kustomization"
        )),
        None if preflight.unread.is_empty() => Ok(()),
        None => refused(format!("not everything could be read: {}", preflight.unread.join("; "))),
    }
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

impl Plan {
    fn of(survey: &Survey, preflight: &Preflight) -> Self {
        let uids: BTreeSet<&str> = preflight.remnants.iter().map(|remnant| remnant.uid.as_str()).collect();
        let home = |object: &Object| preflight.namespaces.iter().any(|home| home == object.namespace());
        let remnants: Vec<&Object> = survey.objects.iter().filter(|object| uids.contains(object.uid())).collect();
        let is_webhook = |object: &&&Object| object.kind().ends_with("WebhookConfiguration");
        let is_definition = |object: &&&Object| object.kind() == "CustomResourceDefinition";
        let custom = |object: &&&Object| home(object) && (is_custom(object) || object.finalizers().any(is_known));
        let pick = |wanted: &dyn Fn(&&&Object) -> bool| -> Vec<&Object> {
            remnants.iter().filter(|one| wanted(one)).copied().collect()
        };
        let namespaces =
            survey.of("Namespace").filter(|one| preflight.namespaces.iter().any(|home| home == one.name()));
        let steps = vec![
            Step::new("webhooks, before the Services that answer for them", pick(&|one| is_webhook(one)), Wait::No),
            Step::new("custom resources, while the controllers run that hold them", pick(&custom), Wait::Controllers),
            Step::new(
                "objects in namespaces that stay",
                pick(&|one| !home(one) && !one.namespace().is_empty() && !is_webhook(one)),
                Wait::No,
            ),
            Step::new("namespaces, with everything in them", namespaces.collect(), Wait::Namespaces),
            Step::new(
                "what belongs to no namespace",
                pick(&|one| one.namespace().is_empty() && !is_webhook(one) && !is_definition(one)),
                Wait::No,
            ),
        ];
        let mut keeps: Vec<String> = pick(&|one| is_definition(one))
            .iter()
            .map(|one| format!("{}: goes last, and only if it has no instances left", one.place()))
            .collect();
        let kept = preflight
            .data
            .volumes
            .iter()
            .filter(|volume| matches!(volume.fate, super::Fate::Kept | super::Fate::LeftOver));
        keeps.extend(kept.map(|volume| format!("PersistentVolume {}: its reclaim policy keeps it", volume.volume)));
        let steps = steps.into_iter().filter(|step| !step.targets.is_empty()).collect();
        Self { cluster: preflight.cluster.clone(), steps, keeps }
    }

    /// The account for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut lines = vec![format!("cluster {}: this would be deleted, in this order", self.cluster)];
        for (number, step) in self.steps.iter().enumerate() {
            lines.push(format!("{}. {} ({})", number + 1, step.title, step.objects.len()));
            lines.extend(step.objects.iter().map(|object| format!("     {object}")));
        }
        if self.steps.is_empty() {
            lines.push("nothing".to_owned());
        }
        lines.extend(self.keeps.iter().map(|kept| format!("stays: {kept}")));
        lines.push(format!("nothing was deleted; to do it: migrate clean --confirm {}", self.cluster));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Step {
    fn new(title: &'static str, objects: Vec<&Object>, waits: Wait) -> Self {
        let targets: Vec<Target> = objects.into_iter().map(Target::of).collect();
        Self { title, objects: targets.iter().map(|target| target.place.clone()).collect(), targets, waits }
    }
}

impl Target {
    fn of(object: &Object) -> Self {
        Self {
            place: object.place(),
            of: object.of.clone(),
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
        }
    }

    fn path(&self) -> String {
        self.of.path(&self.namespace, &self.name)
    }
}

fn is_custom(object: &Object) -> bool {
    super::remnants::CUSTOM
        .iter()
        .any(|(group, kinds, _)| object.of.group == *group && (kinds.is_empty() || kinds.contains(&object.kind())))
}

fn is_known(finalizer: &str) -> bool {
    FINALIZERS.iter().any(|known| known.name == finalizer)
}

async fn delete(client: &Client, target: &Target) -> Result<(), MigrateError> {
    let body = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background",
        "preconditions": { "uid": target.uid } });
    let request = Request::delete(target.path()).header(header::CONTENT_TYPE, "application/json");
    let answer: Result<Value, kube::Error> = fetch(client, request, body.to_string().into_bytes()).await;
    match answer {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        // Of the namespace that is being deleted already, and of an object that took the name since.
        Err(kube::Error::Api(status)) if status.code == 409 && target.of.kind == "Namespace" => Ok(()),
        Err(error) => Err(MigrateError::Refused { object: target.place.clone(), reason: words(&error) }),
    }
}

/// The object as it is, if it is still the same.
async fn left(client: &Client, target: &Target) -> Result<Option<Object>, MigrateError> {
    let answer: Result<Value, kube::Error> = fetch(client, Request::get(target.path()), Vec::new()).await;
    match answer {
        Ok(body) => {
            let object = Object { of: target.of.clone(), body, helm_record: false };
            Ok((object.uid() == target.uid).then_some(object))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(MigrateError::api(&target.place, &error)),
    }
}

/// Waits until controllers have let go of their objects; removes the finalizers of those that do not.
async fn let_go(
    client: &Client,
    step: &Step,
    patience: Duration,
    say: &(dyn Fn(&str) + Sync),
) -> Result<Vec<String>, MigrateError> {
    let started = Instant::now();
    let mut rest: Vec<(&Target, Object)> = Vec::new();
    loop {
        let asked: Vec<&Target> =
            if rest.is_empty() { step.targets.iter().collect() } else { rest.iter().map(|(one, _)| *one).collect() };
        rest.clear();
        for target in asked {
            rest.extend(left(client, target).await?.map(|object| (target, object)));
        }
        if rest.is_empty() {
            return Ok(Vec::new());
        }
        if started.elapsed() >= patience {
            break;
        }
        sleep(GLANCE).await;
    }
    let mut unfinished = Vec::new();
    for (target, object) in rest {
        let held: Vec<&str> = object.finalizers().collect();
        if let Some(unknown) = held.iter().find(|finalizer| !is_known(finalizer)) {
            let reason = format!("finalizer {unknown} is not known here; find out whose it is, and remove it");
            return Err(MigrateError::Stays { object: target.place.clone(), seconds: patience.as_secs(), reason });
        }
        let undone = FINALIZERS.iter().find(|known| held.contains(&known.name)).map_or("nothing", |known| known.undone);
        let line =
            format!("{}: finalizer {} removed by hand, which leaves {undone} undone", target.place, held.join(", "));
        say(&line);
        unfinished.push(line);
        let body = json!({ "metadata": { "uid": target.uid, "finalizers": null } });
        let request = Request::patch(target.path()).header(header::CONTENT_TYPE, "application/merge-patch+json");
        let answer: Result<Value, kube::Error> = fetch(client, request, body.to_string().into_bytes()).await;
        match answer {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(MigrateError::Refused { object: target.place.clone(), reason: words(&error) }),
            Ok(_) => {}
        }
    }
    Ok(unfinished)
}

/// Waits until namespaces are gone; says what holds one that stays.
async fn gone(client: &Client, step: &Step, within: Duration, say: &(dyn Fn(&str) + Sync)) -> Result<(), MigrateError> {
    let started = Instant::now();
    for target in &step.targets {
        let mut said = String::new();
        while let Some(namespace) = left(client, target).await? {
            let held = namespace.items("/status/conditions").iter().filter(|one| one["status"] == "True");
            let held: Vec<&str> = held.filter_map(|one| one["message"].as_str()).collect();
            let held = held.join("; ");
            if started.elapsed() >= within {
                let reason = if held.is_empty() { "its status names nothing that holds it".to_owned() } else { held };
                return Err(MigrateError::Stays { object: target.place.clone(), seconds: within.as_secs(), reason });
            }
            if held != said && !held.is_empty() {
                say(&format!("{} waits: {held}", target.place));
                said = held;
            }
            sleep(GLANCE).await;
        }
    }
    Ok(())
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
