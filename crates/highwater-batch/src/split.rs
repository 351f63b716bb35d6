//! The batches of a records field, one after another, without copies.

use bytes::Bytes;

use crate::header::{
    BatchHeader, HEADER_BYTES, HeaderError, LENGTH_AT, LENGTH_OVERHEAD_BYTES, MAGIC, MAGIC_AT, check_length,
};
use crate::validate::InvalidBatch;

/// Iterates over whole batches; ends after the first error.
///
/// A cut batch at the end, which is normal in what a Fetch answers, is the error
/// [`HeaderError::Truncated`].
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// Over a records field, or anything else that is whole batches in a row.
    pub const fn new(records: Bytes) -> Self {
        Self { rest: records }
    }

    /// What has not been given yet.
    pub const fn rest(&self) -> &Bytes {
        &self.rest
    }
}

impl Iterator for Batches {
    type Item = Result<(BatchHeader, Bytes), HeaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match BatchHeader::parse_whole(&self.rest) {
            Ok(header) => Some(Ok((header, self.rest.split_to(header.total_bytes())))),
            Err(error) => {
                self.rest = Bytes::new();
                Some(Err(error))
            }
        }
    }
}

/// The one batch of a Produce request's records field (version 3 and up), by the rules of Kafka 4's
/// `ProduceRequest.validateRecords` and `LogValidator`: at least one batch, of magic 2, and not two.
/// Nothing else of the batch is checked; see [`crate::validate()`].
///
/// Where Kafka drops a cut second batch without a word, this refuses it.
///
/// # Errors
/// [`InvalidBatch::Record`] for none, several, or bytes left over; `Magic` for older batches;
/// `Corrupt` for a length that cannot be true.
pub fn single_batch(records: &Bytes) -> Result<(BatchHeader, Bytes), InvalidBatch> {
    if records.len() <= MAGIC_AT {
        return Err(InvalidBatch::Record("a produce request must have at least one record batch per partition".into()));
    }
    let magic = records[MAGIC_AT].cast_signed();
    if magic != MAGIC {
        return Err(InvalidBatch::Magic(magic));
    }
    let mut length = [0; 4];
    length.copy_from_slice(&records[LENGTH_AT..LENGTH_OVERHEAD_BYTES]);
    let length = i32::from_be_bytes(length);
    check_length(length).map_err(|_| InvalidBatch::Corrupt(format!("record batch length {length} is impossible")))?;
    let header = match BatchHeader::parse_whole(records) {
        Ok(header) => header,
        Err(HeaderError::Truncated { have, need }) => {
            return Err(InvalidBatch::Record(format!(
                "the record batch is cut short: {have} bytes of {}",
                need.max(HEADER_BYTES)
            )));
        }
        Err(error) => return Err(InvalidBatch::Corrupt(error.to_string())),
    };
    let total = header.total_bytes();
    if records.len() > total {
        return Err(InvalidBatch::Record(format!(
            "a produce request may contain exactly one record batch per partition, {} bytes follow the first",
            records.len() - total
        )));
    }
    Ok((header, records.clone()))
}
