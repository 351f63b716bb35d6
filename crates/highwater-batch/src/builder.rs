//! A batch from records: for coordinators, the command line and tests.

use bytes::{BufMut, Bytes, BytesMut};

use crate::compression::Compression;
use crate::header::{
    Attributes, BatchHeader, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType,
};
use crate::records::{RecordError, RecordHeader};
use crate::stored::StoredBatch;
use crate::varint;

/// Collects records and gives one batch with a right CRC. Offsets are dense from the base offset
/// (0 unless set) on.
pub struct BatchBuilder {
    compression: Compression,
    attributes: Attributes,
    base_offset: i64,
    leader_epoch: i32,
    producer: (i64, i16, i32),
    timestamps: Option<(i64, i64)>,
    records: BytesMut,
    count: i32,
}

impl BatchBuilder {
    /// An empty batch for records under `compression`.
    pub fn new(compression: Compression) -> Self {
        Self {
            compression,
            attributes: Attributes::default().with_compression(compression),
            base_offset: 0,
            leader_epoch: -1,
            producer: (NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE),
            timestamps: None,
            records: BytesMut::new(),
            count: 0,
        }
    }

    /// Sets the base offset and the leader epoch.
    #[must_use]
    pub const fn at(mut self, base_offset: i64, leader_epoch: i32) -> Self {
        self.base_offset = base_offset;
        self.leader_epoch = leader_epoch;
        self
    }

    /// Sets the producer: id, epoch, sequence of the first record.
    #[must_use]
    pub const fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    /// Marks the batch as part of a transaction.
    #[must_use]
    pub const fn transactional(mut self) -> Self {
        self.attributes = self.attributes.with_transactional(true);
        self
    }

    /// Marks the batch as control records.
    #[must_use]
    pub const fn control(mut self) -> Self {
        self.attributes = self.attributes.with_control(true);
        self
    }

    /// Marks the batch as LogAppendTime; its largest timestamp then counts for all its records.
    #[must_use]
    pub const fn log_append_time(mut self) -> Self {
        self.attributes = self.attributes.with_timestamp_type(TimestampType::LogAppendTime);
        self
    }

    /// Adds a record without headers. `timestamp`: milliseconds since 1970, or -1.
    ///
    /// # Errors
    /// As [`BatchBuilder::push_with_headers`].
    pub fn push(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<(), RecordError> {
        self.push_with_headers(timestamp, key, value, &[])
    }

    /// Adds a record. `timestamp`: milliseconds since 1970, or -1.
    ///
    /// # Errors
    /// [`RecordError::Malformed`] when a field is 2 GiB or longer, or the batch has 2^31 - 1
    /// records; the batch is then as before.
    pub fn push_with_headers(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader],
    ) -> Result<(), RecordError> {
        const TOO_LONG: RecordError = RecordError::Malformed("too long for a batch");
        let count = self.count.checked_add(1).ok_or(TOO_LONG)?;
        let (base, max) = self.timestamps.unwrap_or((timestamp, timestamp));
        let delta = timestamp.wrapping_sub(base);
        let header_count = i32::try_from(headers.len()).map_err(|_| TOO_LONG)?;
        let length = headers.iter().fold(
            1 + varint::len_i64(delta)
                + varint::len_i32(self.count)
                + field_bytes(key)
                + field_bytes(value)
                + varint::len_i32(header_count),
            |sum, header| sum + field_bytes(Some(&header.name)) + field_bytes(header.value.as_deref()),
        );
        let encoded = i32::try_from(length).map_err(|_| TOO_LONG)?;
        if length + self.records.len() > (i32::MAX / 2) as usize {
            return Err(TOO_LONG);
        }
        self.records.reserve(length + varint::len_i32(encoded));
        varint::put_i32(&mut self.records, encoded);
        self.records.put_i8(0);
        varint::put_i64(&mut self.records, delta);
        varint::put_i32(&mut self.records, self.count);
        put_field(&mut self.records, key);
        put_field(&mut self.records, value);
        varint::put_i32(&mut self.records, header_count);
        for header in headers {
            put_field(&mut self.records, Some(&header.name));
            put_field(&mut self.records, header.value.as_deref());
        }
        self.timestamps = Some((base, max.max(timestamp)));
        self.count = count;
        Ok(())
    }

    /// Records so far.
    pub const fn count(&self) -> i32 {
        self.count
    }

    /// Whether there is no record yet.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of the records so far, before compression.
    pub fn records_bytes(&self) -> usize {
        self.records.len()
    }

    /// The batch. Without records it has a last offset delta of -1 and a count of 0, which a log
    /// refuses.
    ///
    /// # Errors
    /// [`RecordError::Codec`] if the codec fails.
    pub fn finish(self) -> Result<StoredBatch, RecordError> {
        let body = match self.compression {
            Compression::None => self.records.freeze(),
            codec => Bytes::from(codec.compress(&self.records)?),
        };
        let (base_timestamp, max_timestamp) = self.timestamps.unwrap_or((NO_TIMESTAMP, NO_TIMESTAMP));
        let (producer_id, producer_epoch, base_sequence) = self.producer;
        let header = BatchHeader {
            base_offset: self.base_offset,
            length: 0,
            leader_epoch: self.leader_epoch,
            crc: 0,
            attributes: self.attributes,
            last_offset_delta: self.count - 1,
            base_timestamp,
            max_timestamp,
            producer_id,
            producer_epoch,
            base_sequence,
            record_count: self.count,
        };
        let mut batch = StoredBatch::from_parts(header, body);
        batch.seal();
        Ok(batch)
    }
}

fn field_bytes(field: Option<&[u8]>) -> usize {
    // Lengths beyond 31 bits are refused by the sum that this is part of.
    field.map_or(1, |bytes| varint::len_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX)) + bytes.len())
}

fn put_field(buffer: &mut BytesMut, field: Option<&[u8]>) {
    match field {
        None => varint::put_i32(buffer, -1),
        Some(bytes) => {
            varint::put_i32(buffer, i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            buffer.put_slice(bytes);
        }
    }
}
