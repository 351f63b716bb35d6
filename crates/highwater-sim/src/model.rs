//! What must hold, whatever happens.
//!
//! By partition it keeps every record that was acknowledged or read, and by leader epoch how far readers
//! saw. No offset ever has two values; what is known stays, but for records of a `local` topic when
//! another broker may have taken over; nobody sees less than an earlier leader showed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use highwater_env::Instant;
use highwater_log::Marks;
use highwater_types::ShardId;

use crate::follow::Passed;

/// A record as a reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub offset: i64,
    pub value: u64,
}

/// A record that may not vanish.
#[derive(Clone, Copy, Debug)]
struct Known {
    value: u64,
    /// Who was asked when it became known.
    broker: usize,
    /// It was there at some time after this.
    since: Instant,
}

/// Offsets of one group.
#[derive(Clone, Default)]
pub(crate) struct Commits {
    /// Greatest that was acknowledged or given out.
    known: i64,
    /// Epoch of the coordinator that did.
    epoch: i32,
    /// Greatest that was asked for.
    asked: i64,
    /// Newest generation that commits, where there are generations.
    generation: i32,
    /// Asked for without an answer that says that it was done: a request that its client has given up may be
    /// carried out at any time, also behind a later one.
    open: BTreeSet<i64>,
}

/// A generation that was given out, and the epoch of the coordinator that did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Generation {
    number: i32,
    epoch: i32,
}

/// A group with members.
#[derive(Default)]
struct Team {
    newest: Generation,
    /// Who owns a partition in a generation.
    owners: BTreeMap<(i32, u8), Arc<str>>,
}

/// One partition.
pub(crate) struct PartitionModel {
    pub name: String,
    local: bool,
    retention: bool,
    known: BTreeMap<i64, Known>,
    /// Where each value stands.
    places: BTreeMap<u64, i64>,
    /// Lowest and highest high watermark that each epoch has shown.
    shown: BTreeMap<i32, (i64, i64)>,
    /// Below it somebody asked to delete.
    pub asked_start: i64,
    /// Below it everything was deleted, in this epoch or before.
    confirmed: (i32, i64),
}

/// See the module.
pub(crate) struct Model {
    pub partitions: Vec<PartitionModel>,
    /// When each broker was last alive: None if never, the far future while it is.
    alive_until: Vec<Option<Instant>>,
    /// When each broker heard nothing, it stood still or was cut off; at the end, when none did: all stood
    /// still, or the bucket was away. Ascending by their begin.
    deaf: Vec<Vec<(Instant, Instant)>>,
    /// Whether brokers take over from live ones.
    duels: bool,
    commits: BTreeMap<u64, Commits>,
    teams: BTreeMap<u64, Team>,
    /// By shard, what followers of its manifest were told.
    chains: BTreeMap<ShardId, BTreeMap<u64, Passed>>,
    /// What the last broker had acknowledged or shown, and does not serve: it must have set it aside.
    gone: Vec<Gone>,
    violation: Option<String>,
}

/// A record that another broker went on without.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    pub partition: String,
    pub offset: i64,
    pub value: u64,
}

/// The end of time: of a broker that is alive.
const STILL: Instant = Instant(u64::MAX);
/// How long a deposed leader that hears may not know it, at most: a flush, and its put.
const UNAWARE: Duration = Duration::from_secs(5);

impl Model {
    pub fn new(brokers: usize, duels: bool) -> Self {
        Self {
            partitions: Vec::new(),
            alive_until: vec![None; brokers],
            deaf: vec![Vec::new(); brokers + 1],
            duels,
            commits: BTreeMap::new(),
            teams: BTreeMap::new(),
            chains: BTreeMap::new(),
            gone: Vec::new(),
            violation: None,
        }
    }

    /// Once everything was read: what has to be in a side file of the broker that was asked.
    pub fn gone(&mut self) -> Vec<Gone> {
        std::mem::take(&mut self.gone)
    }

