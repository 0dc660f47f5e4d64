//! Rows of Kubeflow Pipelines and of ML Metadata in the bundled MySQL.

use harness::{Checked, Ctx, Stop};

use crate::mysql;
use crate::objects::{self, CONFIG_MAP, SECRET, config_value, secret_value};

/// A database of the bundled MySQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Pipelines, runs and all that the API shows.
    Pipelines,
    /// ML Metadata: what ran, and what came of it.
    Metadata,
}

impl Database {
    /// The key of ConfigMap `pipeline-install-config` that names it, and its usual name.
    const fn named_by(self) -> (&'static str, &'static str) {
        match self {
            Self::Pipelines => ("pipelineDb", "mlpipeline"),
            Self::Metadata => ("mlmdDb", "metadb"),
        }
    }
}

/// The rows that a query selects from the database of the pipelines, column by column, as the client prints them.
pub async fn select(cx: &Ctx, query: &str) -> Checked<Vec<Vec<String>>> {
    select_in(cx, Database::Pipelines, query).await
}

/// The rows that a query selects from a database, whose name and reader are those that the platform's own programs are
/// told.
pub async fn select_in(cx: &Ctx, database: Database, query: &str) -> Checked<Vec<Vec<String>>> {
    let config = objects::get(cx, CONFIG_MAP, "kubeflow", "pipeline-install-config").await?;
    let config = config.ok_or_else(|| Stop::absent("ConfigMap kubeflow/pipeline-install-config"))?;
    let secret = objects::get(cx, SECRET, "kubeflow", "mysql-secret").await?;
    let secret = secret.ok_or_else(|| Stop::absent("Secret kubeflow/mysql-secret"))?;
    let value = |key| secret_value(&secret, key).unwrap_or_default();
    let (key, usual) = database.named_by();
    let database = mysql::Database {
        deployment: "mysql",
        host: config_value(&config, "mysqlHost")
            .or_else(|| config_value(&config, "dbHost"))
            .unwrap_or_default()
            .to_owned(),
        labels: "app=mysql,application-crd-id=kubeflow-pipelines",
        name: config_value(&config, key).unwrap_or(usual).to_owned(),
        user: value("username"),
        password: value("password"),
        suspect: "Deployment kubeflow/mysql: its data, or Secret kubeflow/mysql-secret",
    };
    mysql::select(cx, &database, query).await
}
