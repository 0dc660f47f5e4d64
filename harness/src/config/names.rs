//! Names that nobody knows: an option that is misspelt must not be an option that is silently left out.

/// Everything that begins so in the environment is ours.
pub(super) const PREFIX: &str = "CONFORMANCE_";

/// The one name that is no option.
const OTHERS: &[&str] = &["CONFORMANCE_PASSWORD"];

/// What begins so is read by the tests of this project alone.
const OF_TESTS: &[&str] =
    &["CONFORMANCE_TEST_", "CONFORMANCE_RECORDINGS", "CONFORMANCE_OBSERVATIONS", "CONFORMANCE_LAB"];

/// The known name that is most like an unknown one, if any is.
#[must_use]
pub fn most_like<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&unknown.to_lowercase(), &name.to_lowercase());
    let best = known.into_iter().map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.75).then_some(best.1)
}

/// `; did you mean …?`, or nothing.
#[must_use]
pub fn suggestion<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    most_like(unknown, known).map(|name| format!("; did you mean {name}?")).unwrap_or_default()
}

/// The environment variables of `command`'s options.
fn of_options(command: &clap::Command) -> impl Iterator<Item = &str> {
    command.get_arguments().filter_map(|arg| arg.get_env().and_then(|name| name.to_str()))
}

/// Refuses names in the environment that look like ours and are not.
///
/// # Errors
/// One sentence that names the first of them.
pub(super) fn check_environment(
    command: &clap::Command,
    names: impl IntoIterator<Item = String>,
) -> Result<(), String> {
    let known: Vec<&str> = of_options(command).chain(OTHERS.iter().copied()).collect();
    let mut ours: Vec<String> = names.into_iter().filter(|name| name.starts_with(PREFIX)).collect();
    ours.sort();
    let of_tests = |name: &str| OF_TESTS.iter().any(|prefix| name.starts_with(prefix));
    match ours.iter().find(|name| !known.contains(&name.as_str()) && !of_tests(name)) {
        None => Ok(()),
        Some(name) => {
            let suggestion = suggestion(name, known.iter().copied());
            Err(format!("the environment variable {name} is not known{suggestion}; unset it, or see --help"))
        }
    }
}
