//! `highwater config describe` and `highwater config alter`: Kafka's configurations of a cluster at work.

use clap::{ArgGroup, Args};
use highwater_client::Cluster;
use highwater_client::admin::ConfigOf;
use serde_json::json;

use super::session::{CommandError, pair, print};
use super::table::Table;

/// Whose configurations.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("of").required(true).args(["topic", "broker", "all_brokers"]))]
pub struct Of {
    /// A topic's.
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// One broker's.
    #[arg(long, value_name = "NODE")]
    broker: Option<i32>,
    /// Those of all brokers.
    #[arg(long)]
    all_brokers: bool,
}

impl Of {
    fn resource(&self) -> ConfigOf {
        match (&self.topic, self.broker) {
            (Some(topic), _) => ConfigOf::Topic(topic.clone()),
            (None, Some(node)) => ConfigOf::Broker(node),
            (None, None) => ConfigOf::AllBrokers,
        }
    }
}

/// Flags of `config describe`.
#[derive(Clone, Debug, Args)]
pub struct DescribeArgs {
    #[command(flatten)]
    of: Of,
    /// Those that have their default, too.
    #[arg(long)]
    all: bool,
    /// Say what each is for.
    #[arg(long)]
    documentation: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Flags of `config alter`.
#[derive(Clone, Debug, Args)]
pub struct AlterArgs {
    #[command(flatten)]
    of: Of,
    /// A configuration to set; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// A configuration to take away; may be repeated.
    #[arg(long, value_name = "NAME")]
    delete: Vec<String>,
}

/// Shows configurations.
pub async fn describe(cluster: &mut Cluster, args: &DescribeArgs) -> Result<(), CommandError> {
    let mut configs = cluster.configs(&args.of.resource()).await?;
    configs.retain(|config| args.all || !config.is_default);
    if args.json {
        let configs: Vec<_> = configs
            .iter()
            .map(|config| {
                json!({"name": config.name, "value": config.value, "source": config.source,
                    "read_only": config.read_only, "documentation": config.documentation})
            })
            .collect();
        return print(&format!("{}\n", json!(configs)));
    }
    let headings = ["configuration", "value", "set by", "changes", "documentation"];
    let mut table = Table::new(if args.documentation { &headings } else { &headings[..4] });
    for config in configs {
        let changes = if config.read_only { "at a start" } else { "at any time" };
        let value = config.value.unwrap_or_default();
        let mut row = vec![config.name, value, config.source.to_owned(), changes.to_owned()];
        row.extend(config.documentation.filter(|_| args.documentation));
        table.row(row);
    }
    print(&table.text())
}

/// Changes configurations.
pub async fn alter(cluster: &mut Cluster, args: AlterArgs) -> Result<(), CommandError> {
    let of = args.of.resource();
    let set = args.set.into_iter().map(|(name, value)| (name, Some(value)));
    let changes: Vec<_> = set.chain(args.delete.into_iter().map(|name| (name, None))).collect();
    if changes.is_empty() {
        return Err(CommandError::Usage("config alter takes --set or --delete".to_owned()));
    }
    cluster.alter_configs(&of, &changes).await?;
    print(&format!("altered {of}\n"))
}
