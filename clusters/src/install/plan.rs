//! In which order the objects are written: waves, and what has to be true before each begins.

use std::collections::{BTreeMap, BTreeSet};

use super::admission::{Namespaces, Webhook, is_configuration, made_for, pod_template, webhooks};
use super::kinds::{Kinds, is_definition};
use crate::manifests::{Id, Manifest};

/// Objects that may be written at once, and what they wait for.
#[derive(Debug, Default)]
pub(super) struct Wave {
    /// What it holds, for a person.
    pub name: &'static str,
    /// Definitions that must be established, by index.
    pub established: BTreeSet<usize>,
    /// Workloads that must be ready, by index, with the webhook that they answer for.
    pub ready: BTreeMap<usize, String>,
    /// Which of these workloads each object waits for, by index.
    pub admitted: BTreeMap<usize, BTreeSet<usize>>,
    /// The objects, by index, in the order of the source.
    pub objects: Vec<usize>,
}

/// What an object is to the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Namespace,
    Definition,
    /// What pods need before they start: accounts and their rights, configuration, Services, volumes, policies.
    Configuration,
    Workload,
    Webhook,
    Custom,
}

/// The waves of a set of objects; all objects are in one of them.
///
/// Namespaces come first, then definitions, then configuration. Of the rest an object is in the first wave that begins
/// when every webhook that admits it is configured and its backend, and what that needs to start, is written; what no
/// webhook admits goes first, and of that what needs no definition: those take their time to be established.
pub(super) fn waves(manifests: &[Manifest], kinds: &Kinds) -> Vec<Wave> {
    let classes: Vec<Class> = manifests.iter().map(|manifest| class(manifest, kinds)).collect();
    let of = |class: Class| (0..manifests.len()).filter(|index| classes[*index] == class).collect::<Vec<_>>();
    let mut waves = Vec::new();
    for (name, class) in
        [("namespaces", Class::Namespace), ("definitions", Class::Definition), ("configuration", Class::Configuration)]
    {
        waves.push(Wave { name, objects: of(class), ..Wave::default() });
    }
    let mut written: BTreeSet<usize> = waves.iter().flat_map(|wave| wave.objects.iter().copied()).collect();
    let mut rest: Vec<usize> = (0..manifests.len()).filter(|index| !written.contains(index)).collect();

    let webhooks = webhooks(manifests);
    let namespaces = Namespaces::of(manifests);
    let needs: Vec<BTreeSet<usize>> = webhooks.iter().map(|webhook| needs(webhook, manifests)).collect();
    let admitted_by = |index: usize| {
        let admitting = webhooks.iter().enumerate().filter(|(_, webhook)| {
            !webhook.backends.contains(&index) && webhook.admits(&manifests[index], kinds, &namespaces)
        });
        admitting.map(|(webhook, _)| webhook).collect::<Vec<_>>()
    };
    let admitted: BTreeMap<usize, Vec<usize>> = rest.iter().copied().map(|index| (index, admitted_by(index))).collect();

    while !rest.is_empty() {
        let may = |index: &usize| admitted[index].iter().all(|webhook| needs[*webhook].is_subset(&written));
        let mut now: Vec<usize> = rest.iter().copied().filter(may).collect();
        let mut waits = true;
        if now.is_empty() {
            // They wait for each other: the lowest class goes ahead, and what is refused meanwhile is tried again.
            let lowest = rest.iter().map(|index| classes[*index]).min();
            now = rest.iter().copied().filter(|index| Some(classes[*index]) == lowest).collect();
            waits = false;
        }
        let cost = |index: &usize| match admitted[index].is_empty() {
            true => (false, kinds.of(&manifests[*index].id).is_some_and(|kind| kind.defined_by.is_some())),
            false => (true, false),
        };
        let least = now.iter().map(cost).min().filter(|_| waits);
        now.retain(|index| least.is_none_or(|least| cost(index) == least));
        let mut wave = Wave { name: name_of(&now, &classes), ..Wave::default() };
        wave.established = now.iter().filter_map(|index| kinds.of(&manifests[*index].id)?.defined_by).collect();
        for index in now.iter().filter(|_| waits) {
            for webhook in admitted[index].iter().map(|webhook| &webhooks[*webhook]) {
                wave.ready.extend(webhook.backends.iter().map(|backend| (*backend, webhook.name.clone())));
                wave.admitted.entry(*index).or_default().extend(&webhook.backends);
            }
        }
        rest.retain(|index| !now.contains(index));
        written.extend(&now);
        wave.objects = now;
        waves.push(wave);
    }
    waves.retain(|wave| !wave.objects.is_empty());
    waves
}

/// What must be written before a webhook's backend can become ready.
fn needs(webhook: &Webhook<'_>, manifests: &[Manifest]) -> BTreeSet<usize> {
    let made = webhook.backends.iter().flat_map(|backend| made_for(manifests, *backend));
    webhook.backends.iter().copied().chain([webhook.configured_by]).chain(made).collect()
}

fn class(manifest: &Manifest, kinds: &Kinds) -> Class {
    let Manifest { id, .. } = manifest;
    let custom = kinds.of(id).is_some_and(|resource| resource.defined_by.is_some());
    match id {
        Id { group, kind, .. } if group.is_empty() && kind == "Namespace" => Class::Namespace,
        id if is_definition(id) => Class::Definition,
        id if is_configuration(id) => Class::Webhook,
        _ if custom || !built_in(&id.group) => Class::Custom,
        Id { group, kind, .. } if kind == "CronJob" && group == "batch" => Class::Workload,
        Id { group, kind, .. } if kind == "Pod" && group.is_empty() => Class::Workload,
        _ if pod_template(manifest).is_some() => Class::Workload,
        _ => Class::Configuration,
    }
}

/// Kubernetes' own groups: without a dot, or of `k8s.io`.
fn built_in(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}

fn name_of(objects: &[usize], classes: &[Class]) -> &'static str {
    let has = |class: Class| objects.iter().any(|index| classes[*index] == class);
    match (has(Class::Workload), has(Class::Webhook), has(Class::Custom)) {
        (true, _, true) => "workloads and custom resources",
        (true, true, false) => "workloads and webhooks",
        (true, false, false) => "workloads",
        (false, true, true) => "webhooks and custom resources",
        (false, true, false) => "webhooks",
        (false, false, _) => "custom resources",
    }
}

#[cfg(test)]
mod tests;
