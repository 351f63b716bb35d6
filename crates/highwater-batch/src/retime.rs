//! LogAppendTime: the broker's time in place of the producer's.

use crate::checksum;
use crate::header::{ATTRIBUTES_AT, Attributes, CRC_AT, MAX_TIMESTAMP_AT, TimestampType, field, put};
use crate::stored::StoredBatch;

impl StoredBatch {
    /// Marks the batch as LogAppendTime at `now_ms` (milliseconds since 1970): the timestamp type
    /// bit, the max timestamp and the CRC change, the records do not. The CRC is adjusted by what
    /// changed in the header, so a batch whose CRC was wrong keeps a wrong one.
    pub fn set_log_append_time(&mut self, now_ms: i64) {
        let attributes = Attributes(i16::from_be_bytes(field(&self.head, ATTRIBUTES_AT)))
            .with_timestamp_type(TimestampType::LogAppendTime);
        let old = self.head;
        put(&mut self.head, ATTRIBUTES_AT, attributes.0.to_be_bytes());
        put(&mut self.head, MAX_TIMESTAMP_AT, now_ms.to_be_bytes());
        let crc = checksum::replace_prefix(
            u32::from_be_bytes(field(&old, CRC_AT)),
            &old[ATTRIBUTES_AT..],
            &self.head[ATTRIBUTES_AT..],
            self.body.len(),
        );
        put(&mut self.head, CRC_AT, crc.to_be_bytes());
    }

    /// Sets the CRC for what header and records are now. Only for a batch made here: on one that
    /// came from outside it would hide damage.
    pub fn seal(&mut self) {
        let crc = self.computed_crc();
        put(&mut self.head, CRC_AT, crc.to_be_bytes());
    }
}
