//! Kinds of values: how each is written, what it takes, and how it is read and shown.

use std::path::PathBuf;
use std::time::Duration;

use crate::telemetry;
use serde_json::Value;
use url::Url;

use super::host_port::{Advertised, HostPort};
use super::listeners::Named;
use super::{duration, size};

/// How the values of a setting are written. Numbers are limits, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory of this machine.
    Directory,
    /// A file of this machine.
    File,
    /// A socket of ours.
    Socket,
    /// A socket of ours, perhaps with a name.
    Listener,
    /// An address for clients, perhaps with the name of a listener.
    Advertised,
    /// A bucket's URL.
    Store,
    /// The URL of a service.
    Endpoint,
    /// Yes or no.
    Switch,
    /// A whole number.
    Number {
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// A number of bytes.
    Size {
        /// Least, bytes.
        least: u64,
        /// Most, bytes.
        most: u64,
    },
    /// A time.
    Duration {
        /// Least, milliseconds.
        least: u64,
        /// Most, milliseconds.
        most: u64,
    },
    /// Any text but the empty one.
    Text {
        /// Longest, bytes.
        most: usize,
    },
    /// A log filter.
    Filter,
    /// A name of Kafka's and its value.
    Pair,
}

impl Kind {
    /// What it takes, for people.
    pub fn takes(&self) -> String {
        match self {
            Self::Directory => "a directory".to_owned(),
            Self::File => "a file".to_owned(),
            Self::Socket => "HOST:PORT, such as 127.0.0.1:8090 or [::1]:8090".to_owned(),
            Self::Listener => {
                "HOST:PORT or NAME=HOST:PORT, such as 127.0.0.1:9092, [::1]:9092 or inside=0.0.0.0:9092".to_owned()
            }
            Self::Advertised => "HOST or HOST:PORT, after NAME= where there are several listeners".to_owned(),
            Self::Store => "s3://BUCKET/PREFIX or file:///DIR".to_owned(),
            Self::Endpoint => "http(s)://HOST:PORT, such as http://127.0.0.1:9000".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Number { least, most } => format!("a whole number from {least} to {most}"),
            Self::Size { least, most } => {
                format!("a size from {} to {}, in bytes or such as 64MiB", size::show(*least), size::show(*most))
            }
            Self::Duration { least, most } => {
                let show = |milliseconds: u64| duration::show(Duration::from_millis(milliseconds));
                format!("a time from {} to {}, in milliseconds or such as 5s", show(*least), show(*most))
            }
            Self::Text { most } => format!("1 to {most} bytes"),
            Self::Filter => "a log filter, such as info, or warn,highwater=debug".to_owned(),
            Self::Pair => "NAME=VALUE, such as num.partitions=4".to_owned(),
        }
    }

    /// What stands for a value after a flag.
    pub const fn value_name(&self) -> &'static str {
        match self {
            Self::Directory => "DIR",
            Self::File => "FILE",
            Self::Socket => "ADDR",
            Self::Listener | Self::Advertised => "[NAME=]ADDR",
            Self::Store | Self::Endpoint => "URL",
            Self::Switch => "BOOL",
            Self::Number { .. } => "N",
            Self::Size { .. } => "SIZE",
            Self::Duration { .. } => "TIME",
            Self::Text { .. } => "TEXT",
            Self::Filter => "FILTER",
            Self::Pair => "NAME=VALUE",
        }
    }

    /// What a number means in `config show --json`.
    pub const fn unit(&self) -> Option<&'static str> {
        match self {
            Self::Size { .. } => Some("bytes"),
            Self::Duration { .. } => Some("ms"),
            _ => None,
        }
    }

    /// A value that was read without an error, in its shortest form and for programs. Passwords in
    /// URLs are left out.
    pub fn show(&self, text: &str) -> (String, Value) {
        let number = match self {
            Self::Size { .. } => size::parse(text).map(|bytes| (size::show(bytes), bytes.into())),
            Self::Duration { .. } => duration::parse(text).map(|time| {
                let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                (duration::show(time), milliseconds.into())
            }),
            Self::Number { .. } => text.trim().parse::<u64>().ok().map(|number| (number.to_string(), number.into())),
            Self::Switch => text.trim().parse::<bool>().ok().map(|yes| (yes.to_string(), yes.into())),
            _ => None,
        };
        number.unwrap_or_else(|| {
            let text = without_password(text);
            (text.clone(), text.into())
        })
    }
}

