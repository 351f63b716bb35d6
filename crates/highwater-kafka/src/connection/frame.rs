//! Reading frames from a socket: a length (4 bytes, big-endian), then the request.
//!
//! What comes with the length prefix is read ahead into a small buffer; the rest of a frame goes
//! straight from the socket into a buffer of its exact size, so that records in it can be shared
//! and not copied, and nothing of the next frame is in it.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that are read together with a length prefix; requests without records mostly fit, so
/// that they take one system call.
const READ_AHEAD_BYTES: usize = 1024;
/// Bytes of a length prefix.
const PREFIX_BYTES: usize = 4;
/// Bytes of a request's API key, which tells what its decoding may cost.
const KEY_BYTES: usize = 2;
/// The shortest request: API key, version, correlation id.
const LEAST_REQUEST_BYTES: usize = 8;

/// Why no frame comes.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer closed between two frames.
    #[error("closed by the peer")]
    Closed,
    /// The peer closed inside a frame.
    #[error("closed by the peer in the middle of a request")]
    Cut,
    /// A length that is not positive or above the limit. TLS or HTTP at this port looks so, too.
    #[error("invalid request size {got}, expected 8 to {limit} bytes; is the peer a Kafka client without TLS?")]
    Length {
        /// The length as read.
        got: i32,
        /// `socket.request.max.bytes`.
        limit: usize,
    },
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What is known of a request before its body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Bytes of the frame without its length prefix.
    pub length: usize,
    /// The API key that it starts with.
    pub key: i16,
}

/// Reads frames from `input`.
pub struct FrameReader<R> {
    input: R,
    ahead: Box<[u8; READ_AHEAD_BYTES]>,
    start: usize,
    end: usize,
    limit: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// `limit`: the largest frame in bytes.
    pub fn new(input: R, limit: usize) -> Self {
        Self { input, ahead: Box::new([0; READ_AHEAD_BYTES]), start: 0, end: 0, limit }
    }

    /// Waits for the start of the next frame. May be cancelled without loss.
    ///
    /// # Errors
    /// [`FrameError`]; the connection cannot be used further.
    pub async fn announced(&mut self) -> Result<Announced, FrameError> {
        self.read_ahead(PREFIX_BYTES).await?;
        let got = i32::from_be_bytes(self.peek(0));
        let length = match usize::try_from(got) {
            Ok(length) if (LEAST_REQUEST_BYTES..=self.limit).contains(&length) => length,
            _ => {
                return Err(FrameError::Length { got, limit: self.limit });
            }
        };
        self.read_ahead(PREFIX_BYTES + KEY_BYTES).await?;
        Ok(Announced { length, key: i16::from_be_bytes(self.peek(PREFIX_BYTES)) })
    }

    /// Reads until at least `count` bytes are ahead.
    async fn read_ahead(&mut self, count: usize) -> Result<(), FrameError> {
        while self.end - self.start < count {
            if self.start > 0 {
                self.ahead.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            let read = self.input.read(&mut self.ahead[self.end..]).await?;
            if read == 0 {
                return Err(if self.end == self.start { FrameError::Closed } else { FrameError::Cut });
            }
            self.end += read;
        }
        Ok(())
    }

    fn peek<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.ahead[self.start + at..self.start + at + N]);
        bytes
    }

    /// The body if it was read ahead in full, after [`FrameReader::announced`].
    pub fn body_at_hand(&mut self, length: usize) -> Option<Bytes> {
        let from = self.start + PREFIX_BYTES;
        let body = self.ahead.get(from..from + length).filter(|_| from + length <= self.end)?;
        let body = Bytes::copy_from_slice(body);
        self.start = from + length;
        Some(body)
    }

    /// The body of the frame that [`FrameReader::announced`] told of. Not to be cancelled, unless
    /// the connection is given up.
    ///
    /// # Errors
    /// [`FrameError::Cut`] or `Io`.
    pub async fn body(&mut self, length: usize) -> Result<Bytes, FrameError> {
        if let Some(body) = self.body_at_hand(length) {
            return Ok(body);
        }
        let mut body = BytesMut::with_capacity(length);
        body.put_slice(&self.ahead[self.start + PREFIX_BYTES..self.end]);
        self.start = 0;
        self.end = 0;
        while body.len() < length {
            let missing = length - body.len();
            if self.input.read_buf(&mut (&mut body).limit(missing)).await? == 0 {
                return Err(FrameError::Cut);
            }
        }
        Ok(body.freeze())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn framed(bodies: &[Vec<u8>]) -> Vec<u8> {
        let frame = |body: &Vec<u8>| [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat();
        bodies.iter().flat_map(frame).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        /// However the stream is cut into writes, the frames come out as they went in.
        #[test]
        fn frames_survive_any_segmentation(
            sizes in proptest::collection::vec(prop_oneof![8..40usize, 1000..1100usize, 8..20_000usize], 1..8),
            pieces in proptest::collection::vec(1..5000usize, 1..20),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let bodies: Vec<Vec<u8>> =
                sizes.iter().enumerate().map(|(index, size)| vec![index as u8; *size]).collect();
            let got = runtime.block_on(async {
                let (mut ours, theirs) = tokio::io::duplex(4096);
                let bytes = framed(&bodies);
                let write = async move {
                    let mut rest = &bytes[..];
                    for piece in pieces.iter().cycle() {
                        let (now, later) = rest.split_at((*piece).min(rest.len()));
                        ours.write_all(now).await.unwrap();
                        rest = later;
                        if rest.is_empty() {
                            break;
                        }
                    }
                };
                let read = async {
                    let mut reader = FrameReader::new(theirs, 1 << 20);
                    let mut got = Vec::new();
                    loop {
                        match reader.announced().await {
                            Ok(next) => got.push(reader.body(next.length).await.unwrap().to_vec()),
                            Err(FrameError::Closed) => return got,
                            Err(error) => panic!("{error}"),
                        }
                    }
                };
                futures::join!(write, read).1
            });
            prop_assert_eq!(got, bodies);
        }
    }

    #[tokio::test]
    async fn lengths_that_lie_are_refused_before_memory_is_taken() {
        for (bytes, expected) in [
            (&[0xff, 0xff, 0xff, 0xff][..], -1),
            (&[0, 0, 0, 0], 0),
            (&[0, 0, 0, 7], 7),
            (&[0x7f, 0xff, 0xff, 0xff], i32::MAX),
            (b"GET / HTTP/1.1", 0x4745_5420),
            (&[0x16, 3, 1, 2, 0], 0x1603_0102),
        ] {
            let mut reader = FrameReader::new(bytes, 1000);
            assert!(matches!(reader.announced().await, Err(FrameError::Length { got, .. }) if got == expected));
        }
        assert!(matches!(FrameReader::new(&[0, 0][..], 10).announced().await, Err(FrameError::Cut)));
        assert!(matches!(FrameReader::new(&[0, 0, 0, 9, 1][..], 10).announced().await, Err(FrameError::Cut)));
        assert!(matches!(FrameReader::new(&[][..], 10).announced().await, Err(FrameError::Closed)));
        let mut reader = FrameReader::new(&[0, 0, 0, 9, 1, 2][..], 10);
        assert_eq!(reader.announced().await.unwrap(), Announced { length: 9, key: 0x0102 });
        assert!(matches!(reader.body(9).await, Err(FrameError::Cut)));
    }
}
