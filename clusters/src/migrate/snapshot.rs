//! What users have in a cluster, written down: pipelines, runs, experiments, recurring runs, experiments of Katib, profiles,
//! notebooks, volume claims, and the counts and digests of what holds them. An inventory, not a backup: it proves what was there, and whether it is still.

use std::collections::BTreeMap;
use std::path::Path;

use kube::Client;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::MigrateError;
use super::data::Data;
use super::database::{self, Database};
use super::marks::{self, State};
use super::survey::Survey;
use crate::manifests::hex;

/// The version of the file's format.
pub const SCHEMA: &str = "kubeflow-conformance/snapshot/v1";

/// What was there at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Always `kubeflow-conformance/snapshot/v1`.
    pub schema: String,
    /// When it was taken, RFC 3339 in UTC.
    pub taken: String,
    /// The kubeconfig context.
    pub cluster: String,
    /// What stood there.
    pub state: State,
    /// SHA-256 of each list of items.
    pub digests: BTreeMap<String, String>,
    /// The items by what they are: `pipelines`, `runs`, …; in the order of their ids.
    pub items: BTreeMap<String, Vec<Item>>,
    /// What holds them.
    pub data: Data,
}

/// Something of a user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its namespace; empty where there are none.
    pub namespace: String,
    /// SHA-256 over all that is looked at of it.
    pub digest: String,
}

