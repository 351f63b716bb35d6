//! What a person is told when the broker is ready: where it listens, where the data are, and one
//! line each to produce and to consume.

use std::io::Write;
use std::net::SocketAddr;

use highwater_kafka::Endpoint;

use crate::config::{ServeConfig, StoreTarget};

/// The lines, with an end of line each.
pub fn lines(config: &ServeConfig, kafka: SocketAddr, http: SocketAddr, advertised: &Endpoint) -> String {
    let clients = if advertised.host.contains(':') {
        format!("[{}]:{}", advertised.host, advertised.port)
    } else {
        format!("{}:{}", advertised.host, advertised.port)
    };
    let listens = kafka.to_string();
    let kafka = if listens == clients { listens } else { format!("{listens}, advertised as {clients}") };
    let data = config.data.display();
    let place = match &config.store_target {
        StoreTarget::Directory(directory) if directory.starts_with(&config.data) => {
            format!("{data}")
        }
        StoreTarget::Directory(directory) => {
            format!("{} (write-ahead log in {data})", directory.display())
        }
        StoreTarget::Bucket => format!("{} (write-ahead log in {data})", config.store_url),
    };
    format!(
        "highwater {version} is ready\n\
         \x20 kafka    {kafka}\n\
         \x20 http     http://{http}/readyz\n\
         \x20 data     {place}\n\
         \x20 produce  echo hello | kcat -b {clients} -P -t demo\n\
         \x20 consume  kcat -b {clients} -C -t demo -o beginning -e\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// Prints them. A closed standard output is no reason to stop.
pub fn print(lines: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn shown(flags: &[&str]) -> String {
        let cli = Cli::try_parse_from(["highwater", "serve"].iter().chain(flags)).unwrap();
        let Command::Serve(args) = cli.command;
        let config = ServeConfig::resolve(args).unwrap();
        let advertised = config.advertised(config.listen);
        lines(&config, config.listen, config.http, &advertised)
    }

    #[test]
    fn everything_to_begin_with() {
        let text = shown(&["--data", "/d"]);
        for part in [
            "kafka    127.0.0.1:9092\n",
            "http     http://127.0.0.1:8090/readyz\n",
            "data     /d\n",
            "echo hello | kcat -b 127.0.0.1:9092 -P -t demo\n",
            "kcat -b 127.0.0.1:9092 -C -t demo -o beginning -e\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
        let text = shown(&["--data", "/d", "--listen", "0.0.0.0:9", "--advertise", "fd00::1", "--store", "s3://b/p"]);
        assert!(text.contains("0.0.0.0:9, advertised as [fd00::1]:9\n"), "{text}");
        assert!(text.contains("data     s3://b/p (write-ahead log in /d)\n"), "{text}");
        let text = shown(&["--data", "/d", "--store", "file:///e"]);
        assert!(text.contains("data     /e (write-ahead log in /d)\n"), "{text}");
    }
}
