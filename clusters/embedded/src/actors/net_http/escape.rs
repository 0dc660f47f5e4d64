//! Escaping and unescaping of texts in URLs and HTML.

/// Why a text is no percent-encoded one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EscapeError {
    /// A `%` that two hexadecimal digits do not follow.
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    /// A `;` between parameters, which Go refuses since 1.17.
    #[error("invalid semicolon separator in query")]
    Semicolon,
}

/// Undoes percent-encoding in a query: `+` is a blank. Bytes that are no UTF-8 are replaced.
///
/// # Errors
/// [`EscapeError::Escape`].
pub fn unescape_query(text: &str) -> Result<String, EscapeError> {
    unescape(text, true)
}

/// Undoes percent-encoding in a path: `+` is a plus.
///
/// # Errors
/// [`EscapeError::Escape`].
pub fn unescape_path(text: &str) -> Result<String, EscapeError> {
    unescape(text, false)
}

fn unescape(text: &str, plus_is_blank: bool) -> Result<String, EscapeError> {
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'%' => {
                let digits = bytes.get(at + 1).zip(bytes.get(at + 2));
                match digits.and_then(|(high, low)| Some(hex(*high)? << 4 | hex(*low)?)) {
                    Some(value) => plain.push(value),
                    None => {
                        let end = bytes.len().min(at + 3);
                        return Err(EscapeError::Escape(String::from_utf8_lossy(&bytes[at..end]).into_owned()));
                    }
                }
                at += 3;
                continue;
            }
            b'+' if plus_is_blank => plain.push(b' '),
            other => plain.push(other),
        }
        at += 1;
    }
    Ok(String::from_utf8(plain).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Percent-encodes a query's name or value as `url.QueryEscape`.
#[must_use]
pub fn escape_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

/// Escapes a text for HTML, in content and in quoted attributes.
#[must_use]
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '\0' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A text quoted as Go's `%q`, for error texts that clients see.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_escapes_are_named() {
        assert_eq!(unescape_query("a%zz"), Err(EscapeError::Escape("%zz".into())));
        assert_eq!(unescape_query("a%4"), Err(EscapeError::Escape("%4".into())));
        assert_eq!(unescape_query("%"), Err(EscapeError::Escape("%".into())));
        assert_eq!(unescape_query("a+b%2B").as_deref(), Ok("a b+"));
        assert_eq!(unescape_path("a+b%2f").as_deref(), Ok("a+b/"));
        assert_eq!(EscapeError::Escape("%zz".into()).to_string(), "invalid URL escape \"%zz\"");
    }

    proptest::proptest! {
        #[test]
        fn escaping_is_undone(text in ".*") {
            proptest::prop_assert_eq!(unescape_query(&escape_query(&text)), Ok(text));
        }

        #[test]
        fn nothing_escapes_its_attribute(text in ".*") {
            let escaped = escape_html(&text);
            proptest::prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        }
    }
}
