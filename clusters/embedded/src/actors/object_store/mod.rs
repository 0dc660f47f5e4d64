//! MinIO, the bundled object store: what its volume holds, and who may ask for it.
//!
//! Objects live as long as the PersistentVolumeClaim that is mounted at the server's folder, whatever happens to pods;
//! without a claim they die with the pod. The credentials are those of the container's environment when it started; there
//! are no others, so whoever has them may do everything.
//!
//! Facts: minio/minio RELEASE.2019-08-14T20-37-41Z `cmd/server-main.go`, `cmd/healthcheck-router.go`; Deployment `minio`
//! of kubeflow/manifests.

mod directory;
mod protocol;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

pub use directory::{Directory, Object, StoreError};

use super::{Actor, Visit, started};
use crate::kubelet::{self, environment};
use crate::mesh::{self, Caller, config, destination::Destination, endpoints::Found};
use crate::object::{list, text, uid};
use crate::platform::World;
use crate::switches;

/// A container that runs MinIO's server.
pub struct Minio;

/// Switch: the volume takes no more.
const FULL: &str = "object-store-full";
/// Switch: what is stored lacks its last byte.
const CORRUPTS: &str = "object-store-corrupts";
/// Switch: who has no keys is let in.
const OPEN: &str = "object-store-open";
/// Where the server keeps its objects unless its arguments say otherwise.
const FOLDER: &str = "/data";
/// Where Bitnami's image keeps them: bitnami/charts `bitnami/minio/values.yaml` `persistence.mountPath`, 11.10.
const BITNAMI_FOLDER: &str = "/bitnami/minio/data";

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The access key.
    pub access: String,
    /// The secret key.
    pub secret: String,
}

/// A running server, as who has connected to it sees it.
#[derive(Clone)]
pub struct Server {
    directory: Arc<Directory>,
    credentials: Credentials,
    condition: Condition,
}

/// What is wrong with a server that no object tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Condition {
    full: bool,
    corrupts: bool,
    open: bool,
}

impl Condition {
    fn of(world: &World) -> Self {
        let is_on = |switch| switches::is_on(&world.store, switch);
        Self { full: is_on(FULL), corrupts: is_on(CORRUPTS), open: is_on(OPEN) }
    }

    /// What becomes of what is to be stored.
    fn kept(self, mut bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
        if self.full {
            return Err(StoreError::Full);
        }
        if self.corrupts {
            bytes.pop();
        }
        Ok(bytes)
    }
}

impl Actor for Minio {
    fn start(&self, world: &World, pod: &Value, container: &str) -> Result<(), String> {
        let variables = environment::variables(&world.store, pod, container);
        let get = |newer: &str, older: &str, otherwise: &str| {
            let found = variables.get(newer).or_else(|| variables.get(older));
            found.cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        let credentials = Credentials {
            access: get("MINIO_ROOT_USER", "MINIO_ACCESS_KEY", "minioadmin"),
            secret: get("MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY", "minioadmin"),
        };
        if credentials.access.len() < 3 || credentials.secret.len() < 8 {
            return Err(
                "ERROR Unable to validate credentials inherited from the shell environment: Invalid credentials"
                    .to_owned(),
            );
        }
        started::keep(world, pod, credentials);
        Ok(())
    }

    /// `CONNECT` stands for opening a connection: the answer carries the [`Server`] as an extension. Anything else is S3.
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let server = server_of(&visit.world, &visit.pod, &visit.container);
            if request.method() == Method::CONNECT {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(server);
                return response;
            }
            if matches!(request.uri().path(), "/minio/health/live" | "/minio/health/ready") {
                return Response::new(Body::empty());
            }
            let asked = request.map(s3s::Body::http_body_unsync);
            match protocol::service(&server).call(asked).await {
                Ok(answer) => answer.map(Body::new),
                Err(error) => {
                    tracing::debug!(?error, "S3");
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
            }
        })
    }
}

/// Whether an image is MinIO's, whatever its registry.
#[must_use]
pub fn is_server(image: &str) -> bool {
    super::repository(image).rsplit('/').next() == Some("minio")
}

fn server_of(world: &World, pod: &Value, container: &str) -> Server {
    let credentials = started::kept::<Credentials>(world, pod).map(|kept| Credentials::clone(&kept));
    let condition = Condition::of(world);
    Server { directory: directory_of(world, pod, container), credentials: credentials.unwrap_or_default(), condition }
}

