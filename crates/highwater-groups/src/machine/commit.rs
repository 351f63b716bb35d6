//! OffsetCommit, OffsetFetch, OffsetDelete.

use std::sync::Arc;

use highwater_types::TopicId;

use super::command::Token;
use super::effects::Reply;
use super::group::{CONSUMER, Group, Phase};
use super::ledger::{Fate, MAX_TOMBSTONES, Purpose, Turn};
use super::offsets::OffsetSlot;
use crate::api::{
    CommitPartition, CommitTopic, CommittedOffset, FetchTopic, FetchedPartition, FetchedTopic, OffsetCommit,
    OffsetDelete, OffsetFetch, PartitionResult, TopicPartitions, TopicResults,
};
use crate::error::GroupError;
use crate::records::offset::encode_offset_value;
use crate::records::{KeyValue, OffsetKey};
use crate::settings::MAX_STRING_BYTES;

impl Group {
    /// Answered when the offsets are durable, or at once with an error.
    pub(crate) fn commit(&mut self, turn: &mut Turn<'_>, token: Token, request: &OffsetCommit) {
        if let Err(error) = self.validate_commit(request) {
            turn.reply(token, Reply::Commit(Err(error)));
            return;
        }
        if matches!(self.phase, Phase::Stable(_) | Phase::Preparing(_)) {
            self.refresh_session(&request.caller.member_id, turn.now); // a commit is a sign of life
        }
        let mut records = Vec::new();
        let mut offsets = Vec::new();
        let mut answer = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for item in &topic.partitions {
                let error = match self.commit_record(turn, request.retention_time_ms, topic, item) {
                    Ok((record, committed)) => {
                        records.push(record);
                        offsets.push(((Arc::clone(&topic.name), item.partition), committed));
                        None
                    }
                    Err(error) => Some(error),
                };
                partitions.push(PartitionResult { partition: item.partition, error });
            }
            answer.push(TopicResults { name: Arc::clone(&topic.name), topic_id: topic.topic_id, partitions });
        }
        if records.is_empty() {
            turn.reply(token, Reply::Commit(Ok(answer)));
            return;
        }
        for (slot, _) in &offsets {
            self.offsets.expect(slot);
        }
        self.append(turn, records, Purpose::Commit { token, answer, offsets });
    }

    fn validate_commit(&self, request: &OffsetCommit) -> Result<(), GroupError> {
        let caller = &request.caller;
        if caller.generation < 0 && self.is_empty() {
            return Ok(()); // an administrator, or a consumer that assigns its partitions itself
        }
        if caller.generation < 0 && caller.member_id.is_empty() && caller.instance_id.is_none() {
            return Err(GroupError::UnknownMemberId);
        }
        self.validate_caller(caller)?;
        // Between its join and its sync a member does not own what it commits.
        if matches!(self.phase, Phase::Completing(_)) { Err(GroupError::RebalanceInProgress) } else { Ok(()) }
    }

    fn commit_record(
        &self,
        turn: &Turn<'_>,
        retention_time_ms: i64,
        topic: &CommitTopic,
        item: &CommitPartition,
    ) -> Result<(KeyValue, CommittedOffset), GroupError> {
        let metadata = item.metadata.clone().unwrap_or_else(|| Arc::from(""));
        // Kafka counts as Java does.
        let units = metadata.encode_utf16().count();
        if units > turn.settings.offset_metadata_max_bytes || metadata.len() > MAX_STRING_BYTES {
            return Err(GroupError::OffsetMetadataTooLarge);
        }
        let expires = (retention_time_ms >= 0).then(|| turn.now.wall_ms.saturating_add(retention_time_ms));
        let committed = CommittedOffset {
            offset: item.offset,
            leader_epoch: item.leader_epoch,
            metadata,
            commit_timestamp_ms: turn.now.wall_ms,
            expire_timestamp_ms: expires,
            topic_id: topic.topic_id,
        };
        let key = OffsetKey::encode(&self.id, &topic.name, item.partition);
        let key = key.map_err(|_| GroupError::UnknownTopicOrPartition)?;
        let value = encode_offset_value(&committed).map_err(|_| GroupError::UnknownServerError)?;
        Ok((KeyValue { key, value: Some(value) }, committed))
    }

    /// The commit's records are durable, or are not.
    pub(crate) fn commit_recorded(
        &mut self,
        turn: &mut Turn<'_>,
        token: Token,
        mut answer: Vec<TopicResults>,
        offsets: Vec<(OffsetSlot, CommittedOffset)>,
        fate: Fate,
    ) {
        for (slot, committed) in offsets {
            self.offsets.settle(&slot);
            if fate.is_ok() {
                self.offsets.insert(slot, committed);
            }
        }
        if let Err(failure) = fate {
            for result in answer.iter_mut().flat_map(|topic| &mut topic.partitions) {
                result.error = result.error.or(Some(failure.as_commit_error()));
            }
        }
        turn.reply(token, Reply::Commit(Ok(answer)));
    }

    /// Answered at once, or after the commits that are on their way if that is asked for.
    pub(crate) fn fetch(&mut self, turn: &mut Turn<'_>, token: Token, request: OffsetFetch) {
        if request.require_stable && self.offsets.any_expected() {
            self.waiting_fetches.push((self.last_append, token, request));
        } else {
            turn.reply(token, Reply::Fetch(Ok(self.fetched(&request))));
        }
    }

    fn fetched(&self, request: &OffsetFetch) -> Vec<FetchedTopic> {
        let Some(topics) = &request.topics else {
            return self.fetch_all();
        };
        let one = |topic: &FetchTopic, partition: i32| {
            let same_topic = |committed: &&CommittedOffset| {
                [committed.topic_id, topic.topic_id].contains(&TopicId::ZERO) || committed.topic_id == topic.topic_id
            };
            let committed = self.offsets.get(&topic.name, partition).filter(same_topic).cloned();
            FetchedPartition { partition, committed }
        };
        let fetched = topics.iter().map(|topic| FetchedTopic {
            name: Arc::clone(&topic.name),
            topic_id: topic.topic_id,
            partitions: topic.partitions.iter().map(|partition| one(topic, *partition)).collect(),
        });
        fetched.collect()
    }

    fn fetch_all(&self) -> Vec<FetchedTopic> {
        let mut topics: Vec<FetchedTopic> = Vec::new();
        for ((name, partition), committed) in self.offsets.iter() {
            let fetched = FetchedPartition { partition: *partition, committed: Some(committed.clone()) };
            match topics.last_mut() {
                Some(last) if last.name == *name && last.topic_id == committed.topic_id => {
                    last.partitions.push(fetched)
                }
                _ => topics.push(FetchedTopic {
                    name: Arc::clone(name),
                    topic_id: committed.topic_id,
                    partitions: vec![fetched],
                }),
            }
        }
        topics
    }

    /// Answers the fetches that waited for this append or an earlier one.
    pub(crate) fn release_fetches(&mut self, turn: &mut Turn<'_>, done: super::effects::AppendId) {
        if self.waiting_fetches.is_empty() {
            return;
        }
        let (ready, waiting) = std::mem::take(&mut self.waiting_fetches).into_iter().partition(|(id, ..)| *id <= done);
        self.waiting_fetches = waiting;
        let ready: Vec<_> = ready;
        for (_, token, request) in ready {
            turn.reply(token, Reply::Fetch(Ok(self.fetched(&request))));
        }
    }

    /// KIP-496. Answered when the tombstones are durable.
    pub(crate) fn delete_offsets(&mut self, turn: &mut Turn<'_>, token: Token, request: &OffsetDelete) {
        let consumer = self.protocol_type.as_deref() == Some(CONSUMER);
        if !self.is_empty() && !consumer {
            turn.reply(token, Reply::DeleteOffsets(Err(GroupError::NonEmptyGroup)));
            return;
        }
        let subscribed = self.subscribed_topics();
        let consumes = |name: &Arc<str>| subscribed.as_ref().map_or(consumer, |topics| topics.contains(name));
        let mut slots = Vec::new();
        let mut answer = Vec::with_capacity(request.topics.len());
        for TopicPartitions { name, partitions } in &request.topics {
            let error = consumes(name).then_some(GroupError::GroupSubscribedToTopic);
            if error.is_none() {
                slots.extend(partitions.iter().map(|partition| (Arc::clone(name), *partition)));
            }
            let partitions = partitions.iter().map(|partition| PartitionResult { partition: *partition, error });
            let partitions = partitions.collect();
            answer.push(TopicResults { name: Arc::clone(name), topic_id: TopicId::ZERO, partitions });
        }
        slots.retain(|slot| self.offsets.get(&slot.0, slot.1).is_some() || self.offsets.is_expected(slot));
        let answer = Reply::DeleteOffsets(Ok(answer));
        if slots.is_empty() {
            turn.reply(token, answer);
        } else {
            self.forget(turn, slots, Some((token, answer)));
        }
    }

    /// Writes tombstones, in as many appends as it takes; the last carries the answer.
    pub(crate) fn forget(&mut self, turn: &mut Turn<'_>, slots: Vec<OffsetSlot>, answer: Option<(Token, Reply)>) {
        let mut answer = answer;
        let mut chunks = slots.chunks(MAX_TOMBSTONES).peekable();
        while let Some(chunk) = chunks.next() {
            let token = if chunks.peek().is_none() { answer.take() } else { None };
            let records = self.offset_tombstones(chunk);
            self.append(turn, records, Purpose::Forget { slots: chunk.to_vec(), token });
        }
    }

    pub(crate) fn offset_tombstones(&self, slots: &[OffsetSlot]) -> Vec<KeyValue> {
        // Names that came from a record, or were written to one, fit into another.
        let keys = slots.iter().filter_map(|(topic, partition)| OffsetKey::encode(&self.id, topic, *partition).ok());
        keys.map(|key| KeyValue { key, value: None }).collect()
    }

    /// The tombstones are durable, or are not.
    pub(crate) fn forgotten(
        &mut self,
        turn: &mut Turn<'_>,
        slots: &[OffsetSlot],
        answer: Option<(Token, Reply)>,
        fate: Fate,
    ) {
        match fate {
            Ok(()) => {
                for slot in slots {
                    self.offsets.remove(slot);
                }
                if let Some((token, reply)) = answer {
                    turn.reply(token, reply);
                }
            }
            Err(failure) => {
                if let Some((token, _)) = answer {
                    turn.reply(token, Reply::DeleteOffsets(Err(failure.as_group_error())));
                }
            }
        }
    }
}
