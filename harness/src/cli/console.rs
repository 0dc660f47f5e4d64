//! Where text for a person goes. A pipe that nobody reads any more is no reason to fail; a full disk is.

use std::io::{self, IsTerminal, Write};

use libtest_mimic::{Arguments, ColorSetting, FormatSetting};
use reports::terminal::Style;

/// Standard output and standard error of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    style: Style,
    /// Standard output belongs to a program that reads JSON lines.
    machine: bool,
}

impl Console {
    /// As the command line wants it.
    pub(crate) fn new(no_color: bool, tests: &Arguments) -> Self {
        let machine = matches!(tests.format, Some(FormatSetting::Json));
        let terminal = if machine { io::stderr().is_terminal() } else { io::stdout().is_terminal() };
        let colour = match tests.color {
            _ if no_color => false,
            Some(ColorSetting::Always) => true,
            Some(ColorSetting::Never) => false,
            _ => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self { style: if colour { Style::coloured() } else { Style::plain() }, machine }
    }

    pub(crate) fn style(self) -> Style {
        self.style
    }

    /// What the run found: standard output, unless that is for a program.
    pub(crate) fn result(self, text: &str) -> io::Result<()> {
        if self.machine { said(io::stderr(), text) } else { said(io::stdout(), text) }
    }
}

/// Writes to standard output what was asked for.
///
/// # Errors
/// Standard output takes nothing, for another reason than that its reader has gone.
pub fn print(text: &str) -> io::Result<()> {
    said(io::stdout(), text)
}

/// Says something on standard error, if anybody listens.
pub fn say(text: &str) {
    _ = said(io::stderr(), &format!("{text}\n"));
}

/// Says what went wrong, in one sentence.
pub fn complain(text: &str) {
    say(&format!("error: {text}"));
}

fn said(mut to: impl Write, text: &str) -> io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
