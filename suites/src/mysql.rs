//! Rows of a bundled MySQL, selected by its own client in its pod: the databases let no other pod in.

use harness::exec::{self, Place};
use harness::{Checked, Ctx, Stop};

use crate::gateway::diagnose::{blame, pods_behind};
use crate::objects::{self, DEPLOYMENT, ready_pod};
use crate::stand_in::not_installed;

/// Hands the first line of the input to the client as its password: on the command line it would stand in the cluster's
/// audit log and in the pod's list of processes.
const TAKES_PASSWORD: &str = r#"IFS= read -r MYSQL_PWD && export MYSQL_PWD && exec "$@""#;

/// A database, and who may read it.
#[derive(Debug)]
pub struct Database<'a> {
    /// The server's Deployment in the namespace kubeflow, after which its Service and its container are named.
    pub deployment: &'a str,
    /// The host that the platform's programs are told.
    pub host: String,
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
    let Database { deployment, host, labels, name, user, password, suspect } = database;
    let Some(pod) = ready_pod(cx, "kubeflow", labels).await? else {
        if is_another(host, deployment) && objects::get(cx, DEPLOYMENT, "kubeflow", deployment).await?.is_none() {
            return Err(Stop::absent(format!("the bundled {deployment}, in whose place the site uses {host},")));
        }
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

/// Whether a host is none of a bundled Service's names: a store of the site's own.
#[must_use]
pub fn is_another(host: &str, service: &str) -> bool {
    let mut parts = host.trim_end_matches('.').split('.');
    !host.is_empty() && (parts.next(), parts.next().unwrap_or("kubeflow")) != (Some(service), "kubeflow")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundled_service_has_several_names() {
        for own in ["", "mysql", "mysql.kubeflow", "mysql.kubeflow.svc.cluster.local."] {
            assert!(!is_another(own, "mysql"), "{own}");
        }
        for other in ["mysql.data", "db.eu-west-1.rds.amazonaws.com", "mysql-elsewhere", "10.0.0.7"] {
            assert!(is_another(other, "mysql"), "{other}");
        }
    }
}
