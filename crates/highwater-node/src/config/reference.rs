//! `highwater config reference`: the page about every setting, made from the definitions.

use std::fmt::Write as _;

use super::key::{Fallback, Kafka, Shape};
use super::keys::ALL;

/// What stands above the table.
const BEFORE: &str = "\
# Configuration

<!-- Made by `highwater config reference` from the definitions; a test compares them. -->

A broker runs without any configuration. What is said otherwise comes from three places, the later the stronger:

1. a TOML file, named with `--config-file FILE` or `HIGHWATER_CONFIG_FILE`; no file is read unless it is named,
2. variables of the environment, `HIGHWATER_` and the name in capitals with `_` for each dot,
3. flags of `highwater serve`, the name with a dash for each dot.

```toml
data = \"/var/lib/highwater\"
store = \"s3://my-bucket/highwater\"
listen.inside = \"0.0.0.0:9092\"
listen.outside = \"[::]:9094\"
advertise.inside = \"broker-1.internal\"
advertise.outside = \"broker-1.example.com:19094\"
wal.max.bytes = \"4GiB\"

[kafka] # broker settings by Kafka's names
num.partitions = 4
log.retention.hours = 24
```

- `highwater config show` says what is in force and where each value came from, `--json` the same for programs.
- Names in the file and flags that do not exist are errors, which name what may have been meant. Variables that do not \
exist are warned of; those that Kubernetes makes of a service called `highwater` are passed over. An empty variable is \
one that is not set.
- Sizes are numbers of bytes or such as `64MiB` and `1GB`; times are numbers of milliseconds or such as `100ms`, `5s`, \
`10m`, `1h`, `1d`. Relative paths start at the directory that the broker is started in.
- Several listeners: each has a name, `NAME=HOST:PORT`; the flag is repeated, a variable has commas, the file a list or a \
table. A client is told the advertised address of the listener that it came in by.
- A setting of `[kafka]` has the variable `HIGHWATER_KAFKA_` and Kafka's name in capitals with `_` for each dot.

";

/// What stands below it.
const AFTER: &str = "
## The broker's number

`node.id` is kept in the data directory (`broker.json`) from the first start on, as Kafka keeps its own: the write-ahead \
log there holds records that only the broker that wrote them may bring back, and clients know brokers by their number. So \
data directories that were mixed up are found out at the start. A start without `node.id` takes the number that is kept; \
a start with another one is refused.

## What memory is bounded by

A broker's memory stays below

    24 MiB                        the program itself
    + unflushed.memory.bytes      records that the bucket does not have yet
    + tail.memory.bytes           the newest flushed records
    + cache.memory.bytes          segments for readers behind the tail
    + request.memory.bytes        requests being read or handled
    + fetch.memory.bytes          answers on their way to consumers
    + 8 KiB for each of max.connections
    + 1 KiB for each partition

and a request larger than its part of `request.memory.bytes` (three quarters for Produce, one for everything else) is read \
alone, so that up to `socket.request.max.bytes` may come on top. Buffers of sockets belong to the system and are not \
counted here.
";

/// The whole page.
pub fn markdown() -> String {
    let mut page = BEFORE.to_owned();
    page += "| name | default | takes | meaning |\n| --- | --- | --- | --- |\n";
    for facts in ALL {
        let default = match facts.fallback {
            Fallback::Value(text) => format!("`{text}`"),
            Fallback::Unset(text) => text.to_owned(),
        };
        let mut meaning = facts.doc().to_owned();
        if let Some(flag) = facts.flag {
            let _ = write!(meaning, " The flag is `--{flag}`.");
        }
        match facts.kafka {
            Kafka::Same(name) if name != facts.name => {
                let _ = write!(meaning, " Kafka's `{name}`.");
            }
            Kafka::Instead(name) => {
                let _ = write!(meaning, " Instead of Kafka's `{name}`.");
            }
            Kafka::Same(_) | Kafka::Unknown => {}
        }
        if !facts.also.is_empty() {
            let _ = write!(meaning, " Before the default comes `{}`.", facts.also.join("`, then `"));
        }
        let name = if facts.shape == Shape::Table { format!("[{}]", facts.name) } else { facts.name.to_owned() };
        let _ = writeln!(page, "| `{name}` | {default} | {} | {meaning} |", facts.kind.takes());
    }
    page + AFTER
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use super::*;

    #[test]
    fn the_committed_page_is_current() {
        let path = format!("{}/../../docs/configuration.md", std::env::var("CARGO_MANIFEST_DIR").unwrap());
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == markdown(), "run: cargo run -- config reference > docs/configuration.md");
    }
}
