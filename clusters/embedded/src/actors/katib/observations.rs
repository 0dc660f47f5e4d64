//! The rows of `observation_logs`: what trials reported, a row a value (`pkg/db/v1beta1/mysql`).

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{params, params_from_iter};

use crate::actors::mysql::Directory;

/// The column types are MySQL's `VARCHAR(255)`, `INT AUTO_INCREMENT`, `DATETIME(6)` and `TEXT`.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS observation_logs (trial_name TEXT NOT NULL, id INTEGER PRIMARY KEY \
                     AUTOINCREMENT, time TEXT, metric_name TEXT NOT NULL, value TEXT NOT NULL)";
const TIME: &str = "%Y-%m-%d %H:%M:%S%.6f";

/// One reported value. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the trial says that it was.
    pub time: String,
    /// The metric.
    pub metric: String,
    /// Its value, as the trial wrote it.
    pub value: String,
}

/// A connection to the rows.
#[derive(Clone)]
pub struct Observations {
    directory: Arc<Directory>,
    database: String,
}

impl Observations {
    /// A connection that was opened.
    #[must_use]
    pub fn new(directory: Arc<Directory>, database: &str) -> Self {
        Self { directory, database: database.to_owned() }
    }

    /// Makes the table if it is not there.
    ///
    /// # Errors
    /// The database's.
    pub fn initialise(&self) -> Result<(), String> {
        self.directory
            .with(&self.database, |connection| connection.execute_batch(TABLE))
            .map_err(|error| error.to_string())
    }

    /// `SELECT 1`.
    ///
    /// # Errors
    /// The database's.
    pub fn ping(&self) -> Result<(), String> {
        let one = |connection: &rusqlite::Connection| connection.query_row("SELECT 1", [], |_| Ok(()));
        self.directory.with(&self.database, one).map_err(|error| error.to_string())
    }

    /// Adds what a trial reported; entries without a time are left out.
    ///
    /// # Errors
    /// A time that is none, or the database's.
    pub fn report(&self, trial: &str, entries: &[Entry]) -> Result<(), String> {
        let mut rows = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.time.is_empty()) {
            rows.push((stored(&entry.time, "start")?, entry));
        }
        if rows.is_empty() {
            return Err(
                "Prepare SQL statement failed: Error 1064 (42000): You have an error in your SQL syntax".to_owned()
            );
        }
        let insert = "INSERT INTO observation_logs (trial_name, time, metric_name, value) VALUES (?, ?, ?, ?)";
        self.directory
            .with(&self.database, |connection| {
                for (time, entry) in &rows {
                    connection.execute(insert, params![trial, time, entry.metric, entry.value])?;
                }
                Ok(())
            })
            .map_err(|error| format!("Execute SQL INSERT failed: {error}"))
    }

    /// What a trial reported, by time: of one metric, from and to a time, where they are not empty.
    ///
    /// # Errors
    /// A time that is none, or the database's.
    pub fn of(&self, trial: &str, metric: &str, from: &str, to: &str) -> Result<Vec<Entry>, String> {
        let mut query = "SELECT time, metric_name, value FROM observation_logs WHERE trial_name = ?".to_owned();
        let mut values: Vec<Sql> = vec![trial.to_owned().into()];
        if !metric.is_empty() {
            query.push_str(" AND metric_name = ?");
            values.push(metric.to_owned().into());
        }
        for (time, what, compares) in [(from, "start", ">="), (to, "completion", "<=")] {
            if !time.is_empty() {
                query.push_str(&format!(" AND time {compares} ?"));
                values.push(stored(time, what)?.into());
            }
        }
        query.push_str(" ORDER BY time, id");
        self.directory
            .with(&self.database, |connection| {
                let mut prepared = connection.prepare(&query)?;
                let rows = prepared.query_map(params_from_iter(&values), |row| {
                    let time: String = row.get(0)?;
                    Ok(Entry { time: shown(&time), metric: row.get(1)?, value: row.get(2)? })
                })?;
                rows.collect()
            })
            .map_err(|error| format!("Failed to get ObservationLogs {error}"))
    }

    /// Removes all that a trial reported.
    ///
    /// # Errors
    /// The database's.
    pub fn forget(&self, trial: &str) -> Result<(), String> {
        let delete = "DELETE FROM observation_logs WHERE trial_name = ?";
        self.directory
            .with(&self.database, |connection| connection.execute(delete, params![trial]).map(drop))
            .map_err(|error| error.to_string())
    }
}

/// A time as the column has it: UTC, microseconds.
fn stored(time: &str, what: &str) -> Result<String, String> {
    let refused = || {
        format!(
            "Error parsing {what} time {time}: parsing time \"{time}\" as \"2006-01-02T15:04:05.999999999Z07:00\": cannot \
             parse \"{time}\" as \"2006\""
        )
    };
    time.parse::<Timestamp>().map(|time| time.strftime(TIME).to_string()).map_err(|_| refused())
}

/// A time of the column in RFC 3339, without zeros at its end.
fn shown(time: &str) -> String {
    let time = time.replacen(' ', "T", 1);
    let short = if time.contains('.') { time.trim_end_matches('0').trim_end_matches('.') } else { &time };
    format!("{short}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Observations {
        let directory = Arc::new(Directory::default());
        directory.create_database("katib");
        let rows = Observations::new(directory, "katib");
        rows.initialise().unwrap();
        rows
    }

    fn entry(time: &str, value: &str) -> Entry {
        Entry { time: time.to_owned(), metric: "loss".to_owned(), value: value.to_owned() }
    }

    #[test]
    fn what_was_reported_is_read_again() {
        let rows = rows();
        rows.ping().unwrap();
        rows.report("t", &[entry("0001-01-01T00:00:00Z", "0.15"), entry("", "skipped")]).unwrap();
        rows.report("t", &[entry("2026-11-23T02:00:00.5+01:00", "'; DROP TABLE observation_logs; --")]).unwrap();
        let found = rows.of("t", "loss", "", "").unwrap();
        let texts: Vec<&str> = found.iter().map(|entry| entry.time.as_str()).collect();
        assert_eq!(texts, ["0001-01-01T00:00:00Z", "2026-11-23T01:00:00.5Z"]);
        assert_eq!(rows.of("t", "", "2026-01-01T00:00:00Z", "").unwrap().len(), 1);
        assert_eq!(rows.of("t", "other", "", "").unwrap(), []);
        rows.forget("t").unwrap();
        assert_eq!(rows.of("t", "", "", "").unwrap(), []);
    }

    #[test]
    fn times_that_are_none_are_refused() {
        let rows = rows();
        assert!(
            rows.report("t", &[entry("yesterday", "1")]).unwrap_err().starts_with("Error parsing start time yesterday")
        );
        assert!(rows.report("t", &[entry("", "1")]).unwrap_err().contains("1064"));
        assert!(rows.of("t", "", "", "xx").unwrap_err().starts_with("Error parsing completion time xx"));
    }
}
