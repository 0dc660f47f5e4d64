//! A summary for a job's page.

use std::fmt::Write as _;

use crate::causes::root_causes;
use crate::counts::{Counts, by_suite};
use crate::model::{Outcome, Results};
use crate::phrases;

/// Longest value; the page has the whole.
const CELL: usize = 300;

/// Renders a run as GitHub-flavoured Markdown.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# {}\n", cell(&phrases::verdict(results)));
    let _ = writeln!(out, "Target: {}\n", cell(&phrases::target(results)));
    let _ = writeln!(
        out,
        "{}. Total {}; {}.\n",
        cell(&phrases::tally(results)),
        phrases::duration(results.run.duration_ms),
        phrases::pace(results)
    );
    let _ = writeln!(out, "| suite | passed | failed | errored | blocked | skipped |\n|---|--:|--:|--:|--:|--:|");
    for (name, checks) in by_suite(results) {
        let counts = Counts::of(checks);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            cell(name),
            counts.passed,
            counts.failed,
            counts.errored,
            counts.blocked,
            counts.skipped
        );
    }
    causes(&mut out, results);
    findings(&mut out, results);
    if !results.notes.is_empty() {
        let _ = writeln!(out, "\n## Notes\n");
        for note in &results.notes {
            let _ = writeln!(out, "- {}: {}", cell(&note.topic), cell(&note.text));
        }
    }
    out
}

fn causes(out: &mut String, results: &Results) {
    let causes = root_causes(results);
    if causes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n## Root causes\n");
    for cause in causes {
        let check = cause.check;
        let _ = writeln!(out, "- **{}** {} ({})", cell(&check.id), cell(&check.title), phrases::status(&check.outcome));
        match &check.outcome {
            Outcome::Failed(failure) => {
                let _ =
                    writeln!(out, "  - expected: {}\n  - actual: {}", cell(&failure.expected), cell(&failure.actual));
                for (label, text) in [("at", &failure.at), ("cause", &failure.cause), ("fix", &failure.fix)] {
                    if let Some(text) = text {
                        let _ = writeln!(out, "  - {label}: {}", cell(text));
                    }
                }
            }
            Outcome::Errored(problem) => {
                let _ = writeln!(out, "  - could not tell: {}", cell(&problem.message));
            }
            Outcome::Passed | Outcome::Skipped(_) => {}
        }
        if !cause.blocked.is_empty() {
            let ids: Vec<&str> = cause.blocked.iter().map(|check| check.id.as_str()).collect();
            let _ = writeln!(out, "  - blocks: {}", cell(&ids.join(", ")));
        }
    }
}

fn findings(out: &mut String, results: &Results) {
    if results.checks.iter().all(|check| check.findings.is_empty()) {
        return;
    }
    let _ = writeln!(out, "\n## Findings\n\n| severity | check | finding |\n|---|---|---|");
    for check in &results.checks {
        for finding in &check.findings {
            let severity = format!("{:?}", finding.severity).to_lowercase();
            let _ = writeln!(out, "| {severity} | {} | {} |", cell(&check.id), cell(&finding.title));
        }
    }
}

/// Text from a cluster as Markdown text: nothing in it may start markup, a table cell, HTML or a mention.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for character in phrases::one_line(text, CELL).chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}
