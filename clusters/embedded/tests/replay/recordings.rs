//! The folders of the recordings and observations.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The file of a recording; `None`, with a word on it, if it is not here.
pub fn file(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("CONFORMANCE_RECORDINGS") else {
        eprintln!("SKIPPED {name}: CONFORMANCE_RECORDINGS does not name the folder of the recordings");
        return None;
    };
    let path = PathBuf::from(folder).join(format!("{name}.jsonl.xz"));
    if !path.exists() {
        eprintln!("SKIPPED {name}: there is no {}", path.display());
        return None;
    }
    Some(path)
}

/// The file of an observation, from the folder of that name beside the recordings', or `CONFORMANCE_OBSERVATIONS`.
pub fn observation(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CONFORMANCE_OBSERVATIONS").map(PathBuf::from);
    let beside =
        || std::env::var_os("CONFORMANCE_RECORDINGS").map(|folder| PathBuf::from(folder).join("../observations"));
    let path = folder.or_else(beside).map(|folder| folder.join(name)).filter(|path| path.exists());
    if path.is_none() {
        eprintln!("SKIPPED {name}: CONFORMANCE_OBSERVATIONS does not name the folder of the observations");
    }
    path
}

/// The lines of a recording.
pub fn lines(path: &Path) -> Vec<Value> {
    unpacked(path).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The text of an xz file.
pub fn unpacked(path: &Path) -> String {
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    lzma_rust2::XzReader::new(file, true).read_to_string(&mut text).unwrap();
    text
}
