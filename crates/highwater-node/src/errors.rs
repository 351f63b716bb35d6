//! Why a broker did not start, or did not end well: each one line that says what to do.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use highwater_lease::{Holder, LeaseError, LockError};
use highwater_log::StartError as EngineError;
use highwater_meta::MetaError;
use highwater_store::StoreError;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Flags that do not go together or cannot be read.
    #[error("{0}")]
    Config(String),
    /// The operating system gave no threads.
    #[error("cannot start threads: {0}")]
    Runtime(#[source] io::Error),
    /// Signals cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// A socket.
    #[error("{}", bind_line(*address, flag, source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The flag that names it.
        flag: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A data directory that another broker uses, or that cannot be used.
    #[error("{}", lock_line(error, flag))]
    Lock {
        /// The flag that names it.
        flag: &'static str,
        /// Why not.
        error: LockError,
    },
    /// The cache on disk.
    #[error("{0}; name another directory with --cache-disk-dir, or give it none with --cache-disk-bytes 0")]
    DiskCache(#[from] highwater_cache::OpenError),
    /// The broker's identity.
    #[error(
        "{} {why}: restore it, or delete it to start as another broker (which then waits for the lease of the old one, \
         and sets aside what only this directory's log holds)", path.display()
    )]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Another number than the data directory keeps.
    #[error(
        "{spelled} is {asked}, and the data in {} are those of broker {kept}: leave it out to start that broker, or give \
         broker {asked} a data directory of its own", data.display()
    )]
    OtherNode {
        /// The data directory.
        data: PathBuf,
        /// The number there.
        kept: i32,
        /// The number asked for.
        asked: i32,
        /// How the setting is called where it was given.
        spelled: String,
    },
    /// The name of a socket.
    #[error("{address} cannot be listened on: {error}; choose an address of this machine with {flag}")]
    Resolve {
        /// Name and port.
        address: String,
        /// The flag that names it.
        flag: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// The bucket.
    #[error("cannot use the store: {0}")]
    Store(#[from] StoreError),
    /// The metadata.
    #[error("{0}")]
    Meta(#[from] MetaError),
    /// The leases.
    #[error("{0}")]
    Lease(#[from] LeaseError),
    /// Another broker leads.
    #[error("{0} took over while this broker was not heard of; start this one again to stand by for it")]
    TakenOver(Box<Holder>),
    /// The engine.
    #[error("{}", chain(.0))]
    Engine(#[from] EngineError),
    /// The listener.
    #[error("cannot serve Kafka clients: {0}")]
    Listener(#[source] io::Error),
}

fn bind_line(address: SocketAddr, flag: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("{address} is in use by another program: stop it, or choose another address with {flag}")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{address} is not an address of this machine: choose another with {flag}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("not allowed to listen on {address}: choose a port above 1023 with {flag}")
        }
        _ => format!("cannot listen on {address}: {error}; choose another address with {flag}"),
    }
}

fn lock_line(error: &LockError, flag: &str) -> String {
    match error {
        LockError::Held { .. } => {
            format!("{error}: stop that one, or use another directory with {flag}")
        }
        LockError::Io { .. } => {
            format!("{error}: make it writable, or use another directory with {flag}")
        }
    }
}

/// An error with its causes, those that its own text does not hold already.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_what_to_do() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9092));
        let source = io::Error::from(io::ErrorKind::AddrInUse);
        assert_eq!(
            StartError::Bind { address, flag: "--listen", source }.to_string(),
            "127.0.0.1:9092 is in use by another program: stop it, or choose another address with --listen"
        );
        let error = LockError::Held { dir: "/d".into(), holder: "highwater, process 7".to_owned() };
        assert_eq!(
            StartError::Lock { flag: "--data", error }.to_string(),
            "/d is in use by highwater, process 7: stop that one, or use another directory with --data"
        );
    }
}
