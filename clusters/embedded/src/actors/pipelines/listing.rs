//! Lists: page by page, sorted, filtered.
//!
//! Source: kubeflow/pipelines 2.3.0 `backend/src/apiserver/list/list.go`, `filter/filter.go`, `model/*.go`
//! (`APIToModelFieldMap`). A page's token holds where the next page begins, in JSON and base64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::Uri;
use rusqlite::types::Value as Sql;
use serde_json::{Value, json};

use super::filters;
use super::refusal::{Answered, Refusal};
use super::rows::{Row, Rows};
use crate::actors::query;

/// Entries of a page unless the caller says, and at most.
const PAGE: usize = 20;
const LARGEST_PAGE: usize = 200;

/// What can be listed.
#[derive(Debug)]
pub struct Kind {
    /// As errors name it.
    pub name: &'static str,
    /// The table.
    pub table: &'static str,
    /// Fields of the API, and the columns that they are.
    pub columns: &'static [(&'static str, &'static str)],
}

/// Experiments.
pub static EXPERIMENTS: Kind = Kind {
    name: "Experiment",
    table: "experiments",
    columns: &[
        ("id", "UUID"),
        ("experiment_id", "UUID"),
        ("name", "Name"),
        ("display_name", "Name"),
        ("created_at", "CreatedAtInSec"),
        ("description", "Description"),
        ("namespace", "Namespace"),
        ("storage_state", "StorageState"),
    ],
};
/// Pipelines.
pub static PIPELINES: Kind = Kind {
    name: "Pipeline",
    table: "pipelines",
    columns: &[
        ("id", "UUID"),
        ("pipeline_id", "UUID"),
        ("name", "Name"),
        ("display_name", "Name"),
        ("created_at", "CreatedAtInSec"),
        ("description", "Description"),
        ("namespace", "Namespace"),
    ],
};
/// Versions of a pipeline.
pub static VERSIONS: Kind = Kind {
    name: "PipelineVersion",
    table: "pipeline_versions",
    columns: &[
        ("id", "UUID"),
        ("pipeline_version_id", "UUID"),
        ("pipeline_id", "PipelineId"),
        ("name", "Name"),
        ("display_name", "Name"),
        ("created_at", "CreatedAtInSec"),
        ("description", "Description"),
    ],
};
/// Runs.
pub static RUNS: Kind = Kind {
    name: "Run",
    table: "run_details",
    columns: &[
        ("id", "UUID"),
        ("run_id", "UUID"),
        ("name", "DisplayName"),
        ("display_name", "DisplayName"),
        ("description", "Description"),
        ("namespace", "Namespace"),
        ("experiment_id", "ExperimentUUID"),
        ("recurring_run_id", "JobUUID"),
        ("storage_state", "StorageState"),
        ("service_account", "ServiceAccount"),
        ("created_at", "CreatedAtInSec"),
        ("scheduled_at", "ScheduledAtInSec"),
        ("finished_at", "FinishedAtInSec"),
        ("status", "Conditions"),
        ("state", "State"),
    ],
};
/// Recurring runs.
pub static RECURRING_RUNS: Kind = Kind {
    name: "Job",
    table: "jobs",
    columns: &[
        ("id", "UUID"),
        ("recurring_run_id", "UUID"),
        ("name", "DisplayName"),
        ("display_name", "DisplayName"),
        ("description", "Description"),
        ("namespace", "Namespace"),
        ("experiment_id", "ExperimentUUID"),
        ("created_at", "CreatedAtInSec"),
        ("updated_at", "UpdatedAtInSec"),
    ],
};

/// A page.
pub struct Page {
    /// Its rows.
    pub rows: Vec<Row>,
    /// How many there are in all.
    pub total: i64,
    /// The token of the next one; empty if there is none.
    pub next: String,
}

/// What a caller wants to see.
struct Options {
    size: usize,
    column: String,
    descending: bool,
    /// The filter, kept in the token, too.
    predicates: Vec<Value>,
    /// Where the page begins: the sorted column's value and the id.
    from: Option<(Value, Value)>,
}

