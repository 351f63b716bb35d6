//! Kafka record batch v2 (KIP-98, magic 2): the form in which records travel, are stored and are
//! served again. No I/O, no clock.
//!
//! - [`header`]: the 61-byte header. - [`checksum`]: CRC32C of a batch, whole or in chunks.
//! - [`split`]: the batches of a records field. - [`validate`]: what a produced batch must keep,
//!   without opening it. - [`stored`]: a batch with its offset assigned, its records not copied.
//! - [`retime`]: LogAppendTime. - [`compression`]: the codecs, bounded. - [`varint`]: integers of
//!   records. - [`records`]: the records inside. - [`recompress`]: another codec, the same records.
//! - [`builder`]: a batch from records.

pub mod builder;
pub mod checksum;
pub mod compression;
pub mod header;
pub mod recompress;
pub mod records;
pub mod retime;
pub mod split;
pub mod stored;
pub mod validate;
pub mod varint;

#[cfg(test)]
mod tests;

pub use builder::BatchBuilder;
pub use compression::{Compression, Expansion};
pub use header::{Attributes, BatchHeader, HEADER_BYTES, HeaderError, TimestampType};
pub use records::{Record, RecordError, RecordHeader, Records};
pub use split::{Batches, single_batch};
pub use stored::StoredBatch;
pub use validate::{BatchLimits, InvalidBatch, Source, TimestampBounds, validate};
