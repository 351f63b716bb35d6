//! Free ports on loopback that stay free over a restart.
//!
//! They come from below the kernel's ephemeral range, so no outgoing connection can take the port
//! of a broker that is down for a moment.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

/// Below 32,768, where Linux begins to give ports to outgoing connections.
const RANGE: Range<u16> = 12_000..32_000;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on and that this process has not given out before.
pub fn free() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let width = u32::from(RANGE.end - RANGE.start);
    let first = starting_point() % width;
    for step in 0..width {
        let port = RANGE.start + ((first + step) % width) as u16;
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port in {RANGE:?}")
}

/// Differs between processes that look at the same moment.
fn starting_point() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.subsec_nanos());
    (nanos / 1_000).wrapping_add(std::process::id().wrapping_mul(7_919))
}
