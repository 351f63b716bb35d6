//! Reading the partitions of a fetch within its limits, in their order.
//!
//! First the marks of all partitions, which cost no I/O; only if one of them has something to read
//! is memory taken and read. As in Kafka (KIP-74) the first batch of the first partition that has
//! one is given whatever its size.

use std::sync::Arc;

use futures::future::join_all;
use highwater_log::{Isolation, Marks, Partition, ReadError, ReadOutcome, ReadRequest, Waiter};
use highwater_meta::ClusterState;
use highwater_wire::ErrorCode;

use super::session::Found;
use super::{FetchItem, TopicKey};
use crate::broker::Broker;
use crate::budget::Charge;
use crate::errors;
use crate::topics;

/// Partitions that are read at the same time, which matters where they are read from the bucket.
const CONCURRENT_READS: usize = 8;
/// A fetch takes at most this part of the memory that is free (1 / 8), so that readers who take
/// no answer can make others' answers smaller but not stop them.
const SHARE_OF_MEMORY: usize = 8;
/// What a fetch waits for if need be: a batch of the default size.
const LEAST_MEMORY_BYTES: usize = 1 << 20;

/// One partition to read: found, or why not.
pub struct Target {
    /// What is wanted.
    pub item: FetchItem,
    partition: Result<Partition, ErrorCode>,
}

/// What one partition gave.
pub enum Answer {
    /// Marks, and perhaps records.
    Read {
        /// Marks at the time of the read.
        marks: Marks,
        /// Records, if any.
        records: Option<ReadOutcome>,
    },
    /// Nothing, and why.
    Failed(ErrorCode),
}

impl Answer {
    /// What the session has to know.
    pub fn found(&self) -> Found {
        match self {
            Self::Read { marks, records } => Found {
                bytes: records.as_ref().map_or(0, |records| records.bytes),
                high_watermark: marks.high_watermark,
                log_start: marks.log_start,
                is_error: false,
            },
            Self::Failed(_) => Found { bytes: 0, high_watermark: -1, log_start: -1, is_error: true },
        }
    }
}

/// What one pass over the partitions gave, in their order.
pub struct Pass {
    /// One for each target.
    pub answers: Vec<Answer>,
    /// Bytes of all records.
    pub bytes: usize,
    /// Whether a partition failed, which ends all waiting.
    pub failed: bool,
    /// Memory of the records.
    pub charge: Option<Charge>,
}

/// Limits of a fetch.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of records.
    pub max_bytes: usize,
    /// How far to see.
    pub isolation: Isolation,
}

/// Finds the partitions that `items` name.
pub fn targets(broker: &Broker, state: &ClusterState, items: &[FetchItem]) -> Vec<Target> {
    let find = |item: &FetchItem| {
        let topic = match &item.key.0 {
            TopicKey::Name(name) => state.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition)?,
            TopicKey::Id(id) => state.topic_by_id(*id).ok_or(ErrorCode::UnknownTopicId)?,
        };
        topics::open(broker, topic, item.key.1)
    };
    items.iter().map(|item| Target { item: item.clone(), partition: find(item) }).collect()
}

/// Reads once. May be cancelled.
pub async fn read(broker: &Broker, targets: &[Target], limits: Limits) -> Pass {
    let mut answers: Vec<Answer> = targets.iter().map(|target| look(target, limits.isolation)).collect();
    let mut readable: Vec<usize> = Vec::new();
    for (index, (target, answer)) in targets.iter().zip(&answers).enumerate() {
        if let Answer::Read { marks, .. } = answer
            && target.item.offset < marks.readable_end(limits.isolation)
        {
            readable.push(index);
        }
    }
    let mut charge = None;
    let mut bytes = 0;
    if !readable.is_empty() && limits.max_bytes > 0 {
        let wanted = readable.iter().map(|index| targets[*index].item.max_bytes);
        let wanted = wanted.fold(0, usize::saturating_add).min(limits.max_bytes);
        let wanted = wanted.max(LEAST_MEMORY_BYTES);
        charge = broker.fetch_memory.take_share(wanted, SHARE_OF_MEMORY, LEAST_MEMORY_BYTES).await;
        let granted = charge.as_ref().map_or(0, Charge::bytes).min(limits.max_bytes);
        bytes = read_within(targets, &readable, granted, limits.isolation, &mut answers).await;
        if let Some(charge) = &mut charge {
            charge.under_pressure_of(broker.log.refused_reads());
            charge.shrink_to(bytes);
        }
    }
    let failed = answers.iter().any(|answer| matches!(answer, Answer::Failed(_)));
    Pass { answers, bytes, failed, charge }
}

