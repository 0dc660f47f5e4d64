//! Rows of the bundled MySQL, selected by its own client in its pod.

use harness::{Checked, Ctx, Stop};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, ListParams};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::gateway::diagnose::{blame, pods_behind};
use crate::objects::{self, CONFIG_MAP, SECRET, config_value, secret_value};
use crate::stand_in::not_installed;

/// How much of an answer is read.
const LIMIT: u64 = 1 << 20;

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

/// Where the rows are.
pub struct Place {
    /// The database.
    pub database: String,
    user: String,
    password: String,
}

/// A database, and who may read it, as the platform's own programs are told.
pub async fn place(cx: &Ctx, database: Database) -> Checked<Place> {
    let config = objects::get(cx, CONFIG_MAP, "kubeflow", "pipeline-install-config").await?;
    let config = config.ok_or_else(|| Stop::absent("ConfigMap kubeflow/pipeline-install-config"))?;
    let secret = objects::get(cx, SECRET, "kubeflow", "mysql-secret").await?;
    let secret = secret.ok_or_else(|| Stop::absent("Secret kubeflow/mysql-secret"))?;
    let value = |key| secret_value(&secret, key).unwrap_or_default();
    let (key, usual) = database.named_by();
    Ok(Place {
        database: config_value(&config, key).unwrap_or(usual).to_owned(),
        user: value("username"),
        password: value("password"),
    })
}

/// The rows that a query selects from the database of the pipelines, column by column, as the client prints them.
pub async fn select(cx: &Ctx, query: &str) -> Checked<Vec<Vec<String>>> {
    select_in(cx, Database::Pipelines, query).await
}

/// The rows that a query selects from a database.
pub async fn select_in(cx: &Ctx, database: Database, query: &str) -> Checked<Vec<Vec<String>>> {
    let place = place(cx, database).await?;
    let pods: Api<Pod> = Api::namespaced(cx.kube(), "kubeflow");
    let listed = pods.list(&ListParams::default().labels("app=mysql,application-crd-id=kubeflow-pipelines")).await?;
    let ready = |pod: &Pod| {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let holds = conditions.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
        holds && pod.metadata.deletion_timestamp.is_none()
    };
    let Some(pod) = listed.items.iter().find(|pod| ready(pod)).and_then(|pod| pod.metadata.name.clone()) else {
        if let Some(absent) = not_installed(cx, "kubeflow", "mysql").await? {
            return Err(absent);
        }
        let stop = Stop::failed("a ready pod of the bundled MySQL", "there is none");
        return Err(blame(stop, pods_behind(cx, ("kubeflow", "mysql"), ("kubeflow", "mysql")).await));
    };
    let mut command = vec!["mysql".to_owned(), format!("-u{}", place.user)];
    if !place.password.is_empty() {
        cx.secret(&place.password);
        command.push(format!("--password={}", place.password));
    }
    command.extend(["-NBe".to_owned(), query.to_owned(), place.database]);
    let how = AttachParams::default().container("mysql").stdin(false).stdout(true).stderr(true);
    let mut process = pods.exec(&pod, command, &how).await?;
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let (out, complaint) = (read_all(stdout).await, read_all(stderr).await);
    let unreadable = |error: std::io::Error| Stop::errored("kubernetes", format!("exec in pod {pod}: {error}"));
    let (out, complaint) = (out.map_err(unreadable)?, complaint.map_err(unreadable)?);
    let ended = match status {
        Some(status) => status.await,
        None => None,
    };
    cx.remark(format!("mysql> {query}\n{out}"));
    if ended.as_ref().and_then(|status| status.status.as_deref()) == Some("Success") {
        return Ok(out.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect());
    }
    Err(Stop::failed(format!("MySQL answers {query:?}"), complaint.trim().to_owned())
        .at(format!("Pod kubeflow/{pod}, container mysql"))
        .because("Deployment kubeflow/mysql: its data, or Secret kubeflow/mysql-secret")
        .fix("kubectl -n kubeflow logs deployment/mysql -c mysql"))
}

async fn read_all(stream: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut text = Vec::new();
    if let Some(stream) = stream {
        stream.take(LIMIT).read_to_end(&mut text).await?;
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}
