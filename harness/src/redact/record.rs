//! Redaction of the result model, field by field. Each type is taken apart completely: a new field does not compile
//! until somebody has decided whether it may hold a secret.

use reports::matrix::{Layer, Matrix};
use reports::model::{Check, EventKind, Failure, Finding, HttpExchange, Note, Outcome, Problem, Skip, Workload};

use super::{REDACTED, Redactor, patterns};

impl Redactor {
    /// Redacts all that a check recorded.
    pub fn check(&self, check: &mut Check) {
        let Check { outcome, findings, leaked, matrices, evidence, .. } = check;
        matrices.iter_mut().for_each(|matrix| self.matrix(matrix));
        self.outcome(outcome);
        findings.iter_mut().for_each(|finding| self.finding(finding));
        leaked.iter_mut().for_each(|object| self.in_place(object));
        evidence.iter_mut().for_each(|event| self.event(&mut event.what));
    }

    /// Redacts an outcome.
    pub fn outcome(&self, outcome: &mut Outcome) {
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed(Failure { expected, actual, at, cause, fix }) => {
                self.in_place(expected);
                self.in_place(actual);
                [at, cause, fix].into_iter().flatten().for_each(|text| self.in_place(text));
            }
            Outcome::Errored(Problem { class: _, message, next }) => {
                self.in_place(message);
                next.iter_mut().for_each(|text| self.in_place(text));
            }
            Outcome::Skipped(skip) => match skip {
                Skip::FeatureAbsent { feature: text } | Skip::NoCapability { capability: text } => self.in_place(text),
                Skip::NotSelected
                | Skip::VersionOutside { .. }
                | Skip::BlockedBy { .. }
                | Skip::ReadOnly
                | Skip::Interrupted => {}
            },
        }
    }

    /// Redacts a finding.
    pub fn finding(&self, finding: &mut Finding) {
        let Finding { severity: _, title, detail } = finding;
        self.in_place(title);
        self.in_place(detail);
    }

    /// Redacts who reaches what.
    pub fn matrix(&self, matrix: &mut Matrix) {
        let Matrix { title, who, places, layers } = matrix;
        self.in_place(title);
        who.iter_mut().chain(places).for_each(|text| self.in_place(text));
        for Layer { what, rows: _ } in layers {
            self.in_place(what);
        }
    }

    /// Redacts a note.
    pub fn note(&self, note: &mut Note) {
        let Note { topic: _, text } = note;
        self.in_place(text);
    }

    /// Redacts the readiness of a workload.
    pub fn workload(&self, workload: &mut Workload) {
        workload.reason.iter_mut().for_each(|reason| self.in_place(reason));
    }

    /// Redacts an event.
    pub fn event(&self, what: &mut EventKind) {
        match what {
            EventKind::Http(exchange) => self.exchange(exchange),
            EventKind::Kubernetes { call, status: _, duration_ms: _ } => self.in_place(call),
            EventKind::Wait { name, attempts: _, duration_ms: _, reached: _, last } => {
                self.in_place(name);
                self.in_place(last);
            }
            EventKind::Object { action: _, object } => self.in_place(object),
            EventKind::Remark { text } => self.in_place(text),
        }
    }

    fn exchange(&self, exchange: &mut HttpExchange) {
        let HttpExchange {
            method: _,
            url,
            request_headers,
            request_body,
            status: _,
            headers,
            body,
            body_bytes: _,
            duration_ms: _,
            error,
            curl,
        } = exchange;
        [url, body, curl].into_iter().for_each(|text| self.in_place(text));
        [request_body, error].into_iter().flatten().for_each(|text| self.in_place(text));
        for (name, value) in request_headers.iter_mut().chain(headers) {
            self.header(name, value);
        }
    }

    fn header(&self, name: &str, value: &mut String) {
        match name.to_ascii_lowercase().as_str() {
            "cookie" => *value = patterns::cookies(value),
            "set-cookie" => *value = patterns::set_cookie(value),
            "authorization" | "proxy-authorization" => {
                *value = match value.split_once(' ') {
                    Some((scheme, _)) => format!("{scheme} {REDACTED}"),
                    None => REDACTED.to_owned(),
                }
            }
            _ => {}
        }
        self.in_place(value);
    }
}
