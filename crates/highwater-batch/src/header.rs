//! The 61-byte header of a record batch v2.
//!
//! ```text
//!  at size field                    covered by the CRC
//!   0    8 base offset              no
//!   8    4 length of what follows   no
//!  12    4 partition leader epoch   no
//!  16    1 magic (2)                no
//!  17    4 CRC32C                   no
//!  21    2 attributes               yes
//!  23    4 last offset delta        yes
//!  27    8 base timestamp           yes
//!  35    8 max timestamp            yes
//!  43    8 producer id              yes
//!  51    2 producer epoch           yes
//!  53    4 base sequence            yes
//!  57    4 record count             yes
//!  61      records                  yes
//! ```
//!
//! All integers are big-endian. Parsing reads these bytes only; records are neither touched nor
//! copied.

use crate::compression::Compression;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 61;
/// Bytes before what the length field counts: base offset and the length field itself.
pub const LENGTH_OVERHEAD_BYTES: usize = 12;
/// The only magic that is served.
pub const MAGIC: i8 = 2;
/// Kafka's "no producer id".
pub const NO_PRODUCER_ID: i64 = -1;
/// Kafka's "no producer epoch".
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// Kafka's "no sequence".
pub const NO_SEQUENCE: i32 = -1;
/// Kafka's "no timestamp".
pub const NO_TIMESTAMP: i64 = -1;

pub(crate) const LENGTH_AT: usize = 8;
pub(crate) const LEADER_EPOCH_AT: usize = 12;
pub(crate) const MAGIC_AT: usize = 16;
pub(crate) const CRC_AT: usize = 17;
pub(crate) const ATTRIBUTES_AT: usize = 21;
pub(crate) const MAX_TIMESTAMP_AT: usize = 35;
/// The least value of the length field.
const MIN_LENGTH: i32 = 49;

/// Why bytes are not the header of a batch that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Fewer bytes than the header, or than its length field announces.
    #[error("record batch is cut short: {have} bytes of {need}")]
    Truncated {
        /// Bytes at hand.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// Magic 0 or 1 (Kafka before 0.11), or a later one that does not exist.
    #[error("record batch has magic {0}, only 2 is supported")]
    UnsupportedMagic(i8),
    /// The length field is smaller than the header or larger than 2^31 - 1 - 12.
    #[error("record batch announces an impossible length of {0}")]
    Length(i32),
}

/// What the timestamps of a batch mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// Set by the producer, one per record.
    CreateTime,
    /// Set by the broker: the batch's max timestamp counts for all its records.
    LogAppendTime,
}

/// The attributes field: bits 0-2 codec, 3 timestamp type, 4 transactional, 5 control, 6 delete
/// horizon (KIP-534).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    const CODEC: i16 = 0x07;
    const LOG_APPEND_TIME: i16 = 0x08;
    const TRANSACTIONAL: i16 = 0x10;
    const CONTROL: i16 = 0x20;
    const DELETE_HORIZON: i16 = 0x40;

    /// The codec's number, 0-7; 5-7 are not assigned.
    pub const fn codec_id(self) -> u8 {
        (self.0 & Self::CODEC).to_be_bytes()[1]
    }

    /// The codec, or `None` for a number that is not assigned.
    pub const fn compression(self) -> Option<Compression> {
        Compression::from_id(self.codec_id())
    }

    /// What the timestamps mean.
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime }
    }

    /// Whether the records belong to a transaction.
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the records are control records (transaction markers), which consumers do not see.
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is a delete horizon, set by compaction.
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The same with another codec.
    #[must_use]
    pub const fn with_compression(self, compression: Compression) -> Self {
        Self((self.0 & !Self::CODEC) | compression.id() as i16)
    }

    /// The same with another timestamp type.
    #[must_use]
    pub const fn with_timestamp_type(self, kind: TimestampType) -> Self {
        self.with(Self::LOG_APPEND_TIME, matches!(kind, TimestampType::LogAppendTime))
    }

    /// The same with the transactional bit as given.
    #[must_use]
    pub const fn with_transactional(self, on: bool) -> Self {
        self.with(Self::TRANSACTIONAL, on)
    }

    /// The same with the control bit as given.
    #[must_use]
    pub const fn with_control(self, on: bool) -> Self {
        self.with(Self::CONTROL, on)
    }

    /// The same with the delete horizon bit as given.
    #[must_use]
    pub const fn with_delete_horizon(self, on: bool) -> Self {
        self.with(Self::DELETE_HORIZON, on)
    }

    const fn with(self, bit: i16, on: bool) -> Self {
        if on { Self(self.0 | bit) } else { Self(self.0 & !bit) }
    }
}

