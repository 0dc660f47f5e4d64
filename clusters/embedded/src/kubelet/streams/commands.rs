//! The few commands that every container knows here. They see the container's environment and mounted files, nothing of
//! this machine.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;

use super::shell;
use crate::actors::{self, Ended};
use crate::kubelet::{environment, projected_tokens};
use crate::object::{list, name, text};
use crate::platform::World;

/// Their names.
pub(super) const KNOWN: &[&str] = &[
    "cat", "echo", "env", "exit", "false", "hostname", "ls", "printenv", "printf", "pwd", "sh", "sleep", "test", "true",
];

/// Files that commands have written, by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// Where a command runs.
pub(super) struct Place<'a> {
    pub(super) world: &'a World,
    pub(super) pod: &'a Value,
    pub(super) container: &'a str,
    /// What stands after a script: `$0`, `$1` and so on.
    pub(super) arguments: &'a [String],
    /// Where files may be written, if they may.
    pub(super) files: Option<&'a RefCell<Files>>,
}

impl Place<'_> {
    /// The value of an environment variable, or of an argument.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        match name {
            "@" | "*" => Some(self.arguments.iter().skip(1).cloned().collect::<Vec<_>>().join(" ")),
            "#" => Some(self.arguments.len().saturating_sub(1).to_string()),
            number if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.arguments.get(number.parse::<usize>().ok()?).cloned()
            }
            name => self.variables().remove(name),
        }
    }

    /// Writes a file.
    ///
    /// # Errors
    /// Nothing can be written here.
    pub(super) fn write(&self, path: &str, bytes: Vec<u8>, appends: bool) -> Result<(), String> {
        if matches!(path, "/dev/null" | "/dev/stdout" | "/dev/stderr") {
            return Ok(());
        }
        let files = self.files.ok_or("redirections are not played")?;
        let mut files = files.borrow_mut();
        let file = files.entry(path.to_owned()).or_default();
        if !appends {
            file.clear();
        }
        file.extend(bytes);
        Ok(())
    }

    /// What the played program makes of a command.
    fn played(&self, words: &[String], stdin: &[u8]) -> Option<Ended> {
        let image = crate::kubelet::container(self.pod, self.container).map(|found| text(found, "/image"))?;
        actors::playing(image)?.exec(self.world, self.pod, self.container, words, stdin)
    }

    fn variables(&self) -> BTreeMap<String, String> {
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
        || matches!(words.as_slice(), [shell, "-c", script, ..] if is_shell(shell) && script.starts_with("IFS= read "))
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
            ["-c" | "-ec" | "-cu" | "-ecu", script, ..] => {
                let rest = words.get(3..).unwrap_or_default();
                shell::run(&Place { arguments: rest, ..*place }, script, stdin)
            }
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
        ("printf", [format, rest @ ..]) => wrote(formatted(format, rest)),
        ("mkdir", _) if place.files.is_some() => Ended::default(),
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
        // In a shell, too, the played program's own commands are known.
        _ => return place.played(words, stdin),
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

/// `printf`: `%s` and `%d` take an argument each, again and again until none is left; `\\n` and `\\t` are known.
fn formatted(format: &str, arguments: &[&str]) -> String {
    let (mut whole, mut rest) = (String::new(), arguments.iter());
    loop {
        let mut chars = format.chars();
        let mut takes = false;
        while let Some(c) = chars.next() {
            match c {
                '%' => match chars.next() {
                    Some('s' | 'd' | 'i' | 'b') => {
                        takes = true;
                        whole.push_str(rest.next().copied().unwrap_or_default());
                    }
                    other => whole.extend(other),
                },
                '\\' => match chars.next() {
                    Some('n') => whole.push('\n'),
                    Some('t') => whole.push('\t'),
                    other => whole.extend(other),
                },
                c => whole.push(c),
            }
        }
        if !takes || rest.len() == 0 {
            return whole;
        }
    }
}

fn file(place: &Place<'_>, path: &str) -> Option<String> {
    if let Some(written) = place.files.and_then(|files| files.borrow().get(path).cloned()) {
        return Some(String::from_utf8_lossy(&written).into_owned());
    }
    environment::file(&place.world.store, place.pod, place.container, path)
        .or_else(|| projected_tokens::file(place.world, place.pod, place.container, path))
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
