//! The command line of a run: our options in front, libtest's own behind.

use clap::{Args, Command, FromArgMatches};
use libtest_mimic::Arguments;

use crate::config::Options;

/// What a run is told.
#[derive(Debug, Clone, Args)]
pub struct RunCommand {
    /// Our options.
    #[command(flatten)]
    pub options: Options,
    /// Those that every Rust test program has.
    #[command(flatten, next_help_heading = "Selection and output, as every Rust test program has them")]
    pub tests: Arguments,
}

/// What a run does.
pub const ABOUT: &str =
    "Judges a Kubeflow Platform: what is installed, the way in, its users, their workspaces and pipelines";

/// How the test program is told something: cargo takes what stands before the two hyphens.
const EXAMPLES: &str = "\
Examples:
  cargo test --test conformance
      judge the embedded reference platform
  cargo test --test conformance -- --cluster existing --context prod --read-only
      judge a running platform and create nothing
  cargo test --test conformance -- --kubeflow 1.9.1 --manifests example-v1.9.1.yaml.xz
      install rendered manifests into the embedded platform and judge it
  cargo test --test conformance -- login::
      run the checks whose names contain login::
  cargo test --test conformance -- --pipeline train.yaml KFP-070
      run a compiled pipeline of your own to its end
  cargo test --test conformance -- --explain GWY-001
      what a check checks, why, how to fix, how to reproduce

Every option but the questions may also be set by an environment variable (CONFORMANCE_CONTEXT=prod) or in
conformance.toml (context = \"prod\"), in the current folder or one above; the command line counts most, the file least.

Exit codes: 0 conformant (of a shard: nothing in it speaks against the platform), 101 non-conformant, 2 usage, 3 environment, 4 nothing selected, 5 partial, 6 inconclusive,
130 interrupted.";

/// Gives a command the options of a run. Flattened options bring a title and a template of their own, which are left out.
#[must_use]
pub fn with_run_options(command: Command, about: &'static str) -> Command {
    RunCommand::augment_args(command)
        .about(about)
        .long_about(None)
        .help_template("{about}\n\n{usage-heading} {usage}\n\n{all-args}{after-help}")
}

/// The command line of the test program.
pub(super) fn test_program() -> Command {
    with_run_options(Command::new("conformance"), ABOUT)
        .override_usage("cargo test --test conformance -- [OPTIONS] [FILTER]")
        .after_help(EXAMPLES)
}

impl RunCommand {
    /// Takes the options out of what was read.
    ///
    /// # Errors
    /// Never, if the matches are those of a command that has the options of a run.
    pub fn of(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches(matches)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::test_program().debug_assert();
    }
}
