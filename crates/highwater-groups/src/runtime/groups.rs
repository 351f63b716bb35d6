//! The handle that the front door calls: one method per request.

use std::sync::Arc;

use futures::SinkExt;
use futures::channel::oneshot;
use highwater_env::Env;

use super::log::OffsetsLog;
use super::slots::{Loaded, Slots};
use super::task::Request;
use crate::api::{
    DescribedGroup, FetchedTopic, Heartbeat, JoinGroup, JoinReply, LeaveGroup, LeaveReply, ListGroups, ListedGroup,
    OffsetCommit, OffsetDelete, OffsetFetch, SyncGroup, SyncReply, TopicResults,
};
use crate::error::GroupError;
use crate::machine::{Command, Reply};
use crate::partition::partition_for;
use crate::settings::GroupSettings;

/// The group coordinator of this broker; cheap to clone.
///
/// A request is put into its partition's queue when the method's future is first polled, so that
/// requests polled in order are carried out in order; a full queue makes it wait. Dropping the future
/// later only forgets the answer. Requests of groups whose partition this broker does not lead are
/// answered NOT_COORDINATOR, while the partition is being read COORDINATOR_LOAD_IN_PROGRESS.
#[derive(Clone)]
pub struct Groups {
    slots: Arc<Slots>,
    env: Env,
}

impl Groups {
    /// Starts the coordinator: partitions that this broker leads are loaded from now on, and given up
    /// when their leadership ends. Everything stops when the last clone is dropped.
    pub fn start(env: Env, log: Arc<dyn OffsetsLog>, settings: GroupSettings) -> Self {
        let slots = Slots::start(env.clone(), log, settings);
        Self { slots, env }
    }

    /// The partition of `__consumer_offsets` that holds the group, for FindCoordinator; None while
    /// the topic does not exist.
    pub fn partition_of(&self, group_id: &str) -> Option<u32> {
        self.slots.partitions().filter(|count| *count > 0).map(|count| partition_for(group_id, count))
    }

    /// Looks at once for partitions gained or lost, which else takes a second or two, or the first
    /// request.
    pub fn refresh(&self) {
        self.slots.refresh();
    }

    /// JoinGroup; answered when the group has come together.
    pub async fn join(&self, request: JoinGroup) -> JoinReply {
        let member_id = Arc::clone(&request.member_id);
        let group_id = Arc::clone(&request.group_id);
        let fresh = self.env.random.next_u128();
        match self.ask(&group_id, Command::Join { request, fresh }).await {
            Ok(Reply::Join(reply)) => reply,
            Ok(_) => JoinReply::refused(member_id, GroupError::UnknownServerError),
            Err(error) => JoinReply::refused(member_id, error),
        }
    }

    /// SyncGroup; answered when the leader's assignment is durable.
    pub async fn sync(&self, request: SyncGroup) -> Result<SyncReply, GroupError> {
        let group_id = Arc::clone(&request.caller.group_id);
        match self.ask(&group_id, Command::Sync(request)).await? {
            Reply::Sync(outcome) => outcome,
            _ => Err(GroupError::UnknownServerError),
        }
    }

    /// Heartbeat.
    pub async fn heartbeat(&self, request: Heartbeat) -> Result<(), GroupError> {
        let group_id = Arc::clone(&request.caller.group_id);
        match self.ask(&group_id, Command::Heartbeat(request)).await? {
            Reply::Heartbeat(outcome) => outcome,
            _ => Err(GroupError::UnknownServerError),
        }
    }

    /// LeaveGroup.
    pub async fn leave(&self, request: LeaveGroup) -> Result<LeaveReply, GroupError> {
        let group_id = Arc::clone(&request.group_id);
        match self.ask(&group_id, Command::Leave(request)).await? {
            Reply::Leave(outcome) => outcome,
            _ => Err(GroupError::UnknownServerError),
        }
    }