/// Reads the readable ones in their order until `most` bytes are there.
async fn read_within(
    targets: &[Target],
    readable: &[usize],
    most: usize,
    isolation: Isolation,
    answers: &mut [Answer],
) -> usize {
    let mut bytes = 0;
    let mut rest = readable;
    while !rest.is_empty() && bytes < most {
        // Until something is there, one at a time: the first batch goes beyond all limits.
        let width = if bytes == 0 { 1 } else { CONCURRENT_READS.min(rest.len()) };
        let (now, later) = rest.split_at(width);
        rest = later;
        let left = most - bytes;
        let reads = now.iter().map(|index| read_one(&targets[*index], left, bytes == 0, isolation));
        for (index, outcome) in now.iter().zip(join_all(reads).await) {
            match outcome {
                Ok(outcome) if outcome.bytes > 0 && (bytes == 0 || bytes + outcome.bytes <= most) => {
                    bytes += outcome.bytes;
                    answers[*index] = Answer::Read { marks: outcome.marks, records: Some(outcome) };
                }
                // Nothing, or no more place for it: its turn comes with the next fetch.
                Ok(_) | Err(ReadError::Busy) => {}
                Err(error) => answers[*index] = Answer::Failed(code(&error, &targets[*index])),
            }
        }
    }
    bytes
}

async fn read_one(
    target: &Target,
    left: usize,
    at_least_one_batch: bool,
    isolation: Isolation,
) -> Result<ReadOutcome, ReadError> {
    let partition = target.partition.as_ref().map_err(|_| ReadError::NotLeader)?;
    let request = ReadRequest {
        offset: target.item.offset,
        max_bytes: target.item.max_bytes.min(left),
        at_least_one_batch,
        isolation,
    };
    partition.read(request).await
}

/// Marks of a partition, and whether it can be read at all.
fn look(target: &Target, isolation: Isolation) -> Answer {
    let attempt = || -> Result<Marks, ErrorCode> {
        let partition = target.partition.as_ref().map_err(|error| *error)?;
        let marks = partition.marks().map_err(|error| code(&error, target))?;
        topics::check_leader_epoch(target.item.current_leader_epoch, marks.leader_epoch)?;
        let offset = target.item.offset;
        // Between the end that is visible and the end of the log there is nothing yet.
        if offset < marks.log_start || offset > marks.log_end.max(marks.readable_end(isolation)) {
            return Err(ErrorCode::OffsetOutOfRange);
        }
        Ok(marks)
    };
    match attempt() {
        Ok(marks) => Answer::Read { marks, records: None },
        Err(error) => Answer::Failed(error),
    }
}

fn code(error: &ReadError, target: &Target) -> ErrorCode {
    match (error, &target.item.key.0) {
        (ReadError::Unknown, TopicKey::Id(_)) => ErrorCode::UnknownTopicId,
        _ => errors::of_read(error),
    }
}

/// Has `waiter` woken when any of the partitions gets something beyond what the pass saw.
pub fn watch(targets: &[Target], pass: &Pass, waiter: &Arc<Waiter>) {
    for (target, answer) in targets.iter().zip(&pass.answers) {
        if let (Ok(partition), Answer::Read { marks, .. }) = (&target.partition, answer) {
            partition.wake_on_progress(marks.high_watermark, waiter);
        }
    }
}

impl Pass {
    /// Gives up the records that were read and their memory.
    pub fn let_go(&mut self) {
        for answer in &mut self.answers {
            if let Answer::Read { records, .. } = answer {
                *records = None;
            }
        }
        self.bytes = 0;
        self.charge = None;
    }
}