    pub fn add(&mut self, name: String, local: bool, retention: bool) {
        self.partitions.push(PartitionModel {
            name,
            local,
            retention,
            known: BTreeMap::new(),
            places: BTreeMap::new(),
            shown: BTreeMap::new(),
            asked_start: 0,
            confirmed: (0, 0),
        });
    }

    /// Keeps the first violation.
    pub fn violated(&mut self, what: String) {
        self.violation.get_or_insert(what);
    }

    pub fn violation(&self) -> Option<&String> {
        self.violation.as_ref()
    }

    pub fn alive(&mut self, broker: usize) {
        self.alive_until[broker] = Some(STILL);
    }

    pub fn dead(&mut self, broker: usize, now: Instant) {
        self.alive_until[broker] = Some(now);
        self.hears(broker, now);
    }

    /// The number by which [`Self::deaf`] and [`Self::hears`] know all brokers at once.
    pub const fn everybody(&self) -> usize {
        self.deaf.len() - 1
    }

    /// A broker hears nothing of others from now on, until it [`Self::hears`] or for a time that is known.
    pub fn deaf(&mut self, broker: usize, now: Instant, time: Option<Duration>) {
        self.deaf[broker].push((now, time.map_or(STILL, |time| now + time)));
    }

    /// What has no end yet has one now.
    pub fn hears(&mut self, broker: usize, now: Instant) {
        self.deaf[broker].iter_mut().filter(|(_, end)| *end == STILL).for_each(|(_, end)| *end = now);
    }

    /// Records known so far, for reports.
    pub fn known(&self) -> usize {
        self.partitions.iter().map(|partition| partition.known.len()).sum()
    }

    /// Whether another broker may have taken over since; in a duel, or before: who was deposed goes on with
    /// `local` records until it meets the other's fence, unless its lease says that it may not.
    fn may_be_lost(&self, known: &Known) -> bool {
        let others = self.alive_until.iter().enumerate().filter(|(broker, _)| *broker != known.broker);
        let mut ends = others.filter_map(|(_, until)| *until);
        ends.any(|end| end == STILL || self.unaware_until(known.broker, end) >= known.since)
    }

    /// Until when a broker may not know of another one that ended then.
    fn unaware_until(&self, broker: usize, end: Instant) -> Instant {
        if !self.duels {
            return end;
        }
        let mut deaf: Vec<_> = self.deaf[broker].iter().chain(&self.deaf[self.everybody()]).collect();
        deaf.sort_unstable();
        deaf.into_iter().fold(end + UNAWARE, |until, (from, to)| match *to {
            _ if *from > until => until,
            STILL => STILL,
            to => until.max(to + UNAWARE),
        })
    }

    fn learn(&mut self, partition: usize, broker: usize, since: Instant, record: Seen) {
        let model = &mut self.partitions[partition];
        let Seen { offset, value } = record;
        let name = &model.name;
        if let Some(before) = model.known.get(&offset) {
            if before.value != value {
                let what = format!("{name}: offset {offset} held {}, and holds {value}", before.value);
                self.violated(what);
            }
            return;
        }
        let place = model.places.insert(value, offset);
        if let Some(place) = place.filter(|place| *place != offset && !model.local) {
            let what = format!("{name}: value {value} stands at {place} and at {offset}");
            return self.violated(what);
        }
        model.known.insert(offset, Known { value, broker, since });
    }

    /// A batch was acknowledged.
    pub fn acknowledged(&mut self, partition: usize, broker: usize, asked: Instant, first: i64, values: &[u64]) {
        for (offset, value) in (first..).zip(values) {
            self.learn(partition, broker, asked, Seen { offset, value: *value });
        }
    }

