//! The server of ML Metadata: what ran, and what came of it, as rows of the bundled MySQL.
//!
//! Its clients are the steps of runs, which are played here, too; so no gRPC is spoken: they reach its [`Records`]
//! directly, as long as the server is ready and its database answers. Facts: google/ml-metadata 1.14;
//! kubeflow/pipelines 2.3.0 `backend/src/v2/metadata/client.go`.

mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use serde_json::Value;

pub use records::{Execution, Records};

use super::{Actor, Visit, mysql, started};
use crate::kubelet::{self, environment};
use crate::mesh::{config, destination::Destination, endpoints, endpoints::Found};
use crate::object::{list, namespace, text};
use crate::platform::World;

/// A container that runs the server.
pub struct MlMetadata;

impl Actor for MlMetadata {
    fn start(&self, world: &World, pod: &Value, container: &str) -> Result<(), String> {
        started::keep(world, pod, Settings::read(world, pod, container));
        Ok(())
    }

    /// The program listens once it has its database, and the tables in it.
    fn ready(&self, world: &World, pod: &Value, container: &str) -> bool {
        match records(world, pod, container).and_then(|records| records.initialise()) {
            Ok(()) => true,
            Err(why) => {
                tracing::debug!(%why, "ML Metadata waits for its database");
                false
            }
        }
    }

    /// Only gRPC is spoken there, and that is not played.
    fn serve(&self, _: Visit, _: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}

/// Whether an image is the server's, whatever its registry.
fn is_server(image: &str) -> bool {
    super::repository(image).rsplit('/').next() == Some("ml_metadata_store_server")
}

/// The records behind a Service.
///
/// # Errors
/// Nobody answers there, or the server's database does not.
pub fn reach(world: &World, home: &str, (host, port): (&str, u16)) -> Result<Records, String> {
    let refused = || format!("dial tcp {host}:{port}: connect: connection refused");
    let Found::Pod(pod, port) = config::endpoints(world).find(&Destination::new(host, home, port)) else {
        return Err(refused());
    };
    let container = endpoints::container_at(&pod, port).filter(|container| is_server(text(container, "/image")));
    records(world, &pod, text(container.ok_or_else(refused)?, "/name"))
}

/// The records that a server's container works on.
fn records(world: &World, pod: &Value, container: &str) -> Result<Records, String> {
    let settings = Settings::of(world, pod, container);
    let directory = mysql::reach(world, namespace(pod), &settings.host, &settings.port)?;
    directory.authenticate(&settings.user, &settings.password).map_err(|error| error.to_string())?;
    Ok(Records::new(directory, settings.database.clone()))
}

/// The server's flags `--mysql_config_…`, or the variables of the shipped Deployment that they are made from.
struct Settings {
    host: String,
    port: String,
    user: String,
    password: String,
    database: String,
}

impl Settings {
    /// Those of a container, as they were when it started.
    fn of(world: &World, pod: &Value, container: &str) -> Arc<Self> {
        started::kept_or(world, pod, || Self::read(world, pod, container))
    }

    fn read(world: &World, pod: &Value, container: &str) -> Self {
        let variables = environment::variables(&world.store, pod, container);
        let arguments = kubelet::container(pod, container).map(|one| list(one, "/args")).unwrap_or_default();
        let flags: BTreeMap<String, String> = arguments
            .iter()
            .filter_map(Value::as_str)
            .filter_map(|argument| argument.strip_prefix("--mysql_config_")?.split_once('='))
            .map(|(flag, value)| (flag.to_owned(), environment::expand(value, |name| variables.get(name).cloned())))
            .collect();
        let get = |flag: &str, variable: &str| {
            flags.get(flag).or_else(|| variables.get(variable)).cloned().unwrap_or_default()
        };
        Self {
            host: get("host", "MYSQL_HOST"),
            port: get("port", "MYSQL_PORT"),
            user: get("user", "DBCONFIG_USER"),
            password: get("password", "DBCONFIG_PASSWORD"),
            database: get("database", "MYSQL_DATABASE"),
        }
    }
}
