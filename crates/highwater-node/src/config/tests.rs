//! The configuration as a whole: from flags, variables and a file to what a broker runs with.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use clap::Parser;
use highwater_kafka::Endpoint;
use highwater_types::NodeId;

use super::key::{Kafka, Shape};
use super::keys::{self, ALL};
use super::settings::Layer;
use super::{ServeConfig, Settings, StoreTarget, file, variables};
use crate::cli::{Cli, Command};
use crate::errors::StartError;

/// The settings of these flags, variables and the text of a file called `test.toml`.
pub fn given(flags: &[&str], variables: &[(&str, &str)], text: Option<&str>) -> Result<Settings, StartError> {
    let cli = Cli::try_parse_from(["highwater", "serve"].iter().chain(flags))
        .map_err(|error| StartError::Config(error.to_string()))?;
    let Command::Serve(flags) = cli.command else { panic!("not serve") };
    let flags = flags.with_log(cli.log);
    let environment = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let variables = variables::read(environment)?;
    let file = text.map(|text| file::parse("test.toml", text)).transpose()?.unwrap_or_default();
    // What a broker does first: it reads the file that the flags name, or says why it cannot.
    Settings::read(&flags, std::iter::empty())?;
    Settings::of(file, variables, flags.layer()?)
}

/// What they mean together.
pub fn resolved(settings: &Settings) -> Result<ServeConfig, StartError> {
    ServeConfig::resolve(settings)
}

fn resolve(flags: &[&str]) -> Result<ServeConfig, String> {
    given(flags, &[], None).and_then(|settings| resolved(&settings)).map_err(|error| error.to_string())
}

fn refused(flags: &[&str], variables: &[(&str, &str)], text: Option<&str>) -> String {
    let outcome = given(flags, variables, text).and_then(|settings| resolved(&settings));
    let line = outcome.map(|_| ()).unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn definitions_hold_together() {
    let mut names = BTreeSet::new();
    for facts in ALL {
        assert!(!facts.doc().is_empty() && facts.doc().ends_with('.'), "{}", facts.name);
        for name in [facts.name.to_owned(), facts.flag(), facts.variable()] {
            assert!(names.insert(name.clone()), "{name} twice");
        }
        // A name that is the beginning of another could not be written in TOML beside it.
        let below = format!("{}.", facts.name);
        assert!(ALL.iter().all(|other| !other.name.starts_with(&below)), "{}", facts.name);
        if let Kafka::Same(name) | Kafka::Instead(name) = facts.kafka {
            assert!(names.insert(format!("kafka {name}")), "{name} twice");
        }
    }
    assert_eq!(ALL.iter().filter(|facts| facts.shape == Shape::Table).count(), 1);
}

#[test]
fn defaults() {
    let config = resolve(&[]).unwrap();
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].address.to_string(), "127.0.0.1:9092");
    assert_eq!(config.listeners[0].endpoint(4711), Endpoint { host: "127.0.0.1".to_owned(), port: 4711 });
    assert_eq!(config.http.to_string(), "127.0.0.1:8090");
    assert!(config.data.is_absolute() && config.data.ends_with("highwater-data"));
    let StoreTarget::Directory(directory) = &config.store_target else { panic!("{config:?}") };
    assert_eq!(directory, &config.data.join("bucket"));
    assert!(config.store_url.starts_with("file:///"));
    assert_eq!(config.node_id, None);
    assert_eq!((config.wal_max_bytes, config.flush_bytes), (1 << 30, 8 << 20));
    assert_eq!((config.max_connections, config.drain_limit), (16_000, Duration::from_secs(25)));
    let filter = resolve(&["--log", "debug"]).unwrap().log;
    assert_eq!(filter, "debug");
}

#[test]
fn flags_beat_variables_and_those_the_file() {
    let text = "zone = 'file'\nflush.bytes = '1MiB'\nwal.max.bytes = 268435456\n[kafka]\nnum.partitions = 2\n\
                offsets.retention.minutes = 5\n";
    let variables = [
        ("HIGHWATER_ZONE", "variable"),
        ("HIGHWATER_FLUSH_BYTES", "2MiB"),
        ("HIGHWATER_KAFKA_NUM_PARTITIONS", "3"),
        ("AWS_REGION", "eu-x-1"),
        ("HIGHWATER_HTTP", ""),
    ];
    let settings = given(&["--zone", "flag", "--config", "num.partitions=4"], &variables, Some(text)).unwrap();
    let config = resolved(&settings).unwrap();
    assert_eq!(config.zone.as_deref(), Some("flag"));
    assert_eq!((config.flush_bytes, config.wal_max_bytes), (2 << 20, 256 << 20));
    assert_eq!(config.configs["num.partitions"], "4");
    assert_eq!(config.configs["offsets.retention.minutes"], "5");
    assert_eq!(config.store_options.s3_region.as_deref(), Some("eu-x-1"));
    assert_eq!(config.http.to_string(), "127.0.0.1:8090", "an empty variable is not set");
    // The file is stronger than other programs' variables.
    let settings = given(&["--store", "s3://b"], &[("AWS_REGION", "eu-x-1")], Some("s3.region = 'us-x-2'")).unwrap();
    assert_eq!(resolved(&settings).unwrap().store_options.s3_region.as_deref(), Some("us-x-2"));
    let both = [("AWS_REGION", "first"), ("AWS_DEFAULT_REGION", "second")];
    assert_eq!(resolved(&given(&[], &both, None).unwrap()).unwrap().store_options.s3_region.as_deref(), Some("first"));
}

