//! What a person is told when the broker is ready: where it listens, where the data are, and one
//! line each to produce and to consume.

use std::fmt::Write as _;
use std::io::Write;
use std::net::SocketAddr;

use highwater_kafka::Endpoint;

use crate::config::{ServeConfig, StoreTarget};

/// The lines, with an end of line each. `kafka`: for each listener its socket and what it advertises.
pub fn lines(config: &ServeConfig, kafka: &[(SocketAddr, Endpoint)], http: SocketAddr) -> String {
    let written = |endpoint: &Endpoint| {
        if endpoint.host.contains(':') {
            format!("[{}]:{}", endpoint.host, endpoint.port)
        } else {
            format!("{}:{}", endpoint.host, endpoint.port)
        }
    };
    let clients = kafka.first().map(|(_, endpoint)| written(endpoint)).unwrap_or_default();
    let mut listens = String::new();
    for (listener, (socket, endpoint)) in config.listeners.iter().zip(kafka) {
        let (socket, clients) = (socket.to_string(), written(endpoint));
        let name = if kafka.len() == 1 { String::new() } else { format!("{}=", listener.name) };
        let told = if socket == clients { String::new() } else { format!(", advertised as {clients}") };
        let _ = writeln!(listens, "  kafka    {name}{socket}{told}");
    }
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
         {listens}\
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

    use super::*;
    use crate::config::tests::{given, resolved};

    fn shown(flags: &[&str]) -> String {
        let config = resolved(&given(flags, &[], None).unwrap()).unwrap();
        let kafka: Vec<_> = config
            .listeners
            .iter()
            .map(|listener| (listener.address.resolve().unwrap(), listener.endpoint(listener.address.port)))
            .collect();
        lines(&config, &kafka, config.http.resolve().unwrap())
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
        let two = ["--listen", "in=127.0.0.1:1", "--listen", "out=0.0.0.0:2", "--advertise", "out=kafka.example"];
        let text = shown(&two);
        assert!(text.contains("\n  kafka    in=127.0.0.1:1\n"), "{text}");
        assert!(text.contains("\n  kafka    out=0.0.0.0:2, advertised as kafka.example:2\n"), "{text}");
        let text = shown(&["--data", "/d", "--store", "file:///e"]);
        assert!(text.contains("data     /e (write-ahead log in /d)\n"), "{text}");
    }
}
