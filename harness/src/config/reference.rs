//! The options as a table for people: `docs/configuration.md` holds it, and a test keeps the two the same.

use clap::{Arg, Command};

/// The options of a command that may also be set by the environment or a file, as a Markdown table.
#[must_use]
pub fn reference(command: &Command) -> String {
    let mut table = String::from("| option | environment | in `conformance.toml` | meaning |\n|---|---|---|---|\n");
    for arg in command.get_arguments() {
        let (Some(long), Some(variable)) = (arg.get_long(), arg.get_env()) else { continue };
        let value = arg.get_value_names().and_then(<[_]>::first).map(|name| name.to_string());
        let value = value.filter(|_| arg.get_action().takes_values());
        let option = value.as_ref().map_or_else(|| format!("--{long}"), |value| format!("--{long} {value}"));
        let key = if value.is_some() { format!("{long} = \"…\"") } else { format!("{long} = true") };
        let row = [option, variable.to_string_lossy().into_owned(), key].map(|text| format!("`{text}`"));
        table.push_str(&format!("| {} | {} |\n", row.join(" | "), meaning(arg)));
    }
    table
}

fn meaning(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        text.push_str(&format!(" (one of {})", values.join(", ")));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        text.push_str(&format!(" [default: {}]", defaults.join(", ")));
    }
    text.replace('|', "\\|").replace('<', "&lt;")
}