    /// A reader asked from `from` on and was given these records, in this order.
    pub fn read(&mut self, partition: usize, broker: usize, asked: Instant, read: &Reading<'_>) {
        let mut last = read.from - 1;
        for record in read.records {
            if record.offset <= last {
                let what = format!("{}: offset {} came after {last}", self.partitions[partition].name, record.offset);
                return self.violated(what);
            }
            last = record.offset;
        }
        let end = if read.whole { i64::MAX } else { last };
        let model = &self.partitions[partition];
        let mut gone = Vec::new();
        let start = read.marks.log_start.max(read.from);
        if start <= end {
            let mut given = read.records.iter().map(|record| record.offset).peekable();
            for (offset, known) in model.known.range(start..=end) {
                while given.next_if(|given| given < offset).is_some() {}
                let lost = given.peek() != Some(offset);
                if lost && !(model.local && self.may_be_lost(known)) {
                    let what =
                        format!("{}: offset {offset} (value {}) is known and was not read", model.name, known.value);
                    return self.violated(what);
                }
                if lost && read.whole && known.broker == broker {
                    gone.push(Gone { partition: model.name.clone(), offset: *offset, value: known.value });
                }
            }
        }
        self.gone.extend(gone);
        self.marks(partition, &read.marks, read.whole);
        for record in read.records {
            self.learn(partition, broker, asked, *record);
        }
    }

    /// A leader showed these marks; `now` if at this moment, not in an answer that took its time.
    pub fn marks(&mut self, partition: usize, marks: &Marks, now: bool) {
        let model = &mut self.partitions[partition];
        let (epoch, high) = (marks.leader_epoch, marks.high_watermark);
        let below = model.shown.range(..epoch).map(|(_, shown)| shown.1).max().unwrap_or(0);
        let above = model.shown.range(epoch + 1..).map(|(_, shown)| shown.0).min().unwrap_or(i64::MAX);
        let shown = model.shown.entry(epoch).or_insert((high, high));
        let wrong = if high < below || (now && high < shown.1) {
            Some(format!("the high watermark {high} of epoch {epoch} is below {}", shown.1.max(below)))
        } else if high > above {
            Some(format!("the high watermark {high} of epoch {epoch} is above {above} of a later one"))
        } else if now && epoch >= model.confirmed.0 && marks.log_start < model.confirmed.1 {
            Some(format!("the log start {} of epoch {epoch} is below {:?}", marks.log_start, model.confirmed))
        } else if !model.retention && marks.log_start > model.asked_start {
            Some(format!("the log start {} is above {}, which nobody asked for", marks.log_start, model.asked_start))
        } else {
            None
        };
        *shown = (shown.0.min(high), shown.1.max(high));
        if let Some(wrong) = wrong {
            let what = format!("{}: {wrong}", model.name);
            self.violated(what);
        }
    }

    /// Records below `offset` may go.
    pub fn ask_start(&mut self, partition: usize, offset: i64) {
        let model = &mut self.partitions[partition];
        model.asked_start = model.asked_start.max(offset);
    }

    /// The deletion was acknowledged by a leader of this epoch.
    pub fn confirm_start(&mut self, partition: usize, epoch: i32, start: i64) {
        let model = &mut self.partitions[partition];
        if start > model.confirmed.1 {
            model.confirmed = (epoch.max(model.confirmed.0), start);
        }
    }

    /// A follower was told what stands at a number: all of them see one chain, whose epochs do not fall.
    pub fn passed(&mut self, shard: ShardId, number: u64, passed: Passed) {
        let chain = self.chains.entry(shard).or_default();
        let before = chain.range(..number).next_back().filter(|(_, before)| before.epoch > passed.epoch);
        let behind = chain.range(number + 1..).next().filter(|(_, behind)| behind.epoch < passed.epoch);
        let other = chain.get_key_value(&number).filter(|(_, known)| **known != passed);
        let contradicts = other.or(before).or(behind).map(|(at, known)| (*at, *known));
        match contradicts {
            Some((at, known)) => {
                let what = format!("manifest of shard {shard}: {passed:?} at {number}, and {known:?} at {at}");
                self.violated(what);
            }
            None => drop(chain.insert(number, passed)),
        }
    }

