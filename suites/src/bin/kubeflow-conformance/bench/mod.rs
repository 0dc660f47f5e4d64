//! `bench`, which only `ci/bench` calls: how fast and how big. It prints and judges nothing, because the numbers depend
//! on the machine.

mod crowd;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::{ArgMatches, FromArgMatches as _};
use clusters::{Embedded, Provided, Provider as _};
use harness::cli::{self, answered, refused};
use harness::config::InstallationOptions;
use reports::model::Results;
use reports::{files, phrases};
use tokio_util::sync::CancellationToken;

use crate::impossible;

/// What is added to each answer of the gateway in the second run.
const DELAY: Duration = Duration::from_millis(50);
/// How often a child is looked at.
const GLANCE: Duration = Duration::from_millis(2);
/// After which no answer is expected any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures and prints.
pub fn bench(matches: &ArgMatches) -> u8 {
    let installation = match InstallationOptions::from_arg_matches(matches) {
        Ok(installation) => installation,
        Err(error) => return refused(&error.into()),
    };
    let users: Vec<u16> = matches.get_many("users").into_iter().flatten().copied().collect();
    let done = if users.is_empty() { measured(&installation) } else { crowd::measured(&installation, &users) };
    done.unwrap_or_else(|reason| impossible(&reason))
}

fn measured(installation: &InstallationOptions) -> Result<u8, String> {
    harness::init();
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let version = cli::release_or_default(installation.kubeflow)?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;

    let size = fs::metadata(&program).map_err(|error| error.to_string())?.len();
    row("size of the program", &mebibytes(size));
    row("embedded, process start to first answer", &format!("{} ms", first_answer(&program)?.as_millis()));
    match &installation.manifests {
        None => row("installation", "not measured: no --manifests"),
        Some(path) => {
            let mut embedded = Embedded::new(version);
            embedded.manifests = Some(cli::manifests(path, version)?);
            let installed = provide(&runtime, &embedded)?.installed;
            let installed = installed.ok_or("nothing was installed")?;
            row("installation", &format!("{} objects in {:.2} s", installed.objects, installed.duration.as_secs_f64()));
        }
    }
    let kubeflow = ["--kubeflow", version.kubeflow].map(str::to_owned);
    run(&program, &folder.path().join("plain"), &kubeflow)?.1.print("run");

    let mut slow = Embedded::new(version);
    slow.gateway_delay = DELAY;
    let provided = provide(&runtime, &slow)?;
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, provided.kubeconfig.as_deref().unwrap_or_default()).map_err(|error| error.to_string())?;
    let gateway = provided.target.gateway.as_ref().map(ToString::to_string).unwrap_or_default();
    let kubeconfig = kubeconfig.display().to_string();
    let existing = ["--cluster", "existing", "--kubeconfig", &kubeconfig, "--gateway-url", &gateway].map(str::to_owned);
    run(&program, &folder.path().join("slow"), &[&existing[..], &kubeflow].concat())?
        .1
        .print("run, 50 ms later each answer");
    Ok(harness::exit::CONFORMANT)
}

fn provide(runtime: &tokio::runtime::Runtime, embedded: &Embedded) -> Result<Provided, String> {
    runtime.block_on(embedded.provide(&CancellationToken::new())).map_err(|error| error.to_string())
}

fn row(what: &str, value: &str) {
    _ = answered(&format!("{what:<42}{value}\n"));
}

/// How long a fresh process takes until its gateway answers a request.
fn first_answer(program: &Path) -> Result<Duration, String> {
    let port = free_port().map_err(|error| format!("no free port: {error}"))?;
    let started = Instant::now();
    let mut child = quiet(program, &["up".to_owned(), format!("--port={port}"), "--api-port=0".to_owned()])?;
    let mut answered = false;
    while !answered && started.elapsed() < PATIENCE {
        answered = asked(port).is_ok();
        thread::sleep(GLANCE);
    }
    let elapsed = started.elapsed();
    _ = child.kill();
    _ = child.wait();
    answered.then_some(elapsed).ok_or_else(|| "the embedded platform did not answer".to_owned())
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn asked(port: u16) -> io::Result<()> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    connection.read_exact(&mut [0; 12])
}

fn quiet(program: &Path, arguments: &[String]) -> Result<Child, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))
}

/// What is told of a run.
struct Run {
    wall: Duration,
    pace: String,
    checks: usize,
    at_once: f64,
    peak: u64,
}

impl Run {
    fn print(&self, title: &str) {
        row(title, &format!("{} checks in {:.2} s, start and reports included", self.checks, self.wall.as_secs_f64()));
        row("", &self.pace);
        row("", &format!("{:.0} checks at once on the average", self.at_once));
        row("", &format!("peak memory {}", mebibytes(self.peak)));
    }
}

fn run(program: &Path, reports: &Path, options: &[String]) -> Result<(Results, Run), String> {
    let folder = ["run".to_owned(), "--report-dir".to_owned(), reports.display().to_string()];
    let started = Instant::now();
    let mut child = quiet(program, &[&folder[..], options].concat())?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        // The kernel keeps the peak, so the last look counts.
        peak = peak_memory(&status).unwrap_or(peak);
        thread::sleep(GLANCE);
    }
    let wall = started.elapsed();
    let results = files::read(&reports.join("latest")).map_err(|error| error.to_string())?;
    let ran = results.checks.iter().filter(|check| check.duration_ms > 0).count();
    let work: u64 = results.checks.iter().map(|check| check.duration_ms).sum();
    let at_once = work as f64 / results.run.checks_ms.max(1) as f64;
    Ok((results.clone(), Run { wall, pace: phrases::pace(&results), checks: ran, at_once, peak }))
}

/// `VmHWM` of a process in bytes, see proc_pid_status(5).
fn peak_memory(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
