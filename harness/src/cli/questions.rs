//! What is answered without touching any platform: `--explain`, `--plan`.

use std::fmt::Write as _;

use clusters::versions::Version;
use reports::model::Skip;

use crate::check::{Check, Isolation, Suite};
use crate::config::suggestion;
use crate::engine::Selection;
use crate::engine::plan::Allowance;
use crate::own::{KINDS, RUN_LABEL};

/// What a check checks, why it matters, how to fix a platform that fails it, how to see it by hand.
///
/// # Errors
/// There is no such check, in one sentence.
pub fn explain(suites: &[&'static Suite], id: &str) -> Result<String, String> {
    let wanted = id.to_ascii_uppercase();
    let all = || suites.iter().flat_map(|suite| suite.checks().map(move |check| (*suite, check)));
    match all().find(|(_, check)| check.id == wanted) {
        Some((suite, check)) => Ok(explained(suite, check)),
        None => {
            let suggestion = suggestion(&wanted, all().map(|(_, check)| check.id));
            Err(format!("there is no check {id}{suggestion}; see all with --list"))
        }
    }
}

fn explained(suite: &Suite, check: &Check) -> String {
    let mut out = format!("{}  {}\n\n", check.id, check.title);
    let mut row = |label: &str, text: &str| _ = writeln!(out, "{label:<10}{text}");
    row("suite", &format!("{} ({})", suite.name, suite.title));
    row("level", level(check));
    row("profiles", &names(check.profiles.iter().map(|profile| profile.name())));
    row("source", &check.source.to_string());
    if !check.after.is_empty() {
        row("after", &check.after.join(", "));
    }
    if !check.contracts.is_empty() {
        row("contract", &names(check.contracts.iter().map(|contract| contract.letter())));
    }
    let more = match check.for_each_pair.as_millis() {
        0 => String::new(),
        millis => format!(", and {millis} ms for each pair of people"),
    };
    row("within", &format!("{} s{more}", check.within.as_secs()));
    row("creates", if check.writes { "objects, which it removes again" } else { "nothing" });
    if !check.breaks_on.is_empty() {
        row("proved by", &names(check.breaks_on.iter().map(|fault| fault.name)));
    }
    let parts = [
        ("What is checked", check.explain.what),
        ("Why it matters", check.explain.why),
        ("How to fix it", check.explain.fix),
        ("How to see it by hand", check.explain.reproduce),
    ];
    for (title, text) in parts {
        _ = write!(out, "\n{title}\n  {}\n", text.trim().replace('\n', "\n  "));
    }
    out
}

fn level(check: &Check) -> &'static str {
    match check.level {
        reports::model::Level::Must => "must",
        reports::model::Level::Should => "should",
        reports::model::Level::May => "may",
    }
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    all.collect::<Vec<_>>().join(", ")
}

/// What a run would do to a platform, for whoever has to allow it.
pub(super) fn plan(selection: &Selection, version: &Version, allowance: Allowance) -> String {
    let mut out = format!("plan     {} checks, expectations of Kubeflow {}\n\n", selection.len(), version.kubeflow);
    let creates = |check: &Check| check.writes && allowance.skip_of(check).is_none();
    for (_, check) in selection.chosen() {
        let remark = match allowance.skip_of(check) {
            Some(Skip::VersionOutside { .. }) => "skipped: applies to another contract",
            Some(Skip::ReadOnly) => "skipped: read-only",
            Some(_) => "skipped: changes what is not ours",
            None if check.isolation == Isolation::Destructive => "changes the platform",
            None if check.writes => "creates objects",
            None => "reads",
        };
        _ = writeln!(out, "  {}  {:<20}  {}", check.id, remark, check.title);
    }
    let writers: Vec<&str> =
        selection.chosen().filter(|(_, check)| creates(check)).map(|(_, check)| check.id).collect();
    out.push_str("\ncreates  ");
    if writers.is_empty() {
        out.push_str("nothing\n");
    } else {
        _ = writeln!(out, "objects of these kinds at most, by {}; all are labelled", writers.join(", "));
        _ = writeln!(out, "         {RUN_LABEL}=<run> and removed when their check ends:");
        _ = writeln!(out, "         {}", names(KINDS.iter().map(|kind| kind.plural)));
        out.push_str(
            "         Among the pods are probes: one small container each, with curl, from which requests are sent\n",
        );
        out.push_str(
            "         inside the cluster; their image is that of Istio's proxies unless --probe-image is given.\n",
        );
    }
    out.push_str("\nneeds    get and list of all objects; get and create pods/portforward in istio-system, unless\n");
    out.push_str(
        "         --gateway-url is given; create serviceaccounts/token for the default profile's default-editor",
    );
    if !writers.is_empty() {
        out.push_str(
            ";\n         create, get, list and delete of the kinds above; get and create pods/exec in kubeflow, in\n",
        );
        out.push_str("         the run's own namespaces and in the user's, pods/portforward in kubeflow; create\n");
        out.push_str("         serviceaccounts/token in these namespaces;\n");
        out.push_str("         what ci/rbac.yaml says, which a test holds against what runs ask for");
    }
    out.push('\n');
    out
}
