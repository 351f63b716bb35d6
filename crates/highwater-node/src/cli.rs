//! Flags of the command line.

use clap::{Parser, Subcommand};

use crate::commands::bucket::BucketCommand;
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
    /// The settings of a broker.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Set up and check a bucket.
    #[command(subcommand)]
    Bucket(BucketCommand),
}

/// What can be asked about settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show what is in force and where each value came from, without starting a broker.
    Show(ShowArgs),
    /// Print the page about every setting, in Markdown.
    Reference,
}
