//! What a person sees at the end of a run.

use std::fmt::Write as _;

use crate::causes::root_causes;
use crate::counts::Counts;
use crate::model::{Check, Outcome, Results, Severity, Skip};
use crate::phrases;
use crate::verdict::{Verdict, judge};

/// Longest line of a value; the page has the whole.
const LINE: usize = 400;

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// Without colours: files, pipes, `NO_COLOR`.
    #[must_use]
    pub const fn plain() -> Self {
        Self { colour: false }
    }

    /// With colours.
    #[must_use]
    pub const fn coloured() -> Self {
        Self { colour: true }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

const GREEN: &str = "32;1";
const RED: &str = "31;1";
const YELLOW: &str = "33;1";
const DIM: &str = "2";

/// The verdict, its root causes, findings and notes.
#[must_use]
pub fn summary(results: &Results, style: Style) -> String {
    let mut out = String::new();
    let colour = match judge(results) {
        Verdict::Conformant => GREEN,
        Verdict::NonConformant => RED,
        Verdict::Partial | Verdict::Inconclusive => YELLOW,
    };
    let _ = writeln!(
        out,
        "verdict  {}  {}   {}",
        style.paint(colour, &phrases::verdict(results)),
        phrases::tally(results),
        phrases::duration(results.run.duration_ms)
    );
    for cause in root_causes(results) {
        root_cause(&mut out, style, cause.check, &cause.blocked);
    }
    skipped(&mut out, results);
    findings(&mut out, style, results);
    for note in &results.notes {
        let _ =
            writeln!(out, "note     {}: {}", phrases::one_line(&note.topic, 40), phrases::one_line(&note.text, LINE));
    }
    let _ = writeln!(out, "pace     {}", phrases::pace(results));
    out
}

fn root_cause(out: &mut String, style: Style, check: &Check, blocked: &[&Check]) {
    let _ = writeln!(out, "  {}  {}", style.paint(RED, &check.id), phrases::one_line(&check.title, LINE));
    let mut row = |label: &str, text: &str| {
        let _ = writeln!(out, "    {}{}", style.paint(DIM, &format!("{label:<10}")), phrases::one_line(text, LINE));
    };
    match &check.outcome {
        Outcome::Failed(failure) => {
            row("expected", &failure.expected);
            row("actual", &failure.actual);
            for (label, text) in [("at", &failure.at), ("cause", &failure.cause), ("fix", &failure.fix)] {
                if let Some(text) = text {
                    row(label, text);
                }
            }
        }
        Outcome::Errored(problem) => {
            row("could not", &format!("{}: {}", problem.class, problem.message));
            if let Some(next) = &problem.next {
                row("next", next);
            }
        }
        Outcome::Passed | Outcome::Skipped(_) => {}
    }
    if !blocked.is_empty() {
        let ids: Vec<&str> = blocked.iter().map(|check| check.id.as_str()).collect();
        row("blocks", &ids.join(" "));
    }
    for leaked in &check.leaked {
        row("leaked", leaked);
    }
    row("explain", &format!("cargo test --test conformance -- --explain {}", check.id));
}

/// Checks that did not run, for another reason than selection, version or a root cause above.
fn skipped(out: &mut String, results: &Results) {
    for check in &results.checks {
        match &check.outcome {
            Outcome::Skipped(Skip::NotSelected | Skip::VersionOutside { .. } | Skip::BlockedBy { .. }) => {}
            Outcome::Skipped(skip) => {
                let _ = writeln!(out, "skipped  {}  {}", check.id, phrases::one_line(&phrases::skip(skip), LINE));
            }
            _ => {}
        }
    }
}

fn findings(out: &mut String, style: Style, results: &Results) {
    let mut findings: Vec<_> =
        results.checks.iter().flat_map(|check| check.findings.iter().map(move |finding| (finding, check))).collect();
    if findings.is_empty() {
        return;
    }
    findings.sort_by_key(|(finding, _)| finding.severity);
    let _ = writeln!(out, "findings {} (they do not change the verdict)", findings.len());
    for (finding, check) in findings {
        let word = match finding.severity {
            Severity::High => style.paint(RED, "high  "),
            Severity::Medium => style.paint(YELLOW, "medium"),
            Severity::Low => "low   ".to_owned(),
        };
        let _ = writeln!(out, "  {word}  {}  {}", check.id, phrases::one_line(&finding.title, LINE));
    }
}

/// One line for what was selected: `67 checks: 60 passed, …`.
#[must_use]
pub fn counts_line(results: &Results) -> String {
    let counts = Counts::of(&results.checks);
    format!("{} checks: {}", counts.total(), phrases::tally(results))
}
