//! The plan of a run: which of the selected checks can run at all, and what each has to wait for.

use std::collections::HashMap;

use clusters::versions::{Contract, VERSIONS};
use reports::model::{Note, Skip};

use super::{EngineError, Selection};
use crate::check::{Check, Isolation, Suite};
use crate::registry;

/// One selected check.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub suite: &'static Suite,
    pub check: &'static Check,
    /// Why it will not run, if that is known beforehand.
    pub skip: Option<Skip>,
    /// The steps that must have passed first.
    pub after: Vec<usize>,
    /// How many steps the longest chain that begins with this one has: long chains go first.
    pub chain: usize,
}

/// The steps, in the catalogue's order, and what is to be said of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub steps: Vec<Step>,
    pub notes: Vec<Note>,
}

impl Plan {
    /// Plans a selection for a platform.
    pub(crate) fn new(selection: &Selection, allowance: Allowance) -> Result<Self, EngineError> {
        let known: Vec<&str> = selection.catalogue().map(|(_, check)| check.id).collect();
        if let Some((check, id)) = selection
            .catalogue()
            .flat_map(|(_, check)| check.after.iter().map(move |id| (check.id, *id)))
            .find(|(_, id)| !known.contains(id))
        {
            return Err(EngineError::UnknownPrerequisite { check, id });
        }
        if let Some(circle) = registry::cycle(selection.suites()) {
            return Err(EngineError::Cycle(circle.join(" -> ")));
        }
        let mut plan = Self::default();
        for (suite, check) in selection.chosen() {
            let skip = allowance.skip_of(check);
            plan.steps.push(Step { suite, check, skip, after: Vec::new(), chain: 1 });
        }
        plan.connect();
        plan.note_gaps();
        Ok(plan)
    }

    /// Connects steps with what they come after. A prerequisite that does not apply to this version is none.
    fn connect(&mut self) {
        let applicable: HashMap<&str, usize> = self
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| !matches!(step.skip, Some(Skip::VersionOutside { .. })))
            .map(|(index, step)| (step.check.id, index))
            .collect();
        for step in &mut self.steps {
            step.after = step.check.after.iter().filter_map(|id| applicable.get(id).copied()).collect();
        }
        // As there is no cycle, no chain is longer than the number of steps, and this ends.
        let mut changed = true;
        while changed {
            changed = false;
            for index in 0..self.steps.len() {
                let wanted = self.steps[index].chain + 1;
                for before in self.steps[index].after.clone() {
                    if self.steps[before].chain < wanted {
                        self.steps[before].chain = wanted;
                        changed = true;
                    }
                }
            }
        }
    }

    /// Says what runs without the checks that it builds on, because they were not asked for.
    fn note_gaps(&mut self) {
        let selected: Vec<&str> = self.steps.iter().map(|step| step.check.id).collect();
        let mut gaps: Vec<(&str, Vec<&str>)> = Vec::new();
        for step in &self.steps {
            for id in step.check.after.iter().filter(|id| !selected.contains(*id)) {
                match gaps.iter_mut().find(|(missing, _)| missing == id) {
                    Some((_, dependants)) => dependants.push(step.check.id),
                    None => gaps.push((id, vec![step.check.id])),
                }
            }
        }
        self.notes.extend(gaps.into_iter().map(|(missing, dependants)| Note {
            topic: String::from("setup"),
            text: format!("{missing} was not selected; what builds on it ran all the same: {}", dependants.join(", ")),
        }));
    }
}

/// What a run may ask of a platform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance {
    /// What the platform's version promises.
    pub contract: Contract,
    /// Whether parts of the platform may be restarted: not on somebody's cluster, unless its owner says so.
    pub changes: bool,
    /// Whether nothing is created at all.
    pub read_only: bool,
}

impl Allowance {
    /// Why a check is not run.
    pub(crate) fn skip_of(self, check: &Check) -> Option<Skip> {
        let destructive = check.isolation == Isolation::Destructive;
        if !check.contracts.is_empty() && !check.contracts.contains(&self.contract) {
            return Some(Skip::VersionOutside { applies_to: applies_to(check.contracts) });
        }
        if self.read_only && (check.writes || destructive) {
            return Some(Skip::ReadOnly);
        }
        (destructive && !self.changes).then(|| Skip::NoCapability {
            capability: String::from(
                "restarting parts of the platform: on a cluster that this program did not make, --may-restart CONTEXT allows it",
            ),
        })
    }
}

/// Contracts in words: `Kubeflow 1.9.1, 1.10.2`.
fn applies_to(contracts: &[Contract]) -> String {
    let versions = VERSIONS.iter().filter(|version| contracts.contains(&version.contract));
    format!("Kubeflow {}", versions.map(|version| version.kubeflow).collect::<Vec<_>>().join(", "))
}
