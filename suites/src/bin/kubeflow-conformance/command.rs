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
        .subcommand(migrate())
        .subcommand(accept())
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
        ("kubeflow-conformance run --pipeline train.yaml KFP-070", "run a compiled pipeline of your own to its end"),
        ("kubeflow-conformance run --plan --images", "list the images that a site has to mirror before a run"),
    ]))
}

fn up() -> Command {
    let command = Command::new("up")
        .about("Serves the embedded reference platform for a browser and kubectl, until Ctrl-C")
        .arg(port("port", 8080, "Where the gateway listens on 127.0.0.1; 0 takes a free port"))
        .arg(port("api-port", 6443, "Where the Kubernetes API listens on 127.0.0.1; 0 takes a free port"))
        .arg(
            Arg::new("as")
                .long("as")
                .value_parser(PossibleValuesParser::new(["platform", "standalone"]))
                .default_value("platform")
                .conflicts_with("manifests")
                .help("What to play: the platform, or what stands before a migration: standalone Pipelines and Katib with data"),
        )
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
        (
            "kubeflow-conformance up --as standalone",
            "standalone Pipelines and Katib on Bitnami charts, with data: to try a migration",
        ),
        ("kubeflow-conformance up --manifests example-v1.9.1.yaml.xz", "what these manifests make of an empty cluster"),
    ]))
}

fn install() -> Command {
    let about =
        "Installs manifests, in order, and waits until everything is ready; or tells what it would do, or what differs";
    let command =
        Command::new("install")
            .arg(
                Arg::new("dry-run")
                    .long("dry-run")
                    .action(ArgAction::SetTrue)
                    .conflicts_with("check")
                    .help("Write nothing: ask the API server what would be created and changed, field by field"),
            )
            .arg(Arg::new("check").long("check").action(ArgAction::SetTrue).help(
                "Write nothing: report objects, images and definitions that differ from the manifests; 101 if any do",
            ))
            .arg(
                Arg::new("format")
                    .long("format")
                    .value_parser(PossibleValuesParser::new(["text", "json"]))
                    .default_value("text")
                    .help("How --dry-run and --check answer"),
            )
            .arg(Arg::new("over").long("over").action(ArgAction::SetTrue).help(
                "Install although standalone Pipelines or Katib stand in the cluster: what comes of it is neither",
            ));
    titled(PlatformOptions::augment_args(command), about).after_help(examples(&[
        ("kubeflow-conformance install --cluster existing --context test --manifests example.yaml", "into a cluster"),
        (
            "kubeflow-conformance install --cluster kind --manifests manifests-1.10.2.tar.gz",
            "into a kind cluster, which is made and kept, from an archive of kubeflow/manifests",
        ),
        ("kubeflow-conformance install --manifests example-v1.9.1.yaml.xz", "into an embedded cluster, as a trial"),
        ("kubeflow-conformance install --context test --manifests manifests/ --dry-run", "what it would do"),
        (
            "kubeflow-conformance install --context test --manifests example.yaml --check --format json",
            "what differs from the manifests, for a machine",
        ),
    ]))
}

fn migrate() -> Command {
    Command::new("migrate")
        .about("From standalone Kubeflow Pipelines and Katib to the platform: look, write down, clean, compare")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            of_a_cluster(Command::new("preflight"))
                .about("Tells what stands in a cluster, what would hold its deletion, what would be lost, what would be in the way; changes nothing")
                .arg(to())
                .after_help(examples(&[
                    ("kubeflow-conformance migrate preflight --context old", "0: clear for an installation; 101: something is there"),
                    ("kubeflow-conformance migrate preflight --context old --format json", "for a machine"),
                ])),
        )
        .subcommand(
            of_a_cluster(Command::new("snapshot"))
                .about("Writes an inventory of pipelines, runs, experiments and artifacts, with counts and digests; no backup")
                .arg(file("file", "Where to write it").required(true))
                .after_help(examples(&[("kubeflow-conformance migrate snapshot --context old before.json", "")])),
        )
        .subcommand(clean())
        .subcommand(
            of_a_cluster(Command::new("compare"))
                .about("Tells what of a snapshot is still in a cluster: kept, changed, gone, new")
                .arg(file("snapshot", "The snapshot").required(true))
                .after_help(examples(&[("kubeflow-conformance migrate compare --context new before.json", "101 if something is gone")])),
        )
        .after_help(examples(&[
            ("kubeflow-conformance migrate preflight --context old", "first of all"),
            ("kubeflow-conformance migrate snapshot --context old before.json", "then"),
            ("kubeflow-conformance migrate clean --context old --plan", "what would be deleted"),
        ]))
}

