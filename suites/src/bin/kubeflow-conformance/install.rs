//! `install`: the installer on its own.

use std::path::Path;

use clap::{ArgMatches, FromArgMatches as _};
use clusters::install::{Installer, Progress};
use clusters::{Existing, Provider as _, manifests};
use harness::cli::{self, refused};
use harness::config::{Cluster, PlatformOptions};
use harness::{exit, signals};
use tokio_util::sync::CancellationToken;

use crate::{impossible, wrong};

/// Installs what the options name.
pub fn install(matches: &ArgMatches) -> u8 {
    let platform = match PlatformOptions::from_arg_matches(matches) {
        Ok(platform) => platform,
        Err(error) => return refused(&error.into()),
    };
    if platform.installation.manifests.is_none() {
        return wrong("there is nothing to install; name rendered manifests or a kustomization: --manifests PATH");
    }
    if platform.cluster() == Cluster::Existing && platform.access.context.is_none() {
        return wrong("an installation changes the whole cluster, so say which one: --context NAME");
    }
    harness::init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return impossible(&format!("cannot start threads: {error}")),
    };
    let cancel = CancellationToken::new();
    match runtime.block_on(into(&platform, &cancel)) {
        Ok(()) => exit::CONFORMANT,
        Err(reason) if cancel.is_cancelled() => {
            cli::complain(&reason);
            exit::INTERRUPTED
        }
        Err(reason) => impossible(&reason),
    }
}

async fn into(platform: &PlatformOptions, cancel: &CancellationToken) -> Result<(), String> {
    signals::watch(cancel.clone()).map_err(|error| format!("cannot watch for signals: {error}"))?;
    match platform.cluster() {
        Cluster::Embedded => {
            let provider = cli::embedded(&platform.installation)?;
            provider.provide(cancel).await.map(|_| ()).map_err(|error| error.to_string())
        }
        Cluster::Kind => {
            // It stays: somebody wants to work with what is installed.
            let provider = cli::kind(platform, true)?;
            provider.provide(cancel).await.map(|_| ()).map_err(|error| error.to_string())
        }
        Cluster::Existing => {
            let version = cli::release_or_default(platform.installation.kubeflow)?;
            let path = platform.installation.manifests.as_deref().unwrap_or(Path::new("-"));
            let source = cli::manifests(path, version)?;
            let manifests = manifests::load(&source).await.map_err(|error| error.to_string())?;
            let access = &platform.access;
            let existing =
                Existing { kubeconfig: access.kubeconfig.clone(), context: access.context.clone(), gateway: None };
            let provided = existing.provide(cancel).await.map_err(|error| error.to_string())?;
            let installer = Installer::new(&provided.target.kube).map_err(|error| error.to_string())?;
            let installer = installer.progress(Progress::stderr());
            installer.install(&manifests, cancel).await.map(|_| ()).map_err(|error| error.to_string())
        }
    }
}