#[test]
fn listeners_by_flags_variable_and_file() {
    let flags = [
        "--listen",
        "in=0.0.0.0:9092",
        "--listen",
        "out=[::]:9094",
        "--advertise",
        "out=kafka.example:19094",
        "--advertise",
        "in=fd00::1",
    ];
    let variables = [
        ("HIGHWATER_LISTEN", "in=0.0.0.0:9092, out=[::]:9094"),
        ("HIGHWATER_ADVERTISE", "in=fd00::1,out=kafka.example:19094"),
    ];
    let table = "listen.in = '0.0.0.0:9092'\nlisten.out = '[::]:9094'\n[advertise]\nin = 'fd00::1'\n\
                 out = 'kafka.example:19094'\n";
    let list = "listen = ['in=0.0.0.0:9092', 'out=[::]:9094']\nadvertise = ['out=kafka.example:19094', 'in=fd00::1']\n";
    for settings in [
        given(&flags, &[], None),
        given(&[], &variables, None),
        given(&[], &[], Some(table)),
        given(&[], &[], Some(list)),
    ] {
        let listeners = resolved(&settings.unwrap()).unwrap().listeners;
        let shown: Vec<_> = listeners
            .iter()
            .map(|one| (one.name.as_str(), one.address.to_string(), one.endpoint(one.address.port)))
            .collect();
        let endpoint = |host: &str, port| Endpoint { host: host.to_owned(), port };
        assert_eq!(
            shown,
            [
                ("in", "0.0.0.0:9092".to_owned(), endpoint("fd00::1", 9092)),
                ("out", "[::]:9094".to_owned(), endpoint("kafka.example", 19094)),
            ]
        );
    }
    let config = resolve(&["--listen", "localhost:0", "--listen", "b=[::1]:9", "--advertise", "h"]).unwrap();
    assert_eq!(config.listeners[0].endpoint(5), Endpoint { host: "h".to_owned(), port: 5 });
    let config = resolve(&["--listen", "localhost:0"]).unwrap();
    assert_eq!(config.listeners[0].endpoint(5).host, "localhost", "a name is told as it is written");
}

