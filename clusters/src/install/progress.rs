//! What a person sees of an installation: on a terminal one line that changes, else a line per wave.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long a wait lasts before it is said where lines cannot change, and how often it is said again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an installation's progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// Nowhere.
    #[default]
    Silent,
    /// On stderr, a line per wave.
    Lines,
    /// On stderr, one line that changes.
    Live,
}

impl Progress {
    /// What suits stderr: a line that changes if it is a terminal.
    #[must_use]
    pub fn stderr() -> Self {
        if io::stderr().is_terminal() { Self::Live } else { Self::Lines }
    }
}

/// Tells of one installation.
#[derive(Debug)]
pub(super) struct Narrator {
    progress: Progress,
    bar: ProgressBar,
    said: Option<Instant>,
}

impl Narrator {
    pub fn new(progress: Progress, objects: usize) -> Self {
        let target = match progress {
            Progress::Live => ProgressDrawTarget::stderr(),
            Progress::Silent | Progress::Lines => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(objects as u64), target);
        if let Ok(style) = ProgressStyle::with_template("install  {pos}/{len} objects, {elapsed}: {wide_msg}") {
            bar.set_style(style);
        }
        if progress == Progress::Live {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { progress, bar, said: None }
    }

    /// A wave begins or goes on.
    pub fn now(&mut self, what: &str) {
        self.said = None;
        self.bar.set_message(what.to_owned());
    }

    /// One more object is written.
    pub fn written(&self) {
        self.bar.inc(1);
    }

    /// A wave is over.
    pub fn line(&self, text: &str) {
        if self.progress == Progress::Lines {
            say(text);
        }
    }

    /// Something is waited for.
    pub fn waits(&mut self, what: &str) {
        self.bar.set_message(what.to_owned());
        let since = *self.said.get_or_insert_with(Instant::now);
        if self.progress == Progress::Lines && since.elapsed() >= PATIENCE {
            self.said = Some(Instant::now());
            say(what);
        }
    }

    /// The end: the table stays.
    pub fn end(&self, table: &str) {
        self.bar.finish_and_clear();
        if self.progress != Progress::Silent {
            say(table);
        }
    }
}

/// Whoever closed stderr does not want to know.
fn say(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        let _ = writeln!(stderr, "install  {line}");
    }
}
