//! What the flags mean together: checked, with defaults, before anything is touched.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use highwater_kafka::Endpoint;
use highwater_store::open::StoreOptions;
use highwater_types::NodeId;
use url::Url;

use crate::cli::ServeArgs;
use crate::errors::StartError;

/// Longest host name or zone, bytes.
const MAX_NAME: usize = 255;

/// Where the bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreTarget {
    /// A local directory, locked by one broker.
    Directory(PathBuf),
    /// A bucket, with leases.
    Bucket,
}

/// A broker's configuration.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Data directory, absolute.
    pub data: PathBuf,
    /// Kafka's socket.
    pub listen: SocketAddr,
    /// What clients are told; a port of `None` is that of the socket.
    pub advertise_host: String,
    /// See `advertise_host`.
    pub advertise_port: Option<u16>,
    /// The probes' socket.
    pub http: SocketAddr,
    /// URL of the bucket.
    pub store_url: String,
    /// What kind that is.
    pub store_target: StoreTarget,
    /// The rest of it.
    pub store_options: StoreOptions,
    /// Kafka's node.id.
    pub node_id: NodeId,
    /// Kafka's broker.rack.
    pub zone: Option<String>,
    /// Kafka broker configurations.
    pub configs: BTreeMap<String, String>,
}

impl ServeConfig {
    /// Checks the flags and resolves names.
    pub fn resolve(args: ServeArgs) -> Result<Self, StartError> {
        let data = absolute(&args.data)?;
        let listen = socket("--listen", &args.listen)?;
        let http = socket("--http", &args.http)?;
        let (advertise_host, advertise_port) = match &args.advertise {
            Some(text) => host_port(text)?,
            None if listen.ip().is_unspecified() => {
                return Err(refuse(format!(
                    "listening on {listen} needs --advertise HOST:PORT, the address at which clients reach this broker"
                )));
            }
            None => (listen.ip().to_string(), None),
        };
        if let Some(zone) = &args.zone
            && (zone.is_empty() || zone.len() > MAX_NAME)
        {
            return Err(refuse(format!("--zone takes 1 to {MAX_NAME} bytes")));
        }
        let (store_url, store_target) = store(&args, &data)?;
        let endpoint_is_ip = args.s3_endpoint.as_deref().map(endpoint_is_ip).transpose()?.unwrap_or(false);
        let configs = args.configs.iter().map(|pair| broker_config(pair)).collect::<Result<_, _>>()?;
        Ok(Self {
            data,
            listen,
            advertise_host,
            advertise_port,
            http,
            store_url,
            store_target,
            store_options: StoreOptions {
                s3_region: region(args.s3_region),
                s3_endpoint: args.s3_endpoint,
                s3_path_style: args.s3_path_style || endpoint_is_ip,
                s3_allow_http: args.s3_allow_http,
                ..StoreOptions::default()
            },
            node_id: NodeId(args.node_id),
            zone: args.zone,
            configs,
        })
    }

    /// What clients are told, once the socket has its port.
    pub fn advertised(&self, bound: SocketAddr) -> Endpoint {
        Endpoint { host: self.advertise_host.clone(), port: self.advertise_port.unwrap_or(bound.port()) }
    }
}

fn refuse(line: impl Into<String>) -> StartError {
    StartError::Config(line.into())
}

fn absolute(path: &Path) -> Result<PathBuf, StartError> {
    std::path::absolute(path).map_err(|error| refuse(format!("--data {}: {error}", path.display())))
}

/// The address of a socket of ours: numbers, or a name that resolves.
fn socket(flag: &str, text: &str) -> Result<SocketAddr, StartError> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let resolved = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    resolved
        .ok_or_else(|| refuse(format!("{flag} takes ADDRESS:PORT, such as 127.0.0.1:9092 or [::1]:9092; got '{text}'")))
}

/// HOST, HOST:PORT, IPv6 or [IPv6]:PORT.
fn host_port(text: &str) -> Result<(String, Option<u16>), StartError> {
    let wrong = |why: &str| refuse(format!("--advertise takes HOST or HOST:PORT, got '{text}': {why}"));
    if let Ok(ip) = text.parse::<IpAddr>() {
        return reachable(ip, None, &wrong);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return reachable(address.ip(), Some(address.port()), &wrong);
    }
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, port)) => {
            (host, Some(port.parse::<u16>().map_err(|_| wrong("the port is not a number up to 65535"))?))
        }
    };
    if port == Some(0) {
        return Err(wrong("clients cannot reach port 0"));
    }
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if host.is_empty() || host.len() > MAX_NAME || !host.bytes().all(legal) {
        return Err(wrong("that is not a host name"));
    }
    Ok((host.to_owned(), port))
}