#[test]
fn mistakes_on_the_command_line() {
    for (flags, begins) in [
        (vec!["--listen", "0.0.0.0:9092"], "listening on 0.0.0.0:9092 needs --advertise HOST:PORT"),
        (vec!["--listen", "[::]:9092"], "listening on [::]:9092 needs --advertise HOST:PORT"),
        (vec!["--listen", "a=[::]:1", "--listen", "b=h:2"], "listening on [::]:1 needs --advertise a=HOST:PORT"),
        (vec!["--listen", "9092"], "--listen takes HOST:PORT or NAME=HOST:PORT"),
        (vec!["--listen", "a b=h:1"], "--listen takes HOST:PORT or NAME=HOST:PORT"),
        (vec!["--listen", "h:1", "--listen", "h:2"], "--listen gives two listeners the name 'kafka'"),
        (vec!["--listen", "h:1", "--listen", "a=h:1"], "--listen gives h:1 to two listeners"),
        (vec!["--advertise", "x:0"], "--advertise takes HOST or HOST:PORT"),
        (vec!["--advertise", "no=x"], "--advertise takes NAME=HOST:PORT of a listener (kafka); got 'no'"),
        (vec!["--listen", "a=h:1", "--listen", "b=h:2", "--advertise", "x"], "--advertise takes NAME=HOST:PORT of a"),
        (vec!["--advertise", "x", "--advertise", "y"], "--advertise gives listener 'kafka' a second address"),
        (vec!["--http", "x"], "--http takes HOST:PORT"),
        (vec!["--store", "ftp://x"], "--store takes s3://BUCKET/PREFIX or file:///DIR; got 'ftp://x"),
        (vec!["--store", "bucket"], "--store takes"),
        (vec!["--store", "ftp://u:secret@x"], "--store takes s3://BUCKET/PREFIX or file:///DIR; got 'ftp://u:...@x"),
        (vec!["--s3-endpoint", "http://x"], "--s3-endpoint needs --store s3://"),
        (vec!["--store", "file:///x", "--s3-path-style"], "--s3-path-style needs --store s3://"),
        (vec!["--data", "/x", "--store", "file:///x"], "--store file:///x is the data directory itself"),
        (vec!["--store", "s3://b", "--s3-endpoint", "localhost:9000"], "--s3-endpoint takes http(s)://HOST:PORT"),
        (vec!["--store", "s3://b", "--s3-endpoint", "x"], "--s3-endpoint takes http(s)://HOST:PORT"),
        (vec!["--config", "num.partitions"], "--config takes NAME=VALUE"),
        (vec!["--config", "no.such=1"], "--config no.such=1: Unknown broker config name"),
        (vec!["--config", "num.partitions=0"], "--config num.partitions=0: Invalid value"),
        (vec!["--config", "listeners=x"], "--config listeners=x: this broker takes it as `listen` (--listen)"),
        (vec!["--config", "max.connections=0"], "--config max.connections=0 takes a whole number from 1"),
        (vec!["--store", "s3://b", "--s3-path-style=maybe"], "--s3-path-style takes true or false; got 'maybe'"),
        (vec!["--zone", ""], "--zone takes 1 to 255 bytes; got ''"),
        (vec!["--node-id=-1"], "--node-id takes a whole number from 0 to 2147483647; got '-1'"),
        (vec!["--wal-max-bytes", "1MiB"], "--wal-max-bytes takes a size from 128MiB to 256GiB"),
        (vec!["--flush-interval-ms", "soon"], "--flush-interval-ms takes a time from 5ms to 10s"),
        (
            vec!["--request-memory-bytes", "16MiB"],
            "socket.request.max.bytes is 100MiB, which is more than --request-memory-bytes is, 16MiB",
        ),
        (
            vec!["--flush-bytes", "16MiB", "--unflushed-memory-bytes", "8MiB"],
            "--flush-bytes is 16MiB, which is more than --unf",
        ),
        (
            vec!["--flush-bytes", "16MiB", "--cache-memory-bytes", "8MiB"],
            "--flush-bytes is 16MiB, which is more than --cache",
        ),
        (vec!["--log", "=="], "--log takes a log filter"),
        (vec!["--config-file", "/no/such/file.toml"], "--config-file takes a TOML file; got '/no/such/file.toml': "),
    ] {
        let line = refused(&flags, &[], None);
        assert!(line.starts_with(begins), "{line}");
    }
    let unknown = given(&["--wal-max-byte", "1GiB"], &[], None).map(|_| ()).unwrap_err().to_string();
    assert!(unknown.contains("--wal-max-bytes"), "{unknown}");
}

#[test]
fn mistakes_in_the_file_name_the_line() {
    for (text, line) in [
        ("zone = 'a'\nwal.max.byte = 1", "test.toml:2: 'wal.max.byte' is not a setting; did you mean 'wal.max.bytes'?"),
        ("[wal.max]\nbyte = 1", "test.toml:2: 'wal.max.byte' is not a setting; did you mean 'wal.max.bytes'?"),
        ("[quux]\nx = 1", "test.toml:1: 'quux' is not a setting"),
        ("config.file = 'x'", "test.toml:1: 'config.file' is not a setting"),
        (
            "wal.max.bytes = 'big'",
            "test.toml:1: wal.max.bytes takes a size from 128MiB to 256GiB, in bytes or such as 64MiB; got 'big'",
        ),
        (
            "wal.max.bytes = 1.5",
            "test.toml:1: wal.max.bytes takes a size from 128MiB to 256GiB, in bytes or such as 64MiB; got '1.5'",
        ),
        ("zone = ['a']", "test.toml:1: zone takes 1 to 255 bytes; got a value of type array"),
        ("data.x = 'a'", "test.toml:1: data takes a directory; got a value of type table"),
        ("kafka = 1", "test.toml:1: kafka takes NAME=VALUE, such as num.partitions=4; got a value of type integer"),
        (
            "[kafka]\nnum.partition = 1",
            "test.toml:2: kafka.num.partition: Unknown broker config name: num.partition; did you mean 'num.partitions'?",
        ),
        (
            "[kafka]\nlog.dirs = '/x'",
            "test.toml:2: kafka.log.dirs: this broker takes it as `data` (--data), which takes a directory",
        ),
        (
            "listen.a = 'h'",
            "test.toml:1: listen takes HOST:PORT or NAME=HOST:PORT, such as 127.0.0.1:9092, [::1]:9092 or inside=0.0.0.0:9092; got 'a=h': the port is missing",
        ),
    ] {
        assert_eq!(refused(&[], &[], Some(text)), line);
    }
    for text in ["zone = ", "zone = 'a'\nzone = 'b'", "zone 'a'", "[kafka\n"] {
        let line = refused(&[], &[], Some(text));
        assert!(line.starts_with("test.toml:"), "{line}");
    }
}

