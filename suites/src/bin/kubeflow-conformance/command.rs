//! The program's command line.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Args, Command, ValueHint, value_parser};
use harness::cli;
use harness::config::{InstallationOptions, PlatformOptions};

/// The program's name.
pub const NAME: &str = "kubeflow-conformance";

/// The whole command line.
pub fn program() -> Command {
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Judges Kubeflow Platforms, installs them, and plays one")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(run())
        .subcommand(up())
        .subcommand(install())
        .subcommand(explain())
        .subcommand(catalogue())
        .subcommand(report())
        .subcommand(completions())
        .subcommand(bench())
        .after_help(examples(&[
            ("kubeflow-conformance up", "play a platform for a browser and kubectl"),
            ("kubeflow-conformance run --cluster existing --context prod", "judge a running platform"),
            ("kubeflow-conformance report render target/conformance/latest", "write the reports of a run again"),
        ]))
}

/// A run: the options of the test program.
pub fn run() -> Command {
    cli::with_run_options(Command::new("run"), cli::ABOUT).after_help(examples(&[
        ("kubeflow-conformance run", "judge the embedded reference platform"),
        ("kubeflow-conformance run --cluster existing --read-only", "judge a running platform and create nothing"),
        ("kubeflow-conformance run login::", "run the checks whose names contain login::"),
    ]))
}

fn up() -> Command {
    let command = Command::new("up")
        .about("Serves the embedded reference platform for a browser and kubectl, until Ctrl-C")
        .arg(port("port", 8080, "Where the gateway listens on 127.0.0.1; 0 takes a free port"))
        .arg(port("api-port", 6443, "Where the Kubernetes API listens on 127.0.0.1; 0 takes a free port"))
        .arg(
            Arg::new("echo")
                .long("echo")
                .action(ArgAction::SetTrue)
                .help("Every application answers with what it received, so that the gateway's work can be seen"),
        )
        .arg(
            Arg::new("write-kubeconfig")
                .long("write-kubeconfig")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("Where to write the kubeconfig [default: a temporary file]"),
        );
    titled(
        InstallationOptions::augment_args(command),
        "Serves the embedded reference platform for a browser and kubectl, until Ctrl-C",
    )
    .after_help(examples(&[
        ("kubeflow-conformance up", "the built-in platform of Kubeflow 1.9.1"),
        ("kubeflow-conformance up --kubeflow 1.8", "the one of 1.8.1: another login"),
        ("kubeflow-conformance up --manifests example-v1.9.1.yaml.xz", "what these manifests make of an empty cluster"),
    ]))
}

fn install() -> Command {
    let about = "Installs rendered manifests or a kustomization, in order, and waits until everything is ready";
    titled(PlatformOptions::augment_args(Command::new("install")), about).after_help(examples(&[
        ("kubeflow-conformance install --cluster existing --context test --manifests example.yaml", "into a cluster"),
        (
            "kubeflow-conformance install --cluster kind --manifests example.yaml",
            "into a kind cluster, which is made and kept",
        ),
        ("kubeflow-conformance install --manifests example-v1.9.1.yaml.xz", "into an embedded cluster, as a trial"),
    ]))
}

fn explain() -> Command {
    Command::new("explain")
        .about("Prints what a check checks, why it matters, how to fix a platform that fails it, how to reproduce it")
        .arg(Arg::new("id").value_name("ID").required(true).help("The check's id"))
        .after_help(examples(&[("kubeflow-conformance explain GWY-001", "")]))
}

fn catalogue() -> Command {
    Command::new("catalogue")
        .about("Prints all checks and faults")
        .arg(
            Arg::new("format")
                .long("format")
                .value_parser(PossibleValuesParser::new(["yaml", "md"]))
                .default_value("yaml")
                .help("YAML, or tables in Markdown"),
        )
        .after_help(examples(&[("kubeflow-conformance catalogue --format md > checks.md", "")]))
}

fn report() -> Command {
    let render = Command::new("render")
        .about("Writes the reports of a run again, from its results or from the event log of a run that was killed")
        .arg(
            Arg::new("path")
                .value_name("PATH")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::AnyPath)
                .help("The folder of a run, its results.json or its events.jsonl"),
        )
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("FOLDER")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath)
                .help("Where to write them [default: where the run's are]"),
        )
        .after_help(examples(&[
            ("kubeflow-conformance report render target/conformance/latest", ""),
            ("kubeflow-conformance report render old/results.json --into new", ""),
        ]));
    let merge = Command::new("merge")
        .about(
            "Joins the shards of a run to one verdict, whose exit code it gives; refuses what does not belong together",
        )
        .arg(
            Arg::new("paths")
                .value_name("PATH")
                .required(true)
                .num_args(1..)
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::AnyPath)
                .help("The folders of all shards, their results.json or events.jsonl"),
        )
        .arg(
            Arg::new("into")
                .long("into")
                .value_name("FOLDER")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath)
                .required(true)
                .help("Where to write the reports of the whole run"),
        )
        .after_help(examples(&[("kubeflow-conformance report merge reports/*/latest --into joined", "")]));
    let schema = Command::new("schema")
        .about("Prints the JSON Schema of results.json")
        .after_help(examples(&[("kubeflow-conformance report schema > results.schema.json", "")]));
    Command::new("report")
        .about("Works on the reports of runs")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(render)
        .subcommand(merge)
        .subcommand(schema)
        .after_help(examples(&[("kubeflow-conformance report render target/conformance/latest", "")]))
}

fn completions() -> Command {
    Command::new("completions")
        .about("Prints a script that completes this program's command line")
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(value_parser!(clap_complete::Shell))
                .help("The shell"),
        )
        .after_help(examples(&[("source <(kubeflow-conformance completions bash)", "")]))
}

/// For whoever works on this program: not in the help.
fn bench() -> Command {
    titled(
        InstallationOptions::augment_args(Command::new("bench").hide(true)),
        "Prints how fast and how big this program is",
    )
    .after_help(examples(&[("ci/bench --manifests example-v1.9.1.yaml.xz", "")]))
}

fn port(name: &'static str, usual: u16, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("PORT")
        .value_parser(value_parser!(u16))
        .default_value(usual.to_string())
        .help(help)
}

/// Options that are flattened into a command bring their own title along.
fn titled(command: Command, about: &'static str) -> Command {
    command.about(about).long_about(None)
}

fn examples(lines: &[(&str, &str)]) -> String {
    let mut text = String::from("Examples:");
    for (line, remark) in lines {
        text.push_str("\n  ");
        text.push_str(line);
        if !remark.is_empty() {
            text.push_str("\n      ");
            text.push_str(remark);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::program().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        fn look(command: &clap::Command) {
            assert!(command.get_after_help().is_some(), "{} has no examples", command.get_name());
            command.get_subcommands().for_each(look);
        }
        look(&super::program());
    }
}