    /// OffsetCommit; answered when the offsets are durable. An error stands for every partition.
    pub async fn commit(&self, request: OffsetCommit) -> Result<Vec<TopicResults>, GroupError> {
        let group_id = Arc::clone(&request.caller.group_id);
        match self.ask(&group_id, Command::Commit(request)).await? {
            Reply::Commit(outcome) => outcome,
            _ => Err(GroupError::UnknownServerError),
        }
    }

    /// OffsetFetch of one group.
    pub async fn fetch(&self, request: OffsetFetch) -> Result<Vec<FetchedTopic>, GroupError> {
        let loaded = self.slots.of_group(&request.group_id)?;
        let outcome = match self.ask_at(&loaded, Command::Fetch(request)).await? {
            Reply::Fetch(outcome) => outcome?,
            _ => return Err(GroupError::UnknownServerError),
        };
        self.confirm(&loaded).await?;
        Ok(outcome)
    }

    /// ListGroups, of every partition that this broker leads, in order of group id. An error if one
    /// of them is being read.
    pub async fn list(&self, request: ListGroups) -> Result<Vec<ListedGroup>, GroupError> {
        let mut listed = Vec::new();
        for loaded in self.slots.all()? {
            match self.ask_at(&loaded, Command::List(request.clone())).await {
                Ok(Reply::List(groups)) => listed.extend(groups),
                Ok(_) => return Err(GroupError::UnknownServerError),
                Err(GroupError::NotCoordinator) => {} // lost meanwhile: another broker lists it
                Err(error) => return Err(error),
            }
        }
        listed.sort_by(|a, b| a.group_id.cmp(&b.group_id));
        Ok(listed)
    }

    /// DescribeGroups of one group.
    pub async fn describe(&self, group_id: Arc<str>) -> Result<DescribedGroup, GroupError> {
        match self.ask(&group_id, Command::Describe(Arc::clone(&group_id))).await? {
            Reply::Describe(outcome) => outcome,
            _ => Err(GroupError::UnknownServerError),
        }
    }

    /// DeleteGroups of one group; answered when its end is durable.
    pub async fn delete(&self, group_id: Arc<str>) -> Result<(), GroupError> {
        match self.ask(&group_id, Command::Delete(Arc::clone(&group_id))).await? {
            Reply::Delete(outcome) => outcome,
            _ => Err(GroupError::UnknownServerError),
        }
    }

    /// OffsetDelete; answered when the tombstones are durable.
    pub async fn delete_offsets(&self, request: OffsetDelete) -> Result<Vec<TopicResults>, GroupError> {
        let group_id = Arc::clone(&request.group_id);
        match self.ask(&group_id, Command::DeleteOffsets(request)).await? {
            Reply::DeleteOffsets(outcome) => outcome,
            _ => Err(GroupError::UnknownServerError),
        }
    }

    /// Topics were deleted: offsets that groups of this broker committed for them are forgotten.
    pub async fn forget_topics(&self, topics: Vec<Arc<str>>) {
        for loaded in self.slots.loaded() {
            // A partition that is lost meanwhile is another broker's to clean.
            let _ = self.ask_at(&loaded, Command::ForgetTopics(topics.clone())).await;
        }
    }

    async fn ask(&self, group_id: &str, command: Command) -> Result<Reply, GroupError> {
        let loaded = self.slots.of_group(group_id)?;
        self.ask_at(&loaded, command).await
    }

    async fn ask_at(&self, loaded: &Loaded, command: Command) -> Result<Reply, GroupError> {
        let (sender, receiver) = oneshot::channel();
        let mut mailbox = loaded.mailbox.clone();
        mailbox.send(Request { command, reply: sender }).await.map_err(|_| GroupError::NotCoordinator)?;
        // The task goes away without an answer when its leadership ends.
        receiver.await.map_err(|_| GroupError::NotCoordinator)
    }

    async fn confirm(&self, loaded: &Loaded) -> Result<(), GroupError> {
        if self.slots.confirm(loaded).await { Ok(()) } else { Err(GroupError::NotCoordinator) }
    }
}
