//! From bytes to text: unpacking, with a bound on what comes out.

use std::borrow::Cow;
use std::io::{self, Read};

use super::ManifestError;

/// The most text that is taken, in MiB. Upstream's largest rendered platform has 10.
const LIMIT_MIB: usize = 128;
const LIMIT: u64 = (LIMIT_MIB as u64) << 20;

/// RFC 1952, section 2.3.1.
pub(super) const GZIP: &[u8] = &[0x1f, 0x8b];
/// The .xz file format, section 2.1.1.1.
pub(super) const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0x00];

/// All of standard input, a little more than the limit at most.
pub(super) fn stdin() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a file.
pub(super) fn text<'a>(source_name: &str, bytes: &'a [u8]) -> Result<Cow<'a, str>, ManifestError> {
    let unpacked = if bytes.starts_with(GZIP) {
        unpack(source_name, flate2::read::MultiGzDecoder::new(bytes))?.into()
    } else if bytes.starts_with(XZ) {
        unpack(source_name, lzma_rust2::XzReader::new(bytes, true))?.into()
    } else {
        Cow::Borrowed(bytes)
    };
    if unpacked.len() as u64 > LIMIT {
        return Err(ManifestError::TooLarge { source_name: source_name.to_owned(), limit: LIMIT_MIB });
    }
    let not_text = |valid: usize, bytes: &[u8]| ManifestError::NotText {
        source_name: source_name.to_owned(),
        line: 1 + bytes[..valid].iter().filter(|byte| **byte == b'\n').count(),
    };
    match unpacked {
        Cow::Borrowed(bytes) => {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| not_text(error.valid_up_to(), bytes))
        }
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|error| not_text(error.utf8_error().valid_up_to(), error.as_bytes())),
    }
}

fn unpack(source_name: &str, reader: impl Read) -> Result<Vec<u8>, ManifestError> {
    let mut text = Vec::new();
    reader
        .take(LIMIT + 1)
        .read_to_end(&mut text)
        .map_err(|error| ManifestError::Damaged { source_name: source_name.to_owned(), reason: error.to_string() })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).expect("to memory");
        encoder.finish().expect("to memory")
    }

    fn xz(text: &[u8]) -> Vec<u8> {
        let mut encoder =
            lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).expect("to memory");
        encoder.write_all(text).expect("to memory");
        encoder.finish().expect("to memory")
    }

    #[test]
    fn the_first_bytes_tell_how_a_file_is_packed() {
        for packed in [b"a: \xc3\xa4\n".to_vec(), gzip(b"a: \xc3\xa4\n"), xz(b"a: \xc3\xa4\n")] {
            assert_eq!(text("x", &packed).expect("readable"), "a: ä\n");
        }
    }

    #[test]
    fn a_truncated_archive_is_an_error_at_every_length() {
        let long = "kind: ConfigMap\n".repeat(64);
        for whole in [gzip(long.as_bytes()), xz(long.as_bytes())] {
            for cut in 8..whole.len() - 1 {
                assert!(matches!(text("x", &whole[..cut]), Err(ManifestError::Damaged { .. })), "{cut}");
            }
        }
    }

    #[test]
    fn a_decompression_bomb_is_refused() {
        let bomb = gzip(&vec![b' '; usize::try_from(LIMIT).expect("64 bit") + 1]);
        assert!(bomb.len() < 1 << 20);
        assert!(matches!(text("x", &bomb), Err(ManifestError::TooLarge { limit: LIMIT_MIB, .. })));
    }

    #[test]
    fn bytes_that_are_no_text_are_named_by_line() {
        assert!(matches!(text("x", b"a: 1\nb: \xff\n"), Err(ManifestError::NotText { line: 2, .. })));
        assert!(matches!(text("x", &gzip(b"\n\n\xff")), Err(ManifestError::NotText { line: 3, .. })));
    }
}
