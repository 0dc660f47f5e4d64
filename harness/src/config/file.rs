//! `conformance.toml`: options that stay the same from run to run. A key is an option's long name.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, ValueHint};
use toml::{Table, Value};

use super::names::suggestion;

/// The file's name; it is looked for in the current folder and those above.
pub const FILE: &str = "conformance.toml";

/// A configuration file that was found.
#[derive(Debug, Clone)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    table: Table,
}

impl ConfigFile {
    /// The nearest file, from `folder` upwards.
    pub(super) fn find(folder: &Path) -> Result<Option<Self>, String> {
        for folder in folder.ancestors() {
            let path = folder.join(FILE);
            match std::fs::read_to_string(&path) {
                Ok(text) => return Self::parse(path, &text).map(Some),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
            }
        }
        Ok(None)
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self, String> {
        let parsed = text.parse::<Table>();
        let table = parsed.map_err(|error| {
            // The library's report shows the line that is wrong, and that line may hold anything.
            let line = error.span().map(|span| 1 + text[..span.start.min(text.len())].matches('\n').count());
            let line = line.map(|line| format!(", line {line}")).unwrap_or_default();
            format!("{}{line}: {}", path.display(), error.message())
        })?;
        Ok(Self { path, table })
    }

    /// Whether it sets an option.
    pub(super) fn sets(&self, option: &str) -> bool {
        self.table.contains_key(option)
    }

    /// Refuses keys that `command` has no option for.
    pub(super) fn check(&self, command: &Command) -> Result<(), String> {
        let options: Vec<&str> = settable(command).filter_map(Arg::get_long).collect();
        let file = self.path.display();
        for key in self.table.keys() {
            if key == "password" {
                return Err(format!("{file}: a password has no place there; name a file: password-file = \"…\""));
            }
            if !options.contains(&key.as_str()) {
                let suggestion = suggestion(key, options.iter().copied());
                return Err(format!(
                    "{file}: the key {key} is not known{suggestion}; its keys are the options of --help"
                ));
            }
        }
        Ok(())
    }

    /// Makes what it says the defaults of `command`'s options: the environment and the command line outdo them.
    pub(super) fn apply(&self, mut command: Command) -> Result<Command, String> {
        let options: Vec<Arg> = settable(&command).cloned().collect();
        for arg in options {
            let Some((key, value)) = arg.get_long().and_then(|long| self.table.get_key_value(long)) else { continue };
            let values =
                self.texts(&arg, value).map_err(|problem| format!("{}: {key} {problem}", self.path.display()))?;
            command = command.mut_arg(arg.get_id(), |arg| arg.default_values(values));
        }
        Ok(command)
    }

    fn texts(&self, arg: &Arg, value: &Value) -> Result<Vec<String>, String> {
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        match value {
            Value::Boolean(value) if is_switch => Ok(vec![value.to_string()]),
            _ if is_switch => Err("is true or false".to_owned()),
            Value::String(text) => Ok(vec![self.text(arg, text)]),
            Value::Integer(number) => Ok(vec![number.to_string()]),
            Value::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
                let texts = values.iter().map(|value| value.as_str().map(|text| self.text(arg, text)));
                texts.collect::<Option<_>>().ok_or_else(|| "is a list of texts".to_owned())
            }
            Value::Array(_) => Err("is one value, not a list".to_owned()),
            _ => Err("is a text".to_owned()),
        }
    }

    /// A path in the file starts at the file's folder.
    fn text(&self, arg: &Arg, text: &str) -> String {
        let is_path = matches!(arg.get_value_hint(), ValueHint::FilePath | ValueHint::DirPath | ValueHint::AnyPath);
        match self.path.parent() {
            Some(folder) if is_path => folder.join(text).display().to_string(),
            _ => text.to_owned(),
        }
    }
}

/// The options that may be set outside the command line: those that the environment can set.
fn settable(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_env().is_some())
}
