//! Which names an object may have, and the names that `generateName` makes.

use rand::RngExt;
use serde_json::json;

use crate::api::Status;
use crate::api::kinds::Resource;
use crate::api::validate::{self, Problem};

/// Letters of generated names: no vowels, so that no words come out (apimachinery `util/rand`).
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// A generated name keeps room for its suffix (apiserver `storage/names`).
const LONGEST_BASE: usize = 58;

/// A name made of `generateName`.
#[must_use]
pub fn generated(base: &str) -> String {
    let mut random = rand::rng();
    let mut name: String = base.chars().take(LONGEST_BASE).collect();
    name.extend((0..5).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])));
    name
}

/// Refuses a name that the kind does not allow.
///
/// # Errors
/// 422 with the rule that the name breaks.
pub fn check(resource: &Resource, name: &str) -> Result<(), Status> {
    let problem = match rule(resource) {
        Rule::Label if name.contains('.') => Some("must not contain dots".into()),
        Rule::Label => label(name),
        Rule::LettersFirst => letters_first(name),
        Rule::Path => path(name),
        Rule::Subdomain => subdomain(name),
    };
    match problem {
        None => Ok(()),
        Some(rule) => {
            let problem = Problem::invalid("metadata.name", &json!(name), &rule);
            Err(validate::invalid(resource, name, &[problem]))
        }
    }
}

enum Rule {
    Label,
    LettersFirst,
    Path,
    Subdomain,
}

fn rule(resource: &Resource) -> Rule {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => Rule::Label,
        ("", "services") => Rule::LettersFirst,
        ("rbac.authorization.k8s.io", _) => Rule::Path,
        _ => Rule::Subdomain,
    }
}

const ENDS: &str = "must start and end with an alphanumeric character";

/// RFC 1123 label.
pub fn label(name: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = !name.is_empty()
        && name.chars().all(|c| plain(c) || c == '-')
        && name.starts_with(plain)
        && name.ends_with(plain);
    match (good, name.len() > 63) {
        (_, true) => Some("must be no more than 63 bytes".into()),
        (true, _) => None,
        _ => Some(format!(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and {ENDS} (e.g. \
             'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        )),
    }
}

/// RFC 1035 label.
fn letters_first(name: &str) -> Option<String> {
    let good = label(name).is_none() && name.starts_with(|c: char| c.is_ascii_lowercase());
    match (good, name.len() > 63) {
        (_, true) => Some("must be no more than 63 bytes".into()),
        (true, _) => None,
        _ => Some(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
             validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .into(),
        ),
    }
}

/// RFC 1123 subdomain.
fn subdomain(name: &str) -> Option<String> {
    if name.len() > 253 {
        return Some("must be no more than 253 characters".into());
    }
    let part = |part: &str| label(part).is_none() || part.len() > 63 && label(&part[..63]).is_none();
    if !name.is_empty() && name.split('.').all(part) {
        return None;
    }
    Some(format!(
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and {ENDS} \
         (e.g. 'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ))
}

/// A path segment: nearly anything.
fn path(name: &str) -> Option<String> {
    match name {
        "." | ".." => Some(format!("may not be '{name}'")),
        _ => ['/', '%'].into_iter().find(|c| name.contains(*c)).map(|c| format!("may not contain '{c}'")),
    }
}
