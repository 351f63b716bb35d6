//! A shard's leadership number.

use std::fmt;

/// Raised by each fence; the Kafka leader epoch of the shard's partitions. Epoch 0 is "before the
/// first fence": nobody writes in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// Before the first fence.
    pub const NONE: Self = Self(0);

    /// The epoch that the next fence names.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// As Kafka's signed leader epoch. Epochs stay far below `i32::MAX`: one per takeover.
    pub const fn as_leader_epoch(self) -> i32 {
        self.0.cast_signed()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
