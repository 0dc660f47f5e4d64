//! The phrases that all renderings share, so that they say the same thing.

use crate::counts::Counts;
use crate::model::{Outcome, Results, Skip, TargetMode};
use crate::verdict::judge;

/// The first line of every rendering: what was judged, and on a simulated target that no cluster was.
#[must_use]
pub fn target(results: &Results) -> String {
    let target = &results.target;
    let what = match target.mode {
        TargetMode::Simulated => "embedded reference platform".to_owned(),
        TargetMode::Disposable => format!("disposable cluster {}", target.name),
        TargetMode::Existing => format!("existing cluster {}", target.name),
    };
    let line = format!("{what}, Kubeflow {}, contract {}", target.kubeflow_version, target.contract);
    match target.mode {
        TargetMode::Simulated => format!("{line}: SIMULATED, no cluster is judged"),
        _ => line,
    }
}

/// The verdict, marked if simulated: `NON-CONFORMANT (simulated)`.
#[must_use]
pub fn verdict(results: &Results) -> String {
    let verdict = judge(results).text().to_uppercase();
    let mut marks = Vec::new();
    if results.target.mode == TargetMode::Simulated {
        marks.push("simulated");
    }
    let shard = results.run.shard.as_ref().map(|shard| format!("shard {shard}"));
    marks.extend(shard.as_deref());
    if results.run.interrupted {
        marks.push("interrupted");
    }
    if results.run.recovered {
        marks.push("recovered from the event log");
    }
    if marks.is_empty() { verdict } else { format!("{verdict} ({})", marks.join(", ")) }
}

/// `1 root cause: 3 Must failed, 12 blocked, 52 passed, 0 errored`.
#[must_use]
pub fn tally(results: &Results) -> String {
    let counts = Counts::of(&results.checks);
    let causes = crate::causes::root_causes(results).len();
    let mut parts = vec![
        format!("{} Must failed", counts.must_failed),
        format!("{} blocked", counts.blocked),
        format!("{} passed", counts.passed),
        format!("{} errored", counts.errored),
    ];
    if counts.failed > counts.must_failed {
        parts.insert(1, format!("{} other failed", counts.failed - counts.must_failed));
    }
    if counts.skipped > 0 {
        parts.push(format!("{} skipped", counts.skipped));
    }
    let parts = parts.join(", ");
    match causes {
        0 => parts,
        1 => format!("1 root cause: {parts}"),
        _ => format!("{causes} root causes: {parts}"),
    }
}

/// One word for an outcome: `passed`, `failed`, `errored`, `blocked`, `skipped`.
#[must_use]
pub fn status(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed(_) => "failed",
        Outcome::Errored(_) => "errored",
        Outcome::Skipped(Skip::BlockedBy { .. }) => "blocked",
        Outcome::Skipped(_) => "skipped",
    }
}

/// Why a check did not run.
#[must_use]
pub fn skip(skip: &Skip) -> String {
    match skip {
        Skip::NotSelected => "not selected".to_owned(),
        Skip::FeatureAbsent { feature } => format!("FeatureAbsent: {feature}"),
        Skip::VersionOutside { applies_to } => format!("applies to {applies_to}"),
        Skip::BlockedBy { id } => format!("blocked by {id}"),
        Skip::NoCapability { capability } => format!("the run cannot: {capability}"),
        Skip::ReadOnly => "the run is read-only".to_owned(),
        Skip::Interrupted => "the run was interrupted".to_owned(),
    }
}

/// Milliseconds for people: `340 ms`, `4.2 s`, `2 min 05 s`.
#[must_use]
pub fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// `checks 3.1 s, critical path 2.9 s (1.06 ×)`.
#[must_use]
pub fn pace(results: &Results) -> String {
    let run = &results.run;
    let checks = format!("checks {}, critical path {}", duration(run.checks_ms), duration(run.critical_path_ms));
    if run.critical_path_ms == 0 {
        return checks;
    }
    let hundredths = run.checks_ms * 100 / run.critical_path_ms;
    format!("{checks} ({}.{:02} ×)", hundredths / 100, hundredths % 100)
}

/// Text from a cluster as one line without anything that a terminal obeys, cut after `limit` characters.
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            line.push('…');
            break;
        }
        match character {
            '\n' | '\r' | '\t' => line.push(' '),
            // Controls start escape sequences; the bidirectional marks turn what is read around.
            _ if character.is_control() || is_directional(character) => line.extend(character.escape_unicode()),
            _ => line.push(character),
        }
    }
    line
}

fn is_directional(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        for (ms, text) in [(0, "0 ms"), (999, "999 ms"), (4_249, "4.2 s"), (59_999, "59.9 s"), (125_000, "2 min 05 s")]
        {
            assert_eq!(duration(ms), text);
        }
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        let line = one_line("a\u{1b}[31mred\u{202e}txt\r\nb\u{7}", 100);
        assert_eq!(line, "a\\u{1b}[31mred\\u{202e}txt  b\\u{7}");
        assert_eq!(one_line("äöü", 2), "äö…");
    }
}