fn reachable(
    ip: IpAddr,
    port: Option<u16>,
    wrong: &dyn Fn(&str) -> StartError,
) -> Result<(String, Option<u16>), StartError> {
    if ip.is_unspecified() {
        return Err(wrong("clients cannot reach a wildcard address"));
    }
    if port == Some(0) {
        return Err(wrong("clients cannot reach port 0"));
    }
    Ok((ip.to_string(), port))
}

/// URL and kind of the bucket.
fn store(args: &ServeArgs, data: &Path) -> Result<(String, StoreTarget), StartError> {
    let s3_flag = [
        (args.s3_endpoint.is_some(), "--s3-endpoint"),
        (args.s3_region.is_some(), "--s3-region"),
        (args.s3_path_style, "--s3-path-style"),
        (args.s3_allow_http, "--s3-allow-http"),
    ]
    .into_iter()
    .find_map(|(given, flag)| given.then_some(flag));
    let url = match &args.store {
        Some(url) => Url::parse(url).map_err(|error| {
            refuse(format!("--store takes s3://BUCKET/PREFIX or file:///DIR, got '{url}': {error}"))
        })?,
        None => Url::from_file_path(data.join("bucket"))
            .map_err(|()| refuse(format!("--data {} cannot be written as a URL", data.display())))?,
    };
    if url.scheme() == "s3" {
        return Ok((url.to_string(), StoreTarget::Bucket));
    }
    if url.scheme() != "file" {
        return Err(refuse(format!("--store takes s3://BUCKET/PREFIX or file:///DIR, got '{url}'")));
    }
    if let Some(flag) = s3_flag {
        return Err(refuse(format!("{flag} needs --store s3://BUCKET/PREFIX")));
    }
    let directory = url.to_file_path().map_err(|()| {
        refuse(format!("--store {url} is not a directory of this machine: file:///DIR takes an absolute path"))
    })?;
    if args.store.is_some() && directory == data {
        return Err(refuse(format!("--store {url} is the data directory itself: give it a directory of its own")));
    }
    Ok((url.to_string(), StoreTarget::Directory(directory)))
}

/// Whether an endpoint's host is an IP address, which has no names below it for buckets.
fn endpoint_is_ip(text: &str) -> Result<bool, StartError> {
    let wrong = |why: &str| refuse(format!("--s3-endpoint takes http(s)://HOST:PORT, got '{text}': {why}"));
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("not http or https"));
    }
    match url.host() {
        Some(host) => Ok(!matches!(host, url::Host::Domain(_))),
        None => Err(wrong("no host")),
    }
}

/// The flag, else the variables that the AWS tools read, else Amazon's first region.
fn region(flag: Option<String>) -> String {
    flag.or_else(|| std::env::var("AWS_REGION").ok())
        .or_else(|| std::env::var("AWS_DEFAULT_REGION").ok())
        .filter(|region| !region.is_empty())
        .unwrap_or_else(|| "us-east-1".to_owned())
}