/// A URL without its password, if it has one; any other text as it is.
pub fn without_password(text: &str) -> String {
    let parsed = Url::parse(text).ok().filter(|url| url.password().is_some());
    parsed.map_or_else(
        || text.to_owned(),
        |mut url| {
            // It fails only for URLs that cannot have one.
            let _ = url.set_password(Some("..."));
            url.to_string()
        },
    )
}

/// Why a value of another kind than the reader's is refused. A definition that pairs the two wrongly
/// is found by the test that reads every default.
fn mismatch<T>() -> Result<T, String> {
    Err("this setting cannot be read".to_owned())
}

fn within(number: u64, least: u64, most: u64) -> Result<u64, String> {
    if (least..=most).contains(&number) { Ok(number) } else { Err(String::new()) }
}

/// Reads any text but the empty one.
pub fn text(kind: &Kind, text: &str) -> Result<String, String> {
    let most = if let Kind::Text { most } = kind { *most } else { usize::MAX };
    if text.is_empty() || text.len() > most { Err(String::new()) } else { Ok(text.to_owned()) }
}

/// Reads a path.
pub fn path(_: &Kind, text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err(String::new()) } else { Ok(PathBuf::from(text)) }
}

/// Reads a switch.
pub fn switch(_: &Kind, text: &str) -> Result<bool, String> {
    text.trim().parse().map_err(|_| String::new())
}

/// Reads a whole number.
pub fn number(kind: &Kind, text: &str) -> Result<u64, String> {
    let Kind::Number { least, most } = kind else { return mismatch() };
    within(text.trim().parse().map_err(|_| String::new())?, *least, *most)
}

/// Reads a number of the size of Kafka's node ids.
pub fn node_id(kind: &Kind, text: &str) -> Result<i32, String> {
    i32::try_from(number(kind, text)?).map_err(|_| String::new())
}

/// Reads a size in bytes.
pub fn size(kind: &Kind, text: &str) -> Result<u64, String> {
    let Kind::Size { least, most } = kind else { return mismatch() };
    within(size::parse(text).ok_or_else(String::new)?, *least, *most)
}

/// Reads a time.
pub fn duration(kind: &Kind, text: &str) -> Result<Duration, String> {
    let Kind::Duration { least, most } = kind else { return mismatch() };
    let time = duration::parse(text).ok_or_else(String::new)?;
    within(u64::try_from(time.as_millis()).map_err(|_| String::new())?, *least, *most)?;
    Ok(time)
}

/// Reads the address of a socket.
pub fn socket(_: &Kind, text: &str) -> Result<HostPort, String> {
    HostPort::parse(text)
}

/// Reads a listener.
pub fn listener(_: &Kind, text: &str) -> Result<Named<HostPort>, String> {
    Named::parse(text, HostPort::parse)
}

/// Reads an advertised address.
pub fn advertised(_: &Kind, text: &str) -> Result<Named<Advertised>, String> {
    Named::parse(text, Advertised::parse)
}

/// Reads the URL of a service; gives it as it is written.
pub fn endpoint(_: &Kind, text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("not http or https".to_owned());
    }
    if url.host().is_none() {
        return Err("no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong there".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads a log filter.
pub fn filter(_: &Kind, text: &str) -> Result<String, String> {
    telemetry::read(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_at_both_ends() {
        let kind = Kind::Size { least: 1024, most: 2048 };
        assert_eq!(size(&kind, "1KiB"), Ok(1024));
        assert_eq!(size(&kind, "2KiB"), Ok(2048));
        assert!(size(&kind, "1023").is_err() && size(&kind, "2049").is_err() && size(&kind, "x").is_err());
        let kind = Kind::Duration { least: 100, most: 1_000 };
        assert_eq!(duration(&kind, "1s"), Ok(Duration::from_secs(1)));
        assert!(duration(&kind, "99ms").is_err() && duration(&kind, "1001").is_err());
        assert!(number(&kind, "5").is_err(), "the kind of another reader");
    }

    #[test]
    fn what_is_shown_holds_no_password() {
        assert_eq!(Kind::Endpoint.show("http://u:secret@h:1/").0, "http://u:...@h:1/");
        assert_eq!(Kind::Store.show("s3://bucket/prefix").0, "s3://bucket/prefix");
        assert_eq!(Kind::Size { least: 0, most: 9 }.show("1048576"), ("1MiB".to_owned(), 1_048_576.into()));
        assert_eq!(Kind::Duration { least: 0, most: 9 }.show("5s"), ("5s".to_owned(), 5_000.into()));
    }
}
