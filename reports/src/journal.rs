//! The event log of a run (`events.jsonl`): one JSON entry a line, appended as the run goes. Folding it gives the run's
//! results however the run ended: a run that was killed loses at most the checks that were under way.

use serde::{Deserialize, Serialize};

use crate::model::{Check, Install, Note, Outcome, Results, Run, SCHEMA};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", content = "of", rename_all = "kebab-case")]
pub enum Entry {
    /// The run starts: its results if nothing else were to follow, so every check of the selection is `interrupted`.
    Started(Box<Results>),
    /// The platform was installed.
    Installed(Install),
    /// A check started.
    Began {
        /// Its id.
        id: String,
        /// Milliseconds since the start of the run's checks.
        at_ms: u64,
    },
    /// A check ended.
    Ended(Box<Check>),
    /// Something was noticed outside any check.
    Noted(Note),
    /// The run ended.
    Finished(Run),
}

/// Why a log gives no results.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The first line is not the start of a run.
    #[error("the event log does not begin with the start of a run: {0}; nothing can be recovered from it")]
    NoStart(String),
    /// The log is of another version of this program.
    #[error("the event log has schema {0}, this program reads {SCHEMA}; render it with the version that wrote it")]
    Schema(String),
    /// A line in the middle cannot be read: the file was changed or mixed up, a kill does not do that.
    #[error("line {line} of the event log cannot be read: {reason}; the file was changed after the run")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// The results that a log amounts to. A last line that was cut off is left out; a log without its end is marked as
/// [`Run::recovered`].
pub fn fold(log: &[u8]) -> Result<Results, JournalError> {
    let mut lines = entries(log);
    let mut results = match lines.next() {
        Some(Ok(Entry::Started(results))) if results.schema == SCHEMA => *results,
        Some(Ok(Entry::Started(results))) => return Err(JournalError::Schema(results.schema)),
        Some(Ok(_)) => return Err(JournalError::NoStart("the first entry is another one".into())),
        Some(Err(error)) => return Err(JournalError::NoStart(error.to_string())),
        None => return Err(JournalError::NoStart("it is empty".into())),
    };
    results.run.recovered = true;
    for entry in lines {
        add(&mut results, entry?);
    }
    Ok(results)
}

/// Whether the last bytes of a log hold its end, so that the run was not killed.
#[must_use]
pub fn ends_well(tail: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Name {
        entry: String,
    }
    let last = tail.trim_ascii_end().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Name>(last).is_ok_and(|name| name.entry == "finished")
}

/// The entries of a log, up to a last line that was cut off.
fn entries(log: &[u8]) -> impl Iterator<Item = Result<Entry, JournalError>> {
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    let last = lines.len() - 1;
    lines.into_iter().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()).map_while(move |(index, line)| {
        match serde_json::from_slice(line) {
            Ok(entry) => Some(Ok(entry)),
            // What follows the last line break is what a killed writer left of a line.
            Err(_) if index == last && index > 0 => None,
            Err(error) => Some(Err(JournalError::Line { line: index + 1, reason: error.to_string() })),
        }
    })
}

fn add(results: &mut Results, entry: Entry) {
    match entry {
        Entry::Started(_) => {}
        Entry::Installed(install) => results.install = Some(install),
        Entry::Began { id, at_ms } => {
            if let Some(check) = results.checks.iter_mut().find(|check| check.id == id) {
                check.started_ms = at_ms;
            }
            results.run.checks_ms = results.run.checks_ms.max(at_ms);
        }
        Entry::Ended(ended) => {
            results.run.checks_ms = results.run.checks_ms.max(ended.started_ms + ended.duration_ms);
            if let Some(check) = results.checks.iter_mut().find(|check| check.id == ended.id)
                && rank(&ended.outcome) >= rank(&check.outcome)
            {
                *check = *ended;
            }
        }
        Entry::Noted(note) => results.notes.push(note),
        Entry::Finished(run) => results.run = run,
    }
}

/// How much an outcome says. The outcome of a check only rises: what failed does not pass later on.
#[must_use]
pub fn rank(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Skipped(_) => 0,
        Outcome::Passed => 1,
        Outcome::Failed(_) => 2,
        Outcome::Errored(_) => 3,
    }
}
