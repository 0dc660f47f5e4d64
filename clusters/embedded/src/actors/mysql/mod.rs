//! MySQL: what its data directory holds, and who may ask for it.
//!
//! The data directory is the volume that is mounted where the server keeps its data: rows live as long as its
//! PersistentVolumeClaim, whatever happens to pods; without a claim they die with the pod. The SQL itself is answered by
//! an SQLite database in memory, whose columns are those of upstream's tables; of MySQL's own dialect only `SHOW TABLES`,
//! `SHOW DATABASES` and a few functions are known.
//!
//! Facts: docker-library/mysql 8.0 `docker-entrypoint.sh`; the errors are those of MySQL's Server Error Message Reference.

mod client;
mod directory;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

pub use directory::{Directory, SqlError, Writes};

use super::{Actor, Ended, Visit};
use crate::kubelet::{self, environment, throttle};
use crate::mesh::{self, Caller, config, destination::Destination, endpoints::Found};
use crate::object::{list, text, uid};
use crate::platform::World;
use crate::switches;

/// A container that runs MySQL's server.
pub struct Mysql;

/// Where the server keeps its data unless `--datadir` says otherwise.
const DATA_DIRECTORY: &str = "/var/lib/mysql";
/// The same of Bitnami's image (bitnami/containers `bitnami/mysql`, `MYSQL_VOLUME_DIR`).
const BITNAMI_DIRECTORY: &str = "/bitnami/mysql";
/// The switch by which it waits for its disk.
const STALLS: &str = "database-stalls";
/// How long, then.
const STALL: Duration = Duration::from_secs(6);
/// The switch by which its volume is full.
const FULL: &str = "database-full";
/// What a connection with its statements, or the client, takes of a CPU: so much that a tight limit is felt.
const EFFORT: Duration = Duration::from_millis(60);
/// The variable by which the client is told a password.
const PASSWORD: &str = "MYSQL_PWD";
const NO_PASSWORD: &str = "[ERROR] [Entrypoint]: Database is uninitialized and password option is not specified";

impl Actor for Mysql {
    /// The first start on an empty data directory sets the password of `root`, and makes `MYSQL_DATABASE`.
    fn start(&self, world: &World, pod: &Value, container: &str) -> Result<(), String> {
        let directory = directory_of(world, pod, container);
        if directory.is_initialised() {
            return Ok(());
        }
        let variables = environment::variables(&world.store, pod, container);
        let set = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let password = match (set("MYSQL_ROOT_PASSWORD"), set("MYSQL_ALLOW_EMPTY_PASSWORD")) {
            (Some(password), _) => password.clone(),
            (None, Some(_)) => String::new(),
            (None, None) => return Err(NO_PASSWORD.to_owned()),
        };
        directory.initialise(password);
        if let Some(name) = set("MYSQL_DATABASE") {
            directory.create_database(name);
        }
        Ok(())
    }

    fn exec(&self, world: &World, pod: &Value, container: &str, command: &[String], stdin: &[u8]) -> Option<Ended> {
        let (given, command) = client::with_variable(command, stdin);
        let given = given.filter(|(name, _)| name == PASSWORD).map(|(_, value)| value);
        let password = given.or_else(|| environment::variable(&world.store, pod, container, PASSWORD));
        let (program, arguments) = command.split_first()?;
        let program = program.rsplit('/').next().unwrap_or_default();
        let directory = directory_of(world, pod, container);
        client::run(program, arguments, password.as_ref(), &directory)
    }

    /// The server is asked by all commands but one that tells the client's own version.
    fn pause(&self, world: &World, container: &Value, command: &[String]) -> Duration {
        if client::asks_nobody(command) { throttle::wait(container, EFFORT) } else { pause(world, container) }
    }

    /// `CONNECT` stands for opening a connection: the answer carries the [`Directory`] as an extension. Anything else is
    /// HTTP to a server that does not speak it.
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let mut response = Response::new(Body::empty());
            if request.method() == Method::CONNECT {
                if let Some(program) = kubelet::container(&visit.pod, &visit.container) {
                    tokio::time::sleep(pause(&visit.world, program)).await;
                }
                response.extensions_mut().insert(directory_of(&visit.world, &visit.pod, &visit.container));
            } else {
                *response.status_mut() = StatusCode::BAD_GATEWAY;
            }
            response
        })
    }
}

/// What passes before a connection is answered.
fn pause(world: &World, container: &Value) -> Duration {
    let stall = if switches::is_on(&world.store, STALLS) { STALL } else { Duration::ZERO };
    throttle::wait(container, EFFORT) + stall
}

/// Whether an image is MySQL's, whatever its registry.
#[must_use]
pub fn is_server(image: &str) -> bool {
    super::repository(image).rsplit('/').next() == Some("mysql")
}

/// What the server in a container keeps its rows in.
pub fn directory_of(world: &World, pod: &Value, container: &str) -> Arc<Directory> {
    let program = kubelet::container(pod, container);
    let arguments = program.map(|one| list(one, "/args")).unwrap_or_default();
    let arguments: Vec<&str> = arguments.iter().filter_map(Value::as_str).collect();
    let place = arguments.iter().position(|argument| *argument == "--datadir").and_then(|at| arguments.get(at + 1));
    let image = program.map(|one| text(one, "/image")).unwrap_or_default();
    let bitnami = super::repository(image).contains("bitnami/");
    let usual = if bitnami { BITNAMI_DIRECTORY } else { DATA_DIRECTORY };
    let claim = kubelet::volumes::claim_at(&world.store, pod, container, place.copied().unwrap_or(usual));
    let directory = world.memory.of::<Directory>(claim.as_deref().unwrap_or(uid(pod)));
    let read_only = ["--super-read-only", "--super-read-only=ON", "--super_read_only=ON", "--super-read-only=1"];
    directory.set_writes(if arguments.iter().any(|argument| read_only.contains(argument)) {
        Writes::ReadOnly
    } else if switches::is_on(&world.store, FULL) {
        Writes::Full
    } else {
        Writes::Taken
    });
    directory
}

/// What a server behind `host:port` keeps its rows in, without a look at the mesh's policies: for programs that are
/// steps of a controller here.
///
/// # Errors
/// Nobody listens there.
pub fn reach(world: &World, home: &str, host: &str, port: &str) -> Result<Arc<Directory>, String> {
    let refused = || format!("dial tcp {host}:{port}: connect: connection refused");
    let number = port.parse().map_err(|_| refused())?;
    let Found::Pod(pod, port) = config::endpoints(world).find(&Destination::new(host, home, number)) else {
        return Err(refused());
    };
    let container = mesh::endpoints::container_at(&pod, port).filter(|container| is_server(text(container, "/image")));
    Ok(directory_of(world, &pod, text(container.ok_or_else(refused)?, "/name")))
}

/// Opens a connection as `caller` to `host:port`, through the mesh's policies.
///
/// # Errors
/// What a Go client says: the name is unknown, nobody listens, or the connection was cut.
pub async fn connect(world: &Arc<World>, caller: Caller, host: &str, port: &str) -> Result<Arc<Directory>, String> {
    let request = Request::builder().method(Method::CONNECT).uri(format!("http://{host}:{port}/")).body(Body::empty());
    let Ok(request) = request else { return Err(format!("dial tcp: lookup {host}: no such host")) };
    let response = mesh::call(world, caller, request).await;
    if let Some(directory) = response.extensions().get::<Arc<Directory>>() {
        return Ok(directory.clone());
    }
    Err(match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => format!("dial tcp {host}:{port}: connect: connection refused"),
        _ => "invalid connection".to_owned(),
    })
}
