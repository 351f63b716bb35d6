//! Records out of partitions: from an offset, a time, the beginning or the end.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use highwater_batch::{BatchHeader, Batches, Expansion, Record, Records, StoredBatch};
use highwater_env::Instant;
use highwater_wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use highwater_wire::messages::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic};
use highwater_wire::{ErrorCode, Str};

use crate::cluster::{ANY, Cluster};
use crate::error::{ClientError, code_of};

/// Most bytes of one answer, and of one partition in it.
const FETCH_BYTES: i32 = 16 << 20;
const PARTITION_BYTES: i32 = 4 << 20;
/// Extra time for a fetch that waits at the broker.
const GRACE: Duration = Duration::from_secs(30);

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// The oldest record.
    Beginning,
    /// Behind the newest.
    End,
    /// This offset.
    Offset(i64),
    /// The first record at or after this time, milliseconds since 1970.
    Time(i64),
}

/// A record and where it was.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Index of the topic in [`Consumer::topics`].
    pub topic: usize,
    /// Its partition.
    pub partition: i32,
    /// The record.
    pub record: Record,
}

/// Where a partition is read.
struct Position {
    leader: i32,
    next: i64,
    /// First offset that the answer showed to be beyond the end, if any.
    high_watermark: i64,
    /// The end when reading began, if that is where it stops.
    stop: Option<i64>,
}

impl Position {
    fn is_at_end(&self) -> bool {
        match self.stop {
            Some(stop) => self.next >= stop,
            None => self.high_watermark >= 0 && self.next >= self.high_watermark,
        }
    }
}

/// Reads partitions.
pub struct Consumer {
    topics: Vec<String>,
    positions: BTreeMap<(usize, i32), Position>,
    /// Answers that are not unpacked yet.
    unpacked: VecDeque<Fetched>,
    wait: Duration,
    /// Since when partitions could not be read, one after another.
    refused_since: Option<Instant>,
}

impl Consumer {
    /// A consumer without partitions; a fetch waits at the broker for up to `wait`.
    pub const fn new(wait: Duration) -> Self {
        Self { topics: Vec::new(), positions: BTreeMap::new(), unpacked: VecDeque::new(), wait, refused_since: None }
    }

    /// The topics that are read, by index.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Reads partitions of a topic, all if `only` is `None`, from where `start` says.
    ///
    /// # Errors
    /// When the topic or a partition is not there.
    pub async fn assign(
        &mut self,
        cluster: &mut Cluster,
        topic: &str,
        only: Option<&[i32]>,
        start: StartAt,
    ) -> Result<(), ClientError> {
        let found = cluster.topic(topic, false).await?;
        let count = i32::try_from(found.leaders.len()).unwrap_or(i32::MAX);
        let partitions: Vec<i32> = only.map_or_else(|| (0..count).collect(), <[i32]>::to_vec);
        if let Some(missing) = partitions.iter().find(|partition| !(0..count).contains(*partition)) {
            return Err(ClientError::Invalid(format!("topic '{topic}' has {count} partitions, none is {missing}")));
        }
        let offsets = offsets_at(cluster, topic, &partitions, start).await?;
        for (partition, offset) in offsets {
            let leader = usize::try_from(partition).ok().and_then(|at| found.leaders.get(at));
            self.seek(topic, partition, offset, leader.copied().unwrap_or(ANY));
        }
        Ok(())
    }

    /// From now on the end is where the partitions end at this moment, whatever is produced meanwhile.
    ///
    /// # Errors
    /// As the brokers say.
    pub async fn stop_at_present_end(&mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        for (at, topic) in self.topics.iter().enumerate() {
            let of_topic = |(topic, _): &&(usize, i32)| *topic == at;
            let partitions: Vec<i32> =
                self.positions.keys().filter(of_topic).map(|(_, partition)| *partition).collect();
            for (partition, end) in offsets_at(cluster, topic, &partitions, StartAt::End).await? {
                if let Some(position) = self.positions.get_mut(&(at, partition)) {
                    position.stop = Some(end);
                }
            }
        }
        Ok(())
    }

    /// Reads a partition from an offset on.
    pub fn seek(&mut self, topic: &str, partition: i32, offset: i64, leader: i32) {
        let at = self.topics.iter().position(|known| known == topic).unwrap_or_else(|| {
            self.topics.push(topic.to_owned());
            self.topics.len() - 1
        });
        self.positions.insert((at, partition), Position { leader, next: offset, high_watermark: -1, stop: None });
    }

    /// Stops reading everything.
    pub fn clear(&mut self) {
        self.positions.clear();
        self.unpacked.clear();
    }

