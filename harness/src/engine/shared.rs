//! What the checks of a run share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use reports::journal::Entry;
use reports::model::Note;
use tokio::time::Instant;

use super::{Environment, Journal};
use crate::fixtures::Fixtures;
use crate::http::Gateway;
use crate::kubernetes::Kubernetes;
use crate::own::{KINDS, Kind, Undo};

/// What the checks of a run share.
pub(crate) struct Shared {
    pub environment: Environment,
    pub kubernetes: Kubernetes,
    pub gateway: Arc<Gateway>,
    /// The start of the checks: what all offsets count from.
    pub start: Instant,
    pub journal: Journal,
    pub fixtures: Fixtures,
    /// What the fixtures created.
    pub undo: Undo,
    notes: Mutex<Vec<Note>>,
    created: Mutex<BTreeSet<&'static str>>,
    namespaces: Mutex<BTreeMap<String, &'static str>>,
}

impl Shared {
    pub(crate) fn new(
        environment: Environment,
        kubernetes: Kubernetes,
        gateway: Arc<Gateway>,
        journal: Journal,
    ) -> Self {
        let notes = Mutex::new(environment.notes.clone());
        Self {
            environment,
            kubernetes,
            gateway,
            start: Instant::now(),
            journal,
            fixtures: Fixtures::default(),
            undo: Undo::default(),
            notes,
            created: Mutex::default(),
            namespaces: Mutex::default(),
        }
    }

    /// Notes something for the whole run, once.
    pub(crate) fn note(&self, mut note: Note) {
        self.environment.redactor.note(&mut note);
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.contains(&note) {
            self.journal.append(&Entry::Noted(note.clone()));
            notes.push(note);
        }
    }

    /// Everything that was noted.
    pub(crate) fn notes(&self) -> Vec<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// An object of a kind is about to be created.
    pub(crate) fn created(&self, kind: &'static Kind) {
        self.created.lock().unwrap_or_else(PoisonError::into_inner).insert(kind.plural);
    }

    /// A check has made a namespace, or a Profile that brings one of its name.
    pub(crate) fn made_namespace(&self, name: &str, check: &'static str) {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), check);
    }

    /// The namespaces that checks have made, each with its check.
    pub(crate) fn namespaces(&self) -> BTreeMap<String, &'static str> {
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The kinds of which objects may have been created.
    pub(crate) fn created_kinds(&self) -> Vec<&'static Kind> {
        let created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        KINDS.iter().filter(|kind| created.contains(kind.plural)).collect()
    }
}
