//! The files of a run: written whole or not at all, readable by their owner only.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::model::{Results, SCHEMA};
use crate::{html, junit, markdown};

/// The record; everything else can be made from it again.
pub const RESULTS: &str = "results.json";

/// Why a run's record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file is not there or not readable.
    #[error("cannot read {path}: {source}; give the folder of a run, for example target/conformance/latest")]
    Open {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// It is no record of a run.
    #[error("{path} is not the record of a run: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where it went wrong.
        source: serde_json::Error,
    },
    /// It is of a schema that this program does not know.
    #[error("{path} has schema {found:?}, this program reads {SCHEMA:?}; use the program that wrote it")]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: String,
    },
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}; free space or choose another folder with --report-dir")]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// The operating system's answer.
    pub source: io::Error,
}

/// Reads the record of a run from its folder, or from the file itself.
///
/// # Errors
/// [`ReadError`].
pub fn read(path: &Path) -> Result<Results, ReadError> {
    let path = if path.is_dir() { path.join(RESULTS) } else { path.to_owned() };
    let bytes = fs::read(&path).map_err(|source| ReadError::Open { path: path.clone(), source })?;
    parse(&bytes, &path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<Results, ReadError> {
    let failed = |source| ReadError::Parse { path: path.to_owned(), source };
    // The schema first: another version's fields would only give a puzzling error.
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(failed)?;
    let found = value.get("schema").and_then(serde_json::Value::as_str).unwrap_or_default();
    if found != SCHEMA {
        return Err(ReadError::Schema { path: path.to_owned(), found: found.to_owned() });
    }
    serde_json::from_value(value).map_err(failed)
}

/// Writes the record and every rendering of it into a folder, which is made if absent. Returns the page to look at.
///
/// # Errors
/// [`WriteError`] of the first file that failed; the record is written first.
pub fn write_all(results: &Results, folder: &Path) -> Result<PathBuf, WriteError> {
    fs::create_dir_all(folder).map_err(|source| WriteError { path: folder.to_owned(), source })?;
    let mut record = serde_json::to_vec_pretty(results)
        .map_err(|error| WriteError { path: folder.join(RESULTS), source: io::Error::other(error) })?;
    record.push(b'\n');
    write(&folder.join(RESULTS), &record)?;
    write(&folder.join("junit.xml"), junit::render(results).as_bytes())?;
    write(&folder.join("summary.md"), markdown::render(results).as_bytes())?;
    let page = folder.join("report.html");
    write(&page, html::page(results, digest(&record)).as_bytes())?;
    Ok(page)
}

/// The SHA-256 of a record in hexadecimal digits, so that a signed page names the record that it was made from.
fn digest(record: &[u8]) -> String {
    format!("{:x}", Sha256::digest(record))
}

/// Writes a file under another name first, so that a full disk leaves the old one or none, never half of one.
fn write(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let half = path.with_extension("part");
    let written = private(&half).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_data()?;
        fs::rename(&half, path)
    });
    written.map_err(|source| {
        // Best effort: the error that counts is the one before.
        let _ = fs::remove_file(&half);
        WriteError { path: path.to_owned(), source }
    })
}

#[cfg(unix)]
fn private(path: &Path) -> io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn private(path: &Path) -> io::Result<fs::File> {
    fs::File::create(path)
}
