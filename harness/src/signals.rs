//! SIGINT and SIGTERM: the first ends the run in good order, the second ends the program.
//!
//! cargo ends at once on either and hands SIGTERM to nobody, so a program under cargo also watches whether its parent
//! is still there.

use std::io::Write;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit;

/// How often the parent is looked at.
const PARENT: Duration = Duration::from_millis(250);

/// Watches for signals on the current tokio runtime; `cancel` is cancelled by the first.
///
/// # Errors
/// The operating system lets no handler be installed.
pub fn watch(cancel: CancellationToken) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut first = true;
    if std::env::var_os("CARGO").is_some() {
        tokio::spawn(watch_parent(cancel.clone()));
    }
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                Some(()) = interrupt.recv() => "SIGINT",
                Some(()) = terminate.recv() => "SIGTERM",
                else => return,
            };
            if !first {
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
            first = false;
            say(&format!("{name}: nothing starts any more, cleaning up; once more to leave at once"));
            cancel.cancel();
        }
    });
    Ok(())
}

/// cargo has gone when the parent is another process: whoever waits for this run sees no more of it.
async fn watch_parent(cancel: CancellationToken) {
    let parent = std::os::unix::process::parent_id();
    while !cancel.is_cancelled() {
        tokio::time::sleep(PARENT).await;
        if std::os::unix::process::parent_id() != parent {
            say("cargo has ended: nothing starts any more, cleaning up");
            cancel.cancel();
        }
    }
}

/// Standard error may be a pipe that nobody reads any more; that is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