/// The page that a request's query asks for, of the rows that fulfil all of `scope`.
///
/// # Errors
/// 400 for options that make no sense, 500 without a database.
pub fn page(rows: &Rows, kind: &Kind, uri: &Uri, scope: &[(&str, &str)], doing: &str) -> Answered<Page> {
    let options = Options::of(kind, uri).map_err(|refusal| refusal.within("Failed to create list options"))?;
    let mut conditions: Vec<String> = scope.iter().map(|(column, _)| format!("{column} = ?")).collect();
    let mut values: Vec<Sql> = scope.iter().map(|(_, value)| Sql::Text((*value).to_owned())).collect();
    for predicate in &options.predicates {
        condition(kind, predicate, &mut conditions, &mut values)?;
    }
    let from = format!("FROM {}", kind.table);
    let whole = |conditions: &[String]| match conditions {
        [] => String::new(),
        conditions => format!(" WHERE {}", conditions.join(" AND ")),
    };
    let counted = rows.select(doing, &format!("SELECT count(*) AS n {from}{}", whole(&conditions)), &values)?;
    let total = counted.first().map_or(0, |row| super::rows::number(row, "n"));
    let (column, direction) = (&options.column, if options.descending { "DESC" } else { "ASC" });
    if let Some((value, id)) = &options.from {
        let compared = if options.descending { "<=" } else { ">=" };
        conditions.push(format!("({column}, UUID) {compared} (?, ?)"));
        values.extend([sql(value), sql(id)]);
    }
    let limit = options.size + 1;
    let query =
        format!("SELECT * {from}{} ORDER BY {column} {direction}, UUID {direction} LIMIT {limit}", whole(&conditions));
    let mut found = rows.select(doing, &query, &values)?;
    let next = if found.len() > options.size { found.pop().map(|row| options.token(&row)) } else { None };
    Ok(Page { rows: found, total, next: next.unwrap_or_default() })
}

impl Options {
    fn of(kind: &Kind, uri: &Uri) -> Answered<Self> {
        let asked = |name: &str| query(uri, name).filter(|value| !value.is_empty());
        let size: i64 = match asked("page_size") {
            None => 0,
            Some(size) => size
                .parse()
                .map_err(|_| Refusal::malformed(format!("type mismatch, parameter: page_size, value: {size}")))?,
        };
        let size = match usize::try_from(size) {
            // The number is printed as the character of that code.
            Err(_) => return Err(Refusal::invalid("The page size should be greater than 0. Got '\u{fffd}'")),
            Ok(0) => PAGE,
            Ok(size) => size.min(LARGEST_PAGE),
        };
        if let Some(token) = asked("page_token") {
            return Self::of_token(kind, &token, size);
        }
        let mut options =
            Self { size, column: "CreatedAtInSec".to_owned(), descending: false, predicates: Vec::new(), from: None };
        let sort = asked("sort_by").unwrap_or_default().to_lowercase();
        let words: Vec<&str> = sort.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [field] | [field, "asc" | "desc"] => {
                options.column = column(kind, field).ok_or_else(|| {
                    Refusal::invalid(format!("Invalid sorting field: \"{field}\" on listable type {}", kind.name))
                })?;
                options.descending = words.get(1) == Some(&"desc");
            }
            _ => {
                return Err(Refusal::invalid(format!(
                    "Received invalid sort by format \"{sort}\". Supported format: \"field_name\", \"field_name desc\", \
                     or \"field_name asc\""
                )));
            }
        }
        if let Some(filter) = asked("filter") {
            options.predicates = filters::predicates(&filter)?;
            for predicate in &options.predicates {
                condition(kind, predicate, &mut Vec::new(), &mut Vec::new())?;
            }
        }
        Ok(options)
    }

    fn of_token(kind: &Kind, token: &str, size: usize) -> Answered<Self> {
        let bad = |cause: &str| Refusal::invalid_because("Invalid package token.", cause);
        let bytes = BASE64_STANDARD.decode(token).map_err(|error| bad(&error.to_string()))?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|error| bad(&error.to_string()))?;
        let column = token["SortByFieldName"].as_str().unwrap_or_default();
        // A token comes from outside: only a column of this kind may enter a statement.
        let known = kind.columns.iter().any(|(_, known)| *known == column);
        if !known || token["KeyFieldName"] != "UUID" {
            return Err(bad("unknown field"));
        }
        let predicates = token.pointer("/Filter/predicates").and_then(Value::as_array).cloned().unwrap_or_default();
        for predicate in &predicates {
            condition(kind, predicate, &mut Vec::new(), &mut Vec::new())?;
        }
        Ok(Self {
            size,
            column: column.to_owned(),
            descending: token["IsDesc"] == json!(true),
            predicates,
            from: Some((token["SortByFieldValue"].clone(), token["KeyFieldValue"].clone())),
        })
    }

    /// The token of the page that begins with `row`.
    fn token(&self, row: &Row) -> String {
        let filter = if self.predicates.is_empty() { Value::Null } else { json!({"predicates": self.predicates}) };
        let token = json!({
            "SortByFieldName": self.column, "SortByFieldValue": row.get(&self.column), "SortByFieldPrefix": "",
            "KeyFieldName": "UUID", "KeyFieldValue": row.get("UUID"), "KeyFieldPrefix": "",
            "IsDesc": self.descending, "ModelName": "", "Filter": filter,
        });
        BASE64_STANDARD.encode(token.to_string())
    }
}

