//! Places that take no reports and no text, and a person who has waited long enough.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::program::{Program, Ran, SECRET};
use crate::wire;

/// A check that any platform passes at once.
const QUICK: &str = "install::INS-001";

#[test]
fn a_report_folder_below_a_file() {
    let mut program = Program::new(&["run", QUICK]);
    let file = program.file("taken", "");
    program.command.arg("--report-dir").arg(file.join("reports"));
    let ran = program.ends().refused(3, &["cannot write reports into", "taken", "--report-dir"]);
    assert!(ran.stdout.contains("verdict  "), "the verdict is printed all the same: {ran:#?}");
}

#[test]
fn a_full_disk() {
    // No file may grow beyond 1 KiB: what a write to a full disk looks like to a program.
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("trap '' XFSZ; ulimit -f 2; exec \"$@\"").arg("sh");
    let mut program = Program::through(shell, &[env!("CARGO_BIN_EXE_kubeflow-conformance"), "run", QUICK]);
    program.command.arg("--report-dir").arg(program.folder.path().join("reports"));
    let ran = program.ends().refused(3, &["cannot write", "results.json", "--report-dir"]);
    assert!(ran.stdout.contains("verdict  "), "the verdict is printed all the same: {ran:#?}");
}

#[test]
fn standard_output_on_a_full_disk() {
    let mut program = Program::run(&[QUICK]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = program.command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    let ran = Ran::of(program.folder, &output).refused(3, &["standard output", "No space left"]);
    assert!(!ran.results().checks.is_empty());
}

#[test]
fn standard_output_that_nobody_reads() {
    let mut program = Program::run(&[QUICK]);
    let mut child = program.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let ran = Ran::of(program.folder, &output);
    assert_eq!(ran.code, 0, "the verdict does not depend on who reads: {ran:#?}");
    assert!(!ran.stderr.contains("error:"), "{ran:#?}");
    assert!(ran.results().checks.iter().any(|check| check.id == "INS-001"), "{ran:#?}");
}

#[test]
fn a_log_file_that_cannot_be_written() {
    Program::run(&[QUICK, "--logfile", "nowhere/log"]).ends().refused(3, &["nowhere/log", "--logfile"]);
}

#[test]
fn an_interrupt_before_the_first_check() {
    let kubeconfig = format!(
        "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c}}}}], \
         clusters: [{{name: c, cluster: {{server: '{}'}}}}]}}",
        wire::hanging()
    );
    let mut program = Program::run(&["--cluster", "existing"]);
    let file = program.file("config", &kubeconfig);
    let child = program.command.arg("--kubeconfig").arg(file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap();
    // The folder of the reports is made right before the platform is looked for.
    let reports = program.reports();
    while std::fs::read_dir(&reports).map_or(0, |entries| entries.count()) == 0 {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    interrupt(child.id());
    let ran = Ran::of(program.folder, &child.wait_with_output().unwrap());
    let ran = ran.refused(130, &["interrupted"]);
    assert!(ran.results().run.interrupted, "{ran:#?}");
}

#[test]
fn an_interrupt_in_the_middle() {
    let mut program = Program::run(&["--cluster", "existing", "--kubeflow", "1.9.1", "login::"]);
    // A gateway that lets one answer through, and then none.
    let gateway = {
        use std::io::Write as _;
        use std::sync::atomic::{AtomicBool, Ordering};
        let first = std::sync::Arc::new(AtomicBool::new(true));
        wire::server(move |connection| {
            if first.swap(false, Ordering::SeqCst) {
                _ = connection.write_all(wire::answer("200 OK", "", "hello").as_bytes());
            } else {
                std::thread::sleep(std::time::Duration::from_secs(120));
            }
        })
    };
    program.command.arg("--gateway-url").arg(gateway).arg("--kubeconfig").arg(crate::platform::kubeconfig());
    let mut child = program.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !said.contains("target ") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.contains("running ") {
        assert!(stdout.read_line(&mut shown).unwrap() > 0, "{shown}");
    }
    interrupt(child.id());
    std::io::Read::read_to_string(&mut stderr, &mut said).unwrap();
    std::io::Read::read_to_string(&mut stdout, &mut shown).unwrap();
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130), "{said}{shown}");
    assert!(shown.contains("(simulated, interrupted)") || shown.contains("(interrupted)"), "{shown}");
    assert!(!said.contains("panicked") && !said.contains(SECRET) && !shown.contains(SECRET), "{said}{shown}");
    let results = reports::files::read(&program.reports().join("latest")).unwrap();
    assert!(results.run.interrupted);
}

fn interrupt(process: u32) {
    assert!(Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap().success());
}
