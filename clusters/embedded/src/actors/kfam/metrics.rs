//! KFAM's counters, in the text form of Prometheus (`kfam/monitoring.go`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use http::Method;
use http::request::Parts;

use crate::actors::Visit;
use crate::object::uid;

/// Labels longer than this are cut.
const LONGEST: usize = 30;

/// What is counted: action, kind, path, user; and whether it is a failure.
type Counters = Mutex<BTreeMap<(bool, [String; 4]), u64>>;

/// A call to be counted.
pub(super) struct Call {
    action: &'static str,
    path: String,
    user: String,
}

impl Call {
    pub(super) fn of(parts: &Parts) -> Self {
        let action = match parts.method {
            Method::GET => "read",
            Method::POST => "create",
            _ => "delete",
        };
        let user = parts.headers.get("kubeflow-userid").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self { action, path: parts.uri.path().to_owned(), user: user.to_owned() }
    }
}

/// Counts a call; `problem` is why it was not carried out.
pub(super) fn count(visit: &Visit, call: Call, problem: Option<String>) {
    let failure = problem.as_deref().is_some_and(|problem| problem != "forbidden");
    let kind: String = problem.unwrap_or_default().chars().take(LONGEST).collect();
    let counters = visit.world.memory.of::<Counters>(uid(&visit.pod));
    let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
    *counters.entry((failure, [call.action.to_owned(), kind, call.path, call.user])).or_default() += 1;
}

/// `/metrics`.
pub(super) fn page(visit: &Visit) -> String {
    let counters = visit.world.memory.of::<Counters>(uid(&visit.pod));
    let counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
    let mut page = String::new();
    for (failures, name, severity) in [(false, "request_kf", ""), (true, "request_kf_failure", ",severity=\"major\"")] {
        _ = writeln!(page, "# TYPE {name} counter");
        for ((_, [action, kind, path, user]), count) in counters.iter().filter(|((failure, _), _)| *failure == failures)
        {
            _ = writeln!(
                page,
                "{name}{{action={action:?},component=\"kfam\",kind={kind:?},path={path:?}{severity},user={user:?}}} {count}"
            );
        }
    }
    page
}
