//! What is known about an API besides its messages: versions, flexible versions, header versions.

use std::fmt;

use crate::frame::{CHARGE_BASE, frame_charge};
use crate::messages::ApiKey;

/// An inclusive range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The first.
    pub min: i16,
    /// The last.
    pub max: i16,
}

impl VersionRange {
    /// Whether `version` is one of these.
    #[must_use]
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// What the schema says about one API.
pub(crate) struct ApiSpec {
    pub(crate) name: &'static str,
    /// What ApiVersions names.
    pub(crate) advertised: VersionRange,
    /// What can be decoded and encoded.
    pub(crate) served: VersionRange,
    /// The first version with compact lengths and tagged fields.
    pub(crate) flexible_from: Option<i16>,
}

impl ApiKey {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Kafka's name, as in `Produce`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// The versions that a full broker advertises in ApiVersions. They are those of
    /// [`ApiKey::served_versions`], but for Produce: librdkafka looks for version 0 there before it uses
    /// any modern one (KAFKA-18659), so that Kafka names 0 and refuses everything below 3.
    #[must_use]
    pub const fn valid_versions(self) -> VersionRange {
        self.spec().advertised
    }

    /// The versions whose messages can be decoded and encoded.
    #[must_use]
    pub const fn served_versions(self) -> VersionRange {
        self.spec().served
    }

    /// The first version with compact lengths and tagged fields (KIP-482), if there is one.
    #[must_use]
    pub const fn flexible_from(self) -> Option<i16> {
        self.spec().flexible_from
    }

    /// Whether a version, served or not, has compact lengths and tagged fields.
    #[must_use]
    pub const fn is_flexible(self, version: i16) -> bool {
        match self.spec().flexible_from {
            Some(from) => version >= from,
            None => false,
        }
    }

    /// The version of the header before a request of this version, served or not: 2 with tagged fields,
    /// 1 without.
    #[must_use]
    pub const fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the header before a response of this version: 1 with tagged fields, 0 without. That
    /// of ApiVersions is always 0: the client cannot know yet what the broker speaks (KIP-511).
    #[must_use]
    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            Self::ApiVersions => 0,
            _ if self.is_flexible(version) => 1,
            _ => 0,
        }
    }

    /// As [`frame_charge`], for a frame that starts with this key. Almost all of a produce request is
    /// records, which are not copied: a partition with one batch takes at least 67 bytes of the frame and
    /// about 150 of memory, so three times the frame covers every request that is not made of empty
    /// partitions.
    #[must_use]
    pub const fn frame_charge(self, frame_length: usize) -> usize {
        match self {
            Self::Produce => frame_length.saturating_mul(3).saturating_add(CHARGE_BASE),
            _ => frame_charge(frame_length),
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Gives back the number of an API that does not exist, or is not served on a broker's listener.
impl TryFrom<i16> for ApiKey {
    type Error = i16;

    fn try_from(code: i16) -> Result<Self, i16> {
        Self::from_code(code).ok_or(code)
    }
}
