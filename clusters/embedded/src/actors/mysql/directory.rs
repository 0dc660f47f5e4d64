//! A server's data directory: the password of `root`, and databases.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// The version that the server says it is.
pub(super) const VERSION: &str = "8.0.26";

/// What a statement failed with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Error {number} ({state}): {text}")]
pub struct SqlError {
    /// MySQL's number.
    pub number: u16,
    /// The SQLSTATE.
    pub state: &'static str,
    /// The server's words.
    pub text: String,
}

impl SqlError {
    fn new(number: u16, state: &'static str, text: impl Into<String>) -> Self {
        Self { number, state, text: text.into() }
    }

    /// Whether a row with the same key is there.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        self.number == 1062
    }

    fn of(error: &rusqlite::Error, database: &str, writes: Writes) -> Self {
        let words = error.to_string();
        if words.contains("readonly database") {
            return match writes {
                // Which table is not known here.
                Writes::Full => Self::new(1114, "HY000", "The table is full"),
                _ => Self::new(
                    1290,
                    "HY000",
                    "The MySQL server is running with the --super-read-only option so it cannot execute this statement",
                ),
            };
        }
        if let Some(table) = words.split("no such table: ").nth(1) {
            let table = table.split_whitespace().next().unwrap_or_default();
            return Self::new(1146, "42S02", format!("Table '{database}.{table}' doesn't exist"));
        }
        if let Some(column) = words.split("no such column: ").nth(1) {
            let column = column.split_whitespace().next().unwrap_or_default();
            return Self::new(1054, "42S22", format!("Unknown column '{column}' in 'field list'"));
        }
        if words.contains("UNIQUE constraint failed") {
            return Self::new(1062, "23000", format!("Duplicate entry for key: {words}"));
        }
        Self::new(1064, "42000", format!("You have an error in your SQL syntax: {words}"))
    }
}

/// Whether a server takes what changes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Writes {
    /// It does.
    #[default]
    Taken,
    /// It was started with `--super-read-only`: not even `root` may.
    ReadOnly,
    /// Its volume takes no more.
    Full,
}

/// A data directory. Made empty; a server initialises it when it first starts.
#[derive(Default)]
pub struct Directory(Mutex<Content>);

#[derive(Default)]
struct Content {
    password: Option<String>,
    writes: Writes,
    databases: BTreeMap<String, Connection>,
}

impl Directory {
    /// Whether a server has started on it before.
    #[must_use]
    pub fn is_initialised(&self) -> bool {
        self.lock().password.is_some()
    }

    /// Sets the password of `root`.
    pub fn initialise(&self, password: String) {
        self.lock().password = Some(password);
    }

    /// Sets whether what changes rows is taken.
    pub fn set_writes(&self, writes: Writes) {
        self.lock().writes = writes;
    }

    /// Refuses whoever is not `root` with its password.
    ///
    /// # Errors
    /// 1045, as the server says it.
    pub fn authenticate(&self, user: &str, password: &str) -> Result<(), SqlError> {
        if user == "root" && self.lock().password.as_deref() == Some(password) {
            return Ok(());
        }
        let using = if password.is_empty() { "NO" } else { "YES" };
        Err(SqlError::new(
            1045,
            "28000",
            format!("Access denied for user '{user}'@'localhost' (using password: {using})"),
        ))
    }

    /// `CREATE DATABASE IF NOT EXISTS`.
    pub fn create_database(&self, name: &str) {
        let mut content = self.lock();
        if content.databases.contains_key(name) {
            return;
        }
        match open() {
            Ok(database) => drop(content.databases.insert(name.to_owned(), database)),
            Err(error) => tracing::error!(%error, name, "no database could be made"),
        }
    }

    /// The names of the databases, those of the server itself included.
    #[must_use]
    pub fn databases(&self) -> Vec<String> {
        let content = self.lock();
        let own = ["information_schema", "mysql", "performance_schema", "sys"].map(str::to_owned);
        let mut names: Vec<String> = content.databases.keys().cloned().chain(own).collect();
        names.sort();
        names
    }

    /// Works on what the server tells of its databases: a table `information_schema.tables` with the columns that are asked
    /// for most (MySQL 8.0 Reference Manual, "The INFORMATION_SCHEMA TABLES Table"). Sizes are those of the pages here.
    ///
    /// # Errors
    /// What the statement failed with.
    pub fn with_schema<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, SqlError> {
        const NAME: &str = "information_schema";
        let tables = self.tables();
        let told = || {
            let schema = open()?;
            schema.execute_batch(
                "ATTACH ':memory:' AS information_schema; CREATE TABLE information_schema.tables (table_schema TEXT, \
                 table_name TEXT, table_rows INTEGER, data_length INTEGER, index_length INTEGER)",
            )?;
            for (database, table, rows, bytes) in tables {
                let values = rusqlite::params![database, table, rows, bytes];
                schema.execute("INSERT INTO information_schema.tables VALUES (?, ?, ?, ?, 0)", values)?;
            }
            work(&schema)
        };
        told().map_err(|error| SqlError::of(&error, NAME, Writes::Taken))
    }

    /// All tables: database, name, rows, bytes.
    fn tables(&self) -> Vec<(String, String, i64, i64)> {
        let content = self.lock();
        let mut tables = Vec::new();
        for (database, connection) in &content.databases {
            let named =
                connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
            let names = named.and_then(|mut statement| {
                statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
            });
            for name in names.unwrap_or_default() {
                let number =
                    |statement: &str| connection.query_row(statement, [], |row| row.get(0)).unwrap_or_default();
                let rows = number(&format!("SELECT COUNT(*) FROM \"{name}\""));
                let bytes = number(&format!("SELECT COALESCE(SUM(pgsize), 0) FROM dbstat WHERE name = '{name}'"));
                tables.push((database.clone(), name, rows, bytes));
            }
        }
        tables
    }

    /// Works on a database, alone.
    ///
    /// # Errors
    /// 1049 if there is none of that name; else what the statement failed with.
    pub fn with<T>(
        &self,
        database: &str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SqlError> {
        let content = self.lock();
        let connection = content
            .databases
            .get(database)
            .ok_or_else(|| SqlError::new(1049, "42000", format!("Unknown database '{database}'")))?;
        let writes = content.writes;
        let worked =
            connection.pragma_update(None, "query_only", writes != Writes::Taken).and_then(|()| work(connection));
        worked.map_err(|error| SqlError::of(&error, database, writes))
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.create_scalar_function("version", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(VERSION.to_owned()))?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("sha2", 2, flags, |values| {
        let text: Option<String> = values.get(0)?;
        // Of its lengths only 256 bits are played; another gives NULL, as a length that MySQL does not know.
        let known = matches!(values.get::<i64>(1)?, 0 | 256);
        Ok(text.filter(|_| known).map(|text| {
            use std::fmt::Write as _;
            ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref().iter().fold(
                String::new(),
                |mut hex, byte| {
                    _ = write!(hex, "{byte:02x}");
                    hex
                },
            )
        }))
    })?;
    Ok(connection)
}
