//! Consumer groups and their offsets.

use std::collections::BTreeMap;

use highwater_wire::messages::consumer_protocol::ConsumerProtocolAssignment;
use highwater_wire::messages::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
use highwater_wire::messages::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup};
use highwater_wire::messages::list_groups::{ListGroupsRequest, ListGroupsResponse};
use highwater_wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic, OffsetCommitResponse,
};
use highwater_wire::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchResponse};
use highwater_wire::{Decoder, Str};

use crate::cluster::Cluster;
use crate::error::ClientError;

/// A partition by name.
pub type TopicPartition = (String, i32);

/// One group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its id.
    pub id: String,
    /// What its members are, such as `consumer`.
    pub protocol_type: String,
    /// Its state, if the broker tells.
    pub state: String,
    /// `classic`, `consumer` or `share`, if the broker tells.
    pub kind: String,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// What it calls itself.
    pub client_id: String,
    /// Where it is.
    pub host: String,
    /// What it reads.
    pub partitions: Vec<TopicPartition>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its id.
    pub id: String,
    /// Its state.
    pub state: String,
    /// Its members.
    pub members: Vec<Member>,
}

impl Cluster {
    /// Every group, ascending by id.
    ///
    /// # Errors
    /// As the brokers say.
    pub async fn groups(&mut self) -> Result<Vec<ListedGroup>, ClientError> {
        self.metadata(Some(&[]), false).await?;
        let nodes: Vec<i32> = self.brokers().keys().copied().collect();
        let mut groups = Vec::new();
        for node in nodes {
            let response = self.groups_of(node).await?;
            groups.extend(response.groups.into_iter().map(|group| ListedGroup {
                id: String::from(group.group_id),
                protocol_type: String::from(group.protocol_type),
                state: String::from(group.group_state),
                kind: String::from(group.group_type),
            }));
        }
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(groups)
    }

    /// The groups that a broker coordinates, once it has loaded them.
    async fn groups_of(&mut self, node: i32) -> Result<ListGroupsResponse, ClientError> {
        let deadline = self.deadline();
        loop {
            let response = self.call(node, &ListGroupsRequest::default()).await?;
            match ClientError::check(response.error_code, None, || "groups".to_owned()) {
                Ok(()) => return Ok(response),
                Err(error) if error.is_retriable() && self.pause(deadline).await => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// One group. A group that does not exist is `Dead` and has no members.
    ///
    /// # Errors
    /// As its coordinator says.
    pub async fn group(&mut self, id: &str) -> Result<GroupInfo, ClientError> {
        let request = DescribeGroupsRequest { groups: vec![Str::from(id)], ..Default::default() };
        let refused = |group: &DescribedGroup| {
            ClientError::check(group.error_code, group.error_message.as_deref(), || format!("group '{id}'"))
        };
        let check = |response: &DescribeGroupsResponse| response.groups.iter().try_for_each(refused);
        let mut response = self.call_coordinator(id, &request, check).await?;
        let none = || ClientError::Invalid("no answer about the group".to_owned());
        response.groups.pop().map(info).ok_or_else(none)
    }

    /// What a group has committed.
    ///
    /// # Errors
    /// As its coordinator says.
    pub async fn committed(&mut self, group: &str) -> Result<BTreeMap<TopicPartition, i64>, ClientError> {
        let request = OffsetFetchRequest { group_id: Str::from(group), topics: None, ..Default::default() };
        let refused = |code| ClientError::check(code, None, || format!("offsets of group '{group}'"));
        let check = |response: &OffsetFetchResponse| {
            refused(response.error_code)?;
            let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.try_for_each(|partition| refused(partition.error_code))
        };
        let response = self.call_coordinator(group, &request, check).await?;
        let mut committed = BTreeMap::new();
        for topic in &response.topics {
            for partition in &topic.partitions {
                if partition.committed_offset >= 0 {
                    committed.insert((topic.name.to_string(), partition.partition_index), partition.committed_offset);
                }
            }
        }
        Ok(committed)
    }

    /// Commits offsets for a group, as a member (`generation`, id) or, for an empty group, as nobody.
    ///
    /// # Errors
    /// As its coordinator says.
    pub async fn commit(
        &mut self,
        group: &str,
        member: Option<(i32, &str)>,
        offsets: &BTreeMap<TopicPartition, i64>,
    ) -> Result<(), ClientError> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for ((topic, partition_index), committed_offset) in offsets {
            topics.entry(topic).or_default().push(OffsetCommitRequestPartition {
                partition_index: *partition_index,
                committed_offset: *committed_offset,
                committed_metadata: Some(Str::default()),
                ..Default::default()
            });
        }
        let topic =
            |(name, partitions)| OffsetCommitRequestTopic { name: Str::from(name), partitions, ..Default::default() };
        let (generation, member_id) = member.unwrap_or((-1, ""));
        let request = OffsetCommitRequest {
            group_id: Str::from(group),
            generation_id_or_member_epoch: generation,
            member_id: Str::from(member_id),
            topics: topics.into_iter().map(topic).collect(),
            ..Default::default()
        };
        let check = |response: &OffsetCommitResponse| {
            let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
            partitions.try_for_each(|partition| {
                ClientError::check(partition.error_code, None, || format!("commit of group '{group}'"))
            })
        };
        self.call_coordinator(group, &request, check).await.map(drop)
    }

    /// Deletes a group that has no members.
    ///
    /// # Errors
    /// As its coordinator says.
    pub async fn delete_group(&mut self, group: &str) -> Result<(), ClientError> {
        let request = DeleteGroupsRequest { groups_names: vec![Str::from(group)], ..Default::default() };
        let refused =
            |result: &DeletableGroupResult| ClientError::check(result.error_code, None, || format!("group '{group}'"));
        let check = |response: &DeleteGroupsResponse| response.results.iter().try_for_each(refused);
        self.call_coordinator(group, &request, check).await.map(drop)
    }
}

fn info(group: DescribedGroup) -> GroupInfo {
    let members = group.members.into_iter().map(|member| Member {
        id: String::from(member.member_id),
        client_id: String::from(member.client_id),
        host: String::from(member.client_host),
        partitions: assigned(member.member_assignment).unwrap_or_default(),
    });
    GroupInfo { id: String::from(group.group_id), state: String::from(group.group_state), members: members.collect() }
}

/// The partitions that an assignment of a consumer group says. `None` for what is not one: other kinds
/// of groups assign what they like.
pub(crate) fn assigned(bytes: bytes::Bytes) -> Option<Vec<TopicPartition>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut decoder = Decoder::new(bytes);
    let version = decoder.i16().ok()?.clamp(0, 3);
    let assignment = ConsumerProtocolAssignment::decode(&mut decoder, version).ok()?;
    let topics = assignment.assigned_partitions.into_iter();
    Some(
        topics
            .flat_map(|topic| {
                let name = topic.topic.to_string();
                topic.partitions.into_iter().map(move |partition| (name.clone(), partition))
            })
            .collect(),
    )
}