/// What the server in a container keeps its objects in.
fn directory_of(world: &World, pod: &Value, container: &str) -> Arc<Directory> {
    let specification = kubelet::container(pod, container);
    let arguments = specification.map(|one| list(one, "/args")).unwrap_or_default();
    let folder = arguments.iter().filter_map(Value::as_str).find(|argument| argument.starts_with('/'));
    let is_bitnami = specification.is_some_and(|one| text(one, "/image").contains("bitnami/"));
    let usual = if is_bitnami { BITNAMI_FOLDER } else { FOLDER };
    let claim = kubelet::volumes::claim_at(&world.store, pod, container, folder.unwrap_or(usual));
    world.memory.of::<Directory>(claim.as_deref().unwrap_or(uid(pod)))
}

/// Why there is no connection, in the words of a Go client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// There is no such host.
    #[error("dial tcp: lookup {0}: no such host")]
    Unknown(String),
    /// Nobody listens there.
    #[error("dial tcp {0}: connect: connection refused")]
    Refused(String),
    /// The credentials are refused.
    #[error("{0}")]
    Denied(#[from] StoreError),
}

/// An open connection whose credentials were accepted.
#[derive(Clone)]
pub struct Client {
    directory: Arc<Directory>,
    condition: Condition,
}

impl Client {
    fn of(server: &Server, credentials: &Credentials) -> Result<Self, StoreError> {
        if credentials.access != server.credentials.access {
            return Err(StoreError::UnknownKey);
        }
        if credentials.secret != server.credentials.secret {
            return Err(StoreError::WrongSecret);
        }
        Ok(Self { directory: server.directory.clone(), condition: server.condition })
    }

    /// Makes a bucket unless it is there.
    ///
    /// # Errors
    /// The volume is full.
    pub fn ensure_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        if self.directory.has_bucket(bucket) {
            return Ok(());
        }
        self.condition.kept(Vec::new())?;
        self.directory.create_bucket(bucket)
    }

    /// Stores an object.
    ///
    /// # Errors
    /// There is no such bucket, or the volume is full.
    pub fn put(&self, bucket: &str, key: &str, kind: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let bytes = self.condition.kept(bytes)?;
        self.directory.put(bucket, key, kind, bytes.into()).map(drop)
    }

    /// An object.
    ///
    /// # Errors
    /// There is no such bucket or object.
    pub fn get(&self, bucket: &str, key: &str) -> Result<Object, StoreError> {
        self.directory.get(bucket, key)
    }

    /// Removes an object.
    ///
    /// # Errors
    /// There is no such bucket.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<(), StoreError> {
        self.directory.delete(bucket, key)
    }
}

/// Opens a connection as `caller` to `host:port`, through the mesh's policies.
///
/// # Errors
/// What a client says: the name is unknown, nobody listens, or the credentials are refused.
pub async fn connect(
    world: &Arc<World>,
    caller: Caller,
    (host, port): (&str, &str),
    credentials: &Credentials,
) -> Result<Client, ConnectError> {
    let request = Request::builder().method(Method::CONNECT).uri(format!("http://{host}:{port}/")).body(Body::empty());
    let Ok(request) = request else { return Err(ConnectError::Unknown(host.to_owned())) };
    let destination = Destination::new(host, &caller.namespace, port.parse().unwrap_or_default());
    if matches!(config::endpoints(world).find(&destination), Found::NoService) && host.parse::<IpAddr>().is_err() {
        return Err(ConnectError::Unknown(host.to_owned()));
    }
    let response = mesh::call(world, caller, request).await;
    let server =
        response.extensions().get::<Server>().ok_or_else(|| ConnectError::Refused(format!("{host}:{port}")))?;
    Ok(Client::of(server, credentials)?)
}

/// The same, without a look at the mesh's policies: for programs that are steps of a controller here.
///
/// # Errors
/// See [`connect`].
pub fn reach(
    world: &World,
    home: &str,
    (host, port): (&str, &str),
    credentials: &Credentials,
) -> Result<Client, ConnectError> {
    let refused = || ConnectError::Refused(format!("{host}:{port}"));
    let number = port.parse().map_err(|_| refused())?;
    let endpoints = config::endpoints(world);
    let by_address = endpoints.service_at(host).cloned();
    let destination = match by_address {
        Some((namespace, service)) => Destination { namespace, service, port: number },
        None => Destination::new(host, home, number),
    };
    let (pod, port) = match endpoints.find(&destination) {
        Found::Pod(pod, port) => (pod, port),
        Found::NoService => return Err(ConnectError::Unknown(host.to_owned())),
        Found::NoPod => return Err(refused()),
    };
    let container = mesh::endpoints::container_at(&pod, port).filter(|container| is_server(text(container, "/image")));
    let container = container.ok_or_else(refused)?;
    Ok(Client::of(&server_of(world, &pod, text(container, "/name")), credentials)?)
}
