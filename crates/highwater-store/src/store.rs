//! The store trait: immutable named objects, put-if-absent, and the bucket's own clock.
//!
//! ```text
//!   create ──► the name is taken, for everybody, by exactly one body
//!   read / list / delete / overwrite: one request each, strongly consistent with creates
//! ```
//!
//! Names are relative to the store's root and obey [`crate::name::check_name`]. No method retries;
//! [`crate::Retrying`] does where that is safe. Dropping a future abandons the answer, not the
//! request: what it asked for may still happen, now or a little later.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};

/// The bucket's clock, milliseconds since 1970, from its Date header (1 s resolution on S3). The
/// date of an answer was read by the bucket while it handled that very request; two frontends of
/// one bucket may differ a little, so dates of successive requests may go back by that skew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketTime(pub i64);

impl fmt::Display for BucketTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// Identity of one version of an object: changes whenever a name is deleted and created again, or
/// overwritten. Opaque; compare for equality only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Etag(pub Arc<str>);

impl Etag {
    /// As text, for storing in a reference.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Etag {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// A put that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The version that the put made.
    pub etag: Etag,
    /// When.
    pub date: BucketTime,
}

/// Which bytes to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadRange {
    /// The whole object; `TooLarge` if it has more than `limit` bytes (no body is fetched then).
    All {
        /// Most bytes that are taken.
        limit: u64,
    },
    /// From `start` up to `end`, cut at the object's end. `Invalid` when empty, `OutOfRange` when
    /// `start` is at or past the object's end.
    Bounded(Range<u64>),
    /// The last bytes, or all if there are fewer. `Invalid` for 0, `OutOfRange` for an empty object.
    Suffix(u64),
}

/// Bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The bytes of `range`.
    pub bytes: Bytes,
    /// Which bytes of the object these are; its length is that of `bytes`.
    pub range: Range<u64>,
    /// Size of the whole object, bytes.
    pub size: u64,
    /// The version that was read.
    pub etag: Etag,
    /// When it was read.
    pub date: BucketTime,
    /// When it was put.
    pub modified: BucketTime,
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Name, relative to the store's root.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Version.
    pub etag: Etag,
    /// When it was put.
    pub modified: BucketTime,
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Ascending by the bytes of the name, each name once. Stores that order names component by
    /// component cut a listing elsewhere where one name goes on with `-` or `.` and another with a
    /// slash: no layout may have such names (see [`crate::conformance::Order`]).
    pub objects: Vec<Object>,
    /// Whether names follow behind the last of `objects`. May be true with nothing behind; never
    /// false with something behind.
    pub more: bool,
    /// When the page was read: everything created before and not deleted is in it. A page that
    /// took several requests has the date of the first.
    pub date: BucketTime,
}

/// Most names that one [`Store::list`] gives.
pub const LIST_LIMIT: usize = 10_000;

/// A bucket, or what stands for one. Every implementation passes [`crate::conformance`].
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Put-if-absent: of any number of creates of one name, at any time, from anywhere, exactly one
    /// takes effect. One attempt, no retry.
    ///
    /// After `Ok` the object is durable and every later read, list and create sees it.
    /// `AlreadyExists`: the name is taken; perhaps by an earlier attempt of the caller itself, who
    /// therefore reads the header to learn whose it is (and on `NotFound` knows that something was
    /// deleted meanwhile, or that a rival's put has failed). `Unknown`: it may have taken effect
    /// or still may: look, or send the same bytes again. `Throttled`, `Unavailable`, `Denied`,
    /// `Invalid`: this attempt did not and will not take effect.
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError>;

    /// Puts whatever was there before. For hints only (leases), never for what must be fenced.
    /// Errors: as `create`, without `AlreadyExists`.
    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError>;

    /// Reads. With `if_match`, `PreconditionFailed` if the object is another version. `NotFound`
    /// alone never means the end of a journal.
    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError>;

    /// Names that begin with the string `prefix` (which may end inside a component) and sort behind
    /// `after`, at most `limit` of them (at most [`LIST_LIMIT`]; 0 is `Invalid`). With a limit up
    /// to 1,000 it is one request. No such names: an empty listing, not an error.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError>;

    /// Deletes; fine if there is no such name. `Unknown`: it may or may not have happened.
    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError>;

    /// What this is, for a log line: the URL without secrets.
    fn describe(&self) -> String;

    /// Whether this is a local directory: then a topic's durability defaults to `local` and
    /// flushes need no pacing.
    fn is_local(&self) -> bool;
}

impl ReadRange {
    /// The bytes that this means for an object of `size` bytes.
    ///
    /// # Errors
    /// `TooLarge`, `OutOfRange` or `Invalid`, as the variants say.
    pub fn resolve(&self, name: &str, size: u64) -> Result<Range<u64>, StoreError> {
        self.check(name)?;
        match self {
            Self::All { limit } if size > *limit => Err(too_large(name, size, *limit)),
            Self::All { .. } => Ok(0..size),
            Self::Bounded(range) if range.start >= size => Err(out_of_range(name)),
            Self::Bounded(range) => Ok(range.start..range.end.min(size)),
            Self::Suffix(_) if size == 0 => Err(out_of_range(name)),
            Self::Suffix(count) => Ok(size.saturating_sub(*count)..size),
        }
    }

    /// Refuses what asks for nothing, whatever the object's size.
    pub(crate) fn check(&self, name: &str) -> Result<(), StoreError> {
        let asks_for_nothing = match self {
            Self::All { .. } => false,
            Self::Bounded(range) => range.is_empty(),
            Self::Suffix(count) => *count == 0,
        };
        if asks_for_nothing {
            return Err(StoreError::new(StoreErrorKind::Invalid, name, "an empty range was asked for"));
        }
        Ok(())
    }
}

pub(crate) fn too_large(name: &str, size: u64, limit: u64) -> StoreError {
    StoreError::new(StoreErrorKind::TooLarge, name, format!("{size} bytes, at most {limit} are taken"))
}

fn out_of_range(name: &str) -> StoreError {
    StoreError::new(StoreErrorKind::OutOfRange, name, "the range begins at or past the object's end")
}
