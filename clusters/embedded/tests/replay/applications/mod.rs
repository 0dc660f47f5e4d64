//! What the real web applications answered, asked again of the actors that play them.
//!
//! The recordings `app-<name>.jsonl.xz` were made in front of each application, without gateway: real programs of
//! kubeflow v1.9.2 and KFP 2.3.0 with the environment that manifests v1.9.1 give them, a real kube-apiserver 1.34, KFAM
//! and controllers. The [`stage`] holds the same people and namespaces.
//!
//! # Adding an application
//!
//! 1. A module here with an `Application` (see `dashboard`) and a test that calls [`replay`].
//! 2. `docs/fidelity/<name>.yaml` with one record: `component: <name>`, `version: v1.9.1`, `against: <program and
//!    version>`, `cases: 0`, `alike: 0`.
//! 3. `CONFORMANCE_RECORDINGS=… cargo test -p embedded --test replay <name>` prints what differs. Correct the actor; what
//!    must stay different goes into the file, `{case, reason}` (a `*` at the end of a case stands for any rest).
//! 4. `UPDATE=1 CONFORMANCE_RECORDINGS=… cargo test -p embedded --test replay` writes the figures and `docs/fidelity.md`.
//!
//! Groups of cases that were recorded in another situation (KFAM away, another environment) get a platform of their own
//! with changed objects, or are left out with a reason: [`Setup`].

mod compare;
mod dashboard;
mod katib;
mod kfam;
mod pipelines_api;
mod pipelines_ui;
mod recorded;
mod stage;
mod workspaces;

use std::collections::HashMap;
use std::time::Duration;

use embedded::platform::World;
use http::Method;
use serde_json::Value;

use crate::fidelity::{self, Found};
use crate::recordings;
pub use compare::object_differences;
use recorded::Recorded;
use stage::Stage;
pub use stage::people;

/// An application and how its recording is played.
pub struct Application {
    /// Of the recording, of the file of figures, and of the component.
    pub name: &'static str,
    /// Where it is reached: `<service>.<namespace>.svc.cluster.local:<port>`.
    pub service: &'static str,
    /// What is different in the situation of a group or, if need be, of a case.
    pub setup: fn(&Recorded) -> Setup,
    /// Objects beside those of the stage.
    pub objects: fn() -> Vec<Value>,
    /// What its stores hold, put there once the platform is ready.
    pub seed: fn(&World),
    /// Requests to be sent before a case, because the recording lacks them: it was published without some cases.
    pub before: fn(&Recorded) -> Vec<Recorded>,
    /// Makes a JSON answer comparable: takes out what this platform or the laboratory had beside the stage. Values that
    /// are new each time (times, uids, versions) are taken out already, and lists of texts sorted.
    pub comparable: fn(&Recorded, &mut Value),
}

/// The situation of a recorded case.
pub enum Setup {
    /// The usual one.
    Usual,
    /// A platform of its own, with changed objects; cases with the same name share it.
    Changed(&'static str, fn(&mut Vec<Value>)),
    /// It cannot be played, for the reason given.
    LeftOut(&'static str),
}

/// Controllers work on after a write: reads that differ are repeated this long.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// Plays an application's recording and holds it against the committed figures.
pub async fn replay(application: &Application, version: &str) {
    let Some(file) = recordings::file(&format!("app-{}", application.name)) else { return };
    play(application, version, recordings::lines(&file).iter().map(Recorded::of)).await;
}

/// Plays recorded cases and holds them against the committed figures.
async fn play(application: &Application, version: &str, cases: impl Iterator<Item = Result<Recorded, &'static str>>) {
    let listed = fidelity::read(application.name).into_iter().find(|one| one.version == version).unwrap();
    let mut stages: HashMap<&'static str, Stage> = HashMap::new();
    let mut found = Found::default();
    let mut written = false;
    for case in cases {
        let one = match case {
            Ok(one) => one,
            Err(reason) => {
                found.leave_out(reason);
                continue;
            }
        };
        let (situation, change): (_, fn(&mut Vec<Value>)) = match (application.setup)(&one) {
            Setup::Usual => ("usual", |_| {}),
            Setup::Changed(name, change) => (name, change),
            Setup::LeftOut(reason) => {
                found.leave_out(reason);
                continue;
            }
        };
        if !stages.contains_key(situation) {
            stages.insert(situation, Stage::set(application, change).await);
        }
        let stage = &stages[situation];
        for earlier in (application.before)(&one) {
            written |= earlier.method != Method::GET;
            stage.send(&earlier).await;
        }
        let name = one.name();
        let patience = if written && !fidelity::is_listed(&listed, &name) { SETTLED_WITHIN } else { Duration::ZERO };
        found.note(&name, compared(application, &one, stage, patience).await);
        written |= one.method != Method::GET;
    }
    fidelity::judge(application.name, version, &found);
}

/// In what the answer differs from the recorded one. Reads are repeated until they agree or patience is at its end.
async fn compared(application: &Application, one: &Recorded, stage: &Stage, patience: Duration) -> Vec<String> {
    let until = tokio::time::Instant::now() + patience;
    loop {
        let answer = stage.send(one).await;
        let differences = compare::differences(application, one, &answer);
        if differences.is_empty() || one.method != Method::GET || tokio::time::Instant::now() >= until {
            return differences;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
