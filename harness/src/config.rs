//! What a run is told: command line, then environment (`CONFORMANCE_*`), then `conformance.toml`, then the defaults.
//! What is not known anywhere is an error with a suggestion, not a silence.

mod experiment;
mod file;
mod names;
mod options;
mod password;
mod pipeline;
mod reference;
mod users;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

pub use file::FILE;
pub use names::{most_like, suggestion};
pub use options::{
    AccessOptions, Cluster, InstallationOptions, KindOptions, LoginOptions, Options, PlatformOptions, QuestionOptions,
    RunOptions, release,
};
pub use reference::reference;

use crate::context::User;
use crate::engine::GivenPipeline;
use file::ConfigFile;

/// Why a command line, an environment or a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line; also what `--help` prints.
    #[error("{0}")]
    CommandLine(#[from] clap::Error),
    /// Anything else, in one sentence.
    #[error("{0}")]
    Other(String),
}

/// What the process was given: taken once, so that tests can give something else.
#[derive(Debug, Clone)]
pub struct Given {
    /// The command line, program name first.
    pub arguments: Vec<OsString>,
    /// The environment's names and values.
    pub environment: Vec<(String, String)>,
    /// Where `conformance.toml` is looked for first.
    pub folder: PathBuf,
}

impl Given {
    /// What this process was given.
    #[must_use]
    pub fn by_the_process() -> Self {
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self {
            arguments: std::env::args_os().collect(),
            environment: std::env::vars_os().filter_map(text).collect(),
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

/// Reads the command line with `command`, whose options (its subcommands' options, too) are those of this module.
/// `all` knows every option there is; a file may hold options of another subcommand.
///
/// # Errors
/// [`ConfigError`].
pub fn read(command: Command, all: &Command, given: &Given) -> Result<ArgMatches, ConfigError> {
    names::check_environment(all, given.environment.iter().map(|(name, _)| name.clone()))
        .map_err(ConfigError::Other)?;
    let file = ConfigFile::find(&given.folder).map_err(ConfigError::Other)?;
    let command = match &file {
        Some(file) => layered(command, all, file).map_err(ConfigError::Other)?,
        None => command,
    };
    command.try_get_matches_from(&given.arguments).map_err(|error| sourced(error, file.as_ref(), given).into())
}

fn layered(command: Command, all: &Command, file: &ConfigFile) -> Result<Command, String> {
    file.check(all)?;
    let mut command = file.apply(command)?;
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let mut problem = None;
        command = command.mut_subcommand(name, |sub| {
            file.apply(sub.clone()).unwrap_or_else(|reason| {
                problem = Some(reason);
                sub
            })
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
    }
    Ok(command)
}

/// clap names the option whose value is wrong, but not that it was the environment or the file that gave the value.
fn sourced(mut error: clap::Error, file: Option<&ConfigFile>, given: &Given) -> clap::Error {
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return error;
    }
    let Some(ContextValue::String(shown)) = error.get(ContextKind::InvalidArg) else { return error };
    let option = shown.split(' ').next().unwrap_or_default().to_owned();
    let on_command_line =
        given.arguments.iter().any(|word| word.to_str().is_some_and(|word| word.split('=').next() == Some(&option)));
    let Some(name) = option.strip_prefix("--").filter(|_| !on_command_line) else { return error };
    let variable = format!("{}{}", names::PREFIX, name.replace('-', "_").to_uppercase());
    let source = match file {
        _ if given.variable(&variable).is_some() => format!("the environment variable {variable}"),
        Some(file) if file.sets(name) => file.path.display().to_string(),
        _ => return error,
    };
    error.insert(ContextKind::InvalidArg, ContextValue::String(format!("{shown} (from {source})")));
    error
}

/// Who the run logs in as.
///
/// # Errors
/// There is no password, or it cannot be read.
pub fn user(options: &LoginOptions, matches: &ArgMatches, given: &Given) -> Result<User, ConfigError> {
    let flagged = matches.value_source("password_file") == Some(ValueSource::CommandLine);
    let variable = given.variable(password::VARIABLE).filter(|_| !flagged);
    let password = password::password(&options.user, options.password_file.as_deref(), variable);
    Ok(User { email: options.user.clone(), password: password.map_err(ConfigError::Other)? })
}

/// Whom the checks of tenancy log in as besides: out of the file, as many as are asked for.
///
/// # Errors
/// The file cannot be read, or names users that no platform could keep apart.
pub fn others(options: &LoginOptions) -> Result<Option<Vec<User>>, ConfigError> {
    let Some(file) = &options.users_file else { return Ok(None) };
    let mut others = users::read(file, &options.user).map_err(ConfigError::Other)?;
    others.truncate(usize::from(options.users).saturating_sub(1));
    Ok(Some(others))
}

/// The Experiment of the user's own that is tried besides, if one is given.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn experiment(options: &RunOptions) -> Result<Option<serde_json::Value>, ConfigError> {
    options.experiment.as_deref().map(experiment::read).transpose().map_err(ConfigError::Other)
}

/// The pipeline of the user's own that is tried besides, if one is given.
///
/// # Errors
/// The file cannot be read, or holds something else.
pub fn pipeline(options: &RunOptions) -> Result<Option<GivenPipeline>, ConfigError> {
    let Some(file) = &options.pipeline else { return Ok(None) };
    let text = pipeline::read(file).map_err(ConfigError::Other)?;
    Ok(Some(GivenPipeline { text, within: Duration::from_secs(u64::from(options.pipeline_within)) }))
}

/// The folder that relative paths of the command line start at. cargo runs a test in its package's folder, which is
/// not where the person typed the command.
#[must_use]
pub fn working_folder(package: Option<&Path>, shell: Option<&Path>, current: &Path) -> PathBuf {
    let Some(package) = package.filter(|package| *package == current) else { return current.to_owned() };
    let root = package.ancestors().filter(|folder| folder.join("Cargo.lock").is_file()).last().unwrap_or(package);
    // A shell says where it is; a stale answer is no use, so it counts only inside the workspace.
    match shell {
        Some(shell) if shell.starts_with(root) && shell.is_dir() => shell.to_owned(),
        _ => root.to_owned(),
    }
}
