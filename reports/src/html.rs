//! One self-contained page: no network, no script needed to read it.

use askama::Template;

use crate::causes::{RootCause, root_causes};
use crate::counts::{Counts, by_suite};
use crate::model::{Check, EventKind, Finding, Results, TargetMode};
use crate::phrases;
use crate::picture::{Picture, pictures};
use crate::verdict::judge;

/// Renders a run; `digest` is the SHA-256 of its record.
#[must_use]
pub fn page(results: &Results, digest: String) -> String {
    let page = Page {
        results,
        verdict: phrases::verdict(results),
        verdict_class: judge(results).text(),
        target: phrases::target(results),
        tally: phrases::tally(results),
        pace: phrases::pace(results),
        causes: root_causes(results),
        suites: by_suite(results).into_iter().map(|(name, checks)| SuiteView::of(name, checks)).collect(),
        findings: findings(results),
        bars: bars(results),
        pictures: pictures(results),
        digest,
    };
    // The template only fails if writing to a String does.
    page.render().unwrap_or_default()
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    results: &'a Results,
    verdict: String,
    verdict_class: &'static str,
    target: String,
    tally: String,
    pace: String,
    causes: Vec<RootCause<'a>>,
    suites: Vec<SuiteView<'a>>,
    findings: Vec<(&'a Finding, &'a Check)>,
    bars: Vec<Bar<'a>>,
    pictures: Vec<Picture<'a>>,
    digest: String,
}

impl Page<'_> {
    fn simulated(&self) -> bool {
        self.results.target.mode == TargetMode::Simulated
    }
}

struct SuiteView<'a> {
    name: &'a str,
    counts: Counts,
    checks: Vec<CheckView<'a>>,
}

impl<'a> SuiteView<'a> {
    fn of(name: &'a str, checks: Vec<&'a Check>) -> Self {
        let counts = Counts::of(checks.iter().copied());
        Self { name, counts, checks: checks.into_iter().map(CheckView::of).collect() }
    }
}

struct CheckView<'a> {
    check: &'a Check,
    status: &'static str,
    level: String,
    duration: String,
    events: Vec<EventView<'a>>,
}

impl<'a> CheckView<'a> {
    fn of(check: &'a Check) -> Self {
        Self {
            check,
            status: phrases::status(&check.outcome),
            level: format!("{:?}", check.level).to_lowercase(),
            duration: phrases::duration(check.duration_ms),
            events: check.evidence.iter().map(|event| EventView::of(event.at_ms, &event.what)).collect(),
        }
    }
}

/// An event as one line, and as more when opened.
struct EventView<'a> {
    at: String,
    line: String,
    exchange: Option<&'a crate::model::HttpExchange>,
}

impl<'a> EventView<'a> {
    fn of(at_ms: u64, what: &'a EventKind) -> Self {
        let (line, exchange) = match what {
            EventKind::Http(exchange) => (
                format!(
                    "{} {} → {} in {}",
                    exchange.method,
                    exchange.url,
                    if exchange.status == 0 { "no answer".to_owned() } else { exchange.status.to_string() },
                    phrases::duration(exchange.duration_ms)
                ),
                Some(exchange),
            ),
            EventKind::Kubernetes { call, status, duration_ms } => {
                (format!("Kubernetes: {call} → {status} in {}", phrases::duration(*duration_ms)), None)
            }
            EventKind::Wait { name, attempts, duration_ms, reached, last } => (
                format!(
                    "waited for {name}: {} after {attempts} looks in {}; last seen: {last}",
                    if *reached { "reached" } else { "not reached" },
                    phrases::duration(*duration_ms)
                ),
                None,
            ),
            EventKind::Object { action, object } => (format!("{action} {object}"), None),
            EventKind::Remark { text } => (text.clone(), None),
        };
        Self { at: phrases::duration(at_ms), line, exchange }
    }
}

fn findings(results: &Results) -> Vec<(&Finding, &Check)> {
    let mut findings: Vec<_> =
        results.checks.iter().flat_map(|check| check.findings.iter().map(move |finding| (finding, check))).collect();
    findings.sort_by_key(|(finding, _)| finding.severity);
    findings
}

/// A bar of the timeline; left and width in per mille of the whole.
struct Bar<'a> {
    check: &'a Check,
    status: &'static str,
    left: u64,
    width: u64,
    label: String,
}

fn bars(results: &Results) -> Vec<Bar<'_>> {
    let ran = || results.checks.iter().filter(|check| check.duration_ms > 0 || check.started_ms > 0);
    let end = ran().map(|check| check.started_ms + check.duration_ms).max().unwrap_or(0).max(1);
    ran()
        .map(|check| Bar {
            check,
            status: phrases::status(&check.outcome),
            left: check.started_ms * 1_000 / end,
            width: (check.duration_ms * 1_000 / end).max(2),
            label: phrases::duration(check.duration_ms),
        })
        .collect()
}

/// What the template calls.
mod filters {
    use crate::model::Skip;

    #[askama::filter_fn]
    pub fn skip_text(skip: &Skip, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(crate::phrases::skip(skip))
    }

    #[askama::filter_fn]
    pub fn ms(value: &u64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(crate::phrases::duration(*value))
    }

    #[askama::filter_fn]
    pub fn severity(value: &crate::model::Severity, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format!("{value:?}").to_lowercase())
    }
}
