//! Leases as objects of a bucket, for anything that is not Kubernetes.
//!
//! ```text
//!   leases/brokers/{identity}   what the broker says of itself; written when that changes
//!   leases/live/{identity}      overwritten at each renewal: the bucket's time of that is the renewal
//!   leases/shards/{shard:05}    who holds the shard; written when that changes
//! ```
//!
//! All plain overwrites: hints, not fences. The registry is one LIST of `leases/`, read by the
//! bucket's own clock (an object's age is the list's date minus its time of modification), so no
//! two brokers' clocks are ever compared. Bodies are read only when their ETag has changed.
//! A renewal is one PUT; an idle broker that waits for nobody costs `1 / renewal interval` requests a
//! second.

pub(crate) mod forms;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt, TryStreamExt};
use highwater_store::{BucketTime, Etag, Object, ReadRange, Store, StoreError, StoreErrorKind};
use highwater_types::ShardId;
use parking_lot::Mutex;

use crate::broker::{BrokerIdentity, BrokerInfo};
use crate::store::{Claim, Holder, LeaseError, LeaseStore, LiveBroker, Registry};

use forms::{BrokerLease, ShardLease};

/// Where the leases live in every bucket.
const PREFIX: &str = "leases/";
/// Names of one list request.
const PAGE: usize = 1_000;
/// Most objects that are read: 4,096 shards and two per broker, with room.
const MAX_OBJECTS: usize = 20_000;
/// Largest body of a lease.
const MAX_BODY: u64 = 16 * 1024;
/// Requests in flight while many leases are read or written.
const CONCURRENCY: usize = 16;
/// A lease is held for valid this much longer than its time to live: dates have a resolution of
/// 1 s, and the bucket's frontends may differ a little.
const SKEW: Duration = Duration::from_secs(2);
/// Objects of a broker that has been dead for this long are deleted by whoever sees them.
const FORGET: Duration = Duration::from_secs(7 * 86_400);
/// Forgotten brokers deleted by one read of the registry.
const FORGET_LIMIT: usize = 8;

/// See the module.
pub struct BucketLeases {
    store: Arc<dyn Store>,
    me: BrokerInfo,
    ttl: Duration,
    cache: Mutex<Cache>,
}

/// Bodies as last read, by name.
#[derive(Default)]
struct Cache {
    published: bool,
    brokers: BTreeMap<String, (Etag, Option<BrokerLease>)>,
    shards: BTreeMap<String, (Etag, Option<ShardLease>)>,
}

/// Everything under `leases/`, understood.
struct View {
    date: BucketTime,
    brokers: BTreeMap<BrokerIdentity, BrokerLease>,
    renewed: BTreeMap<BrokerIdentity, BucketTime>,
    shards: BTreeMap<ShardId, ShardLease>,
}

impl View {
    /// How long this broker's lease is still valid; `None` if it is not.
    fn remaining(&self, identity: BrokerIdentity, default_ttl: Duration) -> Option<Duration> {
        let renewed = self.renewed.get(&identity)?;
        let ttl = self.brokers.get(&identity).map_or(default_ttl, |lease| lease.ttl);
        let age_ms = self.date.0.saturating_sub(renewed.0).max(0);
        let left = (ttl + SKEW).checked_sub(Duration::from_millis(age_ms.unsigned_abs()))?;
        (!left.is_zero()).then_some(left)
    }
}

impl BucketLeases {
    /// Leases of this broker in this bucket. Times to live of different brokers may differ.
    pub fn new(store: Arc<dyn Store>, me: BrokerInfo, ttl: Duration) -> Self {
        Self { store, me, ttl, cache: Mutex::default() }
    }

    fn broker_name(identity: BrokerIdentity) -> String {
        format!("{PREFIX}brokers/{identity}")
    }

    fn live_name(identity: BrokerIdentity) -> String {
        format!("{PREFIX}live/{identity}")
    }

    fn shard_name(shard: ShardId) -> String {
        format!("{PREFIX}shards/{:05}", shard.0)
    }

