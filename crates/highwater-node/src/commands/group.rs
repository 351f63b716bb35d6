//! `highwater group …`.

use std::collections::{BTreeMap, BTreeSet};

use clap::{ArgGroup, Args, Subcommand};
use highwater_client::consumer::offsets_at;
use highwater_client::groups::TopicPartition;
use highwater_client::{Cluster, StartAt};
use serde_json::json;

use super::moment;
use super::session::{CommandError, print};
use super::table::Table;

/// What to do with groups.
#[derive(Clone, Debug, Subcommand)]
pub enum GroupCommand {
    /// List groups.
    List(List),
    /// Show a group: its members, what it has committed, how far it is behind.
    Describe(Describe),
    /// Move what an empty group has committed. Shows the plan; --execute does it.
    ResetOffsets(Reset),
    /// Delete groups that have no members.
    Delete(Delete),
}

/// Flags of `group list`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `group describe`.
#[derive(Clone, Debug, Args)]
pub struct Describe {
    /// Its id.
    group: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `group reset-offsets`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("to").required(true)
    .args(["to_earliest", "to_latest", "to_offset", "to_datetime", "shift_by"]))]
pub struct Reset {
    /// Its id.
    group: String,
    /// Topics; without any, those of which it has committed something. May be repeated.
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// To the oldest record.
    #[arg(long)]
    to_earliest: bool,
    /// Behind the newest record.
    #[arg(long)]
    to_latest: bool,
    /// To this offset.
    #[arg(long, value_name = "OFFSET")]
    to_offset: Option<i64>,
    /// To the first record at or after this time (2026-11-26T13:00:00Z, or -1h).
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to_datetime: Option<String>,
    /// By so many records, forward or (negative) back.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// Do it.
    #[arg(long)]
    execute: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `group delete`.
#[derive(Clone, Debug, Args)]
pub struct Delete {
    /// Their ids.
    #[arg(required = true)]
    groups: Vec<String>,
}

/// Runs one.
pub async fn run(cluster: &mut Cluster, command: GroupCommand) -> Result<(), CommandError> {
    match command {
        GroupCommand::List(args) => list(cluster, args.json).await,
        GroupCommand::Describe(args) => describe(cluster, &args).await,
        GroupCommand::ResetOffsets(args) => reset(cluster, &args).await,
        GroupCommand::Delete(args) => {
            for group in &args.groups {
                cluster.delete_group(group).await?;
                print(&format!("deleted group {group}\n"))?;
            }
            Ok(())
        }
    }
}

async fn list(cluster: &mut Cluster, as_json: bool) -> Result<(), CommandError> {
    let groups = cluster.groups().await?;
    if as_json {
        let groups: Vec<_> = groups
            .iter()
            .map(|group| json!({"group": group.id, "state": group.state, "type": group.kind, "protocol": group.protocol_type}))
            .collect();
        return print(&format!("{}\n", json!(groups)));
    }
    let mut table = Table::new(&["group", "state", "type", "protocol"]);
    for group in groups {
        table.row([group.id, group.state, group.kind, group.protocol_type]);
    }
    print(&table.text())
}

/// One partition of a group.
struct Row {
    partition: TopicPartition,
    committed: Option<i64>,
    end: i64,
    member: Option<(String, String)>,
}

async fn describe(cluster: &mut Cluster, args: &Describe) -> Result<(), CommandError> {
    let info = cluster.group(&args.group).await?;
    let committed = cluster.committed(&args.group).await?;
    if info.state == "Dead" && committed.is_empty() {
        return Err(CommandError::Usage(format!(
            "there is no group '{}' (highwater group list shows those there are)",
            args.group
        )));
    }
    let mut members: BTreeMap<TopicPartition, (String, String)> = BTreeMap::new();
    for member in &info.members {
        for partition in &member.partitions {
            members.insert(partition.clone(), (member.client_id.clone(), member.host.clone()));
        }
    }
    let partitions: BTreeSet<TopicPartition> = committed.keys().chain(members.keys()).cloned().collect();
    let ends = at(cluster, &partitions, StartAt::End).await?;
    let rows: Vec<Row> = partitions
        .into_iter()
        .map(|partition| Row {
            committed: committed.get(&partition).copied(),
            end: ends.get(&partition).copied().unwrap_or(-1),
            member: members.get(&partition).cloned(),
            partition,
        })
        .collect();
    let lag = |row: &Row| row.committed.map(|offset| (row.end - offset).max(0));
    if args.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| {
                let (topic, partition) = &row.partition;
                let (client, host) = row.member.clone().unzip();
                json!({"topic": topic, "partition": partition, "committed": row.committed, "end": row.end,
                    "lag": lag(row), "client": client, "host": host})
            })
            .collect();
        let members = info.members.len();
        let group = json!({"group": info.id, "state": info.state, "members": members, "partitions": rows});
        return print(&format!("{group}\n"));
    }
    let mut text = format!("group {}: {}, {} members\n\n", info.id, info.state, info.members.len());
    let mut table = Table::new(&["topic", "partition", "committed", "end", "lag", "client", "host"]);
    for row in &rows {
        let (client, host) = row.member.clone().unwrap_or_else(|| ("-".to_owned(), "-".to_owned()));
        let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let (topic, partition) = row.partition.clone();
        table.row([
            topic,
            partition.to_string(),
            number(row.committed),
            row.end.to_string(),
            number(lag(row)),
            client,
            host,
        ]);
    }
    text.push_str(&table.text());
    print(&text)
}

