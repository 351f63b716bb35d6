//! `highwater topic …`.

use clap::{Args, Subcommand};
use highwater_client::admin::ConfigOf;
use highwater_client::consumer::offsets_at;
use highwater_client::{ClientError, Cluster, StartAt};
use serde_json::json;

use super::session::{CommandError, pair, print};
use super::table::Table;

/// What to do with topics.
#[derive(Clone, Debug, Subcommand)]
pub enum TopicCommand {
    /// Create a topic.
    Create(Create),
    /// List topics.
    List(List),
    /// Show a topic: its partitions with their offsets, and what is set for it.
    Describe(Describe),
    /// Give a topic more partitions, set its configurations or take them away.
    Alter(Alter),
    /// Delete topics with everything in them.
    Delete(Delete),
}

/// Flags of `topic create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// Its name.
    topic: String,
    /// Number of partitions; without it, the brokers' default.
    #[arg(long, short = 'p', value_name = "N")]
    partitions: Option<i32>,
    /// Copies, for brokers that replicate themselves.
    #[arg(long, value_name = "N")]
    replication_factor: Option<i16>,
    /// A configuration; may be repeated.
    #[arg(long = "config", short = 'c', value_name = "NAME=VALUE", value_parser = pair)]
    configs: Vec<(String, String)>,
    /// No error if the topic is there already.
    #[arg(long)]
    if_not_exists: bool,
}

/// Flags of `topic list`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// The system's own, too.
    #[arg(long)]
    internal: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `topic describe`.
#[derive(Clone, Debug, Args)]
pub struct Describe {
    /// Its name.
    topic: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `topic alter`.
#[derive(Clone, Debug, Args)]
pub struct Alter {
    /// Its name.
    topic: String,
    /// Number of partitions afterwards.
    #[arg(long, short = 'p', value_name = "N")]
    partitions: Option<i32>,
    /// A configuration to set; may be repeated.
    #[arg(long = "config", short = 'c', value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// A configuration to take away; may be repeated.
    #[arg(long = "delete-config", value_name = "NAME")]
    delete: Vec<String>,
}

/// Flags of `topic delete`.
#[derive(Clone, Debug, Args)]
pub struct Delete {
    /// Their names.
    #[arg(required = true)]
    topics: Vec<String>,
}

/// Runs one.
pub async fn run(cluster: &mut Cluster, command: TopicCommand) -> Result<(), CommandError> {
    match command {
        TopicCommand::Create(args) => create(cluster, args).await,
        TopicCommand::List(args) => list(cluster, &args).await,
        TopicCommand::Describe(args) => describe(cluster, &args).await,
        TopicCommand::Alter(args) => alter(cluster, args).await,
        TopicCommand::Delete(args) => delete(cluster, &args.topics).await,
    }
}

async fn create(cluster: &mut Cluster, args: Create) -> Result<(), CommandError> {
    let (partitions, copies) = (args.partitions.unwrap_or(-1), args.replication_factor.unwrap_or(-1));
    let created = cluster.create_topic(&args.topic, partitions, copies, &args.configs).await;
    match created {
        Ok(()) => print(&format!("created topic {}\n", args.topic)),
        Err(error) if args.if_not_exists && is_there(&error) => print(&format!("topic {} is there\n", args.topic)),
        Err(error) => Err(error.into()),
    }
}

fn is_there(error: &ClientError) -> bool {
    error.code().is_some_and(|code| code.name() == "TOPIC_ALREADY_EXISTS")
}

async fn list(cluster: &mut Cluster, args: &List) -> Result<(), CommandError> {
    let mut topics = cluster.topics().await?;
    topics.retain(|topic| args.internal || !topic.internal);
    if args.json {
        let topics: Vec<_> = topics
            .iter()
            .map(|topic| json!({"name": topic.name, "partitions": topic.leaders.len(), "internal": topic.internal}))
            .collect();
        return print(&format!("{}\n", json!(topics)));
    }
    let mut table = Table::new(&["topic", "partitions", "replicas"]);
    for topic in topics {
        table.row([topic.name, topic.leaders.len().to_string(), topic.replicas.to_string()]);
    }
    print(&table.text())
}

async fn describe(cluster: &mut Cluster, args: &Describe) -> Result<(), CommandError> {
    let topic = cluster.describe(&args.topic).await?;
    let partitions: Vec<i32> = (0..).take(topic.leaders.len()).collect();
    // Without leaders nobody knows the offsets.
    let (first, end) = match topic.leaders.iter().all(|leader| *leader >= 0) {
        true => (
            offsets_at(cluster, &args.topic, &partitions, StartAt::Beginning).await?,
            offsets_at(cluster, &args.topic, &partitions, StartAt::End).await?,
        ),
        false => Default::default(),
    };
    let configs = cluster.configs(&ConfigOf::Topic(args.topic.clone())).await?;
    let set: Vec<_> = configs.into_iter().filter(|config| !config.is_default).collect();
    let offset = |of: &std::collections::BTreeMap<i32, i64>, partition: i32| of.get(&partition).copied().unwrap_or(-1);
    if args.json {
        let partitions: Vec<_> = partitions
            .iter()
            .zip(&topic.leaders)
            .map(|(partition, leader)| {
                json!({"partition": partition, "leader": leader, "start": offset(&first, *partition),
                    "end": offset(&end, *partition)})
            })
            .collect();
        let configs: serde_json::Map<_, _> = set
            .iter()
            .map(|config| (config.name.clone(), json!({"value": config.value, "source": config.source})))
            .collect();
        let topic =
            json!({"name": topic.name, "replicas": topic.replicas, "partitions": partitions, "configs": configs});
        return print(&format!("{topic}\n"));
    }
    let mut table = Table::new(&["partition", "leader", "start", "end", "records"]);
    for (partition, leader) in partitions.iter().zip(&topic.leaders) {
        let (start, end) = (offset(&first, *partition), offset(&end, *partition));
        table.row([*partition, *leader].map(|number| number.to_string()).into_iter().chain([
            start.to_string(),
            end.to_string(),
            (end - start).to_string(),
        ]));
    }
    let mut text = table.text();
    if !set.is_empty() {
        let mut table = Table::new(&["configuration", "value", "set by"]);
        for config in set {
            table.row([config.name, config.value.unwrap_or_default(), config.source.to_owned()]);
        }
        text.push('\n');
        text.push_str(&table.text());
    }
    print(&text)
}

async fn alter(cluster: &mut Cluster, args: Alter) -> Result<(), CommandError> {
    let changes: Vec<(String, Option<String>)> = args
        .set
        .into_iter()
        .map(|(name, value)| (name, Some(value)))
        .chain(args.delete.into_iter().map(|name| (name, None)))
        .collect();
    if changes.is_empty() && args.partitions.is_none() {
        return Err(CommandError::Usage("topic alter takes --partitions, --config or --delete-config".to_owned()));
    }
    if !changes.is_empty() {
        cluster.alter_configs(&ConfigOf::Topic(args.topic.clone()), &changes).await?;
    }
    if let Some(count) = args.partitions {
        cluster.add_partitions(&args.topic, count).await?;
    }
    print(&format!("altered topic {}\n", args.topic))
}

async fn delete(cluster: &mut Cluster, topics: &[String]) -> Result<(), CommandError> {
    for topic in topics {
        cluster.delete_topic(topic).await?;
        print(&format!("deleted topic {topic}\n"))?;
    }
    Ok(())
}