#[test]
fn numbers_and_lists_of_toml() {
    let text = "wal.max.bytes = 0x1000_0000\ns3.allow.http = true\nstore = 's3://b'\n[kafka]\n\
                log.cleanup.policy = ['compact', 'delete']\nmax.connections = 77\nbroker.rack = 'r'\n";
    let config = resolved(&given(&[], &[], Some(text)).unwrap()).unwrap();
    assert_eq!((config.wal_max_bytes, config.store_options.s3_allow_http), (1 << 28, true));
    assert_eq!(config.configs["log.cleanup.policy"], "compact,delete");
    assert_eq!((config.max_connections, config.zone.as_deref()), (77, Some("r")), "Kafka's name for a setting of ours");
    let config = resolved(&given(&["--s3-allow-http=false"], &[], Some(text)).unwrap()).unwrap();
    assert!(!config.store_options.s3_allow_http);
    let Layer { ours, kafka } = file::parse("f", "").unwrap();
    assert!(ours.is_empty() && kafka.is_empty());
}

#[test]
fn unknown_variables_are_warned_of_but_not_those_of_kubernetes() {
    let variables = [
        ("HIGHWATER_SERVICE_HOST", "10.0.0.1"),
        ("HIGHWATER_SERVICE_PORT", "9092"),
        ("HIGHWATER_SERVICE_PORT_KAFKA", "9092"),
        ("HIGHWATER_PORT", "tcp://10.0.0.1:9092"),
        ("HIGHWATER_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ("HIGHWATER_KAFKA_PORT", "tcp://10.0.0.1:9092"),
        ("HIGHWATER_KAFKA_SERVICE_HOST", "10.0.0.1"),
        ("HIGHWATER_LISTENN", "x"),
        ("HIGHWATER_KAFKA_NUM_PARTITIONSS", "4"),
        ("HOME", "x"),
    ];
    let settings = given(&[], &variables, None).unwrap();
    assert_eq!(
        settings.warnings,
        [
            "HIGHWATER_KAFKA_NUM_PARTITIONSS is not a setting and means nothing here; did you mean 'HIGHWATER_KAFKA_NUM_PARTITIONS'?",
            "HIGHWATER_LISTENN is not a setting and means nothing here; did you mean 'HIGHWATER_LISTEN'?",
        ]
    );
    let line = refused(&[], &[("HIGHWATER_NODE_ID", "x")], None);
    assert_eq!(line, "HIGHWATER_NODE_ID takes a whole number from 0 to 2147483647; got 'x'");
    let line = refused(&[], &[("HIGHWATER_KAFKA_NUM_PARTITIONS", "0")], None);
    assert!(line.starts_with("HIGHWATER_KAFKA_NUM_PARTITIONS: Invalid value"), "{line}");
    let settings = given(&[], &[("HIGHWATER_NODE_ID", "7")], None).unwrap();
    assert_eq!(resolved(&settings).unwrap().node_id, Some((NodeId(7), "HIGHWATER_NODE_ID".to_owned())));
}

#[test]
fn a_bucket() {
    let flags = ["--store", "s3://b/p", "--s3-endpoint", "http://[::1]:9000", "--s3-region", "x"];
    let config = resolve(&flags).unwrap();
    assert_eq!(config.store_target, StoreTarget::Bucket);
    assert_eq!(config.store_url, "s3://b/p");
    assert_eq!(config.store_options.s3_region.as_deref(), Some("x"));
    assert!(config.store_options.s3_path_style && !config.store_options.s3_allow_http);
    let named = ["--store", "s3://b", "--s3-endpoint", "http://minio:9000"];
    assert!(!resolve(&named).unwrap().store_options.s3_path_style);
    assert!(resolve(&[&named[..], &["--s3-path-style"]].concat()).unwrap().store_options.s3_path_style);
    // A region in the environment does not ask for a bucket.
    let settings = given(&[], &[("AWS_REGION", "x")], None).unwrap();
    assert!(resolved(&settings).is_ok());
    assert_eq!(keys::S3_REGION.facts.also.len(), 2);
}
