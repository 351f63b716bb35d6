//! Bytes of a segment against its index: nothing is taken on trust.

use std::ops::Range;

use bytes::Bytes;
use highwater_batch::{BatchHeader, StoredBatch};

use crate::segment::footer::{Footer, Tail};
use crate::segment::summary::Summary;
use crate::segment::{Extent, SegmentError};

/// Checks a whole segment: trailer, footer, the CRC of every batch, and that index, offsets, epochs
/// and timestamps are those of the batches.
///
/// # Errors
/// The first thing found wrong.
pub fn verify(segment: &Bytes) -> Result<Footer, SegmentError> {
    let footer = match Footer::from_tail(segment)? {
        Tail::Whole(footer) if footer.segment_bytes == segment.len() as u64 => footer,
        Tail::Whole(_) => return Err(SegmentError::Invalid("bytes before the segment")),
        Tail::NeedMore { .. } => return Err(SegmentError::Short),
    };
    for extent in &footer.extents {
        let bytes = slice(segment, &extent.bytes)?;
        let summary = summarise(&bytes, extent.bytes.start)?;
        let agrees = summary.index == extent.index
            && summary.epochs == extent.epochs
            && summary.first_offset == extent.first_offset
            && summary.last_offset == extent.last_offset
            && summary.max_timestamp == extent.max_timestamp;
        if !agrees {
            return Err(SegmentError::Invalid("index does not agree with the batches"));
        }
    }
    Ok(footer)
}

/// Checks part of an extent as it was read: `range` is of the segment and consists of whole strides
/// (as [`Extent::range_from`] gives), `bytes` are its bytes.
///
/// # Errors
/// The first thing found wrong; `Invalid` for a range that does not consist of whole strides.
pub fn verify_range(extent: &Extent, range: &Range<u64>, bytes: &Bytes) -> Result<(), SegmentError> {
    if range.end.checked_sub(range.start) != Some(bytes.len() as u64) {
        return Err(SegmentError::Short);
    }
    let position = range.start.checked_sub(extent.bytes.start).and_then(|at| u32::try_from(at).ok());
    let first = position.and_then(|at| extent.index.binary_search_by_key(&at, |stride| stride.position).ok());
    let (Some(position), Some(first)) = (position, first) else {
        return Err(SegmentError::Invalid("range does not start at a stride"));
    };
    let mut summary = summarise(bytes, range.start)?;
    for stride in &mut summary.index {
        stride.position = stride.position.saturating_add(position);
    }
    // The first stride answers from behind the batch before it, which is not among these bytes.
    if let (Some(found), Some(stride)) = (summary.index.first_mut(), extent.index.get(first))
        && stride.first_offset <= found.first_offset
    {
        found.first_offset = stride.first_offset;
    }
    let strides = extent.index.get(first..first + summary.index.len());
    let ends = extent.stride_bytes((first + summary.index.len()).saturating_sub(1)).map(|last| last.end);
    if ends != Some(range.end) || strides != Some(summary.index.as_slice()) {
        return Err(SegmentError::Invalid("index does not agree with the batches"));
    }
    Ok(())
}

fn slice(segment: &Bytes, range: &Range<u64>) -> Result<Bytes, SegmentError> {
    let bounds = (usize::try_from(range.start), usize::try_from(range.end));
    let (Ok(start), Ok(end)) = bounds else {
        return Err(SegmentError::Short);
    };
    if start > end || end > segment.len() {
        return Err(SegmentError::Short);
    }
    Ok(segment.slice(start..end))
}

/// Walks batches back to back; `start` is where they lie in the segment, for the error.
fn summarise(bytes: &Bytes, start: u64) -> Result<Summary, SegmentError> {
    let mut summary = Summary::default();
    let mut at = 0;
    while at < bytes.len() {
        let wrong = |reason: String| SegmentError::Batch { position: start + at as u64, reason };
        let header = BatchHeader::parse_whole(&bytes[at..]).map_err(|error| wrong(error.to_string()))?;
        let end = at + header.total_bytes();
        let batch = StoredBatch::from_bytes(&bytes.slice(at..end)).map_err(|error| wrong(error.to_string()))?;
        if !batch.crc_is_right() {
            return Err(wrong("checksum does not match".to_owned()));
        }
        summary.push(&batch).map_err(|reason| wrong(reason.to_owned()))?;
        at = end;
    }
    Ok(summary)
}
