//! `Records`: the record batches of a produce or fetch partition, as pieces that nobody joins.

use std::fmt;

use bytes::{Bytes, BytesMut};

/// Record batches as a list of pieces, whose concatenation is what goes over the wire.
///
/// Decoded, it is one slice of the frame. To encode, a patched batch header and the rest of the batch may
/// stay apart; [`crate::Encoder`] hands on the large pieces as they are.
#[derive(Clone)]
pub struct Records(Pieces);

#[derive(Clone)]
enum Pieces {
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Records {
    /// The number of bytes, over all pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.chunks().iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks().iter().all(Bytes::is_empty)
    }

    /// The pieces, in order.
    #[must_use]
    pub fn chunks(&self) -> &[Bytes] {
        match &self.0 {
            Pieces::One(bytes) => std::slice::from_ref(bytes),
            Pieces::Many(list) => list,
        }
    }

    /// All of it as one piece: free for decoded records, a copy for several pieces.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Pieces::One(bytes) => bytes,
            Pieces::Many(list) => {
                let mut joined = BytesMut::with_capacity(list.iter().map(Bytes::len).sum());
                for chunk in &list {
                    joined.extend_from_slice(chunk);
                }
                joined.freeze()
            }
        }
    }

    fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.chunks().iter().flat_map(|chunk| chunk.iter().copied())
    }
}

/// No bytes (which is not null).
impl Default for Records {
    fn default() -> Self {
        Self(Pieces::One(Bytes::new()))
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Self(Pieces::One(bytes))
    }
}

impl From<Vec<Bytes>> for Records {
    fn from(pieces: Vec<Bytes>) -> Self {
        Self(Pieces::Many(pieces))
    }
}

/// Equal bytes, however they are cut.
impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Pieces::One(one), Pieces::One(another)) => one == another,
            _ => self.len() == other.len() && self.bytes().eq(other.bytes()),
        }
    }
}

impl Eq for Records {}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Records({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_do_not_matter_to_equality() {
        let whole = Records::from(Bytes::from_static(b"abcd"));
        let cut = Records::from(vec![Bytes::from_static(b"ab"), Bytes::from_static(b"cd")]);
        assert_eq!(whole, cut);
        assert_eq!(cut.len(), 4);
        assert_eq!(cut.into_bytes(), whole.into_bytes());
        assert_ne!(Records::default(), Records::from(Bytes::from_static(b"x")));
    }
}
