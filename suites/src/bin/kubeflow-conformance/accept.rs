//! `accept`: the whole plan on a cluster that may be thrown away, each step's result in the report.

use clap::{ArgMatches, FromArgMatches as _};
use clusters::install::{Drift, Installer, Progress};
use clusters::manifests::{self, Manifests};
use clusters::migrate::clean::{self, Options, Said};
use clusters::migrate::{self, Comparison, Snapshot, State};
use clusters::versions::Version;
use clusters::{Provided, Provider as _};
use harness::cli::{self, Ready, refused, say};
use harness::config::{Cluster, Given, PlatformOptions};
use harness::{exit, signals};
use reports::model::Note;
use suites::SUITES;
use tokio_util::sync::CancellationToken;

use crate::{impossible, wrong};

/// The topic of the notes that tell of the steps.
const TOPIC: &str = "accept";

/// Takes all steps.
pub fn accept(matches: &ArgMatches, given: &Given) -> u8 {
    let platform = match PlatformOptions::from_arg_matches(matches) {
        Ok(platform) => platform,
        Err(error) => return refused(&error.into()),
    };
    if platform.cluster() == Cluster::Existing {
        return wrong(
            "an acceptance takes a cluster that may be thrown away: --cluster kind or embedded; for a cluster that there is, take the steps one by one, see docs/migration.md",
        );
    }
    let from_standalone = matches.get_one::<String>("from").is_some_and(|from| from == "standalone");
    if from_standalone && platform.cluster() == Cluster::Kind {
        return wrong(
            "only the embedded cluster plays a standalone installation: --cluster embedded, or leave out --from",
        );
    }
    if platform.cluster() == Cluster::Kind && platform.installation.manifests.is_none() {
        return wrong("name what is to be accepted: --manifests PATH");
    }
    harness::init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return impossible(&format!("cannot start threads: {error}")),
    };
    let cancel = CancellationToken::new();
    let steps = async {
        signals::watch(cancel.clone()).map_err(|error| format!("cannot watch for signals: {error}"))?;
        let mut acceptance = Acceptance::new(&platform, &cancel)?;
        match acceptance.until_installed(&platform, from_standalone).await {
            Err(reason) if cancel.is_cancelled() || acceptance.notes.is_empty() => Err(reason),
            provided => {
                if let Err(reason) = &provided {
                    acceptance.took("stopped", reason);
                }
                Ok(Ready { provided, notes: acceptance.notes })
            }
        }
    };
    let ready = match runtime.block_on(steps) {
        // What was done so far is in the reports, whether a platform came of it or not.
        Ok(ready) => ready,
        Err(reason) if cancel.is_cancelled() => {
            cli::complain(&reason);
            return exit::INTERRUPTED;
        }
        Err(reason) => return impossible(&reason),
    };
    // The platform lives in this runtime, and the run has its own.
    cli::run_on(SUITES, matches, given, ready)
}

/// The steps that were taken.
struct Acceptance<'a> {
    version: &'static Version,
    cancel: &'a CancellationToken,
    notes: Vec<Note>,
}

impl<'a> Acceptance<'a> {
    fn new(platform: &PlatformOptions, cancel: &'a CancellationToken) -> Result<Self, String> {
        let version = cli::release_or_default(platform.installation.kubeflow)?;
        Ok(Self { version, cancel, notes: Vec::new() })
    }

    /// A step is over.
    fn took(&mut self, step: &str, result: &str) {
        let text = format!("step {}, {step}: {result}", self.notes.len() + 1);
        say(&format!("accept   {}", reports::phrases::one_line(&text, 400)));
        self.notes.push(Note { topic: TOPIC.to_owned(), text });
    }

