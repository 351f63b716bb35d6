//! Listeners with their names and what they advertise.

use highwater_kafka::Endpoint;

use super::host_port::{Advertised, HostPort};
use super::settings::Given;
use crate::errors::StartError;

/// The name of a listener that nobody gave one.
const UNNAMED: &str = "kafka";
/// Longest name, bytes.
const MAX_NAME: usize = 64;
/// Most listeners: each has a task and a socket.
const MAX_LISTENERS: usize = 16;

/// A value, perhaps with a name before it: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<T> {
    /// The name.
    pub name: Option<String>,
    /// The value.
    pub value: T,
}

impl<T> Named<T> {
    /// Reads it; an `Err` says what is wrong.
    pub fn parse(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Self, String> {
        let Some((name, rest)) = text.split_once('=') else {
            return Ok(Self { name: None, value: read(text)? });
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(legal) {
            return Err(format!("a name has 1 to {MAX_NAME} letters, digits, - or _"));
        }
        Ok(Self { name: Some(name.to_owned()), value: read(rest)? })
    }
}

/// One listener for Kafka clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: HostPort,
    /// What clients are told.
    pub advertised: Advertised,
}

impl Listener {
    /// What clients are told, once the socket has its port.
    pub fn endpoint(&self, bound: u16) -> Endpoint {
        Endpoint { host: self.advertised.host.clone(), port: self.advertised.port.unwrap_or(bound) }
    }
}

/// Puts addresses and what is advertised together, by name.
///
/// # Errors
/// Names or addresses that are given twice, advertised addresses of no listener, wildcard addresses
/// without one.
pub fn combine(
    listen: Vec<(Named<HostPort>, &Given)>,
    advertise: Vec<(Named<Advertised>, &Given)>,
) -> Result<Vec<Listener>, StartError> {
    let refuse = |line: String| Err(StartError::Config(line));
    let mut listeners: Vec<Listener> = Vec::new();
    for (Named { name, value: address }, given) in listen {
        let spelled = given.origin.spelled("listen");
        let name = name.unwrap_or_else(|| UNNAMED.to_owned());
        if listeners.len() == MAX_LISTENERS {
            return refuse(format!("{spelled}: there are at most {MAX_LISTENERS} listeners"));
        }
        if listeners.iter().any(|other| other.name == name) {
            return refuse(format!(
                "{spelled} gives two listeners the name '{name}': several need a name each, NAME=HOST:PORT"
            ));
        }
        if address.port != 0 && listeners.iter().any(|other| other.address == address) {
            return refuse(format!("{spelled} gives {address} to two listeners"));
        }
        let advertised = Advertised { host: address.host.clone(), port: None };
        listeners.push(Listener { name, address, advertised });
    }
    let mut told = vec![false; listeners.len()];
    for (Named { name, value }, given) in advertise {
        let spelled = given.origin.spelled("advertise");
        // Without a name it is for the only listener.
        let index = match &name {
            None if listeners.len() == 1 => Some(0),
            None => listeners.iter().position(|listener| listener.name == UNNAMED),
            Some(name) => listeners.iter().position(|listener| listener.name == *name),
        };
        let Some((index, told)) = index.and_then(|index| told.get_mut(index).map(|told| (index, told))) else {
            let names: Vec<&str> = listeners.iter().map(|listener| listener.name.as_str()).collect();
            let got = name.map_or_else(|| format!("'{value}' without a name"), |name| format!("'{name}'"));
            return refuse(format!("{spelled} takes NAME=HOST:PORT of a listener ({}); got {got}", names.join(", ")));
        };
        if std::mem::replace(told, true) {
            return refuse(format!("{spelled} gives listener '{}' a second address", listeners[index].name));
        }
        listeners[index].advertised = value;
    }
    let silent = listeners.iter().zip(&told).find(|(listener, told)| listener.address.is_wildcard() && !**told);
    if let Some((listener, _)) = silent {
        let of = if listeners.len() == 1 { String::new() } else { format!("{}=", listener.name) };
        return refuse(format!(
            "listening on {} needs --advertise {of}HOST:PORT, the address at which clients reach this broker",
            listener.address
        ));
    }
    Ok(listeners)
}
