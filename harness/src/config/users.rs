//! The file of further users: an e-mail address and a password on each line.

use std::path::Path;

use crate::context::User;

/// No list of users is longer.
const LIMIT: u64 = 1 << 20;

/// The users of a file, in its order.
pub(super) fn read(file: &Path, own: &str) -> Result<Vec<User>, String> {
    let name = file.display();
    let next = "give a file with an e-mail address and a password on each line: --users-file";
    let failed = |error: std::io::Error| format!("cannot read the users file {name}: {error}; {next}");
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > LIMIT {
        return Err(format!("the users file {name} has {size} bytes, which is no list of users; {next}"));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    parse(&text, own).map_err(|(line, why)| format!("line {line} of the users file {name} {why}; {next}"))
}

/// Blank lines and lines that begin with `#` are left out. The complaint never holds a password.
fn parse(text: &str, own: &str) -> Result<Vec<User>, (usize, String)> {
    let mut users: Vec<User> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (at, line) = (at + 1, line.trim());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((email, password)) = line.split_once(char::is_whitespace) else {
            return Err((at, "has no password behind the address".to_owned()));
        };
        if !email.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty()) {
            return Err((at, format!("begins with {email:?}, which is no e-mail address")));
        }
        let known =
            users.iter().map(|user| user.email.as_str()).chain([own]).find(|one| one.eq_ignore_ascii_case(email));
        match known {
            Some(known) if known == email => return Err((at, format!("names {email} again"))),
            Some(known) => return Err((at, format!("names {email}, which differs from {known} in case only"))),
            None => users.push(User { email: email.to_owned(), password: password.trim_start().to_owned() }),
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_line_by_line() {
        let users = parse("# people\n\na@example.com  secret one\r\nb@example.com two\n", "u@example.com").unwrap();
        let read: Vec<_> = users.iter().map(|user| (user.email.as_str(), user.password.as_str())).collect();
        assert_eq!(read, [("a@example.com", "secret one"), ("b@example.com", "two")]);
    }

    #[test]
    fn users_that_cannot_be_kept_apart_are_refused() {
        for (text, line, word) in [
            ("a@example.com", 1, "no password"),
            ("nobody secret", 1, "no e-mail address"),
            ("@example.com secret", 1, "no e-mail address"),
            ("a@x.io s\na@x.io t", 2, "again"),
            ("a@x.io s\nA@x.io t", 2, "case only"),
            ("U@example.com s", 1, "case only"),
            ("u@example.com s", 1, "again"),
        ] {
            let (at, why) = parse(text, "u@example.com").unwrap_err();
            assert!(at == line && why.contains(word), "{text}: {at} {why}");
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