/// Why a file is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file cannot be read.
    #[error("cannot read the snapshot {path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// The file holds something else.
    #[error("{path} is no snapshot: {reason}; take one with: kubeflow-conformance migrate snapshot")]
    NotASnapshot {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// What is asked of the database of Kubeflow Pipelines (kubeflow/pipelines `backend/src/apiserver/model`): a title, a table,
/// and columns, of which the first three are id, name and namespace.
const QUERIES: &[(&str, &str, &str)] = &[
    ("pipelines", "pipelines", "UUID, Name, Namespace, Status"),
    ("pipeline versions", "pipeline_versions", "UUID, Name, PipelineId, SHA2(PipelineSpec, 256)"),
    ("experiments", "experiments", "UUID, Name, Namespace, StorageState"),
    (
        "runs",
        "run_details",
        "UUID, DisplayName, Namespace, ExperimentUUID, State, StorageState, CreatedAtInSec, FinishedAtInSec",
    ),
    ("recurring runs", "jobs", "UUID, DisplayName, Namespace, Enabled, Schedule, IntervalSecond"),
];
/// Kinds whose objects are users': a title, group and kind.
const KINDS: &[(&str, &str, &str)] = &[
    ("Katib experiments", "kubeflow.org", "Experiment"),
    ("Katib trials", "kubeflow.org", "Trial"),
    ("profiles", "kubeflow.org", "Profile"),
    ("notebooks", "kubeflow.org", "Notebook"),
    ("volume claims", "", "PersistentVolumeClaim"),
];

impl Snapshot {
    /// Writes down what a cluster holds.
    ///
    /// # Errors
    /// [`MigrateError::Api`] if the cluster does not tell; what a part of it does not tell is in `data.unknown`.
    pub async fn take(client: &Client, cluster: &str) -> Result<Self, MigrateError> {
        let survey = Survey::take(client).await?;
        let marks = marks::marks(&survey);
        let homes = marks::places(&survey, &marks);
        let remnants = super::remnants::remnants(&survey, marks::state(&marks), &homes);
        let mut data = Data::look(client, &survey, &homes, &remnants).await;
        data.unknown.extend(survey.unreadable.iter().cloned());
        let mut items = BTreeMap::new();
        for database in &data.databases {
            match of_pipelines(client, database).await {
                Ok(found) => items.extend(found),
                Err(reason) => data.unknown.push(reason),
            }
        }
        for (title, group, kind) in KINDS {
            let of = survey.of(kind).filter(|object| object.of.group == *group);
            let found: Vec<Item> = of
                .map(|object| Item {
                    id: object.uid().to_owned(),
                    name: object.name().to_owned(),
                    namespace: object.namespace().to_owned(),
                    digest: digest(&[object.uid(), object.namespace(), object.name()].join("\n")),
                })
                .collect();
            if !found.is_empty() {
                items.insert((*title).to_owned(), sorted(found));
            }
        }
        let digests = items.iter().map(|(title, items)| (title.clone(), together(items))).collect();
        Ok(Self {
            schema: SCHEMA.to_owned(),
            taken: jiff::Timestamp::now().to_string(),
            cluster: cluster.to_owned(),
            state: marks::state(&marks),
            digests,
            items,
            data,
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read(path: &Path) -> Result<Self, SnapshotError> {
        let path_shown = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| SnapshotError::Unreadable { path: path_shown.clone(), reason: error.to_string() })?;
        let not = |reason: String| SnapshotError::NotASnapshot { path: path_shown.clone(), reason };
        let snapshot: Self = serde_json::from_slice(&bytes).map_err(|error| not(error.to_string()))?;
        if snapshot.schema != SCHEMA {
            return Err(not(format!("its schema is {:?}, not {SCHEMA:?}", snapshot.schema)));
        }
        let wrong = snapshot.items.iter().find(|(title, items)| snapshot.digests.get(*title) != Some(&together(items)));
        match wrong {
            Some((title, _)) => Err(not(format!("its list of {title} has another digest than it says"))),
            None => Ok(snapshot),
        }
    }

    /// How this one differs from a later one, in one sentence; nothing if what users have is the same.
    #[must_use]
    pub fn change(&self, later: &Self) -> Option<String> {
        let titles = self.digests.keys().chain(later.digests.keys().filter(|title| !self.digests.contains_key(*title)));
        let mut changes: Vec<String> = titles
            .filter(|title| self.digests.get(*title) != later.digests.get(*title))
            .map(|title| {
                let count = |of: &Self| of.items.get(title).map_or(0, Vec::len);
                format!("{} {title} then, {} now, or other ones", count(self), count(later))
            })
            .collect();
        for bucket in &later.data.buckets {
            let before = self.data.buckets.iter().find(|one| one.name == bucket.name);
            if before.is_none_or(|before| before.digest != bucket.digest) {
                let objects = before.map_or(0, |before| before.objects);
                changes.push(format!(
                    "bucket {} had {objects} objects, and has {}, or other ones",
                    bucket.name, bucket.objects
                ));
            }
        }
        (!changes.is_empty()).then(|| changes.join("; "))
    }

    /// A line for everything that was counted.
    #[must_use]
    pub fn table(&self) -> String {
        let mut lines: Vec<String> = self
            .items
            .iter()
            .map(|(title, items)| format!("{title:<18} {:>6}  sha256 {}", items.len(), &together(items)[..12]))
            .collect();
        lines.extend(self.data.databases.iter().map(|one| {
            format!("database {:<9} {:>6}  rows, of {}", one.name, one.rows.values().sum::<u64>(), one.server)
        }));
        lines.extend(self.data.buckets.iter().map(|one| {
            format!(
                "bucket {:<11} {:>6}  objects, {} bytes, sha256 {}",
                one.name,
                one.objects,
                one.bytes,
                &one.digest[..12]
            )
        }));
        lines.extend(self.data.unknown.iter().map(|one| format!("unknown: {one}")));
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// What a database holds of Kubeflow Pipelines; nothing if it is another's.
async fn of_pipelines(client: &Client, database: &Database) -> Result<BTreeMap<String, Vec<Item>>, String> {
    let mut items = BTreeMap::new();
    if !database.rows.contains_key("run_details") {
        return Ok(items);
    }
    for (title, table, columns) in QUERIES {
        let statement = format!("SELECT {columns} FROM {table}");
        let rows = database::select(client, &database.at, database.password, &database.name, &statement).await?;
        let found = rows.iter().map(|row| {
            let text = |at: usize| row.get(at).filter(|text| *text != "NULL").cloned().unwrap_or_default();
            Item { id: text(0), name: text(1), namespace: text(2), digest: digest(&row.join("\t")) }
        });
        items.insert((*title).to_owned(), sorted(found.collect()));
    }
    Ok(items)
}

fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by(|a, b| a.id.cmp(&b.id));
    items
}

fn together(items: &[Item]) -> String {
    digest(&items.iter().map(|item| format!("{} {}\n", item.id, item.digest)).collect::<String>())
}

fn digest(text: &str) -> String {
    hex(&Sha256::digest(text))
}
