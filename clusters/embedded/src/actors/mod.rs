//! The programs of the platform, played: an actor answers for a container while a ready pod runs its image.

pub mod authservice;
pub mod dashboard;
pub mod dex;
mod express;
pub mod katib;
pub mod katib_ui;
pub mod kfam;
pub mod kubernetes;
#[cfg(test)]
mod logins;
pub mod metadata_envoy;
pub mod ml_metadata;
pub mod mysql;
pub mod net_http;
pub mod oauth2_proxy;
pub mod object_store;
mod oidc_client;
pub mod pipelines;
pub mod pipelines_ui;
pub mod profile_controller;
pub(crate) mod started;
pub mod web_apps;
pub mod workspaces;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures::future::BoxFuture;
use http::{Request, Response};
use serde_json::Value;

use crate::mesh::Caller;
use crate::object;
use crate::platform::World;

pub mod echo;

/// One request's way to an actor: where it arrived and who sent it.
#[derive(Clone)]
pub struct Visit {
    /// The platform.
    pub world: Arc<World>,
    /// The pod that answers.
    pub pod: Arc<Value>,
    /// The container in it whose image the actor plays.
    pub container: String,
    /// The container port that the request arrived at.
    pub port: u16,
    /// Who sent it, as the mesh knows.
    pub caller: Caller,
}

impl Visit {
    /// The answering pod as a caller of others.
    #[must_use]
    pub fn as_caller(&self) -> Caller {
        let account = object::text(&self.pod, "/spec/serviceAccountName");
        Caller {
            namespace: object::namespace(&self.pod).to_owned(),
            service_account: if account.is_empty() { "default" } else { account }.to_owned(),
            in_mesh: object::list(&self.pod, "/spec/containers")
                .iter()
                .chain(object::list(&self.pod, "/spec/initContainers"))
                .any(|container| object::text(container, "/name") == "istio-proxy"),
        }
    }
}

