//! The folder of a run's reports, the link `latest` to it, and the runs beside it that were killed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use reports::journal::ends_well;

use crate::engine::EVENT_LOG;

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

/// How much of a log's end is looked at: the last entry is a few hundred bytes.
const TAIL: u64 = 16 * 1024;

/// The runs whose reports are in a folder and which were killed: their log has no end, and no process holds it.
pub(super) fn killed(root: &Path) -> BTreeSet<String> {
    let Ok(folders) = fs::read_dir(root) else { return BTreeSet::new() };
    let folders = folders.filter_map(Result::ok).filter(|folder| folder.file_type().is_ok_and(|kind| kind.is_dir()));
    let dead = folders.filter(|folder| was_killed(&folder.path().join(EVENT_LOG)).unwrap_or(false));
    dead.filter_map(|folder| folder.file_name().into_string().ok()).collect()
}

fn was_killed(log: &Path) -> io::Result<bool> {
    let mut file = File::open(log)?;
    if file.try_lock().is_err() {
        return Ok(false);
    }
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    // An empty log is that of a run which is just beginning. A line that was cut off may be longer than what is looked at.
    Ok(!tail.is_empty() && !ends_well(&tail))
}

#[cfg(test)]
mod tests {
    use reports::journal::Entry;

    use super::*;
    use crate::engine::Journal;

    #[test]
    fn a_run_was_killed_if_its_log_has_no_end_and_nobody_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let folder = root.path().join(name);
            fs::create_dir(&folder).unwrap();
            folder
        };
        let finished = "{\"entry\":\"finished\",\"of\":{}}\n";
        for (name, log) in [
            ("ended", format!("{{}}\n{finished}")),
            ("killed", "{\"entry\":\"began\"}\n{\"entry\":\"fini".to_owned()),
            ("empty", String::new()),
            ("killed in a long line", format!("{{\"entry\":\"began\"}}\n{{\"entry\":\"ended{}", "x".repeat(1 << 17))),
            ("long", format!("{}\n{finished}", "x".repeat(1 << 17))),
            ("quoting", format!("{finished}{{\"entry\":\"noted\",\"of\":{finished:?}}}\n")),
        ] {
            fs::write(folder(name).join(EVENT_LOG), log).unwrap();
        }
        folder("without");
        fs::write(root.path().join("file"), "").unwrap();
        let alive = Journal::create(&folder("alive"));
        alive.append(&Entry::Began { id: "TST-001".to_owned(), at_ms: 0 });
        let killed = killed(root.path());
        assert_eq!(
            killed.iter().map(String::as_str).collect::<Vec<_>>(),
            ["killed", "killed in a long line", "quoting"]
        );
        drop(alive);
        assert!(super::killed(root.path()).contains("alive"));
        assert!(super::killed(&root.path().join("nowhere")).is_empty());
    }
}
