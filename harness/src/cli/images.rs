//! `--plan --images`: what a site without the registries of others has to mirror before a run.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::check::{Check, Suite};

/// What the user gives along with the run.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    /// The image of probes.
    pub(super) probe: Option<&'a str>,
    /// The text of a compiled pipeline.
    pub(super) pipeline: Option<&'a str>,
    /// An Experiment.
    pub(super) experiment: Option<&'a Value>,
}

/// The images that checks start, one a line and each once; then, behind `#`, where the platform names others.
pub(super) fn listed<'a>(checks: impl Iterator<Item = (&'a Suite, &'a Check)>, given: &Given<'_>) -> String {
    let mut named = BTreeSet::new();
    let mut told = Vec::new();
    for image in checks.filter(|(_, check)| check.writes).flat_map(|(suite, _)| suite.images) {
        match image.name {
            Some(name) => _ = named.insert(name.to_owned()),
            None if told.contains(&image) => {}
            None => told.push(image),
        }
    }
    // Without a check that writes nothing is started, whatever is given.
    if !(named.is_empty() && told.is_empty()) {
        named.extend(given.probe.map(str::to_owned));
        let pipeline: Vec<Value> =
            given.pipeline.and_then(|text| serde_saphyr::from_multiple(text).ok()).unwrap_or_default();
        pipeline.iter().chain(given.experiment).for_each(|part| gather(part, &mut named));
    }
    let mut out: String = named.iter().fold(String::new(), |out, name| out + name + "\n");
    for image in told {
        _ = writeln!(out, "# {}: {}", image.runs, image.told_by);
    }
    out
}

/// The images of all containers in a document.
fn gather(part: &Value, images: &mut BTreeSet<String>) {
    match part {
        Value::Array(parts) => parts.iter().for_each(|part| gather(part, images)),
        Value::Object(fields) => {
            for (field, value) in fields {
                match value.as_str().filter(|_| field == "image") {
                    // A placeholder is filled in when the run begins, from the parameters.
                    Some(image) => _ = images.insert(image.chars().filter(|letter| !letter.is_control()).collect()),
                    None => gather(value, images),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use reports::model::Level;
    use serde_json::json;

    use super::*;
    use crate::check::{Image, check, source};

    const SHELL: Image = Image::of_ours("steps", "shell:1");
    const NOTEBOOK: Image = Image::of_the_platform("notebooks", "ConfigMap a/b");

    fn suite() -> Suite {
        let one = check("TST-001", "It works", Level::Must, source("t", "t"), |_| Box::pin(async { Ok(()) }));
        let two = check("TST-002", "It works", Level::Must, source("t", "t"), |_| Box::pin(async { Ok(()) })).writes();
        let topics: &'static [&'static [Check]] = vec![&*vec![one, two].leak()].leak();
        Suite { name: "tests", prefix: "TST", title: "tests", images: &[SHELL, NOTEBOOK, NOTEBOOK], topics }
    }

    fn of(ids: &[&str], given: &Given<'_>) -> String {
        let suite = suite();
        listed(suite.checks().filter(|check| ids.contains(&check.id)).map(|check| (&suite, check)), given)
    }

    #[test]
    fn each_image_stands_once_and_those_of_the_platform_behind_it() {
        assert_eq!(of(&["TST-001", "TST-002"], &Given::default()), "shell:1\n# notebooks: ConfigMap a/b\n");
    }

    #[test]
    fn what_creates_nothing_starts_nothing() {
        let given = Given { probe: Some("curl:1"), ..Given::default() };
        assert_eq!(of(&["TST-001"], &given), "");
    }

    #[test]
    fn the_images_of_what_the_user_gives_are_listed() {
        let experiment =
            json!({"spec": {"trialTemplate": {"trialSpec": {"containers": [{"image": "trial:1\n# not"}]}}}});
        let given = Given {
            probe: Some("curl:1"),
            pipeline: Some("deploymentSpec: {executors: {a: {container: {image: step:1}}}}\n---\nplatforms: {}\n"),
            experiment: Some(&experiment),
        };
        let expected = "curl:1\nshell:1\nstep:1\ntrial:1# not\n# notebooks: ConfigMap a/b\n";
        assert_eq!(of(&["TST-002"], &given), expected);
    }
}
