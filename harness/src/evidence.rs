//! Evidence: everything that a check did and saw, redacted at the writer and bounded in size.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reports::matrix::Matrix;
use reports::model::{Event, EventKind, Finding, HttpExchange, Severity};
use tokio::time::Instant;

use crate::redact::Redactor;

/// How much of a body is kept, in bytes.
pub const BODY_LIMIT: usize = 16 * 1024;
/// How much of a remark, a header value or another single text is kept, in bytes.
pub const TEXT_LIMIT: usize = 4 * 1024;
/// How many events of a check are kept. Later ones are counted only.
pub const EVENT_LIMIT: usize = 2_000;
/// How much text of all events of a check is kept, in bytes. Beyond it bodies and headers are left out.
pub const CHECK_LIMIT: usize = 1024 * 1024;

/// Collects the evidence of one check. Clones write to the same record.
#[derive(Clone)]
pub struct Recorder {
    start: Instant,
    redactor: Redactor,
    record: Arc<Mutex<Record>>,
}

/// What a check recorded.
#[derive(Debug, Default)]
pub struct Recorded {
    /// Everything that was done and seen.
    pub evidence: Vec<Event>,
    /// Weaknesses.
    pub findings: Vec<Finding>,
    /// Who reaches what.
    pub matrices: Vec<Matrix>,
}

#[derive(Default)]
struct Record {
    events: Vec<Event>,
    findings: Vec<Finding>,
    matrices: Vec<Matrix>,
    bytes: usize,
    left_out: usize,
    closed: bool,
}

impl Recorder {
    /// A record whose offsets count from `start`, the start of the run's checks.
    #[must_use]
    pub fn new(start: Instant, redactor: Redactor) -> Self {
        Self { start, redactor, record: Arc::default() }
    }

    /// Adds an event, redacted and cut to the limits.
    pub fn record(&self, what: EventKind) {
        let at_ms = millis(self.start.elapsed());
        // Looked at first, because redaction is dear: a check of many users makes a hundred thousand requests.
        if !self.has_room() {
            return;
        }
        let what = self.bounded(what);
        let mut record = self.lock();
        if record.closed || record.events.len() >= EVENT_LIMIT {
            record.left_out += 1;
            return;
        }
        let what = if record.bytes > CHECK_LIMIT { without_bulk(what) } else { what };
        record.bytes += size(&what);
        record.events.push(Event { at_ms, what });
    }

    /// Whether another event is kept; one that is not is counted.
    fn has_room(&self) -> bool {
        let mut record = self.lock();
        if !record.closed && record.events.len() >= EVENT_LIMIT {
            record.left_out += 1;
            return false;
        }
        !record.closed
    }

    /// Adds a remark.
    pub fn remark(&self, text: impl Into<String>) {
        self.record(EventKind::Remark { text: text.into() });
    }

    /// Adds a finding, redacted.
    pub fn finding(&self, severity: Severity, title: &str, detail: &str) {
        let finding = Finding {
            severity,
            title: self.redactor.text_up_to(title, TEXT_LIMIT),
            detail: self.redactor.text_up_to(detail, TEXT_LIMIT),
        };
        let mut record = self.lock();
        if !record.closed && !record.findings.contains(&finding) {
            record.findings.push(finding);
        }
    }

    /// Adds who reaches what.
    pub fn matrix(&self, matrix: Matrix) {
        let mut record = self.lock();
        if !record.closed {
            record.matrices.push(matrix);
        }
    }

    /// Marks a text as secret for the whole run: it is redacted wherever it would be written from now on, and in what
    /// this check has recorded so far.
    pub fn secret(&self, text: &str) {
        self.redactor.secret(text);
    }

    /// The redactor of the run.
    #[must_use]
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Ends the record and yields it; what is recorded later (by a task that outlives its check) is dropped.
    /// Everything is redacted once more, because a text may have become known as a secret after it was recorded.
    #[must_use]
    pub fn close(&self) -> Recorded {
        let mut record = self.lock();
        record.closed = true;
        let mut events = std::mem::take(&mut record.events);
        let mut findings = std::mem::take(&mut record.findings);
        let mut matrices = std::mem::take(&mut record.matrices);
        let left_out = record.left_out;
        drop(record);
        if left_out > 0 {
            let text = format!("{left_out} more events are left out: a check keeps {EVENT_LIMIT}");
            events.push(Event { at_ms: millis(self.start.elapsed()), what: EventKind::Remark { text } });
        }
        for event in &mut events {
            self.redactor.event(&mut event.what);
        }
        for finding in &mut findings {
            self.redactor.finding(finding);
        }
        for matrix in &mut matrices {
            self.redactor.matrix(matrix);
        }
        Recorded { evidence: events, findings, matrices }
    }

    fn bounded(&self, mut what: EventKind) -> EventKind {
        // Bodies are cut and redacted in one step; the rest is short, and cut after it was redacted.
        if let EventKind::Http(exchange) = &mut what {
            exchange.body = self.redactor.text_up_to(&exchange.body, BODY_LIMIT);
            exchange.request_body =
                exchange.request_body.take().map(|body| self.redactor.text_up_to(&body, BODY_LIMIT));
        }
        self.redactor.event(&mut what);
        match &mut what {
            EventKind::Http(exchange) => {
                for (_, value) in exchange.request_headers.iter_mut().chain(&mut exchange.headers) {
                    cut(value, TEXT_LIMIT);
                }
                cut(&mut exchange.url, TEXT_LIMIT);
                cut(&mut exchange.curl, BODY_LIMIT);
            }
            EventKind::Kubernetes { call, .. } => cut(call, TEXT_LIMIT),
            EventKind::Wait { last, .. } => cut(last, TEXT_LIMIT),
            EventKind::Object { object, .. } => cut(object, TEXT_LIMIT),
            EventKind::Remark { text } => cut(text, TEXT_LIMIT),
        }
        what
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A duration in whole milliseconds.
#[must_use]
pub fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Cuts a text to `limit` bytes and says how much is missing.
pub(crate) fn cut(text: &mut String, limit: usize) {
    if text.len() > limit {
        let end = text.floor_char_boundary(limit);
        let missing = text.len() - end;
        text.truncate(end);
        text.push_str(&format!(" … ({missing} more bytes)"));
    }
}

fn without_bulk(what: EventKind) -> EventKind {
    match what {
        EventKind::Http(exchange) => EventKind::Http(HttpExchange {
            request_headers: Vec::new(),
            request_body: None,
            headers: Vec::new(),
            body: String::from("(left out: the check has recorded a lot already)"),
            ..exchange
        }),
        other => other,
    }
}

fn size(what: &EventKind) -> usize {
    match what {
        EventKind::Http(exchange) => {
            let headers = exchange.request_headers.iter().chain(&exchange.headers);
            headers.map(|(name, value)| name.len() + value.len()).sum::<usize>()
                + exchange.body.len()
                + exchange.request_body.as_ref().map_or(0, String::len)
                + exchange.url.len()
                + exchange.curl.len()
        }
        EventKind::Kubernetes { call, .. } => call.len(),
        EventKind::Wait { last, .. } => last.len(),
        EventKind::Object { object, .. } => object.len(),
        EventKind::Remark { text } => text.len(),
    }
}