    /// The offset behind the last record given, by partition.
    pub fn given(&self) -> BTreeMap<(String, i32), i64> {
        let mut given: BTreeMap<(usize, i32), i64> =
            self.positions.iter().map(|(key, position)| (*key, position.next)).collect();
        // What is unpacked and not given yet is not behind us.
        for fetched in self.unpacked.iter().rev() {
            given.insert((fetched.topic, fetched.partition), fetched.record.offset);
        }
        given
            .into_iter()
            .map(|((topic, partition), offset)| ((self.topics[topic].clone(), partition), offset))
            .collect()
    }

    /// Forgets that these records were given: they come again.
    pub fn rewind(&mut self, records: &[Fetched]) {
        for fetched in records.iter().rev() {
            if let Some(position) = self.positions.get_mut(&(fetched.topic, fetched.partition)) {
                position.next = position.next.min(fetched.record.offset);
            }
        }
    }

    /// Whether everything up to the ends has been given: those that the brokers told of last, or those
    /// of [`Consumer::stop_at_present_end`].
    pub fn is_at_end(&self) -> bool {
        self.unpacked.is_empty() && self.positions.values().all(Position::is_at_end)
    }

    /// The next records: those at hand, or those of a fetch from each leader. Empty when there is
    /// nothing new.
    ///
    /// # Errors
    /// When a partition cannot be read any more.
    pub async fn poll(&mut self, cluster: &mut Cluster) -> Result<Vec<Fetched>, ClientError> {
        if !self.unpacked.is_empty() {
            return Ok(self.unpacked.drain(..).collect());
        }
        if self.positions.is_empty() {
            // A member without partitions waits for the next sharing out.
            cluster.env().sleep(self.wait).await;
        }
        let mut by_leader: BTreeMap<i32, Vec<(usize, i32)>> = BTreeMap::new();
        for (key, position) in &self.positions {
            by_leader.entry(position.leader).or_default().push(*key);
        }
        let alone = by_leader.len() == 1;
        let mut refused = None;
        for (leader, keys) in by_leader {
            let wait = if alone { self.wait } else { self.wait / 4 };
            let request = self.request(&keys, wait);
            match cluster.call_within(leader, &request, wait + GRACE).await {
                Ok(response) => refused = self.take(response)?.or(refused),
                Err(error) if error.is_retriable() => refused = Some(error),
                Err(error) => return Err(error),
            }
        }
        match refused {
            None => self.refused_since = None,
            Some(error) => {
                let since = *self.refused_since.get_or_insert(cluster.env().now());
                // Whoever leads now may need a moment, but a damaged disk does not heal.
                if !cluster.pause(since + cluster.retry_limit()).await {
                    return Err(error);
                }
                self.find_leaders(cluster).await?;
            }
        }
        Ok(self.unpacked.drain(..).collect())
    }

