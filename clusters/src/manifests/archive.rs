//! An archive of kubeflow/manifests, as a release page offers it: unpacked, and its folder `example` rendered.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::ManifestError;
use super::read::{GZIP, XZ};

/// The folder whose kustomization is the whole platform (kubeflow/manifests `example/kustomization.yaml`).
const EXAMPLE: &str = "example";
/// What makes a folder a kustomization; kustomize knows these three names.
const KUSTOMIZATIONS: &[&str] = &["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Where a tar header says what it is, and what it says (POSIX.1-1988 ustar).
const MAGIC: (usize, &[u8]) = (257, b"ustar");
/// The most bytes that are unpacked, in MiB. Upstream's releases have some 40.
const LIMIT_MIB: u64 = 512;
/// The most files. Upstream's releases have some 2,500.
const FILES: usize = 100_000;

/// Whether bytes are a tar archive, plain or compressed.
pub(super) fn is_archive(bytes: &[u8]) -> bool {
    let (at, magic) = MAGIC;
    let mut head = vec![0; at + magic.len()];
    unpacked(bytes).read_exact(&mut head).is_ok() && head.ends_with(magic)
}

fn unpacked(bytes: &[u8]) -> Box<dyn Read + '_> {
    if bytes.starts_with(GZIP) {
        Box::new(flate2::read::MultiGzDecoder::new(bytes))
    } else if bytes.starts_with(XZ) {
        Box::new(lzma_rust2::XzReader::new(bytes, true))
    } else {
        Box::new(bytes)
    }
}

/// Unpacks an archive into a folder of its own, which is deleted with the guard, and finds the kustomization in it. Links
/// are left out: they could lead anywhere, and no kustomization of upstream needs one.
pub(super) fn unpack(source_name: &str, bytes: &[u8]) -> Result<(TempDir, PathBuf), ManifestError> {
    let damaged =
        |error: io::Error| ManifestError::Damaged { source_name: source_name.to_owned(), reason: error.to_string() };
    let folder = tempfile::Builder::new().prefix("kubeflow-conformance-").tempdir().map_err(damaged)?;
    let mut archive = tar::Archive::new(unpacked(bytes).take(LIMIT_MIB << 20));
    for (count, entry) in archive.entries().map_err(damaged)?.enumerate() {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if count >= FILES {
            return Err(damaged(io::Error::other(format!("more than {FILES} files"))));
        }
        if kind.is_file() || kind.is_dir() {
            // A path that leads out of the folder is left out.
            entry.unpack_in(folder.path()).map_err(damaged)?;
        }
    }
    // What follows the last entry has the checksum.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    let found = example_in(folder.path(), 2);
    let path = found.ok_or_else(|| ManifestError::NoExample { source_name: source_name.to_owned() })?;
    Ok((folder, path))
}

/// The folder `example` of a checkout, at the top or below a folder that bears the release's name.
fn example_in(folder: &Path, depth: usize) -> Option<PathBuf> {
    let example = folder.join(EXAMPLE);
    if is_kustomization(&example) {
        return Some(example);
    }
    let mut below: Vec<PathBuf> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    below.sort();
    let deeper = depth.checked_sub(1)?;
    below.iter().filter(|path| path.is_dir()).find_map(|path| example_in(path, deeper))
}

/// Whether a folder is a kustomization.
pub(super) fn is_kustomization(folder: &Path) -> bool {
    KUSTOMIZATIONS.iter().any(|name| folder.join(name).is_file())
}

/// What is rendered of a folder: itself if it is a kustomization, else the `example` of a checkout.
pub(super) fn kustomization(folder: &Path) -> Result<PathBuf, ManifestError> {
    let example = folder.join(EXAMPLE);
    match () {
        () if is_kustomization(folder) => Ok(folder.to_owned()),
        () if is_kustomization(&example) => Ok(example),
        () => Err(ManifestError::NoExample { source_name: folder.display().to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            // As it stands, whatever it says: `set_path` would refuse what a hostile archive holds.
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, content.as_bytes()).expect("to memory");
        }
        builder.into_inner().expect("to memory")
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("to memory");
        encoder.finish().expect("to memory")
    }

    #[test]
    fn the_example_of_a_release_is_found() {
        for name in ["example/kustomization.yaml", "manifests-1.10.2/example/kustomization.yml"] {
            let plain = archive(&[("README.md", ""), (name, "resources: []")]);
            for bytes in [plain.clone(), gzip(&plain)] {
                assert!(is_archive(&bytes));
                let (guard, path) = unpack("a.tar", &bytes).expect("unpacked");
                assert!(path.starts_with(guard.path()) && path.ends_with(EXAMPLE), "{}", path.display());
            }
        }
    }

    #[test]
    fn yaml_is_no_archive() {
        for bytes in [b"kind: ConfigMap\n".to_vec(), gzip(b"kind: ConfigMap\n"), Vec::new(), b"\x1f\x8b".to_vec()] {
            assert!(!is_archive(&bytes));
        }
    }

    #[test]
    fn an_archive_without_an_example_says_so() {
        let error = unpack("a.tar", &archive(&[("apps/kustomization.yaml", "")])).expect_err("no example");
        assert!(error.to_string().contains("no folder `example`"), "{error}");
    }

    #[test]
    fn nothing_is_written_outside_the_folder() {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let absolute = outside.path().join("absolute").display().to_string();
        let hostile = archive(&[
            ("../escaped", "x"),
            (&absolute, "x"),
            ("a/../../escaped", "x"),
            ("example/kustomization.yaml", ""),
        ]);
        let (guard, _) = unpack("a.tar", &hostile).expect("the rest is unpacked");
        assert!(!guard.path().with_file_name("escaped").exists() && !outside.path().join("absolute").exists());
    }

    #[test]
    fn a_cut_archive_is_damaged_at_every_length() {
        let whole = gzip(&archive(&[("example/kustomization.yaml", &"resources: []\n".repeat(80))]));
        for cut in 20..whole.len() - 12 {
            if is_archive(&whole[..cut]) {
                let error = unpack("a.tar.gz", &whole[..cut]).expect_err("cut");
                assert!(
                    matches!(error, ManifestError::Damaged { .. } | ManifestError::NoExample { .. }),
                    "{cut}: {error}"
                );
            }
        }
    }
}