    /// One LIST (more if there are more than 1,000 leases), and the bodies that changed.
    async fn view(&self) -> Result<View, LeaseError> {
        let (objects, date) = self.list().await?;
        let mut view = View { date, brokers: BTreeMap::new(), renewed: BTreeMap::new(), shards: BTreeMap::new() };
        let mut unread = Vec::new();
        {
            let mut cache = self.cache.lock();
            let Cache { brokers, shards, .. } = &mut *cache;
            // What is not listed any more is forgotten, so that the cache does not grow.
            let listed = |name: &String| objects.binary_search_by(|object| object.name.cmp(name)).is_ok();
            brokers.retain(|name, _| listed(name));
            shards.retain(|name, _| listed(name));
            for object in &objects {
                let known = if object.name.starts_with("leases/brokers/") {
                    brokers.get(&object.name).map(|(etag, _)| etag)
                } else if object.name.starts_with("leases/shards/") {
                    shards.get(&object.name).map(|(etag, _)| etag)
                } else {
                    continue;
                };
                if known != Some(&object.etag) {
                    unread.push(object.clone());
                }
            }
        }
        self.read_bodies(unread).await?;
        let cache = self.cache.lock();
        for object in &objects {
            let Some(rest) = object.name.strip_prefix(PREFIX) else {
                continue;
            };
            match rest.split_once('/') {
                Some(("live", identity)) => {
                    if let Ok(identity) = identity.parse() {
                        view.renewed.insert(identity, object.modified);
                    }
                }
                Some(("brokers", _)) => {
                    if let Some((_, Some(lease))) = cache.brokers.get(&object.name) {
                        view.brokers.insert(lease.info.identity, lease.clone());
                    }
                }
                Some(("shards", shard)) => {
                    if let (Ok(shard), Some((_, Some(lease)))) = (shard.parse(), cache.shards.get(&object.name)) {
                        view.shards.insert(ShardId(shard), lease.clone());
                    }
                }
                _ => {}
            }
        }
        Ok(view)
    }

    async fn list(&self) -> Result<(Vec<Object>, BucketTime), LeaseError> {
        let mut objects: Vec<Object> = Vec::new();
        let mut date = None;
        loop {
            let after = objects.last().map(|object| object.name.clone());
            let page = self.store.list(PREFIX, after.as_deref(), PAGE).await?;
            // The earliest date: nothing then looks older than it is.
            let first = *date.get_or_insert(page.date);
            objects.extend(page.objects);
            if objects.len() > MAX_OBJECTS {
                return Err(LeaseError::TooMany(MAX_OBJECTS));
            }
            if !page.more {
                return Ok((objects, first));
            }
        }
    }

    /// Reads these bodies into the cache. One that is gone or unreadable counts as none.
    async fn read_bodies(&self, objects: Vec<Object>) -> Result<(), LeaseError> {
        let read = |object: Object| async move {
            let read = self.store.read(&object.name, ReadRange::All { limit: MAX_BODY }, None).await;
            match read {
                Ok(read) => Ok((object.name, read.etag, Some(read.bytes))),
                Err(error) if matches!(error.kind, StoreErrorKind::NotFound | StoreErrorKind::TooLarge) => {
                    Ok((object.name, object.etag, None))
                }
                Err(error) => Err(error),
            }
        };
        let bodies: Vec<_> = stream::iter(objects).map(read).buffer_unordered(CONCURRENCY).try_collect().await?;
        let mut cache = self.cache.lock();
        for (name, etag, bytes) in bodies {
            if name.starts_with("leases/brokers/") {
                let lease = bytes.and_then(|bytes| forms::read_broker(&bytes));
                cache.brokers.insert(name, (etag, lease));
            } else {
                let lease = bytes.and_then(|bytes| forms::read_shard(&bytes));
                cache.shards.insert(name, (etag, lease));
            }
        }
        Ok(())
    }

    /// The live broker that a shard's lease names, unless that is this one.
    fn other_holder(&self, view: &View, shard: ShardId) -> Option<Holder> {
        let lease = view.shards.get(&shard).filter(|lease| lease.holder != self.me.identity)?;
        let remaining = view.remaining(lease.holder, self.ttl)?;
        Some(Holder { identity: lease.holder, node_id: lease.node_id, address: lease.address.clone(), remaining })
    }

