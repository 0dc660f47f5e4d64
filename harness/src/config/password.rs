//! The password that a run logs in with: never on the command line, where every process can read it.

use std::path::Path;

use clusters::versions::credentials::{DEFAULT_PASSWORD, DEFAULT_USER};

/// The environment variable that may hold it.
pub(super) const VARIABLE: &str = "CONFORMANCE_PASSWORD";
/// No password is longer: Dex compares 72 bytes (bcrypt).
const LIMIT: u64 = 4096;

/// The password of `user`: out of the file, the environment, or what the manifests ship.
pub(super) fn password(user: &str, file: Option<&Path>, variable: Option<String>) -> Result<String, String> {
    match (file, variable) {
        (_, Some(password)) if password.is_empty() => {
            Err(format!("{VARIABLE} is set but empty; set it to the password of {user}, or unset it"))
        }
        (_, Some(password)) => Ok(password),
        (Some(file), None) => read(file),
        (None, None) if user == DEFAULT_USER => Ok(DEFAULT_PASSWORD.to_owned()),
        (None, None) => Err(format!(
            "there is no password for {user}; put it into a file and name that with --password-file, or set {VARIABLE}"
        )),
    }
}

fn read(file: &Path) -> Result<String, String> {
    let name = file.display();
    let next = "name a file that holds the password alone: --password-file";
    let known =
        std::fs::metadata(file).map_err(|error| format!("cannot read the password file {name}: {error}; {next}"))?;
    if known.len() > LIMIT {
        return Err(format!("the password file {name} has {} bytes, which is no password; {next}", known.len()));
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read the password file {name}: {error}; {next}"))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() || password.contains('\n') {
        let what = if password.is_empty() { "is empty" } else { "has several lines" };
        return Err(format!("the password file {name} {what}; {next}"));
    }
    Ok(password.to_owned())
}
