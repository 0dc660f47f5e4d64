//! What a cleaning deletes and in which order, and what it keeps. Made of a survey and its preflight; asks nothing.

use std::collections::BTreeSet;

use serde::Serialize;

use super::super::hang::is_known;
use super::super::survey::{Object, Served, Survey};
use super::super::{Fate, MigrateError, Preflight, State, remnants};

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
    pub(super) targets: Vec<Target>,
    #[serde(skip)]
    pub(super) waits: Wait,
}

/// One object, by its uid.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub place: String,
    pub of: Served,
    namespace: String,
    name: String,
    pub uid: String,
}

/// What is waited for after a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing.
    No,
    /// Until controllers have let go; their finalizers are removed if they do not.
    Controllers,
    /// Until the namespace is gone.
    Namespaces,
}

/// Refuses what is not to be cleaned.
pub(super) fn allowed(preflight: &Preflight) -> Result<(), MigrateError> {
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

impl Plan {
    pub(super) fn of(survey: &Survey, preflight: &Preflight) -> Self {
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
        let kept = preflight.data.volumes.iter().filter(|volume| matches!(volume.fate, Fate::Kept | Fate::LeftOver));
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
    pub fn of(object: &Object) -> Self {
        Self {
            place: object.place(),
            of: object.of.clone(),
            namespace: object.namespace().to_owned(),
            name: object.name().to_owned(),
            uid: object.uid().to_owned(),
        }
    }

    pub fn path(&self) -> String {
        self.of.path(&self.namespace, &self.name)
    }
}

fn is_custom(object: &Object) -> bool {
    remnants::CUSTOM
        .iter()
        .any(|(group, kinds, _)| object.of.group == *group && (kinds.is_empty() || kinds.contains(&object.kind())))
}
