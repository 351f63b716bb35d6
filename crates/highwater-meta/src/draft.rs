//! One entry in the making: edits that follow from requests, tried out on a copy of the state.

use std::sync::Arc;

use highwater_env::Random;
use highwater_types::TopicId;

use crate::apply::apply;
use crate::edit::Edit;
use crate::errors::Refused;
use crate::limits::{MAX_EDITS_PER_ENTRY, MAX_PARTITIONS_PER_ENTRY};
use crate::state::ClusterState;
use crate::uuid_text;

/// See the module.
pub struct Draft {
    /// The state with the edits so far applied.
    pub state: ClusterState,
    edits: Vec<Edit>,
    new_partitions: usize,
    random: Arc<dyn Random>,
}

impl Draft {
    /// Nothing yet, upon `state`.
    pub fn new(state: ClusterState, random: Arc<dyn Random>) -> Self {
        Self { state, edits: Vec::new(), new_partitions: 0, random }
    }

    /// Adds an edit, if it fits.
    pub fn put(&mut self, edit: Edit) -> Result<(), Refused> {
        apply(&mut self.state, &edit)?;
        self.new_partitions += edit.new_partitions();
        self.edits.push(edit);
        Ok(())
    }

    /// The edits so far.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// Whether further requests should wait for the next entry.
    pub fn is_full(&self) -> bool {
        self.edits.len() >= MAX_EDITS_PER_ENTRY || self.new_partitions >= MAX_PARTITIONS_PER_ENTRY
    }

    /// A copy to try something out; nothing of it will be written.
    pub fn trial(&self) -> Self {
        Self { state: self.state.clone(), edits: Vec::new(), new_partitions: 0, random: Arc::clone(&self.random) }
    }

    /// A random topic id that no topic has.
    pub fn fresh_topic_id(&self) -> TopicId {
        loop {
            let id = TopicId(uuid_text::random(&*self.random));
            if self.state.topic_by_id(id).is_none() {
                return id;
            }
        }
    }
}
