//! The forms that a secret takes on its way into a report: as it is, percent-encoded in a URL or form, escaped in JSON,
//! HTML or a shell line, in base64 alone or as a part of something longer.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::SHORTEST;

/// The shortest inner part of a base64 form that is looked for, in characters: less would match by accident.
const SHORTEST_INNER: usize = 8;

/// All forms of a secret.
pub fn of(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        percent(secret, false, true),
        percent(secret, false, false),
        percent(secret, true, true),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        json(secret),
        json(&json(secret)),
        html(secret),
        secret.replace('\'', r"'\''"),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        percent(&STANDARD.encode(secret), false, true),
    ];
    forms.extend(inner_base64(secret));
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

/// Percent-encodes all but RFC 3986's unreserved characters; `all` encodes letters and digits, too.
fn percent(text: &str, all: bool, upper: bool) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let _ = match (plain && !all, upper) {
            (true, _) => write!(out, "{}", char::from(byte)),
            (false, true) => write!(out, "%{byte:02X}"),
            (false, false) => write!(out, "%{byte:02x}"),
        };
        out
    })
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;").replace('\'', "&#39;")
}

/// What base64 of something longer that contains the secret must contain: the characters that depend on the secret
/// alone, for each of its three positions.
fn inner_base64(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for offset in 0..3 {
        let mut padded = vec![0; offset];
        padded.extend_from_slice(secret.as_bytes());
        // A character carries six bits; the first and last few carry bits of the neighbours as well.
        let first = (offset * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        if last.saturating_sub(first) < SHORTEST_INNER {
            continue;
        }
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&padded)[first..last].to_owned());
        }
    }
    forms
}
