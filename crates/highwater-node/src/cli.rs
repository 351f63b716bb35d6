//! Flags of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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
    /// Log level or filter (error, warn, info, debug, trace, or as RUST_LOG, which it overrides).
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a broker.
    Serve(ServeArgs),
}

/// Flags of `highwater serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Directory for the write-ahead log, the broker's identity and, without --store, the bucket.
    #[arg(long, value_name = "DIR", default_value = "./highwater-data")]
    pub data: PathBuf,
    /// Address for Kafka clients.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9092")]
    pub listen: String,
    /// Address that Kafka clients are told, HOST or HOST:PORT; needed when listening on a wildcard
    /// address.
    #[arg(long, value_name = "ADDR")]
    pub advertise: Option<String>,
    /// Address for probes: /livez and /readyz.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    pub http: String,
    /// The bucket: s3://BUCKET/PREFIX or file:///DIR; without it, a directory in --data.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// Endpoint of an S3-compatible service, such as http://127.0.0.1:9000.
    #[arg(long, value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Region of the bucket; without it, AWS_REGION or AWS_DEFAULT_REGION, then us-east-1.
    #[arg(long, value_name = "REGION")]
    pub s3_region: Option<String>,
    /// Address the bucket by path (endpoint/bucket) instead of by host name; always so when the
    /// endpoint is an IP address.
    #[arg(long)]
    pub s3_path_style: bool,
    /// Allow an endpoint without TLS.
    #[arg(long)]
    pub s3_allow_http: bool,
    /// Kafka's node.id.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(0..))]
    pub node_id: i32,
    /// Availability zone, Kafka's broker.rack.
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// A broker configuration by its Kafka name; may be repeated.
    #[arg(long = "config", value_name = "NAME=VALUE")]
    pub configs: Vec<String>,
}
