//! `install`: the installer on its own.

use std::path::Path;

use clap::{ArgMatches, FromArgMatches as _};
use clusters::install::{Drift, Installer, Progress};
use clusters::migrate::{self, State};
use clusters::versions::Version;
use clusters::{Existing, Provider as _, Target, manifests};
use harness::cli::{self, refused};
use harness::config::{Cluster, PlatformOptions};
use harness::{exit, signals};
use tokio_util::sync::CancellationToken;

use crate::{impossible, plain, wrong};

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
    let question = Question::of(matches);
    if question != Question::None && platform.cluster() != Cluster::Existing {
        return wrong("--dry-run and --check ask a cluster that there is: say which one, --context NAME");
    }
    harness::init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return impossible(&format!("cannot start threads: {error}")),
    };
    let cancel = CancellationToken::new();
    match runtime.block_on(into(&platform, matches, question, &cancel)) {
        Ok(code) => code,
        Err(reason) if cancel.is_cancelled() => {
            cli::complain(&reason);
            exit::INTERRUPTED
        }
        Err(reason) => impossible(&reason),
    }
}

/// What is only asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    None,
    DryRun { json: bool },
    Check { json: bool },
}

impl Question {
    fn of(matches: &ArgMatches) -> Self {
        let json = matches.get_one::<String>("format").is_some_and(|format| format == "json");
        match (matches.get_flag("dry-run"), matches.get_flag("check")) {
            (true, _) => Self::DryRun { json },
            (_, true) => Self::Check { json },
            _ => Self::None,
        }
    }
}

async fn into(
    platform: &PlatformOptions,
    matches: &ArgMatches,
    question: Question,
    cancel: &CancellationToken,
) -> Result<u8, String> {
    signals::watch(cancel.clone()).map_err(|error| format!("cannot watch for signals: {error}"))?;
    match platform.cluster() {
        Cluster::Embedded => {
            let provider = cli::embedded(&platform.installation)?;
            provider.provide(cancel).await.map_err(|error| error.to_string())?;
            Ok(exit::CONFORMANT)
        }
        Cluster::Kind => {
            // It stays: somebody wants to work with what is installed.
            let provider = cli::kind(platform, true)?;
            provider.provide(cancel).await.map_err(|error| error.to_string())?;
            Ok(exit::CONFORMANT)
        }
        Cluster::Existing => into_existing(platform, matches, question, cancel).await,
    }
}

/// Another installation on the cluster: a standalone one must not be patched in place, another release is told.
async fn what_is_there(target: &Target, version: &Version, over: bool) -> Result<(), String> {
    let client = migrate::client(&target.kube).map_err(|error| error.to_string())?;
    let found = migrate::preflight(&client, &target.name, version).await.map_err(|error| error.to_string())?;
    match found.state {
        State::Standalone | State::Frankenstein if !over => Err(format!(
            "cluster {} is not empty: {}; see: kubeflow-conformance migrate preflight --context {0}; to install over it nonetheless: --over",
            target.name,
            reports::phrases::one_line(&found.advice(), 240)
        )),
        State::Standalone | State::Frankenstein => {
            cli::say("install  over a standalone installation, as --over says: what comes of it is neither");
            Ok(())
        }
        State::Platform => {
            cli::say(
                "install  a platform is there already: it is changed where it differs, and nothing of it is deleted",
            );
            Ok(())
        }
        State::Empty => Ok(()),
    }
}

async fn into_existing(
    platform: &PlatformOptions,
    matches: &ArgMatches,
    question: Question,
    cancel: &CancellationToken,
) -> Result<u8, String> {
    let version = cli::release_or_default(platform.installation.kubeflow)?;
    let path = platform.installation.manifests.as_deref().unwrap_or(Path::new("-"));
    let source = cli::manifests(path, version)?;
    let manifests = manifests::load(&source).await.map_err(|error| error.to_string())?;
    let access = &platform.access;
    let existing = Existing { kubeconfig: access.kubeconfig.clone(), context: access.context.clone(), gateway: None };
    let provided = existing.provide(cancel).await.map_err(|error| error.to_string())?;
    let installer = Installer::new(&provided.target.kube).map_err(|error| error.to_string())?;
    let json = |value: serde_json::Value| cli::answered(&format!("{value:#}\n"));
    match question {
        Question::None => {
            let over = matches.get_flag("over");
            what_is_there(&provided.target, version, over).await?;
            let installer = installer.progress(Progress::stderr());
            installer.install(&manifests, cancel).await.map_err(|error| error.to_string())?;
            Ok(exit::CONFORMANT)
        }
        Question::DryRun { json: machine } => {
            let preview = installer.preview(&manifests, cancel).await.map_err(|error| error.to_string())?;
            let shown = if machine { json(preview.json()) } else { cli::answered(&plain(&preview.table())) };
            let [.., refused] = preview.counts();
            Ok(if shown == 0 && refused > 0 { exit::ENVIRONMENT } else { shown })
        }
        Question::Check { json: machine } => {
            let preview = installer.preview(&manifests, cancel).await.map_err(|error| error.to_string())?;
            let drift = Drift::of(&preview, &manifests.objects);
            let value = serde_json::to_value(&drift).map_err(|error| error.to_string())?;
            let shown = if machine { json(value) } else { cli::answered(&plain(&drift.table())) };
            Ok(if shown == 0 && !drift.is_empty() { exit::NON_CONFORMANT } else { shown })
        }
    }
}
