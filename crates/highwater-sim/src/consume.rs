//! Consumers that follow a partition, and one who deletes old records.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_batch::{Batches, Expansion, Records, StoredBatch};
use highwater_log::{Isolation, Partition, ReadError, ReadOutcome, ReadRequest};

use crate::model::{Reading, Seen};
use crate::network::call;
use crate::process::Handles;
use crate::world::World;

/// Bytes of one read.
const READ_BYTES: usize = 1500;
/// Longest pause of a consumer.
const PAUSE_US: u64 = 100_000;
/// Longest pause between two deletions.
const DELETE_PAUSE_US: u64 = 800_000;
/// How often a consumer begins at the front again, in a thousand reads.
const REWIND: u64 = 40;

/// What one read asks for.
pub(crate) const fn request(offset: i64) -> ReadRequest {
    ReadRequest { offset, max_bytes: READ_BYTES, at_least_one_batch: true, isolation: Isolation::ReadUncommitted }
}

/// The records of an answer from `from` on; an error names what is wrong with its bytes.
pub(crate) fn records(outcome: &ReadOutcome, from: i64) -> Result<Vec<Seen>, String> {
    let bytes: Bytes = outcome.chunks.concat().into();
    let mut seen = Vec::new();
    for batch in Batches::new(bytes) {
        let (_, batch) = batch.map_err(|error| error.to_string())?;
        let stored = StoredBatch::from_bytes(&batch).map_err(|error| error.to_string())?;
        seen.extend(of_batch(&stored)?.into_iter().filter(|record| record.offset >= from));
    }
    Ok(seen)
}

/// The records of a batch.
pub(crate) fn of_batch(stored: &StoredBatch) -> Result<Vec<Seen>, String> {
    if !stored.crc_is_right() {
        return Err("a batch does not match its checksum".to_owned());
    }
    let mut seen = Vec::new();
    for record in Records::open(stored, Expansion::default()).map_err(|error| error.to_string())? {
        let record = record.map_err(|error| error.to_string())?;
        let value = record.value.as_deref().and_then(|value| value.first_chunk::<8>());
        let value = value.map(|value| u64::from_be_bytes(*value)).ok_or("a record without a value")?;
        seen.push(Seen { offset: record.offset, value });
    }
    Ok(seen)
}

/// Follows a partition from its begin until the history ends.
pub(crate) async fn follow(world: Arc<World>, partition: usize) {
    let tp = world.partitions.lock()[partition];
    let mut next = 0;
    while !*world.quiet.lock() {
        world.env.sleep(Duration::from_micros(world.below(PAUSE_US))).await;
        if world.chance(REWIND) {
            next = 0;
        }
        let asked = world.env.now();
        let read = move |handles: Handles| async move {
            let partition: Partition = handles.log.partition(tp).map_err(|_| ReadError::NotLeader)?;
            partition.read(request(next)).await
        };
        let Some((broker, outcome)) = call(&world, read).await else { continue };
        match outcome {
            Ok(outcome) => {
                let mut model = world.model.lock();
                match records(&outcome, next) {
                    Ok(records) => {
                        let reading = Reading { from: next, records: &records, marks: outcome.marks, whole: false };
                        model.read(partition, broker, asked, &reading);
                        let last = records.last().map_or(next, |last| last.offset + 1);
                        drop(model);
                        world.executor.note(&[20, broker as u64, partition as u64, next as u64, last as u64]);
                        next = last;
                    }
                    Err(what) => model.violated(format!("{tp}: {what}")),
                }
            }
            // Behind the end of an older leader, or before the start: ask another, from the start.
            Err(ReadError::OutOfRange(marks)) if next < marks.log_start => next = marks.log_start,
            Err(ReadError::Storage(what)) => {
                world.note(&[21, broker as u64], || format!("broker {broker}: {tp} is not read: {what}"));
            }
            Err(_) => {}
        }
    }
}

/// Deletes old records now and then.
pub(crate) async fn delete(world: Arc<World>) {
    while !*world.quiet.lock() {
        world.env.sleep(Duration::from_micros(world.below(DELETE_PAUSE_US))).await;
        let (partition, tp) = {
            let partitions = world.partitions.lock();
            let partition = world.below(partitions.len() as u64) as usize;
            (partition, partitions[partition])
        };
        let (part, model) = (world.below(600) as i64, Arc::clone(&world));
        let delete = move |handles: Handles| async move {
            let handle = handles.log.partition(tp).ok()?;
            let offset = handle.marks().ok()?.high_watermark * part / 1000;
            model.model.lock().ask_start(partition, offset);
            let start = handle.delete_records(Some(offset)).await.ok()?;
            Some((handle.marks().ok()?.leader_epoch, start))
        };
        if let Some((broker, Some((epoch, start)))) = call(&world, delete).await {
            world.note(&[30, broker as u64, partition as u64, start as u64], || {
                format!("broker {broker}: {tp} begins at {start} by request, epoch {epoch}")
            });
            world.model.lock().confirm_start(partition, epoch, start);
        }
    }
}
