//! The writer of the event log. A disk that is full costs the log, not the run. While a run is alive it holds a lock on
//! its log: a log without an end that nobody holds is that of a run that was killed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reports::journal::Entry;

/// The log's file name in the report folder.
pub const EVENT_LOG: &str = "events.jsonl";

/// Appends entries to an event log. Clones append to the same one.
#[derive(Clone)]
pub struct Journal {
    state: Arc<Mutex<State>>,
}

enum State {
    Open(Box<dyn Write + Send>),
    Without,
    Broken(String),
}

impl Journal {
    /// No log at all.
    #[must_use]
    pub fn without() -> Self {
        Self::of(State::Without)
    }

    /// A new log in a folder; only its owner can read it.
    #[must_use]
    pub fn create(folder: &Path) -> Self {
        let path = folder.join(EVENT_LOG);
        match open(&path) {
            Ok(file) => Self::to(file),
            Err(error) => {
                let journal = Self::without();
                journal.lock().give_up(&format!("{}: {error}", path.display()));
                journal
            }
        }
    }

    /// A log that goes to a writer.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self::of(State::Open(Box::new(writer)))
    }

    /// Appends an entry. After the first failure nothing is written any more.
    pub fn append(&self, entry: &Entry) {
        let mut state = self.lock();
        let State::Open(writer) = &mut *state else { return };
        // One write a line, so that a kill leaves whole lines and at most one cut off.
        let written = serde_json::to_vec(entry).map_err(io::Error::other).and_then(|mut line| {
            line.push(b'\n');
            writer.write_all(&line)
        });
        if let Err(error) = written {
            state.give_up(&error.to_string());
        }
    }

    /// Why the log is incomplete, if it is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match &*self.lock() {
            State::Broken(reason) => Some(format!(
                "the event log could not be written ({reason}); if this run is killed, its results are lost"
            )),
            State::Open(_) | State::Without => None,
        }
    }

    fn of(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn give_up(&mut self, reason: &str) {
        tracing::warn!("the event log cannot be written: {reason}; the run goes on without it");
        *self = Self::Broken(reason.to_owned());
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // Where files cannot be locked, what a killed run left goes when it has expired.
    _ = file.lock();
    Ok(file)
}
