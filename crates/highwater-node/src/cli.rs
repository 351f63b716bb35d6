//! Flags of the command line.

use clap::{Parser, Subcommand};

use clap_complete::Shell;

use crate::commands::bucket::BucketCommand;
use crate::commands::config;
use crate::commands::consume::ConsumeArgs;
use crate::commands::group::GroupCommand;
use crate::commands::inspect::InspectArgs;
use crate::commands::produce::ProduceArgs;
use crate::commands::session::Brokers;
use crate::commands::topic::TopicCommand;
use crate::commands::verify::VerifyArgs;
use crate::config::BrokerFlags;
use crate::config::show::ShowArgs;

/// A Kafka-compatible log whose storage is a bucket.
#[derive(Debug, Parser)]
#[command(
    name = "highwater",
    version,
    about = "A Kafka-compatible log whose storage is a bucket.",
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Log level (error, warn, info, debug, trace) or a filter by module; stronger than RUST_LOG.
    #[arg(long, global = true, value_name = "FILTER", display_order = 1_000)]
    pub log: Option<String>,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a broker.
    Serve(BrokerFlags),
    /// Topics of a cluster.
    Topic {
        /// Which brokers.
        #[command(flatten)]
        brokers: Brokers,
        /// What to do.
        #[command(subcommand)]
        command: TopicCommand,
    },
    /// Write lines as records.
    Produce {
        /// Which brokers.
        #[command(flatten)]
        brokers: Brokers,
        /// What to write.
        #[command(flatten)]
        args: ProduceArgs,
    },
    /// Read records as lines.
    Consume {
        /// Which brokers.
        #[command(flatten)]
        brokers: Brokers,
        /// What to read.
        #[command(flatten)]
        args: ConsumeArgs,
    },
    /// Consumer groups of a cluster.
    Group {
        /// Which brokers.
        #[command(flatten)]
        brokers: Brokers,
        /// What to do.
        #[command(subcommand)]
        command: GroupCommand,
    },
    /// The settings of a broker, and the configurations of a cluster at work.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Set up and check a bucket.
    #[command(subcommand)]
    Bucket(BucketCommand),
    /// Walk through a bucket and check everything in it: checksums, offsets, references. Only reads.
    Verify(VerifyArgs),
    /// Show one object of a bucket, or one file, in plain text: segment, manifest, metadata, lease, write-ahead
    /// log. Damage is shown, with what it affects.
    Inspect(InspectArgs),
    /// Print the completions of a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// What can be asked about settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show what is in force and where each value came from, without starting a broker.
    Show(ShowArgs),
    /// Show the configurations of a topic or broker of a cluster at work.
    Describe {
        /// Which brokers.
        #[command(flatten)]
        brokers: Brokers,
        /// Whose.
        #[command(flatten)]
        args: config::DescribeArgs,
    },
    /// Change the configurations of a topic or broker of a cluster at work.
    Alter {
        /// Which brokers.
        #[command(flatten)]
        brokers: Brokers,
        /// Whose, and what.
        #[command(flatten)]
        args: config::AlterArgs,
    },
    /// Print the page about every setting, in Markdown.
    Reference,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn commands_and_flags_hold_together() {
        Cli::command().debug_assert();
    }
}
