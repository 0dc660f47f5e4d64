//! Running another program and taking what it writes.

use std::io;
use std::process::{ExitStatus, Stdio};

use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessGroup};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// How a program ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program to its end. It and what it starts form a process group, which is killed when this future is dropped.
pub(crate) async fn run(mut command: Command) -> io::Result<Ended> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group(Some(CommandWrap::from(command).wrap(ProcessGroup::leader()).spawn()?));
    let Some(child) = &mut group.0 else { return Err(io::ErrorKind::BrokenPipe.into()) };
    let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
    let (stdout, stderr) = tokio::try_join!(all_of(stdout), all_of(stderr))?;
    let status = child.wait().await?;
    group.0 = None;
    Ok(Ended { status, stdout, stderr })
}

async fn all_of(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// A process group that runs. (`KillOnDrop` would end its leader alone.)
struct Group(Option<Box<dyn ChildWrapper>>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.start_kill();
        }
    }
}