    fn request(&self, keys: &[(usize, i32)], wait: Duration) -> FetchRequest {
        let mut topics: Vec<FetchTopic> = Vec::new();
        let mut last = usize::MAX;
        for (topic, partition) in keys {
            if *topic != last {
                topics.push(FetchTopic { topic: Str::from(&self.topics[*topic]), ..Default::default() });
                last = *topic;
            }
            if let (Some(entry), Some(position)) = (topics.last_mut(), self.positions.get(&(*topic, *partition))) {
                entry.partitions.push(FetchPartition {
                    partition: *partition,
                    fetch_offset: position.next,
                    partition_max_bytes: PARTITION_BYTES,
                    ..Default::default()
                });
            }
        }
        FetchRequest {
            max_wait_ms: i32::try_from(wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: 1,
            max_bytes: FETCH_BYTES,
            // Without a session: each fetch says everything.
            session_epoch: -1,
            topics,
            ..Default::default()
        }
    }

    /// Takes an answer in; gives why a partition could not be read now, if leaders are to be found again.
    fn take(&mut self, response: FetchResponse) -> Result<Option<ClientError>, ClientError> {
        ClientError::check(response.error_code, None, || "fetch".to_owned())?;
        let mut refused = None;
        for topic in response.responses {
            let Some(at) = self.topics.iter().position(|known| topic.topic == *known.as_str()) else { continue };
            for data in topic.partitions {
                let Some(position) = self.positions.get_mut(&(at, data.partition_index)) else { continue };
                match code_of(data.error_code) {
                    ErrorCode::None => {}
                    ErrorCode::OffsetOutOfRange if data.log_start_offset > position.next => {
                        // Records were deleted under us: go on where they begin.
                        position.next = data.log_start_offset;
                        continue;
                    }
                    code => {
                        let what = || format!("partition {} of topic '{}'", data.partition_index, self.topics[at]);
                        let error = ClientError::refused(code, what);
                        if !error.is_retriable() {
                            return Err(error);
                        }
                        refused = Some(error);
                        continue;
                    }
                }
                position.high_watermark = data.high_watermark;
                let records = data.records.map(highwater_wire::Records::into_bytes).unwrap_or_default();
                let key = (at, data.partition_index);
                position.next = unpack(records, key, position.next, &mut self.unpacked)?;
            }
        }
        Ok(refused)
    }

    async fn find_leaders(&mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        for (at, topic) in self.topics.iter().enumerate() {
            let found = cluster.topic(topic, false).await?;
            for ((_, partition), position) in self.positions.iter_mut().filter(|((topic, _), _)| *topic == at) {
                let leader = usize::try_from(*partition).ok().and_then(|index| found.leaders.get(index));
                position.leader = leader.copied().unwrap_or(position.leader);
            }
        }
        Ok(())
    }
}

/// Unpacks whole batches; gives the offset behind them. What lies before `from` was given before, and
/// control records are not for readers.
fn unpack(
    records: Bytes,
    (topic, partition): (usize, i32),
    from: i64,
    into: &mut VecDeque<Fetched>,
) -> Result<i64, ClientError> {
    let malformed =
        |error: String| ClientError::Invalid(format!("partition {partition}: records cannot be read: {error}"));
    let (mut next, mut unpacked_some) = (from, false);
    for batch in Batches::new(records) {
        let (header, batch): (BatchHeader, Bytes) = match batch {
            Ok(batch) => batch,
            // A broker may cut the last batch off, but never the only one.
            Err(_) if unpacked_some => break,
            Err(error) => return Err(malformed(error.to_string())),
        };
        unpacked_some = true;
        next = next.max(header.base_offset + i64::from(header.last_offset_delta) + 1);
        if header.attributes.is_control() {
            continue;
        }
        let stored = StoredBatch::from_bytes(&batch).map_err(|error| malformed(error.to_string()))?;
        for record in Records::open(&stored, Expansion::default()).map_err(|error| malformed(error.to_string()))? {
            let record = record.map_err(|error| malformed(error.to_string()))?;
            if record.offset >= from {
                into.push_back(Fetched { topic, partition, record });
            }
        }
    }
    Ok(next)
}

/// Offsets of partitions at a place; where a time is beyond the newest record, the end.
///
/// # Errors
/// As the brokers say.
pub async fn offsets_at(
    cluster: &mut Cluster,
    topic: &str,
    partitions: &[i32],
    start: StartAt,
) -> Result<BTreeMap<i32, i64>, ClientError> {
    let timestamp = match start {
        StartAt::Offset(offset) => return Ok(partitions.iter().map(|partition| (*partition, offset)).collect()),
        StartAt::Beginning => -2,
        StartAt::End => -1,
        StartAt::Time(timestamp) => timestamp,
    };
    let found = list_offsets(cluster, topic, partitions, timestamp).await?;
    let late: Vec<i32> = found.iter().filter(|(_, offset)| **offset < 0).map(|(partition, _)| *partition).collect();
    let mut offsets = found;
    if !late.is_empty() {
        offsets.extend(list_offsets(cluster, topic, &late, -1).await?);
    }
    Ok(offsets)
}

async fn list_offsets(
    cluster: &mut Cluster,
    topic: &str,
    partitions: &[i32],
    timestamp: i64,
) -> Result<BTreeMap<i32, i64>, ClientError> {
    let deadline = cluster.deadline();
    let mut left: Vec<i32> = partitions.to_vec();
    let mut offsets = BTreeMap::new();
    loop {
        let leaders = cluster.topic(topic, false).await?.leaders;
        let mut by_leader: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for partition in std::mem::take(&mut left) {
            let leader = usize::try_from(partition).ok().and_then(|at| leaders.get(at)).copied();
            by_leader.entry(leader.unwrap_or(ANY)).or_default().push(partition);
        }
        let mut why = None;
        for (leader, partitions) in by_leader {
            let one = |partition_index: &i32| ListOffsetsPartition {
                partition_index: *partition_index,
                timestamp,
                ..Default::default()
            };
            let topics = vec![ListOffsetsTopic {
                name: Str::from(topic),
                partitions: partitions.iter().map(one).collect(),
                ..Default::default()
            }];
            let request = ListOffsetsRequest { replica_id: -1, topics, ..Default::default() };
            let response = cluster.call(leader, &request).await?;
            for found in response.topics.iter().flat_map(|topic| &topic.partitions) {
                let what = || format!("partition {} of topic '{topic}'", found.partition_index);
                match ClientError::check(found.error_code, None, what) {
                    Ok(()) => {
                        offsets.insert(found.partition_index, found.offset);
                    }
                    Err(error) if error.is_retriable() => {
                        left.push(found.partition_index);
                        why = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        match why {
            None => return Ok(offsets),
            Some(error) if !cluster.pause(deadline).await => return Err(error),
            Some(_) => {}
        }
    }
}