/// Offsets of partitions at a place.
async fn at(
    cluster: &mut Cluster,
    partitions: &BTreeSet<TopicPartition>,
    start: StartAt,
) -> Result<BTreeMap<TopicPartition, i64>, CommandError> {
    let mut by_topic: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        by_topic.entry(topic).or_default().push(*partition);
    }
    let mut offsets = BTreeMap::new();
    for (topic, partitions) in by_topic {
        let found = match offsets_at(cluster, topic, &partitions, start).await {
            Ok(found) => found,
            // A topic that is gone has no end; what was committed for it is shown all the same.
            Err(highwater_client::ClientError::UnknownTopic(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        offsets.extend(found.into_iter().map(|(partition, offset)| ((topic.to_owned(), partition), offset)));
    }
    Ok(offsets)
}

async fn reset(cluster: &mut Cluster, args: &Reset) -> Result<(), CommandError> {
    let committed = cluster.committed(&args.group).await?;
    let mut partitions: BTreeSet<TopicPartition> = committed.keys().cloned().collect();
    if !args.topics.is_empty() {
        partitions.clear();
        for topic in &args.topics {
            let count = cluster.topic(topic, false).await?.leaders.len();
            partitions.extend((0..).take(count).map(|partition| (topic.clone(), partition)));
        }
    }
    if partitions.is_empty() {
        let why = format!("group '{}' has committed nothing: name topics with --topic", args.group);
        return Err(CommandError::Usage(why));
    }
    let first = at(cluster, &partitions, StartAt::Beginning).await?;
    let end = at(cluster, &partitions, StartAt::End).await?;
    let wanted = match (args.to_offset, &args.to_datetime) {
        (Some(offset), _) => partitions.iter().map(|partition| (partition.clone(), offset)).collect(),
        (None, Some(time)) => {
            let time = moment::read(time, cluster.env().wall_ms()).map_err(CommandError::Usage)?;
            at(cluster, &partitions, StartAt::Time(time)).await?
        }
        (None, None) if args.to_earliest => first.clone(),
        (None, None) if args.to_latest => end.clone(),
        (None, None) => {
            let by = args.shift_by.unwrap_or(0);
            let now = |partition: &TopicPartition| committed.get(partition).or_else(|| end.get(partition)).copied();
            let shifted = partitions.iter().filter_map(|one| Some((one.clone(), now(one)?.saturating_add(by))));
            shifted.collect()
        }
    };
    // Within what there is, as Kafka's own tool does.
    let within = |(partition, offset): (TopicPartition, i64)| {
        let (least, most) = (first.get(&partition).copied()?, end.get(&partition).copied()?);
        Some((partition, offset.clamp(least, most)))
    };
    let plan: BTreeMap<TopicPartition, i64> = wanted.into_iter().filter_map(within).collect();
    if args.execute {
        cluster.commit(&args.group, None, &plan).await?;
    }
    if args.json {
        let rows: Vec<_> = plan
            .iter()
            .map(|((topic, partition), offset)| {
                let before = committed.get(&(topic.clone(), *partition));
                json!({"topic": topic, "partition": partition, "committed": before, "new": offset})
            })
            .collect();
        return print(&format!("{}\n", json!({"executed": args.execute, "partitions": rows})));
    }
    let mut table = Table::new(&["topic", "partition", "committed", "new"]);
    for ((topic, partition), offset) in &plan {
        let before = committed.get(&(topic.clone(), *partition)).map_or_else(|| "-".to_owned(), ToString::to_string);
        table.row([topic.clone(), partition.to_string(), before, offset.to_string()]);
    }
    let mut text = table.text();
    if !args.execute {
        text.push_str("\nnothing was changed: --execute does it\n");
    }
    print(&text)
}
