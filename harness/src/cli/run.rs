//! One run, from the options to the exit code.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clusters::Provided;
use libtest_mimic::Arguments;
use reports::model::{Note, Outcome, Results, Shard, Skip, TargetMode};
use reports::{files, phrases, terminal};
use tokio_util::sync::CancellationToken;

use super::console::{Console, complain, say};
use super::front::{self, Unprinted};
use super::images::Given;
use super::prepare::{self, Prepared, Reason};
use super::{report_folder, shard};
use crate::check::Suite;
use crate::config::{Cluster, Options, RunOptions};
use crate::context::User;
use crate::engine::{self, GivenPipeline, Selection, Threads};
use crate::{exit, signals};

/// What a run needs to know.
pub(super) struct Run {
    pub(super) options: Options,
    pub(super) tests: Arguments,
    pub(super) user: User,
    /// Whom the checks of tenancy log in as besides; unless said, whom the target is known to have.
    pub(super) others: Option<Vec<User>>,
    /// An Experiment of the user's own.
    pub(super) experiment: Option<serde_json::Value>,
    /// A pipeline of the user's own.
    pub(super) pipeline: Option<GivenPipeline>,
    /// A platform that is there already.
    pub(super) ready: Mutex<Option<Ready>>,
}

/// A platform that somebody has provided already, or why there is none, and what the report is to tell of how that went.
pub struct Ready {
    /// The platform, or one sentence.
    pub provided: Result<Provided, String>,
    /// What is told.
    pub notes: Vec<Note>,
}

impl Run {
    /// The checks that the profiles and the filters want, and the names of those that the filters alone leave out.
    pub(super) fn selection(&self, suites: &[&'static Suite]) -> (Selection, Vec<String>) {
        let profiles = &self.options.run.profile;
        let mut filtered = Vec::new();
        let selection = Selection::of(suites, |suite, check| {
            let judged = profiles.is_empty() || check.profiles.iter().any(|profile| profiles.contains(profile));
            let wanted = judged && front::wanted(&self.tests, suite, check);
            if judged && !wanted {
                filtered.push(suite.test_name(check));
            }
            wanted
        });
        match self.shard() {
            Some(shard) => (shard::part_of(&selection, suites, &shard), filtered),
            None => (selection, filtered),
        }
    }

    /// The shard that this run is to be.
    fn shard(&self) -> Option<Shard> {
        let (index, count) = self.options.run.shard?;
        let of = self.options.run.shard_of.clone().unwrap_or_default();
        Some(Shard { of, index, count })
    }

    /// What the user gives along, for the list of images.
    pub(super) fn given(&self) -> Given<'_> {
        Given {
            probe: self.options.run.probe_image.as_deref(),
            pipeline: self.pipeline.as_ref().map(|given| given.text.as_str()),
            experiment: self.experiment.as_ref(),
        }
    }

    /// How many checks run at once.
    fn jobs(&self) -> usize {
        let said = self.options.run.jobs.map(usize::from).or(self.tests.test_threads);
        said.unwrap_or_else(engine::default_jobs).max(1)
    }

    /// What the site is said to leave out, for the report.
    fn left_out(&self) -> Option<Note> {
        let titles: Vec<&str> = self.options.platform.without.iter().map(|part| part.title).collect();
        let text = format!("said to be left out on purpose (--without): {}", titles.join(", "));
        (!titles.is_empty()).then(|| Note { topic: "left-out".to_owned(), text })
    }

