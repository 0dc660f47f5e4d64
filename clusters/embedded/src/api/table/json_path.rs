//! The part of JSONPath that printer columns use: fields, places in lists, `[*]`, and filters by an equal field.

use serde_json::Value;

/// A parsed path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JsonPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    At(i64),
    /// `[from:to]`, places from the end being negative.
    Slice(Option<i64>, Option<i64>),
    All,
    /// `[?(@.field=="value")]`
    Where(Vec<String>, String),
}

impl JsonPath {
    /// Reads a path; what it cannot read finds nothing.
    pub(super) fn parse(text: &str) -> Self {
        Self(steps(text).unwrap_or_else(|| vec![Step::Field(String::new())]))
    }

    /// What the path finds.
    pub(super) fn find<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![object];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.of(value)).collect();
        }
        found.retain(|value| !value.is_null());
        found
    }
}

impl Step {
    fn of<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::At(place) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let at = if *place < 0 {
                    usize::try_from(-place).ok().and_then(|back| items.len().checked_sub(back))
                } else {
                    usize::try_from(*place).ok()
                };
                at.and_then(|at| items.get(at)).into_iter().collect()
            }
            Self::Slice(from, to) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let place = |place: i64| match usize::try_from(place) {
                    Ok(place) => place.min(items.len()),
                    Err(_) => items.len().saturating_sub(usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX)),
                };
                let (from, to) = (from.map_or(0, place), to.map_or(items.len(), place));
                items.get(from..to).unwrap_or_default().iter().collect()
            }
            Self::All => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(map) => map.values().collect(),
                _ => Vec::new(),
            },
            Self::Where(path, wanted) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let fits = |item: &&Value| {
                    let found = path.iter().try_fold(*item, |value, name| value.get(name));
                    found.is_some_and(|found| text_of(found) == *wanted)
                };
                items.iter().filter(fits).collect()
            }
        }
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut rest = text.trim().trim_start_matches('{').trim_end_matches('}');
    rest = rest.strip_prefix('$').unwrap_or(rest);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let end = closing(after)?;
            steps.push(bracket(&after[..end])?);
            rest = &after[end + 1..];
        } else {
            let after = rest.strip_prefix('.').unwrap_or(rest);
            let (name, remaining) = field(after);
            if name == "*" {
                steps.push(Step::All);
            } else if !name.is_empty() {
                steps.push(Step::Field(name));
            } else if remaining.len() == rest.len() {
                return None;
            }
            rest = remaining;
        }
    }
    Some(steps)
}

/// A name up to the next `.` or `[`; `\.` is a dot of the name.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, &text[at..]),
            other => name.push(other),
        }
    }
    (name, "")
}

/// Where the bracket closes, past those in quotes.
fn closing(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (None, ']') => return Some(at),
            _ => {}
        }
    }
    None
}

fn bracket(text: &str) -> Option<Step> {
    let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    if let Some(filter) = text.strip_prefix("?(").and_then(|text| text.strip_suffix(')')) {
        let (path, wanted) = filter.split_once("==")?;
        let path = path.trim().strip_prefix("@.")?;
        return Some(Step::Where(path.split('.').map(str::to_owned).collect(), unquoted(wanted)));
    }
    match text {
        "*" => Some(Step::All),
        quoted if quoted.starts_with(['"', '\'']) => Some(Step::Field(unquoted(quoted))),
        slice if slice.contains(':') => {
            let (from, to) = slice.split_once(':')?;
            let end = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
            Some(Step::Slice(end(from)?, end(to)?))
        }
        place => place.parse().ok().map(Step::At),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_printer_columns_find_their_values() {
        let object = json!({"status": {"conditions": [
            {"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"},
        ], "urls": ["a", "b"]}, "metadata": {"annotations": {"a.b/c": "d"}}});
        for (path, expected) in [
            (".status.conditions[?(@.type==\"Ready\")].status", vec!["True"]),
            (".status.conditions[?(@.type=='Other')].status", vec!["False"]),
            (".status.conditions[-1:].type", vec!["Other"]),
            (".status.conditions[-2].type", vec!["Ready"]),
            (".status.conditions[1:9].type", vec!["Other"]),
            (".status.urls[1]", vec!["b"]),
            (".status.urls[*]", vec!["a", "b"]),
            (".metadata.annotations.a\\.b/c", vec!["d"]),
            (".metadata.annotations['a.b/c']", vec!["d"]),
            (".nothing.here", vec![]),
        ] {
            let found: Vec<&str> = JsonPath::parse(path).find(&object).into_iter().filter_map(Value::as_str).collect();
            assert_eq!(found, expected, "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses(text in ".{0,60}") {
            JsonPath::parse(&text).find(&json!({"a": [1]}));
        }
    }
}
