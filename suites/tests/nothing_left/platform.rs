//! A platform that outlives the runs against it, and the runs: the real program, with reports in one folder.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::check::Isolation;
use harness::own::{CHECK_LABEL, RUN_LABEL};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::json;
use suites::SUITES;

use super::snapshot::{self, Snapshot};
use crate::judged::Judged;

/// How long the cluster may take to end what hangs on removed objects: namespaces go after their Profiles.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);
/// How long a run may take until it has made something.
const MAKES_WITHIN: Duration = Duration::from_secs(120);
/// How often is looked.
const EVERY: Duration = Duration::from_millis(50);

pub struct Platform {
    judged: Judged,
    pub client: kube::Client,
}

/// What a run gets from outside.
pub enum Signal {
    Interrupt,
    Kill,
}

/// A run under way.
pub struct Running(Child);

/// What came of a run.
pub struct Ran {
    pub code: i32,
    /// Everything that it printed.
    pub told: String,
}

impl Platform {
    pub async fn start() -> Self {
        let judged = Judged::start().await;
        let platform = Self { client: judged.client(), judged };
        // What the platform makes at its first use (Dex' signing key) is not the run's.
        assert_eq!(platform.run(&["login::AUT-006"]).code, 0);
        platform.comes_to_rest().await;
        platform
    }

    /// Takes a run's labels off one of its Profiles, as if an application had made it in the moment when the run was killed.
    pub async fn loses_the_label_of_a_profile(&self) {
        let kind = GroupVersionKind::gvk("kubeflow.org", "v1", "Profile");
        let profiles: Api<DynamicObject> = Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind));
        let made = profiles.list(&ListParams::default().labels(RUN_LABEL)).await.unwrap();
        let name = made.items[0].metadata.name.as_deref().unwrap();
        let labels = json!({"metadata": {"labels": {RUN_LABEL: null, CHECK_LABEL: null}}});
        profiles.patch(name, &PatchParams::default(), &Patch::Merge(labels)).await.unwrap();
    }

    pub async fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.client).await
    }

    /// Starts a run of the checks whose names contain one of some words, or of all.
    pub fn spawn(&self, filters: &[&str]) -> Running {
        let mut command = self.judged.command();
        command.args(filters);
        // Checks that restart the platform's programs leave other pods, on purpose.
        let restarting =
            SUITES.iter().flat_map(|suite| suite.checks()).filter(|one| one.isolation == Isolation::Destructive);
        command.args(restarting.flat_map(|one| ["--skip", one.id]));
        let errors = std::fs::File::create(self.judged.path("stderr")).unwrap();
        Running(command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap())
    }

    /// Runs to the end.
    pub fn run(&self, filters: &[&str]) -> Ran {
        self.spawn(filters).ends()
    }

    /// Waits until a run has made objects in the cluster and rows in Kubeflow Pipelines.
    pub async fn has_made_something(&self, before: &Snapshot) {
        let give_up = Instant::now() + MAKES_WITHIN;
        let table = "experiments";
        loop {
            let profiles = snapshot::labelled(&self.client, "Profile").await;
            let rows = snapshot::count(&self.client, table).await;
            if profiles > 0 && rows != before.rows[table] {
                return;
            }
            assert!(Instant::now() < give_up, "the run makes nothing: {profiles} Profiles, {rows} {table}");
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until everything is as it was.
    pub async fn is_again(&self, before: &Snapshot) {
        let give_up = Instant::now() + SETTLES_WITHIN;
        loop {
            let differences = before.differences(&self.snapshot().await);
            if differences.is_empty() {
                return;
            }
            assert!(Instant::now() < give_up, "{} differences: {differences:#?}", differences.len());
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until nothing changes by itself.
    async fn comes_to_rest(&self) {
        let mut before = self.snapshot().await;
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = self.snapshot().await;
            if now == before {
                return;
            }
            before = now;
        }
    }
}

impl Running {
    pub fn send(&mut self, signal: Signal) {
        match signal {
            Signal::Kill => self.0.kill().unwrap(),
            Signal::Interrupt => {
                let process = self.0.id().to_string();
                assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
            }
        }
    }

    pub fn ends(self) -> Ran {
        // The platform is in this process: it needs its threads.
        let output = tokio::task::block_in_place(|| self.0.wait_with_output().unwrap());
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        Ran { code: output.status.code().unwrap_or(-1), told }
    }
}
