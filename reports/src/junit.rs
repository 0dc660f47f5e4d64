//! JUnit XML, one test suite a suite: `failure` is the platform's, `error` is ours or the environment's.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use crate::counts::by_suite;
use crate::model::{Check, Outcome, Results};
use crate::phrases;

/// Renders a run. Checks that were not selected are left out.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut report = Report::new(format!("kubeflow-conformance: {}", phrases::target(results)));
    report.set_time(Duration::from_millis(results.run.duration_ms));
    for (name, checks) in by_suite(results) {
        let mut suite = TestSuite::new(name);
        suite.add_property(("target", phrases::target(results).as_str()));
        suite.add_property(("verdict", phrases::verdict(results).as_str()));
        suite.add_property(("run", results.run.id.as_str()));
        suite.set_time(Duration::from_millis(checks.iter().map(|check| check.duration_ms).sum()));
        suite.add_test_cases(checks.into_iter().map(test_case));
        report.add_test_suite(suite);
    }
    report.to_string().unwrap_or_default()
}

fn test_case(check: &Check) -> TestCase {
    let status = match &check.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed(failure) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(format!("{:?}", check.level));
            status.set_message(format!("expected {}; actual {}", failure.expected, failure.actual));
            let lines = [
                ("expected", Some(&failure.expected)),
                ("actual", Some(&failure.actual)),
                ("at", failure.at.as_ref()),
                ("cause", failure.cause.as_ref()),
                ("fix", failure.fix.as_ref()),
            ];
            status.set_description(describe(&lines));
            status
        }
        Outcome::Errored(problem) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type(problem.class.clone());
            status.set_message(problem.message.clone());
            status.set_description(describe(&[("problem", Some(&problem.message)), ("next", problem.next.as_ref())]));
            status
        }
        Outcome::Skipped(skip) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(phrases::skip(skip));
            status
        }
    };
    let mut case = TestCase::new(check.test.clone(), status);
    case.set_classname(format!("conformance.{}", check.suite));
    case.set_time(Duration::from_millis(check.duration_ms));
    case.add_property(("level", format!("{:?}", check.level).to_lowercase().as_str()));
    case.add_property(("source", check.source.as_str()));
    if !check.findings.is_empty() {
        let lines: Vec<String> = check
            .findings
            .iter()
            .map(|finding| format!("{:?}: {}: {}", finding.severity, finding.title, finding.detail))
            .collect();
        case.set_system_out(XmlString::new(lines.join("\n")));
    }
    case
}

fn describe(lines: &[(&str, Option<&String>)]) -> String {
    lines.iter().filter_map(|(label, text)| text.map(|text| format!("{label}: {text}"))).collect::<Vec<_>>().join("\n")
}
