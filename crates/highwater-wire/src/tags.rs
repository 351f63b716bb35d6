//! Tagged fields that this version of the schema does not know (KIP-482).

use bytes::Bytes;

/// The tagged fields of one struct that nobody here understands, in the order they came. They are kept, so
/// that a message which is decoded and encoded again loses nothing.
///
/// Almost always empty, and then it is one null pointer: a frame may hold very many small structs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::box_collection, reason = "8 bytes in every struct instead of 24")]
pub struct TaggedFields(Option<Box<Vec<(u32, Bytes)>>>);

impl TaggedFields {
    /// The fields: tag and content.
    #[must_use]
    pub fn as_slice(&self) -> &[(u32, Bytes)] {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Adds a field. To be encoded, the tags must ascend and not be those of known fields.
    pub fn push(&mut self, tag: u32, content: Bytes) {
        self.0.get_or_insert_default().push((tag, content));
    }

    /// Makes room, so that what is added next allocates no more than was charged.
    pub(crate) fn reserve_exact(&mut self, more: usize) {
        self.0.get_or_insert_default().reserve_exact(more);
    }
}