fn accept() -> Command {
    let about =
        "Takes the whole plan on a cluster that may be thrown away: make it, clean, install, check, judge, compare";
    cli::with_run_options(Command::new("accept"), about)
        .arg(
            Arg::new("from")
                .long("from")
                .value_parser(PossibleValuesParser::new(["nothing", "standalone"]))
                .default_value("nothing")
                .help("What the embedded cluster holds at first: nothing, or standalone Pipelines and Katib with data"),
        )
        .after_help(examples(&[
            ("kubeflow-conformance accept --from standalone", "the whole migration in this process: SIMULATED"),
            ("kubeflow-conformance accept --cluster kind --manifests manifests-1.9.1.tar.gz", "on a kind cluster"),
        ]))
}

fn clean() -> Command {
    let seconds = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("SECONDS").value_parser(value_parser!(u64)).help(help)
    };
    let flag = |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    of_a_cluster(Command::new("clean"))
        .about("Deletes a standalone installation, in an order that does not hang")
        .arg(flag("plan", "Show what would be deleted, in which order, and delete nothing").conflicts_with("confirm"))
        .arg(
            Arg::new("confirm")
                .long("confirm")
                .value_name("NAME")
                .help("Delete it; NAME is the kubeconfig context, typed by whoever answers for it"),
        )
        .arg(
            Arg::new("data-saved")
                .long("data-saved")
                .value_name("SNAPSHOT")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .conflicts_with("lose-data")
                .help("The data that this snapshot lists is saved; refused if the cluster holds other data by now"),
        )
        .arg(flag("lose-data", "The data may be lost"))
        .arg(flag("with-others", "Objects of others in the same namespaces may go along"))
        .arg(seconds("patience", "How long controllers may take before their finalizers are removed [default: 60]"))
        .arg(seconds("within", "How long a namespace may take to go [default: 600]"))
        .arg(to())
        .after_help(examples(&[
            ("kubeflow-conformance migrate clean --context old --plan", "show the plan"),
            ("kubeflow-conformance migrate clean --context old --confirm old --data-saved before.json", "carry it out"),
        ]))
}

/// The options that every look at a cluster has.
fn of_a_cluster(command: Command) -> Command {
    harness::config::AccessOptions::augment_args(command).long_about(None).arg(
        Arg::new("format")
            .long("format")
            .value_parser(PossibleValuesParser::new(["text", "json"]))
            .default_value("text")
            .help("For a person or for a machine"),
    )
}

fn file(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).value_name("FILE").value_parser(value_parser!(PathBuf)).value_hint(ValueHint::FilePath).help(help)
}

/// The release that is to be installed.
fn to() -> Arg {
    Arg::new("to")
        .long("to")
        .value_name("VERSION")
        .value_parser(harness::config::release)
        .help("The Kubeflow release that is to be installed [default: 1.9.1]")
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
    let run = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .value_name("RUN")
            .required(true)
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::AnyPath)
            .help(help)
    };
    let compare = Command::new("compare")
        .about("Tells what got worse and better between two runs: regressed, fixed, newly skipped; 101 if anything got worse")
        .arg(run("before", "The folder of the earlier run, or its results.json"))
        .arg(run("after", "The folder of the later run, or its results.json"))
        .arg(
            Arg::new("format")
                .long("format")
                .value_parser(PossibleValuesParser::new(["text", "json"]))
                .default_value("text")
                .help("For a person or for a machine"),
        )
        .after_help(examples(&[
            ("kubeflow-conformance report compare before/ after/", "before and after an upgrade"),
            ("kubeflow-conformance report compare before/ after/ --format json", "for a gate"),
        ]));
    Command::new("report")
        .about("Works on the reports of runs")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(render)
        .subcommand(merge)
        .subcommand(compare)
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
        InstallationOptions::augment_args(Command::new("bench").hide(true)).arg(
            Arg::new("users")
                .long("users")
                .value_name("N,N")
                .value_delimiter(',')
                .value_parser(value_parser!(u16).range(2..=1000))
                .help("Measure the check of many users instead, on platforms of so many users and Profiles"),
        ),
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