/// The header's fields, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; 0 as producers send it.
    pub base_offset: i64,
    /// Length field: bytes after it, so the batch has 12 more.
    pub length: i32,
    /// Leader epoch at the append.
    pub leader_epoch: i32,
    /// CRC32C of everything from the attributes on.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Offset of the last record, relative to the base offset.
    pub last_offset_delta: i32,
    /// Milliseconds since 1970 that the records' timestamps are relative to (the first record's, or
    /// the delete horizon).
    pub base_timestamp: i64,
    /// The largest timestamp of the records, or the broker's time with LogAppendTime; -1 for none.
    pub max_timestamp: i64,
    /// Idempotent or transactional producer, -1 for none.
    pub producer_id: i64,
    /// Its epoch, -1 for none.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 for none.
    pub base_sequence: i32,
    /// Number of records; compaction makes it smaller than the offset range.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads a header at the start of `bytes`, which may end before the batch does.
    ///
    /// # Errors
    /// [`HeaderError::Truncated`] with fewer than 61 bytes; `UnsupportedMagic` for any magic but 2
    /// (told from 17 bytes on, since older forms are shorter); `Length` when the length field
    /// cannot be true.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        if let Some(&magic) = bytes.get(MAGIC_AT)
            && magic.cast_signed() != MAGIC
        {
            return Err(HeaderError::UnsupportedMagic(magic.cast_signed()));
        }
        let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(HeaderError::Truncated { have: bytes.len(), need: HEADER_BYTES });
        };
        let header = Self::decode(head);
        check_length(header.length)?;
        Ok(header)
    }

    /// As [`BatchHeader::parse`], but the whole batch must be there (more may follow).
    ///
    /// # Errors
    /// As `parse`, and `Truncated` when `bytes` ends before the batch.
    pub fn parse_whole(bytes: &[u8]) -> Result<Self, HeaderError> {
        let header = Self::parse(bytes)?;
        let need = header.total_bytes();
        if bytes.len() < need {
            return Err(HeaderError::Truncated { have: bytes.len(), need });
        }
        Ok(header)
    }

    /// The fields of 61 bytes that are known to be a header.
    pub(crate) fn decode(head: &[u8; HEADER_BYTES]) -> Self {
        Self {
            base_offset: i64::from_be_bytes(field(head, 0)),
            length: i32::from_be_bytes(field(head, LENGTH_AT)),
            leader_epoch: i32::from_be_bytes(field(head, LEADER_EPOCH_AT)),
            crc: u32::from_be_bytes(field(head, CRC_AT)),
            attributes: Attributes(i16::from_be_bytes(field(head, ATTRIBUTES_AT))),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: i64::from_be_bytes(field(head, 27)),
            max_timestamp: i64::from_be_bytes(field(head, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(head, 43)),
            producer_epoch: i16::from_be_bytes(field(head, 51)),
            base_sequence: i32::from_be_bytes(field(head, 53)),
            record_count: i32::from_be_bytes(field(head, 57)),
        }
    }

    /// The 61 bytes of these fields.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut head = [0; HEADER_BYTES];
        put(&mut head, 0, self.base_offset.to_be_bytes());
        put(&mut head, LENGTH_AT, self.length.to_be_bytes());
        put(&mut head, LEADER_EPOCH_AT, self.leader_epoch.to_be_bytes());
        put(&mut head, MAGIC_AT, MAGIC.to_be_bytes());
        put(&mut head, CRC_AT, self.crc.to_be_bytes());
        put(&mut head, ATTRIBUTES_AT, self.attributes.0.to_be_bytes());
        put(&mut head, 23, self.last_offset_delta.to_be_bytes());
        put(&mut head, 27, self.base_timestamp.to_be_bytes());
        put(&mut head, MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        put(&mut head, 43, self.producer_id.to_be_bytes());
        put(&mut head, 51, self.producer_epoch.to_be_bytes());
        put(&mut head, 53, self.base_sequence.to_be_bytes());
        put(&mut head, 57, self.record_count.to_be_bytes());
        head
    }

    /// Bytes of the whole batch, header included; at least 61.
    pub fn total_bytes(&self) -> usize {
        usize::try_from(self.length).unwrap_or(0).saturating_add(LENGTH_OVERHEAD_BYTES)
    }

    /// Offset of the last record.
    pub const fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(self.last_offset_delta as i64)
    }

    /// Offset after the last record.
    pub const fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Whether an idempotent or transactional producer wrote the batch.
    pub const fn has_producer(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    /// Sequence of the last record; after 2^31 - 1 comes 0. -1 without a sequence.
    pub const fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return NO_SEQUENCE;
        }
        advance_sequence(self.base_sequence, self.last_offset_delta)
    }

    /// The timestamp to answer for the batch's first record.
    pub const fn first_timestamp(&self) -> i64 {
        match self.attributes.timestamp_type() {
            TimestampType::CreateTime => self.base_timestamp,
            TimestampType::LogAppendTime => self.max_timestamp,
        }
    }
}

/// The sequence `by` (0 and up) records after `sequence`; after 2^31 - 1 comes 0 (KIP-98).
pub const fn advance_sequence(sequence: i32, by: i32) -> i32 {
    sequence.wrapping_add(by) & i32::MAX
}

/// Whether a length field can be true.
pub(crate) const fn check_length(length: i32) -> Result<(), HeaderError> {
    if length < MIN_LENGTH || length > i32::MAX - 12 { Err(HeaderError::Length(length)) } else { Ok(()) }
}

pub(crate) fn field<const N: usize>(head: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}

pub(crate) fn put<const N: usize>(head: &mut [u8; HEADER_BYTES], at: usize, bytes: [u8; N]) {
    head[at..at + N].copy_from_slice(&bytes);
}
