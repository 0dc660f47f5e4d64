//! The API server's rows: one connection's view of its database, row by row as JSON objects.

use std::sync::Arc;

use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, Row as SqlRow, params_from_iter};
use serde_json::{Map, Value, json};

use super::refusal::{Answered, Refusal};
use super::settings::Settings;
use crate::actors::mysql::{Directory, SqlError};

/// A row, by column.
pub type Row = Map<String, Value>;

/// A database, or why there is none.
#[derive(Clone)]
pub struct Rows {
    directory: Result<Arc<Directory>, String>,
    name: String,
}

const TABLES: &str = include_str!("tables.sql");

impl Rows {
    /// A connection that was opened, or why it was not. The server may still refuse the user.
    #[must_use]
    pub fn new(opened: Result<Arc<Directory>, String>, settings: &Settings) -> Self {
        let directory = opened.and_then(|directory| {
            directory.authenticate(&settings.user, &settings.password).map_err(|error| error.to_string())?;
            Ok(directory)
        });
        Self { directory, name: settings.database.clone() }
    }

    /// Makes the database and its tables where they are absent.
    ///
    /// # Errors
    /// The database cannot be reached.
    pub fn initialise(&self) -> Result<(), String> {
        let directory = self.directory.as_ref().map_err(String::clone)?;
        directory.create_database(&self.name);
        self.with(|connection| connection.execute_batch(TABLES))
    }

    /// Works on the database.
    ///
    /// # Errors
    /// The connection's or the statement's, in words.
    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        let directory = self.directory.as_ref().map_err(String::clone)?;
        directory.with(&self.name, work).map_err(|error| error.to_string())
    }

    /// The rows of a query.
    ///
    /// # Errors
    /// 500, with what failed.
    pub fn select(&self, doing: &str, query: &str, values: &[Sql]) -> Answered<Vec<Row>> {
        self.with(|connection| {
            let mut prepared = connection.prepare(query)?;
            let names: Vec<String> = prepared.column_names().map(str::to_owned).collect();
            let found = prepared.query_map(params_from_iter(values), |row| as_row(row, &names))?;
            found.collect()
        })
        .map_err(|cause| failed(doing, &cause))
    }

    /// The row of a table with an id.
    ///
    /// # Errors
    /// 500, with what failed.
    pub fn by_id(&self, doing: &str, table: &str, id: &str) -> Answered<Option<Row>> {
        let query = format!("SELECT * FROM {table} WHERE UUID = ?");
        Ok(self.select(doing, &query, &[id.to_owned().into()])?.pop())
    }

    /// Carries a statement out; yields how many rows changed.
    ///
    /// # Errors
    /// 500, with what failed.
    pub fn execute(&self, doing: &str, statement: &str, values: &[Sql]) -> Answered<usize> {
        self.with(|connection| connection.execute(statement, params_from_iter(values)))
            .map_err(|cause| failed(doing, &cause))
    }

    /// Adds a row. `taken` makes the refusal of one whose key is there already.
    ///
    /// # Errors
    /// `taken`'s, or 500 with what failed.
    pub fn insert(
        &self,
        doing: &str,
        table: &str,
        row: &Row,
        taken: impl FnOnce(&SqlError) -> Refusal,
    ) -> Answered<()> {
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        let marks = vec!["?"; names.len()].join(", ");
        let statement = format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(", "));
        let values: Vec<Sql> = row.values().map(as_sql).collect();
        let directory = self.directory.as_ref().map_err(|cause| failed(doing, cause))?;
        match directory.with(&self.name, |connection| connection.execute(&statement, params_from_iter(&values))) {
            Ok(_) => Ok(()),
            Err(error) if error.is_duplicate() => Err(taken(&error)),
            Err(error) => Err(failed(doing, &error.to_string())),
        }
    }

    /// Notes what a run or recurring run belongs to.
    ///
    /// # Errors
    /// 500, with what failed.
    pub fn refer(&self, (kind, id): (&str, &str), to: (&str, &str), relationship: &str) -> Answered<()> {
        let mut row = object(json!({
            "ResourceUUID": id, "ResourceType": kind, "ReferenceUUID": to.1, "ReferenceName": "",
            "ReferenceType": to.0, "Relationship": relationship, "Payload": "",
        }));
        row["Payload"] = json!(Value::Object(row.clone()).to_string());
        let doing = "Failed to store resource references";
        self.insert(doing, "resource_references", &row, |error| failed(doing, &error.to_string()))
    }
}

/// An internal failure while doing something.
fn failed(doing: &str, cause: &str) -> Refusal {
    Refusal::internal(format!("{doing}: {cause}: {cause}"))
}

/// The members of an object.
#[must_use]
pub fn object(value: Value) -> Row {
    match value {
        Value::Object(members) => members,
        _ => Row::new(),
    }
}

/// A text of a row, empty where there is none.
#[must_use]
pub fn text<'a>(row: &'a Row, column: &str) -> &'a str {
    row.get(column).and_then(Value::as_str).unwrap_or_default()
}

/// A number of a row, 0 where there is none.
#[must_use]
pub fn number(row: &Row, column: &str) -> i64 {
    row.get(column).and_then(Value::as_i64).unwrap_or_default()
}

fn as_row(row: &SqlRow<'_>, names: &[String]) -> rusqlite::Result<Row> {
    let mut members = Row::new();
    for (at, name) in names.iter().enumerate() {
        let value = match row.get_ref(at)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => json!(number),
            ValueRef::Real(number) => json!(number),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => json!(String::from_utf8_lossy(bytes)),
        };
        members.insert(name.clone(), value);
    }
    Ok(members)
}

fn as_sql(value: &Value) -> Sql {
    match value {
        Value::Null => Sql::Null,
        Value::Bool(truth) => Sql::Integer(i64::from(*truth)),
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Sql::Real(number.as_f64().unwrap_or_default()), Sql::Integer)
        }
        Value::String(text) => Sql::Text(text.clone()),
        other => Sql::Text(other.to_string()),
    }
}
