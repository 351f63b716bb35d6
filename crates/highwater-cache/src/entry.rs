//! Keys and blocks as they lie on disk. Lengths are bounded: files may hold anything after a crash.

use std::io::{Read, Write};

use bytes::Bytes;
use foyer::{Code, Error, Result};
use highwater_log::{BlockKey, SegmentId};
use highwater_store::Etag;
use highwater_types::{Epoch, ShardId};

/// Longer than any store's.
const LONGEST_ETAG: usize = 1 << 10;

/// Where others have the epoch of a compaction: nobody leads in this one.
const FLUSHED: u32 = 0;

/// A block's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyOnDisk(pub BlockKey);

/// A block's bytes.
#[derive(Clone, Debug)]
pub struct BlockOnDisk(pub Bytes);

impl Code for KeyOnDisk {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        let key = &self.0;
        key.shard.0.encode(writer)?;
        let (epoch, number) = match key.segment {
            SegmentId::Flushed(number) => (FLUSHED, number),
            SegmentId::Compacted { epoch, id } => (epoch.0, id),
        };
        epoch.encode(writer)?;
        number.encode(writer)?;
        key.start.encode(writer)?;
        put(key.etag.as_str().as_bytes(), writer)
    }

    fn decode(reader: &mut impl Read) -> Result<Self> {
        let (shard, epoch) = (u32::decode(reader)?, u32::decode(reader)?);
        let (number, start) = (u64::decode(reader)?, u64::decode(reader)?);
        let segment = match epoch {
            FLUSHED => SegmentId::Flushed(number),
            epoch => SegmentId::Compacted { epoch: Epoch(epoch), id: number },
        };
        let etag = String::from_utf8(take(reader, LONGEST_ETAG)?).map_err(|_| malformed("an e-tag that is no text"))?;
        Ok(Self(BlockKey { shard: ShardId(shard), segment, start, etag: Etag::from(etag.as_str()) }))
    }

    fn estimated_size(&self) -> usize {
        3 * size_of::<u32>() + 2 * size_of::<u64>() + self.0.etag.as_str().len()
    }
}

impl Code for BlockOnDisk {
    fn encode(&self, writer: &mut impl Write) -> Result<()> {
        put(&self.0, writer)
    }

    fn decode(reader: &mut impl Read) -> Result<Self> {
        take(reader, super::LONGEST_BLOCK).map(|bytes| Self(Bytes::from(bytes)))
    }

    fn estimated_size(&self) -> usize {
        size_of::<u32>() + self.0.len()
    }
}

fn put(bytes: &[u8], writer: &mut impl Write) -> Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| malformed("longer than can be written"))?;
    length.encode(writer)?;
    writer.write_all(bytes).map_err(Error::io_error)
}

fn take(reader: &mut impl Read, longest: usize) -> Result<Vec<u8>> {
    let length = u32::decode(reader)? as usize;
    if length > longest {
        return Err(malformed("a length beyond what is ever written"));
    }
    let mut bytes = Vec::with_capacity(length);
    let read = reader.take(length as u64).read_to_end(&mut bytes).map_err(Error::io_error)?;
    if read < length {
        return Err(malformed("shorter than it says"));
    }
    Ok(bytes)
}

fn malformed(what: &'static str) -> Error {
    Error::io_error(std::io::Error::new(std::io::ErrorKind::InvalidData, what))
}
