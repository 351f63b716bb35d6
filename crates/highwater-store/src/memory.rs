//! A bucket in memory, for tests and simulations: atomic, strongly consistent, timed by the
//! environment's clock.

use std::collections::BTreeMap;
use std::ops::Bound;

use async_trait::async_trait;
use bytes::Bytes;
use highwater_env::{Env, Instant};
use parking_lot::Mutex;

use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};
use crate::name::{check_name, check_prefix};
use crate::store::{BucketTime, Etag, LIST_LIMIT, Listing, Object, Put, Read, ReadRange, Store};

/// A bucket in memory. Its date is the wall clock at its start plus monotonic time.
pub struct MemoryStore {
    env: Env,
    start: Instant,
    start_ms: i64,
    date_resolution_ms: i64,
    objects: Mutex<Objects>,
}

#[derive(Default)]
struct Objects {
    by_name: BTreeMap<String, Stored>,
    versions: u64,
}

#[derive(Clone)]
struct Stored {
    bytes: Bytes,
    etag: Etag,
    modified: BucketTime,
}

impl MemoryStore {
    /// An empty bucket with dates to the millisecond.
    #[must_use]
    pub fn new(env: &Env) -> Self {
        Self {
            env: env.clone(),
            start: env.now(),
            start_ms: env.wall_ms(),
            date_resolution_ms: 1,
            objects: Mutex::default(),
        }
    }

    /// With dates cut to whole seconds, as S3's are.
    #[must_use]
    pub fn with_whole_seconds(mut self) -> Self {
        self.date_resolution_ms = 1000;
        self
    }

    /// The bucket's clock now.
    #[must_use]
    pub fn now(&self) -> BucketTime {
        let since_ms = i64::try_from(self.env.now().since(self.start).as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.start_ms.saturating_add(since_ms);
        BucketTime(now_ms - now_ms.rem_euclid(self.date_resolution_ms))
    }

    /// Objects held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.lock().by_name.len()
    }

    /// Whether there are no objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn put(&self, name: &str, body: &Body, if_absent: bool) -> Result<Put, StoreError> {
        check_name(name)?;
        let bytes = body.to_bytes();
        let mut objects = self.objects.lock();
        if if_absent && objects.by_name.contains_key(name) {
            return Err(StoreError::new(StoreErrorKind::AlreadyExists, name, "the name is taken"));
        }
        objects.versions += 1;
        let etag = Etag::from(format!("m{}", objects.versions).as_str());
        let date = self.now();
        objects.by_name.insert(name.to_owned(), Stored { bytes, etag: etag.clone(), modified: date });
        Ok(Put { etag, date })
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.put(name, &body, true)
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.put(name, &body, false)
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        check_name(name)?;
        let stored = self.objects.lock().by_name.get(name).cloned();
        let stored = stored.ok_or_else(|| StoreError::new(StoreErrorKind::NotFound, name, "no such object"))?;
        if if_match.is_some_and(|etag| *etag != stored.etag) {
            return Err(StoreError::new(StoreErrorKind::PreconditionFailed, name, "another version"));
        }
        let size = stored.bytes.len() as u64;
        let range = range.resolve(name, size)?;
        let bytes = stored.bytes.slice(range.start as usize..range.end as usize);
        Ok(Read { bytes, range, size, etag: stored.etag, date: self.now(), modified: stored.modified })
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        check_limit(prefix, limit)?;
        let objects = self.objects.lock();
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut found = objects
            .by_name
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix))
            .map(|(name, stored)| Object {
                name: name.clone(),
                size: stored.bytes.len() as u64,
                etag: stored.etag.clone(),
                modified: stored.modified,
            });
        let listed = found.by_ref().take(limit.min(LIST_LIMIT)).collect();
        let more = found.next().is_some();
        Ok(Listing { objects: listed, more, date: self.now() })
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        check_name(name)?;
        self.objects.lock().by_name.remove(name);
        Ok(self.now())
    }

    fn describe(&self) -> String {
        "memory:".to_owned()
    }

    fn is_local(&self) -> bool {
        false
    }
}

/// A list must ask for something.
pub(crate) fn check_limit(prefix: &str, limit: usize) -> Result<(), StoreError> {
    if limit == 0 {
        return Err(StoreError::new(StoreErrorKind::Invalid, prefix, "a list of no names was asked for"));
    }
    Ok(())
}
