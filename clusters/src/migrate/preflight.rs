//! The look before the leap: everything that a migration has to know, and nothing changed.

use std::fmt::Write as _;

use kube::Client;
use serde::Serialize;

use super::MigrateError;
use super::clash::{Clash, clashes};
use super::data::{Data, Fate};
use super::hang::{Hang, hangs};
use super::marks::{self, Mark, Side, State};
use super::remnants::{Remnant, foreign, remnants, retired};
use super::survey::Survey;
use crate::versions::Version;

/// What a cluster holds before a migration.
#[derive(Debug, Clone, Serialize)]
pub struct Preflight {
    /// The kubeconfig context.
    pub cluster: String,
    /// The release that is to be installed.
    pub target: String,
    /// What stands there.
    pub state: State,
    /// By what that is told.
    pub marks: Vec<Mark>,
    /// Namespaces that hold a standalone installation.
    pub namespaces: Vec<String>,
    /// Every object of standalone installations and charts.
    pub remnants: Vec<Remnant>,
    /// Objects of those namespaces that belong to somebody else.
    pub others: Vec<String>,
    /// What would hold the deletion of those namespaces.
    pub hangs: Vec<Hang>,
    /// What would be lost.
    pub data: Data,
    /// What would be in the way of the release afterwards.
    pub clashes: Vec<Clash>,
    /// What could not be read: the rest of this report may lack something.
    pub unread: Vec<String>,
}

/// Looks at a cluster and changes nothing.
///
/// # Errors
/// [`MigrateError::Api`] if the cluster does not tell what it serves.
pub async fn preflight(client: &Client, cluster: &str, version: &Version) -> Result<Preflight, MigrateError> {
    let survey = Survey::take(client).await?;
    look(client, &survey, cluster, version).await
}

/// The same of a survey.
pub(super) async fn look(
    client: &Client,
    survey: &Survey,
    cluster: &str,
    version: &Version,
) -> Result<Preflight, MigrateError> {
    let marks = marks::marks(survey);
    let state = marks::state(&marks);
    let namespaces = marks::homes(survey, &marks);
    let mut remnants = remnants(survey, state, &namespaces);
    // Before the upgrade they are what the platform runs on.
    if state == State::Platform && is_of(client, version).await? {
        remnants.extend(retired(survey, version));
    }
    let data = Data::look(client, survey, &namespaces, &remnants).await;
    Ok(Preflight {
        cluster: cluster.to_owned(),
        target: version.kubeflow.to_owned(),
        state,
        others: foreign(survey, &namespaces, &remnants),
        hangs: hangs(survey, &namespaces),
        clashes: if matches!(state, State::Empty | State::Standalone) {
            clashes(survey, version, &remnants, &namespaces)
        } else {
            Vec::new()
        },
        marks,
        namespaces,
        remnants,
        data,
        unread: survey.unreadable.clone(),
    })
}

/// Whether a platform is of that release already.
async fn is_of(client: &Client, version: &Version) -> Result<bool, MigrateError> {
    let found = crate::versions::detect(client).await;
    let found =
        found.map_err(|error| MigrateError::Api { what: "the release".to_owned(), reason: error.to_string() })?;
    // Two guards before the gateway, of which one was left, hide the contract but not the release.
    Ok(found.version == Some(version))
}

impl Preflight {
    /// Whether a platform can be installed as the cluster is.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.remnants.is_empty() && self.hangs.is_empty() && self.clashes.is_empty() && self.unread.is_empty()
    }

    /// What the state means and what to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        match self.state {
            State::Empty if self.is_clear() => "nothing of Kubeflow stands here: install the platform".to_owned(),
            State::Empty => "no installation stands here, but something of one is left: see below".to_owned(),
            State::Standalone => {
                "a standalone installation: save its data, take a snapshot, clean, then install the platform".to_owned()
            }
            State::Platform if self.remnants.is_empty() => "a platform already: nothing to migrate".to_owned(),
            State::Platform => "a platform, with something of former times beside it: see below".to_owned(),
            State::Frankenstein => self.frankenstein(),
        }
    }

    /// Why a platform that was patched out of a standalone installation is no platform.
    fn frankenstein(&self) -> String {
        let said = |side| {
            let marks = self.marks.iter().filter(|mark| mark.of == side);
            marks.map(|mark| format!("{} {}", mark.object, mark.says)).collect::<Vec<_>>().join("; ")
        };
        format!(
            "half standalone, half platform: the standalone installation was patched in place. Still standalone: {}. Of the \
             platform: {}. Such a mixture works for whom it was tried with, and not for others: one part asks who may see \
             what and another does not, runs land where nobody looks for them, and no upgrade fits. Do not patch on: save \
             the data, build a clean cluster or namespace, install the release there",
            said(Side::Standalone),
            said(Side::Platform)
        )
    }

    /// The account for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = format!("cluster    {}\nstate      {}\n", self.cluster, self.advice());
        let mut section = |title: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                _ = writeln!(table, "\n{title} ({})", lines.len());
                lines.iter().for_each(|line| _ = writeln!(table, "  {line}"));
            }
        };
        let mark = |mark: &Mark| {
            let side = if mark.of == Side::Standalone { "standalone" } else { "platform" };
            format!("{side:<10}  {} {}", mark.object, mark.says)
        };
        section("marks", self.marks.iter().map(mark).collect());
        section(
            "remnants",
            self.remnants.iter().map(|one| format!("{} ({}: {})", one.object, one.part, one.because)).collect(),
        );
        section("objects of others in the same namespaces", self.others.clone());
        section(
            "what would hold the deletion",
            self.hangs.iter().map(|one| format!("{}: {}; {}", one.object, one.because, one.remedy)).collect(),
        );
        section("data that would be lost", self.losses());
        section("what could not be told about data", self.data.unknown.clone());
        section(
            "what would be in the way of the platform",
            self.clashes.iter().map(|one| format!("{} clashes with {}", one.object, one.with)).collect(),
        );
        section("what could not be read", self.unread.clone());
        table
    }

    /// A line for everything that holds data.
    fn losses(&self) -> Vec<String> {
        let Data { volumes, databases, buckets, .. } = &self.data;
        let volume = |one: &super::Volume| {
            let fate = match one.fate {
                Fate::Lost => format!("its volume goes with it (reclaim policy {})", one.reclaim_policy),
                Fate::Kept => format!("volume {} stays, Released (reclaim policy Retain)", one.volume),
                Fate::LeftOver => format!("volume {} is left of a claim that is gone", one.volume),
                Fate::NoVolume => "it has no volume".to_owned(),
            };
            format!("claim {}, {}: {fate}", one.claim, one.size)
        };
        let database = |one: &super::Database| {
            let rows = one.rows.iter().filter(|(_, count)| **count > 0);
            let rows: Vec<String> = rows.map(|(table, count)| format!("{table} {count}")).collect();
            let bytes = one.bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
            let rows = if rows.is_empty() { "no rows".to_owned() } else { rows.join(", ") };
            format!("database {} of {}{bytes}: {rows}", one.name, one.server)
        };
        let bucket = |one: &super::Bucket| {
            format!("bucket {} of {}: {} objects, {} bytes", one.name, one.server, one.objects, one.bytes)
        };
        let volumes = volumes.iter().map(volume);
        volumes.chain(databases.iter().map(database)).chain(buckets.iter().map(bucket)).collect()
    }
}