    /// Writes these shards' leases in the name of this broker.
    async fn write_shards(&self, shards: Vec<(ShardId, BrokerInfo)>) -> Result<(), LeaseError> {
        let write = |(shard, info): (ShardId, BrokerInfo)| async move {
            let body = forms::write_shard(&info)?;
            self.store.overwrite(&Self::shard_name(shard), body.into()).await?;
            Ok::<(), LeaseError>(())
        };
        stream::iter(shards).map(write).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Gives back what was taken from a broker that turns out to be live.
    ///
    /// Who comes back renews its own lease first and looks at the shards' leases then; who takes over writes
    /// those first and looks at the others' own leases then. So at least one of the two sees the other.
    async fn give_back(&self, taken: Vec<(ShardId, BrokerIdentity)>) -> Result<Vec<(ShardId, Holder)>, LeaseError> {
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let view = self.view().await?;
        let mut live = Vec::new();
        let mut write = Vec::new();
        for (shard, former) in taken {
            let known = view.brokers.get(&former).zip(view.remaining(former, self.ttl));
            if let Some((lease, remaining)) = known {
                let info = lease.info.clone();
                let address = info.address.clone();
                live.push((shard, Holder { identity: former, node_id: info.node_id, address, remaining }));
                write.push((shard, info));
            }
        }
        self.write_shards(write).await?;
        Ok(live)
    }

    async fn delete_all(&self, names: Vec<String>) -> Result<(), StoreError> {
        let delete = |name: String| async move { self.store.delete(&name).await.map(drop) };
        stream::iter(names).map(delete).buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Deletes what brokers left that are long dead. A failure only means that it is tried again.
    async fn forget(&self, view: &View) {
        let long_dead = |renewed: &BucketTime| {
            view.date.0.saturating_sub(renewed.0) > i64::try_from(FORGET.as_millis()).unwrap_or(i64::MAX)
        };
        let dead = view.renewed.iter().filter(|(_, renewed)| long_dead(renewed)).take(FORGET_LIMIT);
        let names: Vec<String> =
            dead.flat_map(|(identity, _)| [Self::broker_name(*identity), Self::live_name(*identity)]).collect();
        if !names.is_empty()
            && let Err(error) = self.delete_all(names).await
        {
            tracing::debug!(%error, "cannot delete the leases of brokers that are long gone");
        }
    }
}

#[async_trait]
impl LeaseStore for BucketLeases {
    fn me(&self) -> &BrokerInfo {
        &self.me
    }

    fn ttl(&self) -> Duration {
        self.ttl
    }

    async fn renew(&self) -> Result<(), LeaseError> {
        // What it says of itself comes first: a live broker without it could not be named.
        if !self.cache.lock().published {
            let body = forms::write_broker(&self.me, self.ttl)?;
            self.store.overwrite(&Self::broker_name(self.me.identity), body.into()).await?;
            self.cache.lock().published = true;
        }
        self.store.overwrite(&Self::live_name(self.me.identity), forms::LIVE.into()).await?;
        Ok(())
    }

    async fn registry(&self) -> Result<Registry, LeaseError> {
        let view = self.view().await?;
        self.forget(&view).await;
        let mut registry = Registry::default();
        for (identity, lease) in &view.brokers {
            if let Some(remaining) = view.remaining(*identity, self.ttl) {
                registry.brokers.insert(*identity, LiveBroker { info: lease.info.clone(), remaining });
            }
        }
        for (shard, lease) in &view.shards {
            if registry.brokers.contains_key(&lease.holder) {
                registry.shards.insert(*shard, lease.holder);
            }
        }
        Ok(registry)
    }

    async fn acquire(&self, shards: &[ShardId]) -> Result<Vec<Claim>, LeaseError> {
        let view = self.view().await?;
        let mut claims: Vec<Claim> =
            shards.iter().map(|shard| self.other_holder(&view, *shard).map_or(Claim::Held, Claim::HeldBy)).collect();
        let mine_already = |shard: &ShardId| {
            view.shards.get(shard).is_some_and(|lease| {
                lease.holder == self.me.identity && lease.node_id == self.me.node_id && lease.address == self.me.address
            })
        };
        let to_write = shards
            .iter()
            .zip(&claims)
            .filter(|(shard, claim)| **claim == Claim::Held && !mine_already(shard))
            .map(|(shard, _)| (*shard, self.me.clone()))
            .collect();
        self.write_shards(to_write).await?;
        let former = |shard: &ShardId| view.shards.get(shard).map(|lease| lease.holder);
        let taken: Vec<(ShardId, BrokerIdentity)> = shards
            .iter()
            .zip(&claims)
            .filter(|(_, claim)| **claim == Claim::Held)
            .filter_map(|(shard, _)| Some((*shard, former(shard).filter(|former| *former != self.me.identity)?)))
            .collect();
        for (shard, holder) in self.give_back(taken).await? {
            let claim = shards.iter().position(|asked| *asked == shard);
            if let Some(claim) = claim.and_then(|at| claims.get_mut(at)) {
                *claim = Claim::HeldBy(holder);
            }
        }
        Ok(claims)
    }

    async fn release(&self, shards: &[ShardId], successor: Option<BrokerIdentity>) -> Result<(), LeaseError> {
        let view = self.view().await?;
        let mine =
            shards.iter().filter(|shard| view.shards.get(shard).is_some_and(|lease| lease.holder == self.me.identity));
        // A successor that nobody knows is none.
        match successor.and_then(|identity| view.brokers.get(&identity)) {
            Some(next) => self.write_shards(mine.map(|shard| (*shard, next.info.clone())).collect()).await,
            None => Ok(self.delete_all(mine.map(|shard| Self::shard_name(*shard)).collect()).await?),
        }
    }

    async fn resign(&self) -> Result<(), LeaseError> {
        let view = self.view().await?;
        let mine = view.shards.iter().filter(|(_, lease)| lease.holder == self.me.identity);
        let mut names: Vec<String> = mine.map(|(shard, _)| Self::shard_name(*shard)).collect();
        names.push(Self::live_name(self.me.identity));
        names.push(Self::broker_name(self.me.identity));
        self.cache.lock().published = false;
        Ok(self.delete_all(names).await?)
    }
}

#[cfg(test)]
mod tests;
