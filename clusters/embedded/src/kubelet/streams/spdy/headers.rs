//! Header blocks: pairs of names and values, compressed by one zlib stream (RFC 1950) for all blocks of a connection,
//! with a dictionary that both sides know (SPDY/3.1 §2.6.10.1).

use std::collections::HashMap;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

/// The window of deflate: a power of two, twice its longest distance.
const WINDOW: usize = 64 << 10;
/// The longest block, decompressed.
const LONGEST: usize = 64 << 10;
/// zlib's flag that a dictionary is used.
const DICTIONARY_FLAG: u8 = 0x20;

/// Begins our own zlib stream: deflate, 32 KiB window, no dictionary.
const ZLIB: &[u8] = &[0x78, 0x01];
/// A block without any pair, stored, not compressed (RFC 1951 §3.2.4), and not the last: kind, 4 and its complement, the
/// count 0. The empty stored block after it flushes it: readers wait for that.
const NO_PAIRS: &[u8] = &[0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// A block without any pair; the first of a connection begins the zlib stream.
pub(super) fn none(first: bool) -> Vec<u8> {
    if first { [ZLIB, NO_PAIRS].concat() } else { NO_PAIRS.to_vec() }
}

/// Names of the dictionary, each with its length before it.
const NAMES: &[&str] = &[
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
];
/// The rest of the dictionary.
const WORDS: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 \
    Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not \
    Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov \
    Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,\
    application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,\
    utf-,*,enq=0.";

fn dictionary() -> Vec<u8> {
    let mut bytes = Vec::new();
    for name in NAMES {
        bytes.extend(u32::try_from(name.len()).unwrap_or_default().to_be_bytes());
        bytes.extend(name.as_bytes());
    }
    bytes.extend(WORDS.as_bytes());
    bytes
}

/// Decompresses the blocks of one connection, in their order.
#[derive(Default)]
pub(super) struct Inflater(Option<State>);

struct State {
    inflate: Box<DecompressorOxide>,
    window: Vec<u8>,
    at: usize,
}

impl Inflater {
    /// The pairs of the next block; names in lower case. `None`: the bytes are no such block.
    pub(super) fn headers(&mut self, block: &[u8]) -> Option<HashMap<String, String>> {
        let (state, rest) = match &mut self.0 {
            Some(state) => (state, block),
            None => {
                let (&[_, flags], rest) = block.split_first_chunk::<2>()?;
                let skip = if flags & DICTIONARY_FLAG == 0 { 0 } else { 4 };
                (self.0.insert(State::new()), rest.get(skip..)?)
            }
        };
        pairs(&state.inflate(rest)?)
    }
}

impl State {
    fn new() -> Self {
        let mut window = dictionary();
        let at = window.len();
        window.resize(WINDOW, 0);
        Self { inflate: Box::default(), window, at }
    }

    fn inflate(&mut self, mut input: &[u8]) -> Option<Vec<u8>> {
        let mut output = Vec::new();
        loop {
            let flags = inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
            let (status, read, wrote) = decompress(&mut self.inflate, input, &mut self.window, self.at, flags);
            output.extend_from_slice(self.window.get(self.at..self.at + wrote)?);
            self.at = (self.at + wrote) % WINDOW;
            input = input.get(read..)?;
            match status {
                TINFLStatus::HasMoreOutput if output.len() < LONGEST => {}
                TINFLStatus::NeedsMoreInput if input.is_empty() => return Some(output),
                _ => return None,
            }
        }
    }
}

fn pairs(block: &[u8]) -> Option<HashMap<String, String>> {
    let mut rest = block;
    let number = |rest: &mut &[u8]| {
        let (bytes, after) = rest.split_first_chunk::<4>()?;
        *rest = after;
        usize::try_from(u32::from_be_bytes(*bytes)).ok()
    };
    let count = number(&mut rest)?;
    let mut pairs = HashMap::new();
    for _ in 0..count {
        let mut text = || {
            let length = number(&mut rest)?;
            let (bytes, after) = rest.split_at_checked(length)?;
            rest = after;
            String::from_utf8(bytes.to_vec()).ok()
        };
        let (name, value) = (text()?, text()?);
        pairs.insert(name.to_lowercase(), value);
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1950 §2.2: the checksum that names a dictionary.
    fn adler32(bytes: &[u8]) -> u32 {
        let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65521;
            (a, (b + a) % 65521)
        });
        (b << 16) | a
    }

    #[test]
    fn the_dictionary_is_the_one_that_clients_name() {
        assert_eq!(adler32(&dictionary()), 0xe3c6_a7c2);
    }

    #[test]
    fn stored_blocks_follow_each_other() {
        let mut inflater = Inflater::default();
        let first = [&[0x78, 0xbb, 0xe3, 0xc6, 0xa7, 0xc2], NO_PAIRS].concat();
        assert_eq!(inflater.headers(&first), Some(HashMap::new()));
        assert_eq!(inflater.headers(NO_PAIRS), Some(HashMap::new()));
        assert_eq!(inflater.headers(&[0xff; 16]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_headers_or_none(block in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Inflater::default().headers(&block);
        }
    }
}