    /// A group is about to commit; or a coordinator of this epoch said that it did.
    pub fn commit(&mut self, group: u64, offset: i64, done: Option<i32>) {
        let commits = self.commits.entry(group).or_default();
        match done {
            Some(epoch) => {
                commits.open.remove(&offset);
                commits.learn(offset, epoch);
            }
            None => {
                commits.open.insert(offset);
                commits.asked = commits.asked.max(offset);
            }
        }
    }

    /// The next offset that a member of this generation commits; it has not been acknowledged.
    pub fn next_offset(&mut self, key: u64, generation: i32) -> i64 {
        let commits = self.commits.entry(key).or_default();
        let offset = commits.asked + 1;
        if generation >= commits.generation {
            commits.open.insert(offset);
        }
        commits.asked = offset;
        offset
    }

    /// What a join that is answered from now on may not be below.
    pub fn generation(&self, team: u64) -> Generation {
        self.teams.get(&team).map(|team| team.newest).unwrap_or_default()
    }

    /// A member was told what it owns, when `least` had been given out; the epoch of who told it if that is
    /// known. What a generation owns is durable before anybody hears of it, so there are no two of one number.
    pub fn synced(
        &mut self,
        team: u64,
        epoch: Option<i32>,
        least: Generation,
        number: i32,
        member: &Arc<str>,
        owned: &[u8],
    ) {
        let known = self.teams.entry(team).or_default();
        for partition in owned {
            let owner = known.owners.entry((number, *partition)).or_insert_with(|| Arc::clone(member));
            if owner != member {
                let what = format!("team {team}: {owner} and {member} own {partition} in generation {number}");
                return self.violated(what);
            }
        }
        // Who was deposed and has not heard of it may know an older generation only.
        let Some(epoch) = epoch else { return };
        if number < least.number && epoch >= least.epoch {
            let what = format!("team {team}: generation {number} in epoch {epoch} comes after {least:?}");
            return self.violated(what);
        }
        if number > known.newest.number {
            highwater_env::marks::met("group-rebalanced");
            known.newest = Generation { number, epoch };
            // Commits of members that went are refused from now on, or come before what this one is told.
            for partition in crate::members::shared() {
                let commits = self.commits.entry(crate::members::offsets_of(team, partition)).or_default();
                commits.generation = number;
                commits.open.clear();
            }
        }
    }

    /// What a fetch may not be below.
    pub fn committed(&self, group: u64) -> Commits {
        self.commits.get(&group).cloned().unwrap_or_default()
    }

    /// A fetch that was begun when `least` was committed gave `offset`.
    ///
    /// In a duel, a coordinator that was deposed and has not heard of it gives out what it knows, which may
    /// be older than what its successor has committed. That is counted, and is no violation.
    pub fn fetched(&mut self, group: u64, epoch: i32, least: &Commits, offset: i64) {
        let duels = self.duels;
        let commits = self.commits.entry(group).or_default();
        if offset < least.known && commits.open.contains(&offset) {
            return highwater_env::marks::met("commit-behind-a-later-one");
        }
        if offset > commits.asked || (offset < least.known && (epoch >= least.epoch || !duels)) {
            let (known, asked) = (least.known, commits.asked);
            let what = format!("group {group}: {offset} is committed in epoch {epoch}, {known} to {asked} is due");
            return self.violated(what);
        }
        if offset < least.known {
            return highwater_env::marks::met("offset-of-a-deposed-coordinator");
        }
        // Who has seen it may go by it.
        commits.learn(offset, epoch);
    }
}

impl Commits {
    fn learn(&mut self, offset: i64, epoch: i32) {
        if offset > self.known {
            self.known = offset;
            self.epoch = self.epoch.max(epoch);
        }
    }

    /// For reports.
    pub const fn offset(&self) -> i64 {
        self.known
    }
}

/// A reader's answer.
pub(crate) struct Reading<'a> {
    pub from: i64,
    pub records: &'a [Seen],
    pub marks: Marks,
    /// Everything that there is was read, from the newest leader.
    pub whole: bool,
}
