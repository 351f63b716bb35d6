//! Headers read back, and the references that are made of them.

use bytes::Bytes;
use highwater_format::entry::{EntryHeader, EntryKind, ReadEntry};
use highwater_store::{BucketTime, Etag, Read, StoreError, StoreErrorKind};
use highwater_types::{Epoch, Incarnation};

use crate::error::{SharedError, TakeOverError, WalkError};
use crate::machine::{Corruption, Kind, Seen};

/// A committed data entry: enough to read its payload, and to be sure that it is the same object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRef {
    /// Number on the chain.
    pub number: u64,
    /// Epoch in force there.
    pub epoch: Epoch,
    /// The object's name in the store.
    pub name: String,
    /// The object's version; reads ask for exactly this one.
    pub etag: Etag,
    /// Bytes of the object.
    pub size: u64,
    /// Where the payload begins in the object.
    pub payload_at: u64,
    /// Bytes of the payload.
    pub payload_len: u64,
    /// CRC32C of the payload, unless it checks itself.
    pub payload_crc: Option<u32>,
    /// What the writer put beside the payload.
    pub attributes: Bytes,
    /// The run of the broker that wrote it.
    pub incarnation: Incarnation,
}

/// A fence on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FenceRef {
    /// Number on the chain.
    pub number: u64,
    /// The epoch that it starts.
    pub epoch: Epoch,
    /// The window of that epoch.
    pub window: u32,
    /// The run of the broker that leads it.
    pub incarnation: Incarnation,
    /// What that leader put beside it.
    pub attributes: Bytes,
}

/// An object that stands at a number, as far as one read showed it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) header: EntryHeader,
    pub(crate) checksum: u32,
    pub(crate) payload_at: u64,
    pub(crate) name: String,
    pub(crate) etag: Etag,
    pub(crate) size: u64,
    pub(crate) modified: BucketTime,
    /// The payload, when the read happened to fetch all of it.
    pub(crate) payload: Option<Bytes>,
}

/// Why an object's header is not known.
#[derive(Debug)]
pub(crate) enum LookError {
    Corrupt(Corruption),
    Store(StoreError),
}

impl From<LookError> for WalkError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Corrupt(corruption) => Self::Corrupt(corruption),
            LookError::Store(error) => Self::Store(error),
        }
    }
}

impl From<LookError> for TakeOverError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Corrupt(corruption) => Self::Corrupt(corruption),
            LookError::Store(error) => Self::Store(error),
        }
    }
}

impl From<LookError> for SharedError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Corrupt(corruption) => Self::Corrupt(corruption),
            LookError::Store(error) => Self::Store(error),
        }
    }
}

impl From<WalkError> for TakeOverError {
    fn from(error: WalkError) -> Self {
        match error {
            // Only a candidate that slept through a grace can meet it; it tries again.
            WalkError::Trimmed { point } => Self::Lost { by: point.epoch },
            WalkError::Corrupt(corruption) => Self::Corrupt(corruption),
            WalkError::Store(error) => Self::Store(error),
        }
    }
}

impl From<WalkError> for SharedError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::Trimmed { .. } => Self::Trimmed,
            WalkError::Corrupt(corruption) => Self::Corrupt(corruption),
            WalkError::Store(error) => Self::Store(error),
        }
    }
}

impl Found {
    /// From a read of the front of the object `name`, which should be `number`.
    pub(crate) fn decode(number: u64, name: String, read: Read) -> Result<Self, Corruption> {
        let unreadable = |detail: String| Corruption::Unreadable { number, detail };
        let ReadEntry { header, checksum, payload_at } =
            EntryHeader::decode(&read.bytes).map_err(|error| unreadable(error.to_string()))?;
        if header.number != number {
            return Err(unreadable(format!("its header says number {}", header.number)));
        }
        let whole = payload_at.checked_add(header.payload_len);
        if whole != Some(read.size) {
            return Err(unreadable(format!("{} bytes, but its header promises {whole:?}", read.size)));
        }
        let payload = (read.bytes.len() as u64 == read.size)
            .then(|| read.bytes.slice(usize::try_from(payload_at).unwrap_or(usize::MAX).min(read.bytes.len())..));
        Ok(Self {
            header,
            checksum,
            payload_at,
            name,
            etag: read.etag,
            size: read.size,
            modified: read.modified,
            payload,
        })
    }

    /// As the machines see it; a snapshot has no place on a chain.
    pub(crate) fn seen(&self) -> Result<Seen, Corruption> {
        let kind = match self.header.kind {
            EntryKind::Data => Kind::Data,
            EntryKind::Fence => Kind::Fence,
            EntryKind::Snapshot => {
                let number = self.header.number;
                return Err(Corruption::Unreadable { number, detail: "a snapshot stands on the chain".into() });
            }
        };
        Ok(Seen {
            kind,
            epoch: self.header.epoch,
            window: self.header.window,
            incarnation: self.header.incarnation,
            put_id: self.header.put_id,
        })
    }

    pub(crate) fn entry(&self) -> EntryRef {
        EntryRef {
            number: self.header.number,
            epoch: self.header.epoch,
            name: self.name.clone(),
            etag: self.etag.clone(),
            size: self.size,
            payload_at: self.payload_at,
            payload_len: self.header.payload_len,
            payload_crc: self.header.payload_crc,
            attributes: self.header.attributes.clone(),
            incarnation: self.header.incarnation,
        }
    }

    pub(crate) fn fence(&self) -> FenceRef {
        FenceRef {
            number: self.header.number,
            epoch: self.header.epoch,
            window: self.header.window,
            incarnation: self.header.incarnation,
            attributes: self.header.attributes.clone(),
        }
    }
}

/// `None` for an object that is not there; an object too short for a header cannot be right.
pub(crate) fn absent(number: u64, error: StoreError) -> Result<Option<Found>, LookError> {
    match error.kind {
        StoreErrorKind::NotFound => Ok(None),
        StoreErrorKind::OutOfRange => {
            Err(LookError::Corrupt(Corruption::Unreadable { number, detail: "the object is empty".into() }))
        }
        _ => Err(LookError::Store(error)),
    }
}
