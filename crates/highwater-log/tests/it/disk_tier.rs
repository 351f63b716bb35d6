//! Reads through a tier on disk: a second reader asks the bucket for nothing, and what the tier has
//! damaged is never served.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use highwater_log::{BlockKey, ReadCache};
use parking_lot::Mutex;

use crate::world::{Broker, World, values};

/// A disk that keeps everything and, if told to, gives other bytes back.
#[derive(Default)]
struct Disk {
    blocks: Mutex<HashMap<BlockKey, Bytes>>,
    damages: bool,
    given: AtomicUsize,
    forgotten: AtomicUsize,
}

#[async_trait]
impl ReadCache for Disk {
    async fn get(&self, key: &BlockKey) -> Option<Bytes> {
        let bytes = self.blocks.lock().get(key).cloned()?;
        self.given.fetch_add(1, Ordering::Relaxed);
        let mut bytes = bytes.to_vec();
        if self.damages {
            *bytes.last_mut()? ^= 1;
        }
        Some(Bytes::from(bytes))
    }

    fn offer(&self, key: BlockKey, bytes: &Bytes) {
        self.blocks.lock().insert(key, bytes.clone());
    }

    fn forget(&self, key: &BlockKey) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
        self.blocks.lock().remove(key);
    }
}

const RECORDS: u64 = 200;

/// A broker whose records are in the bucket and, after a first reader, on the disk; restarted, so that
/// nothing of them is in memory.
fn read_once(world: &mut World, disk: &Arc<Disk>) -> Broker {
    world.read_cache = Some(Arc::clone(disk) as Arc<dyn ReadCache>);
    let mut broker = world.start(1);
    let tp = broker.create("t", 1, &[("highwater.durability", "object")])[0];
    for value in 0..RECORDS {
        broker.append(tp, &[value]).unwrap();
    }
    for _ in 0..2 {
        broker.kill();
        broker = world.start(1);
        assert_eq!(values(&broker, tp), (0..RECORDS).collect::<Vec<u64>>());
    }
    broker
}

#[test]
fn a_second_reader_is_served_by_the_disk() {
    let disk = Arc::new(Disk::default());
    let mut world = World::new(31);
    read_once(&mut world, &disk);
    assert!(disk.given.load(Ordering::Relaxed) > 0, "the disk was asked and had it");
    assert_eq!(disk.forgotten.load(Ordering::Relaxed), 0);
}

#[test]
fn damaged_blocks_are_forgotten_and_read_from_the_bucket() {
    let disk = Arc::new(Disk { damages: true, ..Disk::default() });
    let mut world = World::new(32);
    read_once(&mut world, &disk);
    let given = disk.given.load(Ordering::Relaxed);
    assert!(given > 0, "the disk gave damaged blocks");
    assert_eq!(disk.forgotten.load(Ordering::Relaxed), given, "and each was forgotten");
}
