//! A client that sends without end and waits for nothing (acks=0): only the broker can slow it down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Result, anyhow};

use crate::raw::{Connection, PRODUCE, batch, frame, produce_v3, request};

/// One record for each request.
const RECORD_BYTES: usize = 256 << 10;
/// Where Produce has its acks: behind a null transactional id.
const ACKS: usize = 2;

/// The client at work.
#[derive(Debug)]
pub struct Flood {
    thread: JoinHandle<()>,
    ended: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
}

impl Flood {
    /// Begins to send to partition 0 of `topic`.
    pub fn start(address: &str, topic: &str) -> Result<Self> {
        let mut body = produce_v3(topic, 0, &batch(&vec![b'.'; RECORD_BYTES], |crc| crc));
        body[ACKS..ACKS + 2].fill(0);
        let framed = frame(&request(PRODUCE, 3, 1, &body));
        let (address, mut connection) = (address.to_owned(), Connection::open(address)?);
        let (ended, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ends, sends) = (Arc::clone(&ended), Arc::clone(&sent));
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                if connection.send(&framed).is_ok() {
                    sends.fetch_add(RECORD_BYTES as u64, Ordering::Relaxed);
                } else if let Ok(another) = Connection::open(&address) {
                    // It was kept waiting for longer than it may be, and hung up on.
                    connection = another;
                }
            }
        });
        Ok(Self { thread, ended, sent })
    }

    /// Ends, and tells how many bytes of records the sockets took.
    pub fn stop(self) -> Result<u64> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that sends has failed"))?;
        Ok(self.sent.load(Ordering::Relaxed))
    }
}
