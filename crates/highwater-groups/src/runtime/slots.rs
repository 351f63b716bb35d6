//! Which partitions are led, loading or loaded.
//!
//! The log is asked for its term with every request and by a sweep, so that a partition is loaded
//! soon after this broker begins to lead it, and nothing is answered from an earlier term.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::channel::mpsc;
use highwater_env::{Env, TaskHandle};
use parking_lot::Mutex;

use super::log::{OffsetsLog, Term};
use super::task::{self, Request, Seat};
use crate::error::GroupError;
use crate::partition::partition_for;
use crate::settings::GroupSettings;

/// Requests that wait for one partition's task; each sender may add one more.
const MAILBOX: usize = 256;

/// Time between two looks for partitions gained or lost.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// A partition that answers.
#[derive(Clone)]
pub(crate) struct Loaded {
    pub(crate) partition: u32,
    pub(crate) term: Term,
    pub(crate) mailbox: mpsc::Sender<Request>,
}

struct Slot {
    term: Term,
    ready: Arc<AtomicBool>,
    mailbox: mpsc::Sender<Request>,
    task: TaskHandle,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) struct Slots {
    env: Env,
    log: Arc<dyn OffsetsLog>,
    settings: GroupSettings,
    slots: Mutex<BTreeMap<u32, Slot>>,
}

impl Slots {
    pub(crate) fn start(env: Env, log: Arc<dyn OffsetsLog>, settings: GroupSettings) -> Arc<Self> {
        let slots = Arc::new(Self { env: env.clone(), log, settings, slots: Mutex::default() });
        let watched = Arc::downgrade(&slots);
        let clock = env.clone();
        env.spawn("groups-sweep", async move {
            while let Some(slots) = watched.upgrade() {
                slots.refresh();
                drop(slots);
                clock.sleep(SWEEP_INTERVAL).await;
            }
        });
        slots
    }

    pub(crate) fn partitions(&self) -> Option<u32> {
        self.log.partitions()
    }

    /// Loads what is led and not loaded, drops what is not led any more.
    pub(crate) fn refresh(&self) {
        let count = self.log.partitions().unwrap_or(0);
        let mut slots = self.slots.lock();
        slots.retain(|partition, _| *partition < count);
        for partition in 0..count {
            // Whether it answers yet does not matter here.
            let _ = self.seat(&mut slots, partition);
        }
    }

    pub(crate) fn of_group(&self, group_id: &str) -> Result<Loaded, GroupError> {
        let count = self.log.partitions().filter(|count| *count > 0).ok_or(GroupError::NotCoordinator)?;
        self.seat(&mut self.slots.lock(), partition_for(group_id, count))
    }

    /// All partitions that are led, or an error if one of them does not answer yet.
    pub(crate) fn all(&self) -> Result<Vec<Loaded>, GroupError> {
        let count = self.log.partitions().unwrap_or(0);
        let mut slots = self.slots.lock();
        let mut all = Vec::new();
        for partition in 0..count {
            match self.seat(&mut slots, partition) {
                Ok(loaded) => all.push(loaded),
                Err(GroupError::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The partitions that answer.
    pub(crate) fn loaded(&self) -> Vec<Loaded> {
        let count = self.log.partitions().unwrap_or(0);
        let mut slots = self.slots.lock();
        (0..count).filter_map(|partition| self.seat(&mut slots, partition).ok()).collect()
    }

    pub(crate) async fn confirm(&self, loaded: &Loaded) -> bool {
        self.log.confirm(loaded.partition, loaded.term).await
    }

    fn seat(&self, slots: &mut BTreeMap<u32, Slot>, partition: u32) -> Result<Loaded, GroupError> {
        let Some(term) = self.log.term(partition) else {
            if slots.remove(&partition).is_some() {
                tracing::info!(partition, "group coordinator gives up a partition");
            }
            return Err(GroupError::NotCoordinator);
        };
        let slot = match slots.get(&partition) {
            Some(slot) if slot.term == term && !slot.mailbox.is_closed() => slot,
            _ => {
                let slot = self.open(partition, term);
                slots.insert(partition, slot);
                return Err(GroupError::CoordinatorLoadInProgress);
            }
        };
        if !slot.ready.load(Ordering::Acquire) {
            return Err(GroupError::CoordinatorLoadInProgress);
        }
        Ok(Loaded { partition, term, mailbox: slot.mailbox.clone() })
    }

    fn open(&self, partition: u32, term: Term) -> Slot {
        let (mailbox, requests) = mpsc::channel(MAILBOX);
        let ready = Arc::new(AtomicBool::new(false));
        let seat = Seat {
            env: self.env.clone(),
            log: Arc::clone(&self.log),
            settings: self.settings.clone(),
            partition,
            term,
            ready: Arc::clone(&ready),
        };
        let task = self.env.spawn("groups-partition", task::run(seat, requests));
        Slot { term, ready, mailbox, task }
    }
}
