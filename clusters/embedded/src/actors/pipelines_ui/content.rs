//! What the UI server makes of an object: compressed ones are unpacked, of an archive the first file is shown, and a preview
//! is cut.
//!
//! Source: kubeflow/pipelines 2.3.0 `frontend/server/minio-helper.ts` (`gunzip-maybe`, `maybeTarball`), `utils.ts`
//! (`PreviewStream`); recorded exchanges.

use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// What an object may be long when it is unpacked.
const LIMIT: usize = 32 << 20;
/// Node's streams read files and sockets in pieces of this size.
const CHUNK: usize = 16 << 10;
const BLOCK: usize = 512;

/// An object as it is shown; what is broken is shown as it is.
pub(super) fn shown(bytes: Vec<u8>) -> Vec<u8> {
    let bytes = gunzipped(&bytes).unwrap_or(bytes);
    first_file(&bytes).map(<[u8]>::to_vec).unwrap_or(bytes)
}

/// A preview: only the first piece is cut.
pub(super) fn peeked(mut bytes: Vec<u8>, peek: usize) -> Vec<u8> {
    let first = bytes.len().min(CHUNK);
    if peek > 0 && peek < first {
        bytes.drain(peek..first);
    }
    bytes
}

/// The content of a gzip file (RFC 1952), if it is one.
fn gunzipped(bytes: &[u8]) -> Option<Vec<u8>> {
    let [0x1f, 0x8b, 8, flags, _, _, _, _, _, _, rest @ ..] = bytes else { return None };
    let mut rest = rest;
    if flags & 4 != 0 {
        let [low, high, extra @ ..] = rest else { return None };
        rest = extra.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
    }
    for _ in 0..(flags >> 3 & 1) + (flags >> 4 & 1) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        rest = rest.get(end + 1..)?;
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    decompress_to_vec_with_limit(rest, LIMIT).ok()
}

/// The first file of a tar archive (POSIX `ustar`, and GNU's form of it), if it is one.
fn first_file(bytes: &[u8]) -> Option<&[u8]> {
    let magic = bytes.get(257..265)?;
    if magic != b"ustar\x0000" && magic != b"ustar  \0" {
        return None;
    }
    let size = std::str::from_utf8(bytes.get(124..136)?).ok()?;
    let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).ok()?;
    bytes.get(BLOCK..BLOCK.checked_add(size)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8], name: &str) -> Vec<u8> {
        let head = [0x1f, 0x8b, 8, if name.is_empty() { 0 } else { 8 }, 0, 0, 0, 0, 0, 3];
        let name = if name.is_empty() { Vec::new() } else { [name.as_bytes(), &[0]].concat() };
        [&head[..], &name, &miniz_oxide::deflate::compress_to_vec(bytes, 6), &[0; 8]].concat()
    }

    fn tar(content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK];
        bytes[..4].copy_from_slice(b"file");
        bytes[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        bytes[257..265].copy_from_slice(b"ustar\x0000");
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
        bytes
    }

    #[test]
    fn archives_are_unpacked() {
        assert_eq!(shown(b"plain".to_vec()), b"plain");
        assert_eq!(shown(gzip(b"text", "")), b"text");
        assert_eq!(shown(gzip(&tar(b"first"), "a.tar")), b"first");
        let broken = gzip(b"text", "")[..14].to_vec();
        assert_eq!(shown(broken.clone()), broken);
    }

    #[test]
    fn only_the_first_piece_of_a_preview_is_cut() {
        assert_eq!(peeked(b"abcdef".to_vec(), 3), b"abc");
        assert_eq!(peeked(b"abc".to_vec(), 0), b"abc");
        assert_eq!(peeked(vec![b'x'; CHUNK + 5], 3).len(), 8);
    }

    proptest! {
        #[test]
        fn any_object_is_shown(flags in 0_u8..32, rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            shown([&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0][..], &rest].concat());
            let mut archive = tar(b"x");
            archive.splice(120..120 + rest.len(), rest);
            shown(archive);
        }
    }
}
