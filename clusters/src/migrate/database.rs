//! What a MySQL in a pod holds: databases, tables, rows, bytes. Asked with the server's own client in its container.

use std::collections::BTreeMap;

use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exec::{self, Container};
use super::survey::{Object, Survey};

/// One database of one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// The pod that serves it.
    pub server: String,
    /// The database.
    pub name: String,
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
    /// Bytes of its tables and indexes, as the server estimates them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(skip)]
    pub(super) at: Container,
    #[serde(skip)]
    pub(super) password: Password,
}

/// Where the container has the password of `root`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Password {
    /// In `MYSQL_ROOT_PASSWORD`, or there is none.
    #[default]
    Variable,
    /// In the file that `MYSQL_ROOT_PASSWORD_FILE` names.
    File,
}

/// Images of servers, by the last part of the repository.
const SERVERS: &[&str] = &["mysql", "mariadb"];
/// Databases of the server itself.
const OWN: &[&str] = &["information_schema", "performance_schema", "mysql", "sys", "test"];

/// The servers of some namespaces: a pod each, and whether it can be asked.
pub(super) fn servers<'a>(survey: &'a Survey, namespaces: &[String]) -> Vec<(&'a Object, Container, Password)> {
    let pods = survey.of("Pod").filter(|pod| namespaces.iter().any(|namespace| namespace == pod.namespace()));
    let mut servers = Vec::new();
    for pod in pods {
        let server = pod.containers().find(|container| is_image(container, SERVERS));
        let Some(server) = server else { continue };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let file = server["env"].as_array().into_iter().flatten().any(|one| one["name"] == "MYSQL_ROOT_PASSWORD_FILE");
        let at = Container {
            namespace: pod.namespace().to_owned(),
            pod: pod.name().to_owned(),
            container: text(&server["name"]),
        };
        servers.push((pod, at, if file { Password::File } else { Password::Variable }));
    }
    servers
}

/// Whether a container runs one of some images, whatever the registry and tag.
pub(super) fn is_image(container: &Value, names: &[&str]) -> bool {
    let image = container["image"].as_str().unwrap_or_default();
    let image = image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    names.contains(&last.split(':').next().unwrap_or_default())
}

/// The databases of a server.
pub(super) async fn databases(client: &Client, at: &Container, password: Password) -> Result<Vec<Database>, String> {
    let names = select(client, at, password, "", "SHOW DATABASES").await?;
    let sizes =
        "SELECT table_schema, SUM(data_length + index_length) FROM information_schema.tables GROUP BY table_schema";
    let sizes = select(client, at, password, "information_schema", sizes).await.unwrap_or_default();
    let mut databases = Vec::new();
    for name in names.into_iter().flatten().filter(|name| !OWN.contains(&name.as_str())) {
        if !is_plain(&name) {
            return Err(format!("{at}: a database is named {name:?}, which this program does not ask about"));
        }
        let size = sizes.iter().find(|row| row.first() == Some(&name)).and_then(|row| row.get(1)?.parse::<f64>().ok());
        let rows = rows(client, at, password, &name).await?;
        let bytes = size.map(whole);
        databases.push(Database { server: at.to_string(), name, rows, bytes, at: at.clone(), password });
    }
    Ok(databases)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of bytes that MySQL prints as a decimal"
)]
fn whole(bytes: f64) -> u64 {
    bytes.max(0.0) as u64
}

/// How many rows each table has.
async fn rows(
    client: &Client,
    at: &Container,
    password: Password,
    name: &str,
) -> Result<BTreeMap<String, u64>, String> {
    let tables = select(client, at, password, name, "SHOW TABLES").await?;
    let tables: Vec<String> = tables.into_iter().flatten().filter(|table| is_plain(table)).collect();
    if tables.is_empty() {
        return Ok(BTreeMap::new());
    }
    let counts: Vec<String> =
        tables.iter().enumerate().map(|(at, table)| format!("SELECT {at}, COUNT(*) FROM `{table}`")).collect();
    let counted = select(client, at, password, name, &counts.join(" UNION ALL ")).await?;
    let number = |text: Option<&String>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let named = counted.iter().filter_map(|row| {
        let at = usize::try_from(number(row.first())).ok()?;
        Some((tables.get(at)?.clone(), number(row.get(1))))
    });
    Ok(named.collect())
}

/// A name that stands in a statement as it is.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$'))
}

/// The rows of a statement, column by column, as the client prints them in batch mode. The statement stands in a shell's
/// single quotes: it must not hold one.
pub(super) async fn select(
    client: &Client,
    at: &Container,
    password: Password,
    database: &str,
    statement: &str,
) -> Result<Vec<Vec<String>>, String> {
    let secret = match password {
        Password::Variable => "$MYSQL_ROOT_PASSWORD",
        Password::File => "$(cat \"$MYSQL_ROOT_PASSWORD_FILE\")",
    };
    let script = format!("mysql -uroot --password=\"{secret}\" -NBe '{statement}' {database}");
    let output = exec::run(client, at, &["sh", "-c", &script]).await?;
    Ok(output.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}
