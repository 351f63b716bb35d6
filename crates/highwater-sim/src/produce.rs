//! Producers: plain ones, which send each batch once, and idempotent ones, which repeat a batch until it
//! is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_batch::{BatchBuilder, Compression};
use highwater_log::{Acks, AppendError, Appended, Origin};

use crate::network::call;
use crate::process::Handles;
use crate::world::{TOPICS, World};

/// Records of one batch at most.
const BATCH: u64 = 5;
/// Longest value, bytes beyond its number.
const FILLER: u64 = 200;
/// Filler of one batch in so many of a thousand, so that a write of the log is longer than a sector and may
/// be torn.
const LARGE: (u64, usize) = (120, 2_500);
/// Longest pause between two batches of a producer.
const PAUSE_US: u64 = 60_000;
/// Values of one producer do not meet those of another.
const VALUES: u64 = 1 << 32;

/// Who writes.
#[derive(Clone, Copy)]
pub(crate) struct Producer {
    /// Its number in the history, from 1.
    pub number: u64,
    pub idempotent: bool,
}

/// A producer id of this history that nobody had.
struct Identity {
    id: i64,
    sequence: i32,
    /// Epoch that acknowledged its last batch.
    epoch: i32,
}

impl Producer {
    /// Writes until the history ends.
    pub async fn run(self, world: Arc<World>) {
        let mut next = self.number * VALUES;
        let mut renewals = 0;
        let partition = world.below(world.partitions.lock().len() as u64) as usize;
        let mut identity = self.identity(renewals);
        while !*world.quiet.lock() {
            world.env.sleep(Duration::from_micros(world.below(PAUSE_US))).await;
            let values: Vec<u64> = (0..=world.below(BATCH)).map(|at| next + at).collect();
            next += values.len() as u64;
            if self.idempotent {
                if !self.repeat(&world, partition, &values, &mut identity).await {
                    renewals += 1;
                    identity = self.identity(renewals);
                }
            } else {
                // A plain producer may use any partition: nothing of it depends on the order.
                let partition = world.below(world.partitions.lock().len() as u64) as usize;
                let batch = batch(&world, &values, None);
                send(&world, partition, &values, batch).await;
            }
        }
    }

    fn identity(self, renewals: i64) -> Identity {
        Identity { id: (self.number as i64) * 1_000_000 + renewals, sequence: 0, epoch: 0 }
    }

    /// Sends a batch until it is acknowledged; `false` if it cannot go on as the one it was.
    async fn repeat(self, world: &Arc<World>, partition: usize, values: &[u64], identity: &mut Identity) -> bool {
        let batch = batch(world, values, Some(identity));
        while !*world.quiet.lock() {
            match send(world, partition, values, batch.clone()).await {
                Some((epoch, Ok(_))) => {
                    identity.sequence += values.len() as i32;
                    identity.epoch = epoch;
                    return true;
                }
                // A leader that was deposed and has not heard of it does not know the batches in between.
                Some((epoch, Err(AppendError::OutOfOrderSequence { expected, got, .. })))
                    if epoch >= identity.epoch =>
                {
                    let (name, local) = topic(partition);
                    if !local {
                        let what = format!("{name}: the sequence {got} of a producer met {expected} in epoch {epoch}");
                        world.model.lock().violated(what);
                    }
                    return false;
                }
                _ => world.env.sleep(Duration::from_micros(world.below(PAUSE_US))).await,
            }
        }
        true
    }
}

/// Name and durability of a partition's topic, by its number in the model.
pub(crate) fn topic(partition: usize) -> (&'static str, bool) {
    let mut left = partition;
    for topic in TOPICS {
        if left < topic.partitions as usize {
            return (topic.name, topic.local);
        }
        left -= topic.partitions as usize;
    }
    ("unknown", true)
}

fn batch(world: &World, values: &[u64], identity: Option<&Identity>) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None);
    for (number, value) in values.iter().enumerate() {
        let mut bytes = value.to_be_bytes().to_vec();
        let filler = world.below(FILLER) as usize;
        let large = number == 0 && world.chance(LARGE.0);
        bytes.resize(8 + if large { LARGE.1 } else { filler }, 7);
        // A batch of so few small records has room.
        let _ = builder.push(world.env.wall_ms(), None, Some(&bytes));
    }
    let builder = match identity {
        Some(identity) => builder.producer(identity.id, 0, identity.sequence),
        None => builder,
    };
    builder.finish().map(|batch| batch.to_bytes()).unwrap_or_default()
}

/// Sends a batch to one broker; tells the model what is acknowledged.
async fn send(
    world: &Arc<World>,
    partition: usize,
    values: &[u64],
    batch: Bytes,
) -> Option<(i32, Result<Appended, AppendError>)> {
    let asked = world.env.now();
    let tp = world.partitions.lock()[partition];
    let (broker, (epoch, outcome)) = call(world, move |handles: Handles| async move {
        loop {
            let Ok(partition) = handles.log.partition(tp) else { return (0, Err(AppendError::NotLeader)) };
            let epoch = partition.marks().map_or(0, |marks| marks.leader_epoch);
            let appended = match partition
                .admit(&batch, batch.len(), Origin::Client)
                .and_then(|batch| partition.append(&batch, Acks::All))
            {
                Ok(ticket) => ticket.await,
                Err(error) => Err(error),
            };
            match appended {
                Err(AppendError::Backpressure) => {
                    highwater_env::marks::met("back-pressure");
                    handles.log.room().await;
                }
                outcome => return (epoch, outcome),
            }
        }
    })
    .await?;
    if let Ok(appended) = &outcome {
        let words = [10, broker as u64, partition as u64, appended.base_offset as u64, values[0]];
        world.note(&words, || {
            let (name, _) = topic(partition);
            format!(
                "broker {broker}: {name} ({partition}) has {} records at {}, from value {}",
                values.len(),
                appended.base_offset,
                values[0]
            )
        });
        world.model.lock().acknowledged(partition, broker, asked, appended.base_offset, values);
    }
    Some((epoch, outcome))
}
