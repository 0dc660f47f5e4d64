//! How the API server is configured: its environment, read once when it starts.
//!
//! Source: Deployment `ml-pipeline` of kubeflow/manifests; kubeflow/pipelines `backend/src/apiserver/common/config.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::actors::object_store::Credentials;
use crate::actors::{self, started};
use crate::kubelet::{self, environment};
use crate::object::text;
use crate::platform::World;

/// The configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The release of Kubeflow Pipelines, for example `(2, 3)`.
    pub release: (u32, u32),
    /// Whether namespaces divide users.
    pub multi_user: bool,
    /// The identity header, in lower case.
    pub header: String,
    /// What stands before the user in it.
    pub prefix: String,
    /// The audience of service accounts' tokens.
    pub audience: String,
    /// Who runs what no account is named for.
    pub runner: String,
    /// The database's host.
    pub host: String,
    /// Its port.
    pub port: String,
    /// Its user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// The database.
    pub database: String,
    /// Where the object store is: host and port.
    pub store: (String, String),
    /// Who writes to it.
    pub keys: Credentials,
    /// The bucket.
    pub bucket: String,
    /// Whether steps of runs keep what they print as an artifact, too.
    pub publishes_logs: bool,
}

impl Settings {
    /// Reads them anew: the container starts.
    pub fn start(world: &World, pod: &Value, container: &str) {
        started::keep(world, pod, Self::read(world, pod, container));
    }

    /// Those of a container, as they were when it started.
    #[must_use]
    pub fn of(world: &World, pod: &Value, container: &str) -> Arc<Self> {
        started::kept_or(world, pod, || Self::read(world, pod, container))
    }

    fn read(world: &World, pod: &Value, container: &str) -> Self {
        let variables = environment::variables(&world.store, pod, container);
        let image = kubelet::container(pod, container).map(|found| text(found, "/image")).unwrap_or_default();
        let get = |name: &str, otherwise: &str| variable(&variables, name).unwrap_or_else(|| otherwise.to_owned());
        let database = |name: &str, otherwise: &str| {
            let older = format!("DBCONFIG_{name}");
            let newer = variable(&variables, &format!("DBCONFIG_MYSQLCONFIG_{name}"));
            newer.or_else(|| variable(&variables, &older)).unwrap_or_else(|| otherwise.to_owned())
        };
        // The links of Service `minio-service` in its own namespace tell where it is.
        let store = |part: &str, link: &str, otherwise: &str| {
            let found = variable(&variables, part).or_else(|| variable(&variables, link));
            found.unwrap_or_else(|| otherwise.to_owned())
        };
        Self {
            release: release(actors::tag(image)),
            multi_user: get("MULTIUSER", "false") == "true",
            header: get("KUBEFLOW_USERID_HEADER", "x-goog-authenticated-user-email").to_ascii_lowercase(),
            prefix: variables
                .get("KUBEFLOW_USERID_PREFIX")
                .map_or_else(|| "accounts.google.com:".to_owned(), String::clone),
            audience: get("TOKEN_REVIEW_AUDIENCE", "pipelines.kubeflow.org"),
            runner: get("DEFAULTPIPELINERUNNERSERVICEACCOUNT", "pipeline-runner"),
            host: database("HOST", "mysql"),
            port: database("PORT", "3306"),
            user: database("USER", "root"),
            password: database("PASSWORD", ""),
            database: database("DBNAME", "mlpipeline"),
            store: (
                store("OBJECTSTORECONFIG_HOST", "MINIO_SERVICE_SERVICE_HOST", "localhost"),
                store("OBJECTSTORECONFIG_PORT", "MINIO_SERVICE_SERVICE_PORT", "9000"),
            ),
            keys: Credentials {
                access: get("OBJECTSTORECONFIG_ACCESSKEY", "minio"),
                secret: get("OBJECTSTORECONFIG_SECRETACCESSKEY", "minio123"),
            },
            bucket: get("OBJECTSTORECONFIG_BUCKETNAME", "mlpipeline"),
            publishes_logs: get("PUBLISH_LOGS", "") == "true",
        }
    }
}

fn variable(variables: &BTreeMap<String, String>, name: &str) -> Option<String> {
    variables.get(name).filter(|value| !value.is_empty()).cloned()
}

/// Major and minor number of a tag; the newest known where the tag names none.
fn release(tag: &str) -> (u32, u32) {
    let mut numbers = tag.trim_start_matches('v').split('.').map_while(|part| part.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => (2, 5),
    }
}

#[cfg(test)]
mod tests {
    use super::release;

    #[test]
    fn the_release_is_the_tags() {
        assert_eq!((release("2.0.5"), release("v2.15.0"), release("latest")), ((2, 0), (2, 15), (2, 5)));
    }
}
