//! From the options to a platform that can be judged: its Kubernetes API, its gateway, its release.

use std::time::Duration;

use clusters::versions::{self, Version};
use clusters::{Kind, Mode, Provided, Provider, Target};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::installation;
use crate::config::{Cluster, InstallationOptions, Options, PlatformOptions};
use crate::context::User;
use crate::engine::Environment;
use crate::evidence::Recorder;
use crate::forward::Forward;
use crate::http::{Gateway, Limits, Session};
use crate::kubernetes::{Kubernetes, describe};
use crate::redact::Redactor;
use crate::stop::Stop;

/// The release that the embedded platform plays unless the user names one.
const DEFAULT_RELEASE: &str = "1.9.1";

/// How long the gateway has to answer at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// A platform to judge, and what keeps it reachable.
pub(super) struct Prepared {
    pub(super) environment: Environment,
    pub(super) keep: Keep,
}

/// Dropping it ends the way to the platform, and the platform if it is in this process.
#[derive(Default)]
pub(super) struct Keep {
    _forward: Option<Forward>,
    _guard: Option<Box<dyn Send + Sync>>,
}

/// Why there is nothing to judge: one sentence, with what to do next.
pub(super) type Reason = String;

/// The run's user, and whom the checks of tenancy log in as besides, if the options say.
pub(super) type Users = (User, Option<Vec<User>>);

/// Prepares what the options describe, or what is there already.
pub(super) async fn prepare(
    options: &Options,
    ready: Option<Provided>,
    users: Users,
    cancel: &CancellationToken,
) -> Result<Prepared, Reason> {
    // The provider stops in good order by itself; everything else may be dropped.
    let provided = match ready {
        Some(provided) => provided,
        None => provider(options)?.provide(cancel).await.map_err(|error| error.to_string())?,
    };
    let reached = cancel.run_until_cancelled(reach(options, provided, users)).await;
    let mut prepared = reached.unwrap_or_else(|| Err("interrupted before the first check".to_owned()))?;
    prepared.environment.cancel = cancel.clone();
    Ok(prepared)
}

async fn reach(options: &Options, provided: Provided, (user, others): Users) -> Result<Prepared, Reason> {
    let Provided { target, kubernetes_version, installed, guard, .. } = provided;
    let simulated = target.mode == Mode::Simulated;
    let may_restart = may_restart(options.run.may_restart.as_deref(), &target)?;
    let client = Kubernetes::new(target.kube.clone()).map_err(|error| describe(&error))?.shared();
    let (version, version_from) = match options.platform.installation.kubeflow {
        Some(version) => (version, "given"),
        None if simulated && installed.is_none() => (release_or_default(None)?, "default"),
        None => (detected(&client).await?, "detected"),
    };
    let (gateway, forward) = match target.gateway.clone() {
        Some(url) => (url, None),
        None => {
            let forward = Forward::to_gateway(client).await.map_err(|error| error.to_string())?;
            (forward.url().clone(), Some(forward))
        }
    };
    if !simulated {
        answers(&gateway).await?;
    }
    let mut environment = Environment::new(target, gateway, version, user);
    environment.version_from = version_from.to_owned();
    environment.may_restart = may_restart;
    environment.kubernetes_version = kubernetes_version;
    match others {
        Some(others) => environment.others = others,
        // Manifests bring their own users.
        None if installed.is_some() => environment.others.clear(),
        None => environment.others.truncate(usize::from(options.login.users).saturating_sub(1)),
    }
    for user in &environment.others {
        environment.redactor.secret(&user.password);
    }
    environment.manifests = installed.as_ref().map(installation::described);
    environment.install = installed.as_ref().map(installation::account);
    Ok(Prepared { environment, keep: Keep { _forward: forward, _guard: Some(guard) } })
}

/// Whether parts of somebody's cluster may be restarted: its owner types its name, so that no other cluster is meant.
fn may_restart(typed: Option<&str>, target: &Target) -> Result<bool, Reason> {
    match typed {
        Some(typed) if target.mode == Mode::Existing && typed != target.name => Err(format!(
            "--may-restart {typed}: the run is about the context {}; type this name, or choose the other one with --context {typed}",
            target.name
        )),
        typed => Ok(typed.is_some()),
    }
}

