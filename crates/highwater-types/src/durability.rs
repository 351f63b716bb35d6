//! What an acknowledgement of acks=all waits for.

use std::fmt;
use std::str::FromStr;

/// The topic setting `highwater.durability`. A batch's durability, not the request's acks, decides
/// whether it goes to the local write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Acknowledged when the segment is in the bucket; never in a local write-ahead log.
    Object,
    /// Acknowledged when the leader and every in-sync standby have synced their write-ahead logs.
    Quorum,
    /// Acknowledged when the leader has synced its write-ahead log.
    Local,
}

impl Durability {
    /// As written in the topic's settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Quorum => "quorum",
            Self::Local => "local",
        }
    }

    /// Whether batches of this durability are written to the local write-ahead log.
    pub const fn uses_wal(self) -> bool {
        matches!(self, Self::Quorum | Self::Local)
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Durability {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "object" => Ok(Self::Object),
            "quorum" => Ok(Self::Quorum),
            "local" => Ok(Self::Local),
            _ => Err(()),
        }
    }
}
