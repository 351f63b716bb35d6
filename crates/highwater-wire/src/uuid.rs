//! The protocol's 16-byte identifier.

use std::fmt;

use highwater_types::TopicId;

/// 16 bytes, most significant first; all zero says "none".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// All zero.
    pub const ZERO: Self = Self([0; 16]);

    /// Whether it says "none".
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl From<TopicId> for Uuid {
    fn from(id: TopicId) -> Self {
        Self(*id.as_bytes())
    }
}

impl From<Uuid> for TopicId {
    fn from(id: Uuid) -> Self {
        Self::from_bytes(id.0)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        TopicId::from(*self).fmt(f)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
