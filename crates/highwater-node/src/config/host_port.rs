//! Addresses as people write them: `HOST:PORT` of a socket of ours, and `HOST` or `HOST:PORT` that
//! clients are told. A host is a name, an IPv4 address, or an IPv6 address (in brackets before a port).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// Longest host name, bytes.
const MAX_NAME: usize = 255;

/// Where a socket of ours listens. Port 0 lets the system choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// What clients are told to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an address, without brackets.
    pub host: String,
    /// `None`: the port that the socket got.
    pub port: Option<u16>,
}

impl HostPort {
    /// Reads it; an `Err` says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err("the port is missing".to_owned());
        }
        let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
        Ok(Self { host: name(host)?, port: number(port)? })
    }

    /// Whether it is every address of this machine.
    pub fn is_wildcard(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
    }

    /// The address of the socket; asks the system about a name.
    ///
    /// # Errors
    /// When the name is not known here.
    pub fn resolve(&self) -> io::Result<SocketAddr> {
        let mut addresses = (self.host.as_str(), self.port).to_socket_addrs()?;
        addresses.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.host, Some(self.port))
    }
}

impl Advertised {
    /// Reads it; an `Err` says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (host, port) = if let Ok(ip) = text.parse::<IpAddr>() {
            (ip.to_string(), None)
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            (address.ip().to_string(), Some(address.port()))
        } else {
            match text.split_once(':') {
                None => (name(text)?, None),
                Some((host, port)) => (name(host)?, Some(number(port)?)),
            }
        };
        if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
            return Err("clients cannot reach a wildcard address".to_owned());
        }
        if port == Some(0) {
            return Err("clients cannot reach port 0".to_owned());
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for Advertised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.host, self.port)
    }
}

fn write(f: &mut fmt::Formatter<'_>, host: &str, port: Option<u16>) -> fmt::Result {
    match port {
        Some(port) if host.contains(':') => write!(f, "[{host}]:{port}"),
        Some(port) => write!(f, "{host}:{port}"),
        None => f.write_str(host),
    }
}

fn number(text: &str) -> Result<u16, String> {
    // A sign is part of no port, though the parser of numbers takes one.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| "the port is not a number up to 65535".to_owned())
}

fn name(text: &str) -> Result<String, String> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > MAX_NAME || !text.bytes().all(legal) {
        return Err("that is not a host name".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use super::*;

    #[test]
    fn sockets() {
        for text in ["127.0.0.1:9092", "[::1]:9092", "[::]:0", "localhost:9092", "a-b.c_d.example:1"] {
            assert_eq!(HostPort::parse(text).unwrap().to_string(), text);
        }
        for bad in
            ["", "9092", ":9092", "host", "::1", "[::1]", "127.0.0.1", "h:", "h:x", "h:70000", "h:+1", "a b:1", "a:b:1"]
        {
            assert!(HostPort::parse(bad).is_err(), "{bad}");
        }
        assert!(
            HostPort::parse("0.0.0.0:1").unwrap().is_wildcard() && HostPort::parse("[::]:1").unwrap().is_wildcard()
        );
        assert!(!HostPort::parse("localhost:1").unwrap().is_wildcard());
        assert_eq!(HostPort::parse("[::1]:7").unwrap().resolve().unwrap().to_string(), "[::1]:7");
        assert!(HostPort::parse("no-such-host.invalid:7").unwrap().resolve().is_err());
    }

    #[test]
    fn what_clients_are_told() {
        for text in ["kafka.example", "kafka.example:19092", "10.1.2.3", "10.1.2.3:7", "fd00::1", "[fd00::1]:7"] {
            assert_eq!(Advertised::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "a b", "x:y", "x:70000", "x:0", "0.0.0.0", "[::]:9", "::", "1.2.3.4:0", "x:1:2", ":9"] {
            assert!(Advertised::parse(bad).is_err(), "{bad}");
        }
    }
}
