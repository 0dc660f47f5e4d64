//! What looks like a secret: keys, tokens, credentials in headers, parameters and configuration, cookies.
//!
//! Every rule leaves its own output alone, so that a text may be redacted twice.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

use super::{REDACTED, secret_objects};

/// What is found, and what is put in its place.
type Rule = (&'static str, Put);

/// How a finding is replaced.
#[derive(Clone, Copy)]
enum Put {
    /// By a template; `$1` is the first group.
    Text(&'static str),
    /// By a function of the groups.
    Made(fn(&Captures<'_>) -> String),
}

/// The rules, applied in this order.
const RULES: &[Rule] = &[
    // PEM (RFC 7468). Certificates and public keys are no secrets; a key that was cut off has no end.
    (r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(?s:.*?)(?:-----END [A-Z0-9 ]*-----|\z)", Put::Text("<redacted $1>")),
    // PEM in base64, as in the data of a Secret: `-----BEGIN `.
    (r"LS0tLS1CRUdJTi[A-Za-z0-9+/_=-]+", Put::Text(REDACTED)),
    // JSON Web Tokens (RFC 7519): base64url parts, the first of which begins with `{"`.
    (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?", Put::Text(REDACTED)),
    // bcrypt hashes, as in Dex's staticPasswords.
    (r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{20,}", Put::Text(REDACTED)),
    // Authorization headers in a command line or a dump (RFC 9110 §11.4).
    (
        r#"(?i)\b((?:proxy-)?authorization\\*["']?[ \t]*[:=][ \t]*\\*["']?(?:(?:bearer|basic|negotiate)[ \t]+)?)(?:<redacted>|[^\s'"\\<,;]+)"#,
        Put::Text("$1<redacted>"),
    ),
    (r"(?i)\b(bearer|basic)[ \t]+[A-Za-z0-9+/._~=-]{20,}", Put::Text("$1 <redacted>")),
    // Cookies in a command line or a dump: the names stay.
    (r#"(?i)\b(set-)?cookie\\*["']?[ \t]*[:=][ \t]*\\*["']?([^'"\r\n]+)"#, Put::Made(cookie_line)),
    (r#"(?:^|\s)(?:-b|--cookie)[ \t]+['"]([^'"\r\n]+)"#, Put::Made(cookie_argument)),
    // Credentials in a URL (RFC 3986 §3.2.1).
    (r"(://[^/\s:@<>]+:)[^/\s@<>]+@", Put::Text("$1<redacted>@")),
    // Parameters of OAuth 2 and OpenID Connect and of login forms, also of a URL that is a parameter itself. `req` is
    // Dex's handle of a login that is under way.
    (
        concat!(
            r"(?im)((?:^|[?&;]|%3F|%26|%253F|%2526)",
            r"(?:code|state|nonce|req|hmac|session_state|code_verifier|assertion|[a-z_]*(?:password|passwd|secret|token|token_hint))",
            r"(?:=|%3D|%253D))",
            r#"(?:[^&\s"'<>;%\\]|%[013-9a-f][0-9a-f]|%2[0-57-9a-f])+"#
        ),
        Put::Text("$1<redacted>"),
    ),
    // Credentials in JSON, and in JSON within a JSON string.
    (
        r#"(?i)("[a-z0-9_.-]*(?:password|passwd|secret|token|private_?key|api_?key)"\s*:\s*")(?:[^"\\]|\\.)+"#,
        Put::Text("$1<redacted>"),
    ),
    (
        r#"(?i)(\\+"[a-z0-9_.-]*(?:password|passwd|secret|token|private_?key|api_?key)\\+"\s*:\s*\\+")[^"\\]+"#,
        Put::Text("$1<redacted>"),
    ),
    // Credentials in YAML, INI and environment files.
    (
        r#"(?im)^([ \t]*(?:- )?[a-z0-9_.-]*(?:password|passwd|secret|token|private[_-]?key|api[_-]?key)[ \t]*[:=][ \t]*)[^\s<{\[|>][^\r\n]*"#,
        Put::Text("$1<redacted>"),
    ),
];

static COMPILED: LazyLock<Vec<Regex>> =
    LazyLock::new(|| RULES.iter().filter_map(|(finds, _)| Regex::new(finds).ok()).collect());

/// Tells in one pass which rules have something to do: most texts hold nothing.
static ANY: LazyLock<RegexSet> =
    LazyLock::new(|| RegexSet::new(RULES.iter().map(|(finds, _)| finds)).unwrap_or_default());

/// Removes what looks like a secret.
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut redacted = secret_objects::redact(text);
    for index in ANY.matches(text) {
        let (regex, put) = (&COMPILED[index], RULES[index].1);
        let changed = match put {
            Put::Text(template) => regex.replace_all(&redacted, template),
            Put::Made(make) => regex.replace_all(&redacted, make),
        };
        if let Cow::Owned(changed) = changed {
            redacted = Cow::Owned(changed);
        }
    }
    redacted
}

/// The value of a `Cookie` header: the names stay, and whether a value is empty.
pub fn cookies(value: &str) -> String {
    value.split(';').map(cookie).collect::<Vec<_>>().join(";")
}

/// The value of a `Set-Cookie` header: the name and the attributes stay, and whether the value is empty.
pub fn set_cookie(value: &str) -> String {
    match value.split_once(';') {
        Some((pair, attributes)) => format!("{};{attributes}", cookie(pair)),
        None => cookie(value),
    }
}

fn cookie(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) if !value.trim().is_empty() => format!("{name}={REDACTED}"),
        _ => pair.to_owned(),
    }
}

fn cookie_line(found: &Captures<'_>) -> String {
    inside(found, 2, if found.get(1).is_some() { set_cookie } else { cookies })
}

fn cookie_argument(found: &Captures<'_>) -> String {
    inside(found, 1, cookies)
}

/// The finding with one group changed.
fn inside(found: &Captures<'_>, group: usize, change: fn(&str) -> String) -> String {
    let whole = &found[0];
    let value = found.get(group).map_or("", |value| value.as_str());
    format!("{}{}", &whole[..whole.len() - value.len()], change(value))
}