/// The first value of a query parameter.
fn query(uri: &http::Uri, name: &str) -> Option<String> {
    url::form_urlencoded::parse(uri.query()?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// A text with percent-encoding undone, unless that is malformed or no UTF-8: as JavaScript's `decodeURIComponent`.
fn decoded(text: &str) -> Option<String> {
    let hex = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.as_bytes().get(at) {
        if *byte == b'%' {
            bytes.push(hex(at + 1)?);
            at += 3;
        } else {
            bytes.push(*byte);
            at += 1;
        }
    }
    String::from_utf8(bytes).ok()
}

/// How a command in a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it complained.
    pub stderr: Vec<u8>,
    /// Its exit status.
    pub code: u8,
}

/// A played program.
pub trait Actor: Send + Sync {
    /// Starts the program when its container starts: it reads its configuration, once.
    ///
    /// # Errors
    /// What the program prints before it exits with status 1, in one line, without secrets.
    fn start(&self, world: &World, pod: &Value, container: &str) -> Result<(), String> {
        let _ = (world, pod, container);
        Ok(())
    }

    /// Whether the program passes its readiness probe. Asked when its container has started, and again after changes of
    /// what it may wait for, until it is.
    fn ready(&self, world: &World, pod: &Value, container: &str) -> bool {
        let _ = (world, pod, container);
        true
    }

    /// Does what a program does that ends by itself, and yields its exit code once it has. Asked whenever its pod has
    /// changed, until then.
    fn work(&self, world: &World, pod: &Value, container: &str) -> Option<i64> {
        let _ = (world, pod, container);
        None
    }

    /// What the program has written to its log, a line each.
    fn logs(&self, world: &World, pod: &Value, container: &str) -> Vec<String> {
        let _ = (world, pod);
        vec![format!("{container}: played by the embedded reference platform")]
    }

    /// Runs a command in the program's container. `None`: there is no such command there.
    fn exec(&self, world: &World, pod: &Value, container: &str, command: &[String], stdin: &[u8]) -> Option<Ended> {
        let _ = (world, pod, container, command, stdin);
        None
    }

    /// How long a command in the program's container waits before it does anything.
    fn pause(&self, world: &World, container: &Value, command: &[String]) -> Duration {
        let _ = (world, container, command);
        Duration::ZERO
    }

    /// Answers one request, as the program in that container would.
    fn serve(&self, visit: Visit, request: Request<Body>) -> BoxFuture<'static, Response<Body>>;
}

/// Which actor plays which image: the last one or two parts of the repository, and the actor. One row an image; an
/// application adds its rows here.
static CAST: &[(&str, &dyn Actor)] = &[
    ("dex", &dex::Dex),
    ("oauth2-proxy", &oauth2_proxy::Oauth2Proxy),
    ("oidc-authservice", &authservice::AuthService),
    ("centraldashboard", &dashboard::Dashboard),
    ("central-dashboard", &dashboard::Dashboard),
    ("kfam", &kfam::Kfam),
    ("profile-controller", &profile_controller::ProfileController),
    ("jupyter-web-app", &&web_apps::NOTEBOOKS),
    ("volumes-web-app", &&web_apps::VOLUMES),
    ("tensorboards-web-app", &&web_apps::TENSORBOARDS),
    ("models-web-app", &&web_apps::MODELS),
    ("ml-pipeline/api-server", &pipelines::ApiServer),
    ("kfp-api-server", &pipelines::ApiServer),
    ("ml-pipeline/frontend", &pipelines_ui::PipelinesUi),
    ("kfp-frontend", &pipelines_ui::PipelinesUi),
    ("katib-ui", &katib_ui::KatibUi),
    ("katib-db-manager", &katib::db_manager::DbManager),
    ("suggestion-hyperopt", &katib::suggestion::Suggestion),
    ("suggestion-optuna", &katib::suggestion::Suggestion),
    ("suggestion-goptuna", &katib::suggestion::Suggestion),
    ("suggestion-skopt", &katib::suggestion::Suggestion),
    ("file-metrics-collector", &katib::collector::Collector),
    ("mysql", &mysql::Mysql),
    ("minio", &object_store::Minio),
    ("ml_metadata_store_server", &ml_metadata::MlMetadata),
    ("metadata-envoy", &metadata_envoy::MetadataEnvoy),
    ("kfp-metadata-envoy", &metadata_envoy::MetadataEnvoy),
    ("jupyter-scipy", &workspaces::jupyter::Jupyter),
    ("jupyter-pytorch-full", &workspaces::jupyter::Jupyter),
    ("jupyter-pytorch-cuda-full", &workspaces::jupyter::Jupyter),
    ("jupyter-pytorch-gaudi-full", &workspaces::jupyter::Jupyter),
    ("jupyter-tensorflow-full", &workspaces::jupyter::Jupyter),
    ("jupyter-tensorflow-cuda-full", &workspaces::jupyter::Jupyter),
    ("codeserver-python", &&workspaces::pages::CODE_SERVER),
    ("rstudio-tidyverse", &&workspaces::pages::RSTUDIO),
    ("tensorflow/tensorflow", &&workspaces::pages::TENSORBOARD),
    ("filebrowser/filebrowser", &&workspaces::pages::FILE_BROWSER),
];

/// The actor that plays an image, if there is one. Matched by the repository's last parts, whatever the registry and
/// tag: sites mirror images.
#[must_use]
pub fn playing(image: &str) -> Option<&'static dyn Actor> {
    let repository = repository(image);
    CAST.iter()
        .find(|(pattern, _)| {
            repository.strip_suffix(pattern).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        })
        .map(|(_, actor)| *actor)
}

/// The repository of an image reference, without tag and digest.
#[must_use]
pub fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

/// The tag of an image reference, or an empty string.
#[must_use]
pub fn tag(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    image.strip_prefix(repository(image)).and_then(|rest| rest.strip_prefix(':')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{repository, tag};

    #[test]
    fn image_references_are_taken_apart() {
        for (image, name, version) in [
            ("ghcr.io/dexidp/dex:v2.41.1", "ghcr.io/dexidp/dex", "v2.41.1"),
            ("mirror:5000/dex", "mirror:5000/dex", ""),
            ("mirror:5000/dex:1@sha256:00", "mirror:5000/dex", "1"),
            ("dex@sha256:00", "dex", ""),
            ("", "", ""),
        ] {
            assert_eq!((repository(image), tag(image)), (name, version), "{image}");
        }
    }
}
