//! The data of Kubernetes Secrets, in JSON or YAML: keys stay, values go.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::REDACTED;

/// Names a Secret: in JSON, in JSON within a JSON string, in YAML.
const NAMED: &str = r#"(?m)\\*"kind\\*"\s*:\s*\\*"Secret(?:List)?\\*"|^[ \t]*(?:- )?kind:[ \t]*["']?Secret(?:List)?\b"#;

/// The data in JSON; what was cut off has no end.
const DATA: &str = r#"(\\*"(?:data|stringData)\\*"\s*:\s*\{)(?:[^{}"]|"(?:[^"\\]|\\.)*"?)+"#;

static PATTERNS: LazyLock<Option<(Regex, Regex)>> =
    LazyLock::new(|| Some((Regex::new(NAMED).ok()?, Regex::new(DATA).ok()?)));

/// Removes the data, if the text names a Secret at all. What else has `data` in the same text goes with it.
pub fn redact(text: &str) -> Cow<'_, str> {
    let Some((named, data)) = &*PATTERNS else { return Cow::Borrowed(text) };
    if !text.contains("Secret") || !named.is_match(text) {
        return Cow::Borrowed(text);
    }
    let json = data.replace_all(text, "$1<redacted>");
    Cow::Owned(yaml(&json))
}

/// Replaces the values below `data:` and `stringData:`, which end with the first line that is not indented deeper.
fn yaml(text: &str) -> String {
    let mut within: Option<usize> = None;
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let indent = line.len() - line.trim_start().len();
        if within.is_some_and(|outer| indent <= outer && !line.trim().is_empty()) {
            within = None;
        }
        if within.is_some() && !line.trim().is_empty() {
            let key = line.split_once(':').map_or("", |(key, _)| key);
            let separator = if key.is_empty() { &line[..indent] } else { ": " };
            lines.push(Cow::Owned(format!("{key}{separator}{REDACTED}")));
            continue;
        }
        if matches!(line.trim().trim_start_matches("- "), "data:" | "stringData:") {
            within = Some(indent);
        }
        lines.push(Cow::Borrowed(line));
    }
    lines.join("\n")
}