    /// Runs it and gives the exit code.
    pub(super) fn run(self, suites: &[&'static Suite]) -> u8 {
        let (selection, filtered) = self.selection(suites);
        if selection.is_empty() {
            complain("no check is selected, so nothing is judged; see their names with --list");
            return exit::NOTHING_SELECTED;
        }
        let threads = match Threads::start(self.jobs()) {
            Ok(threads) => threads,
            Err(error) => return environment(&format!("cannot start threads: {error}; try fewer with --jobs")),
        };
        let reports = Reports::create(&self.options.run, run_id());
        let code = self.judge(&selection, filtered, &threads, &reports);
        threads.shut_down();
        if reports.broken() && code != exit::INTERRUPTED { exit::ENVIRONMENT } else { code }
    }

    fn judge(&self, selection: &Selection, filtered: Vec<String>, threads: &Threads, reports: &Reports) -> u8 {
        let started = jiff::Timestamp::now();
        let engine = threads.engine();
        let cancel = CancellationToken::new();
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (provided, notes) = match ready.map(|ready| (ready.provided, ready.notes)) {
            None => (None, Vec::new()),
            Some((Ok(provided), notes)) => (Some(provided), notes),
            Some((Err(reason), notes)) => return self.nothing_to_judge(selection, reports, notes, &cancel, &reason),
        };
        let prepared = engine.block_on(async {
            signals::watch(cancel.clone()).map_err(|error| format!("cannot watch for signals: {error}"))?;
            prepare::prepare(&self.options, provided, (self.user.clone(), self.others.clone()), &cancel).await
        });
        let Prepared { mut environment, keep } = match prepared {
            Ok(prepared) => prepared,
            Err(reason) => return self.nothing_to_judge(selection, reports, notes, &cancel, &reason),
        };
        environment.run_id.clone_from(&reports.run_id);
        environment.started = started;
        environment.jobs = self.jobs();
        environment.without.clone_from(&self.options.platform.without);
        environment.notes.extend(notes);
        environment.notes.extend(self.left_out());
        environment.probe_image.clone_from(&self.options.run.probe_image);
        environment.experiment.clone_from(&self.experiment);
        environment.pipeline.clone_from(&self.pipeline);
        environment.read_only = self.options.run.read_only;
        environment.keep = self.options.run.keep;
        environment.profiles = self.options.run.profile.iter().map(|profile| profile.name().to_owned()).collect();
        environment.shard = self.shard();
        environment.killed = report_folder::killed(&reports.root);
        environment.report_dir = reports.folder.clone();
        environment.checks_on = Some(threads.checks());
        let blank = engine::blank(selection, environment.run(), environment.described_target());
        say(&format!("target   {}", phrases::target(&blank)));

        let running = engine.block_on(async { engine::run(selection, environment) });
        let mut running = match running {
            Ok(running) => running,
            Err(error) => return environment_failed(reports, blank, &error.to_string()),
        };
        let shown = front::show(&self.tests, std::mem::take(&mut running.pending), filtered);
        let results = engine.block_on(running.finish());
        drop(keep);
        let console = Console::new(self.options.run.no_color, &self.tests);
        finish(&results, console, reports, shown)
    }

    /// There is no platform to judge: the reports say why.
    fn nothing_to_judge(
        &self,
        selection: &Selection,
        reports: &Reports,
        notes: Vec<Note>,
        cancel: &CancellationToken,
        reason: &Reason,
    ) -> u8 {
        let mut blank = engine::blank(selection, unstarted(reports.run_id.clone()), self.unreached());
        blank.notes.extend(notes);
        blank.run.shard = self.shard();
        blank.run.interrupted = cancel.is_cancelled();
        let code = environment_failed(reports, blank, reason);
        if cancel.is_cancelled() { exit::INTERRUPTED } else { code }
    }

    /// The target as far as the options tell.
    fn unreached(&self) -> reports::model::Target {
        let platform = &self.options.platform;
        let version = platform.installation.kubeflow;
        let (mode, provider, name) = match platform.cluster() {
            Cluster::Embedded => (TargetMode::Simulated, "embedded", None),
            Cluster::Existing => (TargetMode::Existing, "existing", platform.access.context.clone()),
            Cluster::Kind => (TargetMode::Disposable, "kind", platform.kind.cluster_name.clone()),
        };
        reports::model::Target {
            mode,
            provider: provider.to_owned(),
            name: name.unwrap_or_else(|| "unknown".to_owned()),
            gateway_url: platform.gateway_url.as_ref().map(ToString::to_string).unwrap_or_default(),
            kubernetes_version: None,
            kubeflow_version: version.map_or("unknown", |version| version.kubeflow).to_owned(),
            contract: version.map_or("unknown", |version| version.contract.letter()).to_owned(),
            version_from: if version.is_some() { "given" } else { "default" }.to_owned(),
            manifests: None,
        }
    }
}

/// Prints the verdict, writes the reports, gives the exit code.
fn finish(results: &Results, console: Console, reports: &Reports, shown: Result<(), Unprinted>) -> u8 {
    let printed = console.result(&format!("\n{}", terminal::summary(results, console.style())));
    reports.write(results);
    let problem = match (shown, printed) {
        (Err(Unprinted::Other(reason)), _) => Some(reason),
        (_, Err(error)) => Some(error.to_string()),
        _ => None,
    };
    match problem {
        None => exit::code(results),
        Some(reason) => environment(&format!("cannot write to standard output: {reason}; the reports have it all")),
    }
}

fn environment(reason: &str) -> u8 {
    complain(reason);
    exit::ENVIRONMENT
}

fn environment_failed(reports: &Reports, mut results: Results, reason: &str) -> u8 {
    complain(reason);
    if !results.run.interrupted {
        let never = Outcome::Skipped(Skip::NoCapability { capability: "reach a platform".to_owned() });
        let waiting = results.checks.iter_mut().filter(|check| check.outcome == Outcome::Skipped(Skip::Interrupted));
        waiting.for_each(|check| check.outcome = never.clone());
    }
    results.notes.push(Note { topic: "setup".to_owned(), text: reason.to_owned() });
    reports.write(&results);
    exit::ENVIRONMENT
}

fn unstarted(id: String) -> reports::model::Run {
    reports::model::Run {
        id,
        started: jiff::Timestamp::now().to_string(),
        duration_ms: 0,
        checks_ms: 0,
        critical_path_ms: 0,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        profiles: Vec::new(),
        shard: None,
        joined: Vec::new(),
        interrupted: false,
        recovered: false,
    }
}

/// An id that sorts by time, and is the value of a label.
fn run_id() -> String {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    format!("{}-{}", jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S"), &unique[..8])
}

/// Where the reports of a run go, if anywhere.
struct Reports {
    root: PathBuf,
    run_id: String,
    folder: Option<PathBuf>,
    broken: Cell<bool>,
}

impl Reports {
    fn create(options: &RunOptions, run_id: String) -> Self {
        let root = options.report_dir.clone();
        let root = root.unwrap_or_else(|| report_folder::default_root(std::env::current_exe().ok().as_deref()));
        let folder = report_folder::create(&root, &run_id).inspect_err(|reason| complain(reason)).ok();
        Self { root, run_id, broken: Cell::new(folder.is_none()), folder }
    }

    fn write(&self, results: &Results) {
        let Some(folder) = &self.folder else { return };
        match files::write_all(results, folder) {
            Ok(page) => {
                report_folder::link_latest(&self.root, &self.run_id);
                say(&format!("report   {}", shortened(&self.root, &page)));
            }
            Err(error) => {
                complain(&error.to_string());
                self.broken.set(true);
            }
        }
    }

    /// Whether a report could not be written.
    fn broken(&self) -> bool {
        self.broken.get()
    }
}

/// The page under the link to the newest run, relative to the current folder if it is below that.
fn shortened(root: &Path, page: &Path) -> String {
    let name = page.file_name().unwrap_or_default();
    let latest = root.join(report_folder::LATEST).join(name);
    let page = if latest.exists() { latest } else { page.to_owned() };
    let here = std::env::current_dir().unwrap_or_default();
    page.strip_prefix(here).unwrap_or(&page).display().to_string()
}