fn provider(options: &Options) -> Result<Box<dyn Provider>, Reason> {
    let (platform, access) = (&options.platform, &options.platform.access);
    match platform.cluster() {
        Cluster::Embedded => embedded(&platform.installation),
        Cluster::Kind => Ok(Box::new(kind(platform, options.run.keep)?)),
        Cluster::Existing => Ok(Box::new(clusters::Existing {
            kubeconfig: access.kubeconfig.clone(),
            context: access.context.clone(),
            gateway: platform.gateway_url.clone(),
        })),
    }
}

/// The kind cluster that is meant.
///
/// # Errors
/// There are no such manifests.
pub fn kind(platform: &PlatformOptions, keep: bool) -> Result<Kind, String> {
    let options = &platform.kind;
    let version = release_or_default(platform.installation.kubeflow)?;
    let manifests = platform.installation.manifests.as_deref();
    Ok(Kind {
        node_image: options.node_image.clone(),
        configuration: options.kind_config.clone(),
        archives: options.image_archive.clone(),
        gateway: platform.gateway_url.clone(),
        keep,
        ignore_resources: options.ignore_resources,
        manifests: manifests.map(|path| installation::manifests(path, version)).transpose()?,
        for_a_platform: true,
        progress: clusters::install::Progress::stderr(),
        ..Kind::new(options.cluster_name.as_deref().unwrap_or(clusters::kind::DEFAULT_NAME))
    })
}

/// The embedded platform that is meant: a release's blueprint, or what manifests make of an empty cluster.
///
/// # Errors
/// There are no such manifests, or this program was built without it.
#[cfg(feature = "embedded")]
pub fn embedded(installation: &InstallationOptions) -> Result<Box<dyn Provider>, String> {
    let version = release_or_default(installation.kubeflow)?;
    let mut embedded = clusters::Embedded::new(version);
    embedded.manifests =
        installation.manifests.as_deref().map(|path| installation::manifests(path, version)).transpose()?;
    embedded.progress = clusters::install::Progress::stderr();
    Ok(Box::new(embedded))
}

/// Nothing: this program was built without it.
///
/// # Errors
/// Always.
#[cfg(not(feature = "embedded"))]
pub fn embedded(_: &InstallationOptions) -> Result<Box<dyn Provider>, String> {
    Err("this program was built without the embedded platform; say --cluster existing".to_owned())
}

/// The release that was given, or the one that is meant when nobody says so.
///
/// # Errors
/// The catalogue lacks it: a defect of this program.
pub fn release_or_default(given: Option<&'static Version>) -> Result<&'static Version, String> {
    given.or_else(|| versions::named(DEFAULT_RELEASE)).ok_or_else(|| format!("the catalogue lacks {DEFAULT_RELEASE}"))
}

async fn detected(client: &kube::Client) -> Result<&'static Version, Reason> {
    let found = versions::detect(client).await.map_err(|error| error.to_string())?;
    found.version.ok_or_else(|| {
        format!(
            "no supported release is recognised ({}); say which expectations apply with --kubeflow",
            found.clues.join("; ")
        )
    })
}

/// Whether an HTTP server answers at the gateway's address at all. What it answers is for the checks to judge.
async fn answers(gateway: &Url) -> Result<(), Reason> {
    let limits = Limits { overall: PATIENCE, ..Limits::default() };
    let way = Gateway::new(gateway.clone(), limits).map_err(|error| error.to_string())?;
    let recorder = Recorder::new(tokio::time::Instant::now(), Redactor::new());
    match Session::new(way, recorder, crate::user_agent("setup", "setup")).get("/").await {
        Ok(_) => Ok(()),
        Err(Stop::Errored(problem)) => Err(format!(
            "the gateway at {gateway} gives no whole answer: {}; check the address (--gateway-url) with: curl -v {gateway}",
            problem.message
        )),
        Err(stop) => Err(stop.to_string()),
    }
}
