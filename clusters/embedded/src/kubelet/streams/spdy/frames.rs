//! The frames of SPDY/3.1 (<https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/>, §2).

use tokio::io::{AsyncRead, AsyncReadExt};

const VERSION: u16 = 3;
const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GOAWAY: u16 = 7;
const HEADERS: u16 = 8;
const FIN: u8 = 1;
/// RST_STREAM's status REFUSED_STREAM.
const REFUSED: u32 = 3;
/// The longest frame that is read.
const LONGEST: usize = 1 << 20;

/// A frame from the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A new stream and its compressed headers.
    SynStream { stream: u32, block: Vec<u8> },
    /// Further compressed headers.
    Headers { block: Vec<u8> },
    /// Bytes of a stream, and whether they are its last.
    Data { stream: u32, bytes: Vec<u8>, last: bool },
    /// A stream is broken off.
    Reset { stream: u32 },
    /// To be sent back.
    Ping { id: u32 },
    /// The client leaves.
    GoAway,
    /// What has no meaning here: settings, window updates.
    Other,
}

/// Reads one frame.
///
/// # Errors
/// The connection ended, or what came is no frame of SPDY/3.
pub(super) async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> std::io::Result<Frame> {
    let mut head = [0; 8];
    reader.read_exact(&mut head).await?;
    let [a, b, c, d, flags, lengths @ ..] = head;
    let length = lengths.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte));
    let invalid = |what: &'static str| std::io::Error::new(std::io::ErrorKind::InvalidData, what);
    if length > LONGEST {
        return Err(invalid("a frame that is too long"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    if a & 0x80 == 0 {
        return Ok(Frame::Data { stream: u32::from_be_bytes([a, b, c, d]), bytes: body, last: flags & FIN != 0 });
    }
    if u16::from_be_bytes([a & 0x7f, b]) != VERSION {
        return Err(invalid("not SPDY/3"));
    }
    let short = || invalid("a frame that is too short");
    let first = || {
        let number = body.first_chunk::<4>().ok_or_else(short)?;
        Ok::<u32, std::io::Error>(u32::from_be_bytes(*number) & 0x7fff_ffff)
    };
    let rest = |from: usize| body.get(from..).map(<[u8]>::to_vec).ok_or_else(short);
    Ok(match u16::from_be_bytes([c, d]) {
        SYN_STREAM => Frame::SynStream { stream: first()?, block: rest(10)? },
        HEADERS | SYN_REPLY => Frame::Headers { block: rest(4)? },
        RST_STREAM => Frame::Reset { stream: first()? },
        PING => Frame::Ping { id: first()? },
        GOAWAY => Frame::GoAway,
        _ => Frame::Other,
    })
}

fn control(kind: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = (VERSION | 0x8000).to_be_bytes().to_vec();
    frame.extend(kind.to_be_bytes());
    frame.extend(u32::try_from(body.len()).unwrap_or_default().to_be_bytes());
    frame.extend(body);
    frame
}

/// Accepts a stream, without headers of our own; `first`: it is the first reply of the connection.
pub(super) fn syn_reply(stream: u32, first: bool) -> Vec<u8> {
    control(SYN_REPLY, &[stream.to_be_bytes().as_slice(), &super::headers::none(first)].concat())
}

/// Refuses a stream.
pub(super) fn reset(stream: u32) -> Vec<u8> {
    control(RST_STREAM, &[stream.to_be_bytes(), REFUSED.to_be_bytes()].concat())
}

/// Answers a ping.
pub(super) fn ping(id: u32) -> Vec<u8> {
    control(PING, &id.to_be_bytes())
}

/// Bytes of a stream (less than 16 MiB).
pub(super) fn data(stream: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    let [_, lengths @ ..] = u32::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
    let mut frame = stream.to_be_bytes().to_vec();
    frame.push(if last { FIN } else { 0 });
    frame.extend(lengths);
    frame.extend(bytes);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    async fn frame(mut bytes: &[u8]) -> std::io::Result<Frame> {
        read(&mut bytes).await
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let wrote = data(3, b"abc", true);
        assert_eq!(frame(&wrote).await.unwrap(), Frame::Data { stream: 3, bytes: b"abc".to_vec(), last: true });
        assert_eq!(frame(&ping(7)).await.unwrap(), Frame::Ping { id: 7 });
        assert_eq!(frame(&reset(5)).await.unwrap(), Frame::Reset { stream: 5 });
        assert!(frame(&[0x80, 2, 0, 1, 0, 0, 0, 0]).await.is_err());
        assert!(frame(&[0x80, 3, 0, 1, 0, 0, 0, 2, 0, 0]).await.is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            // A slice is always ready, so this is never pending.
            prop_assert!(futures::FutureExt::now_or_never(frame(&bytes)).is_some());
        }
    }
}