/// NAME=VALUE of a Kafka broker configuration.
fn broker_config(pair: &str) -> Result<(String, String), StartError> {
    let (name, value) = pair
        .split_once('=')
        .ok_or_else(|| refuse(format!("--config takes NAME=VALUE, such as num.partitions=4; got '{pair}'")))?;
    highwater_meta::config::broker::check(name, value).map_err(|error| refuse(format!("--config {pair}: {error}")))?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn resolve(flags: &[&str]) -> Result<ServeConfig, String> {
        let cli = Cli::try_parse_from(["highwater", "serve"].iter().chain(flags)).map_err(|e| e.to_string())?;
        let Command::Serve(args) = cli.command;
        ServeConfig::resolve(args).map_err(|e| e.to_string())
    }

    #[test]
    fn defaults() {
        let config = resolve(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:9092");
        assert_eq!(config.http.to_string(), "127.0.0.1:8090");
        assert!(config.data.is_absolute() && config.data.ends_with("highwater-data"));
        let StoreTarget::Directory(directory) = &config.store_target else { panic!("{config:?}") };
        assert_eq!(directory, &config.data.join("bucket"));
        assert!(config.store_url.starts_with("file:///"));
        let bound = SocketAddr::from(([127, 0, 0, 1], 4711));
        assert_eq!(config.advertised(bound), Endpoint { host: "127.0.0.1".to_owned(), port: 4711 });
        assert_eq!(config.node_id, NodeId(1));
    }

    #[test]
    fn what_clients_are_told() {
        let told = |flags: &[&str]| resolve(flags).map(|c| c.advertised(SocketAddr::from(([0, 0, 0, 0], 9092))));
        let wild = ["--listen", "0.0.0.0:9092", "--advertise"];
        for (advertise, host, port) in [
            ("kafka.example", "kafka.example", 9092),
            ("kafka.example:19092", "kafka.example", 19092),
            ("10.1.2.3", "10.1.2.3", 9092),
            ("10.1.2.3:7", "10.1.2.3", 7),
            ("fd00::1", "fd00::1", 9092),
            ("[fd00::1]:7", "fd00::1", 7),
        ] {
            let endpoint = told(&[wild[0], wild[1], wild[2], advertise]).unwrap();
            assert_eq!(endpoint, Endpoint { host: host.to_owned(), port });
        }
        for bad in ["", "a b", "x:y", "x:70000", "x:0", "0.0.0.0", "[::]:9", "::", "1.2.3.4:0", "x:1:2"] {
            let line = told(&[wild[0], wild[1], wild[2], bad]).unwrap_err();
            assert!(line.starts_with("--advertise takes HOST or HOST:PORT"), "{line}");
        }
    }

    #[test]
    fn refused_in_one_line() {
        for (flags, begins) in [
            (vec!["--listen", "0.0.0.0:9092"], "listening on 0.0.0.0:9092 needs --advertise"),
            (vec!["--listen", "[::]:9092"], "listening on [::]:9092 needs --advertise"),
            (vec!["--listen", "9092"], "--listen takes ADDRESS:PORT"),
            (vec!["--http", "x"], "--http takes ADDRESS:PORT"),
            (vec!["--store", "ftp://x"], "--store takes"),
            (vec!["--store", "bucket"], "--store takes"),
            (vec!["--s3-endpoint", "http://x"], "--s3-endpoint needs --store s3://"),
            (vec!["--store", "file:///x", "--s3-path-style"], "--s3-path-style needs --store s3://"),
            (vec!["--data", "/x", "--store", "file:///x"], "--store file:///x is the data directory itself"),
            (vec!["--store", "s3://b", "--s3-endpoint", "localhost:9000"], "--s3-endpoint takes http(s)://HOST:PORT"),
            (vec!["--store", "s3://b", "--s3-endpoint", "x"], "--s3-endpoint takes http(s)://HOST:PORT"),
            (vec!["--config", "num.partitions"], "--config takes NAME=VALUE"),
            (vec!["--config", "no.such=1"], "--config no.such=1: Unknown broker config name"),
            (vec!["--config", "num.partitions=0"], "--config num.partitions=0: Invalid value"),
            (vec!["--zone", ""], "--zone takes"),
        ] {
            let line = resolve(&flags).unwrap_err();
            assert!(line.starts_with(begins) && !line.contains('\n'), "{line}");
        }
        assert!(resolve(&["--node-id", "-1"]).is_err());
    }

    #[test]
    fn a_bucket() {
        let flags = ["--store", "s3://b/p", "--s3-endpoint", "http://[::1]:9000", "--s3-region", "x"];
        let config = resolve(&flags).unwrap();
        assert_eq!(config.store_target, StoreTarget::Bucket);
        assert_eq!(config.store_url, "s3://b/p");
        assert_eq!(config.store_options.s3_region, "x");
        assert!(config.store_options.s3_path_style && !config.store_options.s3_allow_http);
        let named = ["--store", "s3://b", "--s3-endpoint", "http://minio:9000"];
        assert!(!resolve(&named).unwrap().store_options.s3_path_style);
        assert!(resolve(&[&named[..], &["--s3-path-style"]].concat()).unwrap().store_options.s3_path_style);
    }
}
