//! Names of what a run makes: they hold the end of its id, so that even what an application makes for it, without a label,
//! can be told to be its own.

/// What every name begins with.
const PREFIX: &str = "conf-";
/// How much of a run's id is in a name: they are short, because names of Notebooks and pods are made from them.
const ENDING: usize = 8;

/// A name of a run's own.
#[must_use]
pub fn name(run_id: &str, what: &str) -> String {
    format!("{PREFIX}{}-{what}", ending(run_id))
}

/// The end of a run's id, which is in the names of all that it makes.
#[must_use]
pub fn ending(run_id: &str) -> String {
    let id: Vec<char> = run_id.chars().filter(char::is_ascii_alphanumeric).collect();
    id.iter().skip(id.len().saturating_sub(ENDING)).collect::<String>().to_ascii_lowercase()
}

/// The end of the id of the run that gave this name, if one did.
#[must_use]
pub fn run_in(name: &str) -> Option<&str> {
    let (end, what) = name.strip_prefix(PREFIX)?.split_once('-')?;
    let whole = end.len() == ENDING && end.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (whole && !what.is_empty()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_run() {
        let run = "20260102-030405-7C31a695";
        assert_eq!(name(run, "other"), "conf-7c31a695-other");
        assert_eq!(run_in(&name(run, "other")), Some(ending(run).as_str()));
        for nobodys in
            ["", "conf-", "conf-7c31a695", "conf-7c31a695-", "conf-short-x", "conf-7C31A695-x", "team-7c31a695-x"]
        {
            assert_eq!(run_in(nobodys), None, "{nobodys}");
        }
    }
}
