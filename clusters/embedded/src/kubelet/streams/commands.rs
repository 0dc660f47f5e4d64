//! The few commands that every container knows here. They see the container's environment and mounted files, nothing of
//! this machine.

use serde_json::Value;

use super::shell;
use crate::actors::Ended;
use crate::kubelet::environment;
use crate::object::{list, name, text};
use crate::platform::World;

/// Their names.
pub(super) const KNOWN: &[&str] =
    &["cat", "echo", "env", "exit", "false", "hostname", "ls", "printenv", "pwd", "sh", "sleep", "test", "true"];

/// Where a command runs.
pub(super) struct Place<'a> {
    pub(super) world: &'a World,
    pub(super) pod: &'a Value,
    pub(super) container: &'a str,
}

impl Place<'_> {
    /// The value of an environment variable.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        self.variables().remove(name)
    }

    fn variables(&self) -> std::collections::BTreeMap<String, String> {
        let mut all = environment::variables(&self.world.store, self.pod, self.container);
        all.insert("HOSTNAME".to_owned(), name(self.pod).to_owned());
        all
    }
}

/// Whether a command wants all of its input before it runs.
pub(super) fn reads_stdin(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(words.as_slice(), ["cat" | "/bin/cat"] | ["cat" | "/bin/cat", "-"] | [_, "-c", "cat"])
        || matches!(words.as_slice(), [shell] | [shell, "-s"] if is_shell(shell))
}

fn is_shell(word: &str) -> bool {
    matches!(word.rsplit('/').next(), Some("sh" | "bash" | "ash"))
}

/// Runs a command; `None` if it is not known.
pub(super) fn run(place: &Place<'_>, words: &[String], stdin: &[u8]) -> Option<Ended> {
    let (program, arguments) = words.split_first()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if is_shell(program) {
        return Some(match arguments.as_slice() {
            ["-c" | "-ec", script, ..] => shell::run(place, script, stdin),
            [] | ["-s"] => shell::run(place, &String::from_utf8_lossy(stdin), b""),
            _ => failed(2, &format!("{program}: only -c SCRIPT is played")),
        });
    }
    Some(match (program.rsplit('/').next()?, arguments.as_slice()) {
        ("true", _) => Ended::default(),
        ("false", _) => failed(1, ""),
        ("sleep", _) => Ended::default(),
        ("exit", rest) => failed(rest.first().and_then(|code| code.parse().ok()).unwrap_or(0), ""),
        ("echo", ["-n", rest @ ..]) => wrote(rest.join(" ")),
        ("echo", rest) => wrote(format!("{}\n", rest.join(" "))),
        ("pwd", _) => wrote("/\n".to_owned()),
        ("hostname", _) => wrote(format!("{}\n", name(place.pod))),
        ("env", []) | ("printenv", []) => {
            wrote(place.variables().iter().map(|(name, value)| format!("{name}={value}\n")).collect())
        }
        ("printenv", [wanted, ..]) => match place.variable(wanted) {
            Some(value) => wrote(format!("{value}\n")),
            None => failed(1, ""),
        },
        ("cat", [] | ["-"]) => Ended { stdout: stdin.to_vec(), ..Ended::default() },
        ("cat", paths) => paths.iter().fold(Ended::default(), |ended, path| joined(ended, cat(place, path))),
        ("ls", rest) => ls(place, rest.iter().find(|one| !one.starts_with('-')).copied().unwrap_or("/")),
        ("test", ["-f" | "-e" | "-s" | "-r", path]) => failed(u8::from(file(place, path).is_none()), ""),
        ("test", ["-d", path]) => failed(u8::from(below(place, path).is_empty()), ""),
        ("test", ["-n", rest @ ..]) => failed(u8::from(rest.concat().is_empty()), ""),
        ("test", ["-z", rest @ ..]) => failed(u8::from(!rest.concat().is_empty()), ""),
        ("test", [left, "=" | "==", right]) => failed(u8::from(left != right), ""),
        _ => return None,
    })
}

/// An end with an exit status and a complaint.
pub(super) fn failed(code: u8, complaint: &str) -> Ended {
    let stderr = if complaint.is_empty() { Vec::new() } else { format!("{complaint}\n").into_bytes() };
    Ended { stderr, code, ..Ended::default() }
}

fn wrote(text: String) -> Ended {
    Ended { stdout: text.into_bytes(), ..Ended::default() }
}

/// Two ends after each other; the status is the worse one.
pub(super) fn joined(mut first: Ended, second: Ended) -> Ended {
    first.stdout.extend(second.stdout);
    first.stderr.extend(second.stderr);
    first.code = first.code.max(second.code);
    first
}

fn file(place: &Place<'_>, path: &str) -> Option<String> {
    environment::file(&place.world.store, place.pod, place.container, path)
}

fn cat(place: &Place<'_>, path: &str) -> Ended {
    match file(place, path) {
        Some(content) => wrote(content),
        None => failed(1, &format!("cat: can't open '{path}': No such file or directory")),
    }
}

fn ls(place: &Place<'_>, path: &str) -> Ended {
    let names = below(place, path);
    if names.is_empty() {
        return failed(1, &format!("ls: {path}: No such file or directory"));
    }
    wrote(names.iter().map(|name| format!("{name}\n")).collect())
}

/// What lies directly below a path: of the mounted files and of the mounts themselves.
fn below(place: &Place<'_>, path: &str) -> Vec<String> {
    let inside = format!("{}/", path.trim_end_matches('/'));
    let mut names = std::collections::BTreeSet::new();
    let mut found = |whole: &str| {
        if let Some(name) =
            whole.strip_prefix(&inside).and_then(|rest| rest.split('/').next()).filter(|name| !name.is_empty())
        {
            names.insert(name.to_owned());
        }
    };
    let container = crate::kubelet::container(place.pod, place.container);
    for mount in container.map(|container| list(container, "/volumeMounts")).unwrap_or_default() {
        let at = text(mount, "/mountPath").trim_end_matches('/');
        found(at);
        let volumes = list(place.pod, "/spec/volumes");
        let volume = volumes.iter().find(|volume| text(volume, "/name") == text(mount, "/name"));
        let files =
            volume.and_then(|volume| crate::kubelet::volumes::files(&place.world.store, place.pod, volume).ok());
        for name in files.unwrap_or_default().keys().filter(|_| text(mount, "/subPath").is_empty()) {
            found(&format!("{at}/{name}"));
        }
    }
    names.into_iter().collect()
}
