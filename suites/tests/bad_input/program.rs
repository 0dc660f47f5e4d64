//! The program as a person runs it, and what must hold of it whatever it is given.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use reports::model::Results;

/// The password of every run here: it must not be seen again anywhere.
pub const SECRET: &str = "correct-horse-battery-staple-9471";

/// A run in a folder of its own, without the caller's configuration.
pub struct Program {
    pub folder: tempfile::TempDir,
    pub command: Command,
}

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    pub folder: tempfile::TempDir,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// The program with some arguments.
    pub fn new(arguments: &[&str]) -> Self {
        Self::through(Command::new(env!("CARGO_BIN_EXE_kubeflow-conformance")), arguments)
    }

    /// A run that logs in with [`SECRET`] and leaves its reports in its folder.
    pub fn run(arguments: &[&str]) -> Self {
        let mut program = Self::new(&["run"]);
        let password = program.folder.path().join("password");
        std::fs::write(&password, SECRET).unwrap();
        program.command.arg("--password-file").arg(password);
        let reports = program.reports();
        program.command.arg("--report-dir").arg(reports).args(arguments);
        program
    }

    /// The same through another program, which gets the arguments, too.
    pub fn through(mut command: Command, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONFORMANCE_") {
                command.env_remove(name);
            }
        }
        command.env_remove("KUBECONFIG").env("HOME", folder.path()).env_remove("RUST_BACKTRACE");
        command.current_dir(folder.path()).args(arguments).stdin(Stdio::null());
        Self { folder, command }
    }

    pub fn reports(&self) -> PathBuf {
        self.folder.path().join("reports")
    }

    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn ends(mut self) -> Ran {
        let output = self.command.output().unwrap();
        Ran::of(self.folder, &output)
    }
}

impl Ran {
    pub fn of(folder: tempfile::TempDir, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the program prints text");
        let ran = Self {
            folder,
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        ran.is_civil();
        ran
    }

    /// What holds of every run.
    fn is_civil(&self) {
        for text in [&self.stdout, &self.stderr] {
            assert!(!text.contains("panicked"), "it panicked: {self:#?}");
            assert!(!text.contains(SECRET), "it printed the password: {self:#?}");
        }
        for file in files_below(&self.folder.path().join("reports")) {
            let content = std::fs::read(&file).unwrap();
            let found = content.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
            assert!(!found, "the password is in {}", file.display());
        }
    }

    /// It ended with a code and one sentence that has all of some words.
    pub fn refused(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        let said: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(said.len(), 1, "one sentence is wanted: {self:#?}");
        for word in words {
            assert!(said[0].contains(word), "{word:?} is wanted: {self:#?}");
        }
        assert!(said[0].len() < 600, "too long: {self:#?}");
        self
    }

    /// The results that it left.
    pub fn results(&self) -> Results {
        reports::files::read(&self.folder.path().join("reports/latest"))
            .unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// It left reports that tell why nothing was judged.
    pub fn told(self, words: &[&str]) -> Self {
        let notes = self.results().notes;
        let note = notes.iter().find(|note| note.topic == "setup").unwrap_or_else(|| panic!("no note: {self:#?}"));
        for word in words {
            assert!(note.text.contains(word), "{word:?} is wanted in {note:?}");
        }
        self
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
