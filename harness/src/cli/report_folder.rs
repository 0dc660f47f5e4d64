//! The folder of a run's reports, and the link `latest` to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The link to the newest run.
pub(super) const LATEST: &str = "latest";

/// Where reports go unless the user says otherwise: `conformance` in the folder that cargo built this program in.
pub(super) fn default_root(program: Option<&Path>) -> PathBuf {
    // cargo marks its target folder with a file, see https://bford.info/cachedir/
    let target = program.and_then(|program| program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()));
    target.unwrap_or(Path::new("target")).join("conformance")
}

/// Makes the folder of a run; only its owner can look into it.
///
/// # Errors
/// One sentence.
pub(super) fn create(root: &Path, run_id: &str) -> Result<PathBuf, String> {
    let folder = root.join(run_id);
    let made = fs::create_dir_all(root).and_then(|()| private(&folder)).and_then(|()| probe(&folder));
    made.map(|()| folder.clone()).map_err(|error| {
        _ = fs::remove_dir(&folder);
        format!("cannot write reports into {}: {error}; name another folder with --report-dir", root.display())
    })
}

fn private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Whether a byte can be written: a full disk still takes folders.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(".probe");
    let written = fs::write(&path, b"x");
    _ = fs::remove_file(&path);
    written
}

/// Points `latest` at a run. Where links cannot be made there is none; the run's own folder was named anyway.
pub(super) fn link_latest(root: &Path, run_id: &str) {
    #[cfg(unix)]
    {
        let fresh = root.join(format!(".{LATEST}-{run_id}"));
        // Made aside and renamed, so that whoever looks sees the old run or the new one.
        if std::os::unix::fs::symlink(run_id, &fresh).is_ok() && fs::rename(&fresh, root.join(LATEST)).is_err() {
            _ = fs::remove_file(&fresh);
        }
    }
}
