//! Contexts, executions and artifacts, as Kubeflow Pipelines writes them.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::actors::mysql::Directory;

const TABLES: &str = include_str!("tables.sql");
/// Kinds of types (`Type.type_kind`).
const EXECUTION_TYPE: i64 = 0;
const ARTIFACT_TYPE: i64 = 1;
const CONTEXT_TYPE: i64 = 2;
/// `Artifact.State.LIVE`.
const LIVE: i64 = 2;
/// `Event.Type.OUTPUT`.
const OUTPUT: i64 = 4;

/// How far an execution is (`Execution.State`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// It ended well.
    Complete = 3,
    /// It failed.
    Failed = 4,
    /// It did not run: what it would have made was there already.
    Cached = 5,
}

/// The database of one server.
pub struct Records {
    directory: Arc<Directory>,
    database: String,
}

impl Records {
    pub(super) fn new(directory: Arc<Directory>, database: String) -> Self {
        Self { directory, database }
    }

    /// Makes the database and its tables where they are absent.
    ///
    /// # Errors
    /// What the database says.
    pub fn initialise(&self) -> Result<(), String> {
        self.directory.create_database(&self.database);
        self.with(|connection| connection.execute_batch(TABLES))
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        self.directory.with(&self.database, work).map_err(|error| error.to_string())
    }

    /// The contexts of a pipeline and of a run of it; made if they are absent. Properties are texts of the run's.
    ///
    /// # Errors
    /// What the database says.
    pub fn contexts(&self, pipeline: &str, run: &str, properties: &[(&str, &str)]) -> Result<[i64; 2], String> {
        self.with(|connection| {
            let whole = context(connection, "system.Pipeline", pipeline)?;
            let one = context(connection, "system.PipelineRun", run)?;
            for (name, value) in properties {
                connection.execute(
                    "INSERT OR REPLACE INTO ContextProperty (context_id, name, is_custom_property, string_value) \
                     VALUES (?, ?, 1, ?)",
                    params![one, name, value],
                )?;
            }
            connection.execute("INSERT OR IGNORE INTO ParentContext VALUES (?, ?)", params![one, whole])?;
            Ok([whole, one])
        })
    }

    /// The id of a context and of its type, by the names of both.
    ///
    /// # Errors
    /// What the database says.
    pub fn context_named(&self, kind: &str, name: &str) -> Result<Option<(i64, i64)>, String> {
        self.with(|connection| {
            let query = "SELECT Context.id, Type.id FROM Context JOIN Type ON Type.id = Context.type_id WHERE Type.name = ? \
                         AND Type.type_kind = ? AND Context.name = ?";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            connection.query_row(query, params![kind, CONTEXT_TYPE, name], row).optional()
        })
    }

    /// An execution in these contexts, with properties that are texts.
    ///
    /// # Errors
    /// What the database says.
    pub fn execution(
        &self,
        kind: &str,
        state: Execution,
        contexts: &[i64],
        properties: &[(&str, &str)],
    ) -> Result<i64, String> {
        self.with(|connection| {
            let kind = type_id(connection, kind, EXECUTION_TYPE)?;
            let at = now();
            connection.execute(
                "INSERT INTO Execution (type_id, last_known_state, create_time_since_epoch, \
                 last_update_time_since_epoch) VALUES (?, ?, ?, ?)",
                params![kind, state as i64, at, at],
            )?;
            let id = connection.last_insert_rowid();
            for context in contexts {
                connection.execute(
                    "INSERT INTO Association (context_id, execution_id) VALUES (?, ?)",
                    params![context, id],
                )?;
            }
            for (name, value) in properties {
                connection.execute(
                    "INSERT INTO ExecutionProperty (execution_id, name, is_custom_property, string_value) \
                     VALUES (?, ?, 1, ?)",
                    params![id, name, value],
                )?;
            }
            Ok(id)
        })
    }

    /// An artifact that an execution has made.
    ///
    /// # Errors
    /// What the database says.
    pub fn output(
        &self,
        execution: i64,
        contexts: &[i64],
        (kind, name, uri): (&str, &str, &str),
    ) -> Result<i64, String> {
        self.with(|connection| {
            let kind = type_id(connection, kind, ARTIFACT_TYPE)?;
            let at = now();
            connection.execute(
                "INSERT INTO Artifact (type_id, uri, state, create_time_since_epoch, last_update_time_since_epoch) \
                 VALUES (?, ?, ?, ?, ?)",
                params![kind, uri, LIVE, at, at],
            )?;
            let id = connection.last_insert_rowid();
            connection.execute(
                "INSERT INTO ArtifactProperty (artifact_id, name, is_custom_property, string_value) \
                 VALUES (?, 'display_name', 1, ?)",
                params![id, name],
            )?;
            event(connection, id, execution, name)?;
            for context in contexts {
                connection.execute(
                    "INSERT OR IGNORE INTO Attribution (context_id, artifact_id) VALUES (?, ?)",
                    params![context, id],
                )?;
            }
            Ok(id)
        })
    }

    /// Gives an execution what another has made.
    ///
    /// # Errors
    /// What the database says.
    pub fn same_outputs(&self, of: i64, execution: i64) -> Result<(), String> {
        self.with(|connection| {
            let mut prepared = connection.prepare(
                "SELECT Event.artifact_id, EventPath.step_key FROM Event JOIN EventPath ON EventPath.event_id = Event.id \
                 WHERE Event.execution_id = ? AND Event.type = ?",
            )?;
            let found = prepared.query_map(params![of, OUTPUT], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let made: Vec<(i64, String)> = found.collect::<rusqlite::Result<_>>()?;
            made.iter().try_for_each(|(artifact, name)| event(connection, *artifact, execution, name))
        })
    }
}

fn event(connection: &Connection, artifact: i64, execution: i64, name: &str) -> rusqlite::Result<()> {
    connection.execute(
        "INSERT INTO Event (artifact_id, execution_id, type, milliseconds_since_epoch) VALUES (?, ?, ?, ?)",
        params![artifact, execution, OUTPUT, now()],
    )?;
    let id = connection.last_insert_rowid();
    connection
        .execute("INSERT INTO EventPath (event_id, is_index_step, step_key) VALUES (?, 0, ?)", params![id, name])
        .map(drop)
}

fn context(connection: &Connection, kind: &str, name: &str) -> rusqlite::Result<i64> {
    let kind = type_id(connection, kind, CONTEXT_TYPE)?;
    let at = now();
    connection.execute(
        "INSERT OR IGNORE INTO Context (type_id, name, create_time_since_epoch, last_update_time_since_epoch) \
         VALUES (?, ?, ?, ?)",
        params![kind, name, at, at],
    )?;
    connection.query_row("SELECT id FROM Context WHERE type_id = ? AND name = ?", params![kind, name], |row| row.get(0))
}

fn type_id(connection: &Connection, name: &str, kind: i64) -> rusqlite::Result<i64> {
    let query = "SELECT id FROM Type WHERE name = ? AND type_kind = ?";
    let found = connection.query_row(query, params![name, kind], |row| row.get(0)).optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    connection.execute("INSERT INTO Type (name, type_kind) VALUES (?, ?)", params![name, kind])?;
    Ok(connection.last_insert_rowid())
}

/// Milliseconds since 1970.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