fn column(kind: &Kind, field: &str) -> Option<String> {
    kind.columns.iter().find(|(name, _)| *name == field).map(|(_, column)| (*column).to_owned())
}

/// One predicate as a condition and its values.
fn condition(kind: &Kind, predicate: &Value, conditions: &mut Vec<String>, values: &mut Vec<Sql>) -> Answered<()> {
    let key = predicate["key"].as_str().unwrap_or_default();
    let column = column(kind, key)
        .ok_or_else(|| Refusal::invalid(format!("no support for filtering on unrecognized field \"{key}\"")))?;
    let operation = predicate["operation"].as_str().or_else(|| predicate["op"].as_str()).unwrap_or_default();
    if operation == "IN" {
        let lists = ["string_values", "int_values", "long_values"];
        let list = lists.iter().find_map(|name| predicate.pointer(&format!("/{name}/values"))?.as_array());
        let list = list.ok_or_else(|| Refusal::invalid("cannot use IN operation with a value that is no list"))?;
        conditions.push(format!("{column} IN ({})", vec!["?"; list.len()].join(", ")));
        values.extend(list.iter().map(sql));
        return Ok(());
    }
    let compared = match operation {
        "EQUALS" => "= ?",
        "NOT_EQUALS" => "<> ?",
        "GREATER_THAN" => "> ?",
        "GREATER_THAN_EQUALS" => ">= ?",
        "LESS_THAN" => "< ?",
        "LESS_THAN_EQUALS" => "<= ?",
        "IS_SUBSTRING" => "LIKE ?",
        other => return Err(Refusal::invalid(format!("invalid predicate operation: {other}"))),
    };
    let value = ["string_value", "int_value", "long_value", "timestamp_value"]
        .iter()
        .find_map(|name| Some((*name, predicate.get(*name)?)))
        .ok_or_else(|| Refusal::invalid("predicate without a value"))?;
    let value = match value {
        ("timestamp_value", time) => {
            let time = time.as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok());
            Sql::Integer(time.ok_or_else(|| Refusal::invalid("invalid timestamp"))?.as_second())
        }
        (_, value) if operation == "IS_SUBSTRING" => Sql::Text(format!("%{}%", value.as_str().unwrap_or_default())),
        (_, value) => sql(value),
    };
    conditions.push(format!("{column} {compared}"));
    values.push(value);
    Ok(())
}

fn sql(value: &Value) -> Sql {
    match value {
        Value::String(text) => Sql::Text(text.clone()),
        Value::Number(number) => number.as_i64().map_or(Sql::Null, Sql::Integer),
        _ => Sql::Null,
    }
}
