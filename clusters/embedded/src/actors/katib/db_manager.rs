//! `katib-db-manager`: between Katib's programs and MySQL. It reads its environment and opens its database when it starts
//! (`cmd/db-manager/v1beta1/main.go`); it knows neither users nor namespaces.

use std::sync::Arc;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use serde_json::Value;

use super::observations::Observations;
use crate::actors::{Actor, Visit, mysql, repository, started};
use crate::kubelet::environment;
use crate::mesh::config;
use crate::mesh::destination::Destination;
use crate::mesh::endpoints::{Found, container_at};
use crate::object::{namespace, text};
use crate::platform::World;

/// The `katib-db-manager` container.
pub struct DbManager;

/// Where the database is and who may open it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Settings {
    host: String,
    port: String,
    user: String,
    password: String,
    database: String,
}

impl Actor for DbManager {
    fn start(&self, world: &World, pod: &Value, container: &str) -> Result<(), String> {
        let settings = Settings::read(world, pod, container)?;
        started::keep(world, pod, settings);
        Ok(())
    }

    /// It listens once it has opened its database and made its table. The real one has no probe for that: it counts as
    /// ready meanwhile, and gives up after a minute.
    fn ready(&self, world: &World, pod: &Value, _: &str) -> bool {
        Settings::of(world, pod)
            .is_some_and(|settings| open(world, namespace(pod), &settings).is_ok_and(|rows| rows.initialise().is_ok()))
    }

    fn serve(&self, _: Visit, _: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        // HTTP/1 to a server of gRPC.
        Box::pin(async {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        })
    }
}

impl Settings {
    /// Those that the program in a pod started with.
    fn of(world: &World, pod: &Value) -> Option<Arc<Self>> {
        started::kept(world, pod)
    }

    fn read(world: &World, pod: &Value, container: &str) -> Result<Self, String> {
        let variables = environment::variables(&world.store, pod, container);
        let get = |name: &str, otherwise: &str| {
            variables.get(name).filter(|value| !value.is_empty()).map_or(otherwise, String::as_str).to_owned()
        };
        match get("DB_NAME", "").as_str() {
            "" => return Err("DB_NAME env is not set. Exiting".to_owned()),
            "mysql" => {}
            other => return Err(format!("Failed to open db connection: Invalid DB Name {other}")),
        }
        Ok(Self {
            host: get("KATIB_MYSQL_DB_HOST", "katib-mysql"),
            port: get("KATIB_MYSQL_DB_PORT", "3306"),
            user: get("DB_USER", "root"),
            password: get("DB_PASSWORD", ""),
            database: get("KATIB_MYSQL_DB_DATABASE", "katib"),
        })
    }
}

/// Opens the database, as a program of a namespace.
fn open(world: &World, home: &str, settings: &Settings) -> Result<Observations, String> {
    let refused = || format!("dial tcp {}:{}: connect: connection refused", settings.host, settings.port);
    let port = settings.port.parse().map_err(|_| refused())?;
    let Found::Pod(pod, port) = config::endpoints(world).find(&Destination::new(&settings.host, home, port)) else {
        return Err(refused());
    };
    let container = container_at(&pod, port).ok_or_else(refused)?;
    if !mysql::is_server(text(container, "/image")) {
        return Err(refused());
    }
    let directory = mysql::directory_of(world, &pod, text(container, "/name"));
    directory.authenticate(&settings.user, &settings.password).map_err(|error| error.to_string())?;
    Ok(Observations::new(directory, &settings.database))
}

/// The rows behind the manager at `host:port`, asked from a namespace.
///
/// # Errors
/// What a client of gRPC says.
pub fn at(world: &World, home: &str, address: &str) -> Result<Observations, String> {
    let refused = || {
        format!(
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp \
             {address}: connect: connection refused\""
        )
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
    let port = port.parse().map_err(|_| refused())?;
    let Found::Pod(pod, port) = config::endpoints(world).find(&Destination::new(host, home, port)) else {
        return Err(refused());
    };
    let container = container_at(&pod, port).ok_or_else(refused)?;
    if !is_manager(text(container, "/image")) {
        return Err(refused());
    }
    let settings = Settings::of(world, &pod).ok_or_else(refused)?;
    open(world, namespace(&pod), &settings).map_err(|why| format!("rpc error: code = Unknown desc = {why}"))
}

fn is_manager(image: &str) -> bool {
    repository(image).rsplit('/').next() == Some("katib-db-manager")
}
