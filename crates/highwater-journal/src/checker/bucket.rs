//! One journal in the model of the bucket, and beside it the truth that the search compares with.
//!
//! Objects come by put-if-absent and go by garbage collection. The `chain` is what a replay from
//! the trim point reads, kept for trimmed numbers too: what was once on it. It is extended when the
//! first free number is filled, never otherwise; so an entry that was on it when it was acked is in
//! every later replay.

use std::hash::{Hash, Hasher};

use highwater_types::Epoch;

use crate::machine::{Corruption, Epochs, Kind, Rules, Seen, TrimPoint};

/// An object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    /// Its header.
    pub(super) seen: Seen,
    /// The epoch that its writer won in the write-ahead journal, when this is the manifest.
    pub(super) wal_epoch: Epoch,
}

/// A number of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// What stands (or stood) there.
    pub(super) object: Object,
    /// The position before it.
    pub(super) at: TrimPoint,
    /// The position behind it.
    pub(super) next: TrimPoint,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    epochs: Epochs,
    objects: Vec<Option<Object>>,
    chain: Vec<Option<Link>>,
    tip: TrimPoint,
    trim: TrimPoint,
    /// The highest epoch that has trimmed: the manifest is fenced, lower ones can no more.
    trimmed_by: Epoch,
    /// Numbers below it may be deleted: a grace has passed since they were trimmed.
    deletable: u64,
}

/// Compact: what follows from something else in the state is left out.
impl Hash for Bucket {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.trim.number << 32 | u64::from(self.trimmed_by.0) << 16 | self.deletable);
        state.write_usize(self.objects.len());
        for object in &self.objects {
            object.as_ref().map(Object::packed).hash(state);
        }
        for link in self.chain.iter().take(index(self.trim.number)) {
            link.as_ref().map(|link| link.object.packed()).hash(state);
        }
    }
}

impl Object {
    /// Everything in one word: numbers are small here, and put ids follow from the number or from
    /// the writer's own count.
    fn packed(&self) -> u64 {
        let seen = &self.seen;
        u64::from(seen.kind == Kind::Fence)
            | u64::from(seen.epoch.0) << 1
            | u64::from(seen.window) << 12
            | seen.incarnation.0 << 24
            | seen.put_id.0 << 32
            | u64::from(self.wal_epoch.0) << 56
    }
}

impl Bucket {
    pub(super) const fn new(epochs: Epochs) -> Self {
        Self {
            epochs,
            objects: Vec::new(),
            chain: Vec::new(),
            tip: TrimPoint::GENESIS,
            trim: TrimPoint::GENESIS,
            trimmed_by: Epoch::NONE,
            deletable: 0,
        }
    }

    pub(super) const fn trim(&self) -> TrimPoint {
        self.trim
    }

    pub(super) fn object(&self, number: u64) -> Option<&Object> {
        self.objects.get(index(number))?.as_ref()
    }

    /// What a replay reads (or, trimmed by now, read) at `number`.
    pub(super) fn link(&self, number: u64) -> Option<&Link> {
        self.chain.get(index(number))?.as_ref()
    }

    /// Whether an actor that reads `number` now reads what a replay holds.
    pub(super) fn is_true(&self, number: u64) -> bool {
        match (self.object(number), self.link(number)) {
            (Some(object), Some(link)) => *object == link.object,
            _ => false,
        }
    }

    /// Put-if-absent. `Ok(true)` when it was created.
    pub(super) fn create(&mut self, number: u64, object: Object, rules: Rules) -> Result<bool, String> {
        let at = index(number);
        if self.objects.len() <= at {
            self.objects.resize(at + 1, None);
        }
        if self.objects[at].is_some() {
            return Ok(false);
        }
        self.objects[at] = Some(object);
        while let Some(object) = self.object(self.tip.number).copied() {
            self.extend(object, rules).map_err(|corruption| format!("a replay stops: {corruption}"))?;
        }
        Ok(true)
    }

    fn extend(&mut self, object: Object, rules: Rules) -> Result<(), Corruption> {
        let at = self.tip;
        let next = at.step(&object.seen, self.epochs, rules)?;
        self.chain.resize(index(at.number), None);
        self.chain.push(Some(Link { object, at, next }));
        self.tip = next;
        Ok(())
    }

    /// The last fence on the chain and the one before it, by the write-ahead epochs of their
    /// writers.
    pub(super) fn owners_in_order(&self) -> bool {
        let fences = self.chain.iter().flatten().filter(|link| link.object.seen.kind == Kind::Fence);
        fences.map(|link| link.object.wal_epoch).is_sorted_by(|earlier, later| earlier < later)
    }

    /// Whether the leader of `epoch` may move the trim point to `point`.
    pub(super) fn may_trim(&self, epoch: Epoch, point: TrimPoint) -> bool {
        epoch >= self.trimmed_by && point.number > self.trim.number
    }

    /// Moves the trim point.
    pub(super) fn trim_to(&mut self, epoch: Epoch, point: TrimPoint) -> Result<(), String> {
        let on_chain = self.chain.iter().flatten().any(|link| link.next == point);
        if !on_chain {
            return Err(format!("the trim point {} of epoch {} is not on the chain", point.number, point.epoch));
        }
        self.trimmed_by = epoch;
        self.trim = point;
        Ok(())
    }

    /// Whether a grace would make more numbers deletable.
    pub(super) const fn has_fresh_trim(&self) -> bool {
        self.trim.number > self.deletable
    }

    /// A grace passes.
    pub(super) const fn pass_grace(&mut self) {
        self.deletable = self.trim.number;
    }

    /// Whether `number` could ever be free (again).
    pub(super) fn may_be_free(&self, number: u64, graces_left: bool) -> bool {
        self.object(number).is_none() || graces_left || number < self.deletable
    }

    /// Numbers that garbage collection may delete now.
    pub(super) fn garbage(&self) -> impl Iterator<Item = u64> {
        (0..self.deletable).filter(|number| self.object(*number).is_some())
    }

    /// Garbage collection of one number.
    pub(super) fn delete(&mut self, number: u64) {
        if let Some(object) = self.objects.get_mut(index(number)) {
            *object = None;
        }
        while self.objects.last().is_some_and(Option::is_none) {
            self.objects.pop();
        }
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
