//! Rows of a bundled MySQL, selected by its own client in its pod: the databases let no other pod in.

use harness::exec::{self, Place};
use harness::{Checked, Ctx, Stop};

use crate::gateway::diagnose::{blame, pods_behind};
use crate::objects::ready_pod;
use crate::stand_in::not_installed;

/// Hands the first line of the input to the client as its password: on the command line it would stand in the cluster's
/// audit log and in the pod's list of processes.
const TAKES_PASSWORD: &str = r#"IFS= read -r MYSQL_PWD && export MYSQL_PWD && exec "$@""#;

/// A database, and who may read it.
#[derive(Debug)]
pub struct Database<'a> {
    /// The server's Deployment in the namespace kubeflow, after which its Service and its container are named.
    pub deployment: &'a str,
    /// The labels of its pods, as a selector.
    pub labels: &'a str,
    /// The database's name.
    pub name: String,
    /// Who reads it.
    pub user: String,
    /// Their password; empty for none.
    pub password: String,
    /// What most likely is wrong where the server refuses a query.
    pub suspect: &'a str,
}

/// The rows that a query selects, column by column, as the client prints them.
///
/// # Errors
/// [`Stop::Failed`] if there is no server, or it refuses the query; [`Stop::Errored`] if the client did not run to its
/// end.
pub async fn select(cx: &Ctx, database: &Database<'_>, query: &str) -> Checked<Vec<Vec<String>>> {
    let Database { deployment, labels, name, user, password, suspect } = database;
    let Some(pod) = ready_pod(cx, "kubeflow", labels).await? else {
        if let Some(absent) = not_installed(cx, "kubeflow", deployment).await? {
            return Err(absent);
        }
        let stop = Stop::failed(format!("a ready pod of Deployment kubeflow/{deployment}"), "there is none");
        let server = ("kubeflow", *deployment);
        return Err(blame(stop, pods_behind(cx, server, server).await));
    };
    let user = format!("-u{user}");
    let client = ["mysql", &user, "-NBe", query, name];
    let place = Place { namespace: "kubeflow", pod: &pod, container: deployment };
    let ran = if password.is_empty() {
        exec::run(cx, place, &client).await?
    } else {
        cx.secret(password);
        let command = [&["sh", "-c", TAKES_PASSWORD, "sh"], &client[..]].concat();
        exec::run_with_input(cx, place, &command, &format!("{password}\n")).await?
    };
    cx.remark(format!("mysql> {query}\n{}", ran.stdout));
    if ran.code == 0 {
        return Ok(ran.stdout.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect());
    }
    Err(Stop::failed(format!("MySQL answers {query:?}"), ran.stderr.trim().to_owned())
        .at(format!("Pod kubeflow/{pod}, container {deployment}"))
        .because(*suspect)
        .fix(format!("kubectl -n kubeflow logs deployment/{deployment}")))
}
