//! `migrate`: from standalone Kubeflow Pipelines and Katib to the platform, a step a command.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clusters::migrate::clean::{self, Options, Said};
use clusters::migrate::{self, Comparison, Snapshot};
use clusters::versions::Version;
use clusters::{Existing, Provider as _};
use harness::cli::{self, say};
use harness::{exit, signals};
use kube::Client;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::{impossible, plain, wrong};

/// A step of a migration.
pub fn migrate(matches: &ArgMatches) -> u8 {
    let Some((step, matches)) = matches.subcommand() else { return exit::USAGE };
    if step == "clean" && matches.get_one::<String>("confirm").is_none() && !matches.get_flag("plan") {
        return wrong(
            "say what to do: --plan shows what would be deleted, --confirm NAME deletes it from the cluster of that name",
        );
    }
    harness::init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return impossible(&format!("cannot start threads: {error}")),
    };
    let cancel = CancellationToken::new();
    match runtime.block_on(go(step, matches, &cancel)) {
        Ok(code) => code,
        Err(reason) if cancel.is_cancelled() => {
            cli::complain(&reason);
            exit::INTERRUPTED
        }
        Err(reason) => impossible(&reason),
    }
}

/// A cluster that is looked at.
struct Cluster {
    client: Client,
    name: String,
    version: &'static Version,
}

impl Cluster {
    async fn of(matches: &ArgMatches, cancel: &CancellationToken) -> Result<Self, String> {
        let kubeconfig = matches.get_one::<PathBuf>("kubeconfig").cloned();
        let context = matches.get_one::<String>("context").cloned();
        let existing = Existing { kubeconfig, context, gateway: None };
        let provided = existing.provide(cancel).await.map_err(|error| error.to_string())?;
        let client = migrate::client(&provided.target.kube).map_err(|error| error.to_string())?;
        let version = cli::release_or_default(matches.try_get_one::<&'static Version>("to").ok().flatten().copied())?;
        Ok(Self { client, name: provided.target.name, version })
    }
}

async fn go(step: &str, matches: &ArgMatches, cancel: &CancellationToken) -> Result<u8, String> {
    signals::watch(cancel.clone()).map_err(|error| format!("cannot watch for signals: {error}"))?;
    let asked = async {
        // A file that cannot be read is said before anybody is asked.
        let before = matches.try_get_one::<PathBuf>("snapshot").ok().flatten().map(|path| Snapshot::read(path));
        let before = before.transpose().map_err(|error| error.to_string())?;
        let cluster = Cluster::of(matches, cancel).await?;
        match (step, before) {
            ("preflight", _) => preflight(&cluster, matches).await,
            ("snapshot", _) => snapshot(&cluster, matches).await,
            ("compare", Some(before)) => compare(&cluster, matches, &before).await,
            ("clean", _) => clean(&cluster, matches, cancel).await,
            _ => Ok(exit::USAGE),
        }
    };
    cancel.run_until_cancelled(asked).await.unwrap_or_else(|| Err("interrupted; run again to go on".to_owned()))
}

async fn preflight(cluster: &Cluster, matches: &ArgMatches) -> Result<u8, String> {
    say(&format!("looking at cluster {}; nothing is changed", cluster.name));
    let found = migrate::preflight(&cluster.client, &cluster.name, cluster.version).await;
    let found = found.map_err(|error| error.to_string())?;
    let shown = show(matches, &found, &found.table())?;
    Ok(if shown == 0 && !found.is_clear() { exit::NON_CONFORMANT } else { shown })
}

async fn snapshot(cluster: &Cluster, matches: &ArgMatches) -> Result<u8, String> {
    let path = matches.get_one::<PathBuf>("file").cloned().unwrap_or_default();
    say(&format!("reading what cluster {} holds; nothing is changed", cluster.name));
    let taken = Snapshot::take(&cluster.client, &cluster.name).await.map_err(|error| error.to_string())?;
    let text = serde_json::to_string_pretty(&taken).map_err(|error| error.to_string())?;
    write(&path, &text).map_err(|error| format!("cannot write {}: {error}; name another file", path.display()))?;
    Ok(cli::answered(&plain(&format!("{}{}\n", taken.table(), path.display()))))
}

/// Names of runs and people: for the owner alone.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

async fn compare(cluster: &Cluster, matches: &ArgMatches, before: &Snapshot) -> Result<u8, String> {
    let after = Snapshot::take(&cluster.client, &cluster.name).await.map_err(|error| error.to_string())?;
    let comparison = Comparison::of(before, &after);
    let shown = show(matches, &comparison, &comparison.table())?;
    Ok(if shown == 0 && !comparison.is_complete() { exit::NON_CONFORMANT } else { shown })
}

async fn clean(cluster: &Cluster, matches: &ArgMatches, cancel: &CancellationToken) -> Result<u8, String> {
    let Some(confirm) = matches.get_one::<String>("confirm") else {
        let planned = clean::plan(&cluster.client, &cluster.name, cluster.version).await;
        let (plan, preflight) = planned.map_err(|error| error.to_string())?;
        let others = preflight.others.iter().map(|one| format!("of others: {one}\n")).collect::<String>();
        return show(matches, &plan, &format!("{}{others}", plan.table()));
    };
    let saved = matches.get_one::<PathBuf>("data-saved").map(|path| Snapshot::read(path)).transpose();
    let data = match (saved.map_err(|error| error.to_string())?, matches.get_flag("lose-data")) {
        (Some(snapshot), _) => Said::Saved(Box::new(snapshot)),
        (None, true) => Said::MayBeLost,
        (None, false) => Said::Nothing,
    };
    let seconds = |option: &str, usual: Duration| {
        matches.get_one::<u64>(option).map_or(usual, |seconds| Duration::from_secs(*seconds))
    };
    let options = Options {
        confirm: confirm.clone(),
        data,
        with_others: matches.get_flag("with-others"),
        patience: seconds("patience", clean::PATIENCE),
        within: seconds("within", clean::WITHIN),
    };
    let tell = |line: &str| say(&format!("clean    {}", reports::phrases::one_line(line, 400)));
    let target = (cluster.name.as_str(), cluster.version);
    let cleaned = clean::clean(&cluster.client, target, &options, &tell, cancel).await;
    let cleaned = cleaned.map_err(|error| error.to_string())?;
    let mut lines = vec![format!("{} objects deleted, and what was in the namespaces", cleaned.deleted)];
    lines.extend(cleaned.unfinished.iter().cloned());
    lines.extend(cleaned.keeps.iter().map(|kept| format!("stays: {kept}")));
    show(matches, &cleaned, &lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}

fn show(matches: &ArgMatches, machine: &impl Serialize, person: &str) -> Result<u8, String> {
    let json = matches.get_one::<String>("format").is_some_and(|format| format == "json");
    if json {
        let text = serde_json::to_string_pretty(machine).map_err(|error| error.to_string())?;
        return Ok(cli::answered(&(text + "\n")));
    }
    Ok(cli::answered(&plain(person)))
}