    async fn until_installed(&mut self, platform: &PlatformOptions, from_standalone: bool) -> Result<Provided, String> {
        // Read first: what cannot be read is said before a cluster is made.
        let manifests = self.manifests(platform).await?;
        let mut provided = self.cluster(platform, from_standalone).await?;
        let name = provided.target.name.clone();
        self.took("cluster", &format!("{} {name}", provided.target.provider));
        let client = migrate::client(&provided.target.kube).map_err(|error| error.to_string())?;
        let found = migrate::preflight(&client, &name, self.version).await.map_err(|error| error.to_string())?;
        self.took(
            "preflight",
            &format!("{}; {} remnants, {} clashes", found.advice(), found.remnants.len(), found.clashes.len()),
        );
        let before = match found.state {
            State::Standalone => Some(self.take_away(&client, &name).await?),
            State::Frankenstein => return Err(found.advice()),
            State::Empty | State::Platform => None,
        };
        let installer = Installer::new(&provided.target.kube).map_err(|error| error.to_string())?;
        let installer = installer.progress(Progress::stderr());
        let installed = installer.install(&manifests, self.cancel).await.map_err(|error| error.to_string())?;
        self.took("install", installed.table().lines().next().unwrap_or_default());
        let preview = installer.preview(&manifests, self.cancel).await.map_err(|error| error.to_string())?;
        let drift = Drift::of(&preview, &manifests.objects);
        let drifted = drift.table();
        self.took("check", drifted.lines().next().unwrap_or_default());
        if let Some(before) = before {
            let after = Snapshot::take(&client, &name).await.map_err(|error| error.to_string())?;
            let comparison = Comparison::of(&before, &after);
            let counts = comparison.items.iter().map(|(title, items)| {
                format!("{title}: {} kept, {} gone, {} new", items.kept, items.gone.len(), items.new.len())
            });
            let buckets = comparison.buckets.iter();
            let buckets =
                buckets.map(|(name, (before, after))| format!("bucket {name}: {before} objects before, {after} after"));
            self.took("compare", &counts.chain(buckets).collect::<Vec<_>>().join("; "));
        }
        provided.installed = Some(installed);
        Ok(provided)
    }

    async fn manifests(&self, platform: &PlatformOptions) -> Result<Manifests, String> {
        match &platform.installation.manifests {
            Some(path) => {
                let source = cli::manifests(path, self.version)?;
                manifests::load(&source).await.map_err(|error| error.to_string())
            }
            None => built_in(self.version),
        }
    }

    /// A cluster without a platform.
    async fn cluster(&self, platform: &PlatformOptions, from_standalone: bool) -> Result<Provided, String> {
        let provided = match platform.cluster() {
            Cluster::Kind => {
                // It stays until it is accepted: the same command goes on with it.
                let mut kind = cli::kind(platform, true)?;
                kind.manifests = None;
                kind.provide(self.cancel).await
            }
            _ => embedded(self.version, from_standalone)?.provide(self.cancel).await,
        };
        provided.map_err(|error| error.to_string())
    }

    /// Takes a standalone installation away, with what it holds written down.
    async fn take_away(&mut self, client: &kube::Client, name: &str) -> Result<Snapshot, String> {
        let snapshot = Snapshot::take(client, name).await.map_err(|error| error.to_string())?;
        let counts = snapshot.items.iter().map(|(title, items)| format!("{} {title}", items.len()));
        let buckets = snapshot.data.buckets.iter();
        let buckets =
            buckets.map(|one| format!("{} objects of {} bytes in bucket {}", one.objects, one.bytes, one.name));
        self.took("snapshot", &counts.chain(buckets).collect::<Vec<_>>().join(", "));
        let options = Options {
            confirm: name.to_owned(),
            data: Said::Saved(Box::new(snapshot.clone())),
            with_others: false,
            patience: PATIENCE,
            within: clean::WITHIN,
        };
        let tell = |line: &str| say(&format!("clean    {}", reports::phrases::one_line(line, 400)));
        let cleaned = clean::clean(client, (name, self.version), &options, &tell, self.cancel).await;
        let cleaned = cleaned.map_err(|error| error.to_string())?;
        self.took(
            "clean",
            &format!("{} objects deleted, {} finalizers removed by hand", cleaned.deleted, cleaned.unfinished.len()),
        );
        Ok(snapshot)
    }
}

/// How long controllers of a cluster that may be thrown away may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(feature = "embedded")]
fn built_in(version: &'static Version) -> Result<Manifests, String> {
    clusters::embedded_provider::blueprint(version)
}

#[cfg(not(feature = "embedded"))]
fn built_in(_: &'static Version) -> Result<Manifests, String> {
    Err("name what is to be accepted: --manifests PATH".to_owned())
}

#[cfg(feature = "embedded")]
fn embedded(version: &'static Version, from_standalone: bool) -> Result<Box<dyn clusters::Provider>, String> {
    use clusters::{Embedded, Holds};
    let holds = if from_standalone { Holds::Standalone } else { Holds::Nothing };
    Ok(Box::new(Embedded { holds, ..Embedded::new(version) }))
}

#[cfg(not(feature = "embedded"))]
fn embedded(_: &'static Version, _: bool) -> Result<Box<dyn clusters::Provider>, String> {
    Err("this program was built without the embedded platform; say --cluster kind".to_owned())
}
