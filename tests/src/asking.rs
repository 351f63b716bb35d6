//! A client that asks again and again for what needs no disk, and how long the answers took.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::raw::{Connection, Cursor, put_string};
use crate::wait;

const FETCH: i16 = 1;
const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;
const JOIN_GROUP: i16 = 11;
const HEARTBEAT: i16 = 12;
const SYNC_GROUP: i16 = 14;
const GROUP: &str = "asking";
const SESSION_MS: i32 = 30_000;
/// For the first coordinator of a cluster, whose topic is made when it is asked for.
const COORDINATED: Duration = Duration::from_secs(30);
/// Some tens of requests a second of each kind: a client's pace, not a load.
const PACE: Duration = Duration::from_millis(25);
const FETCH_BYTES: i32 = 4_096;

/// The longest time for an answer of each kind.
#[derive(Debug, Clone, Copy, Default)]
pub struct Longest {
    /// Metadata of one topic.
    pub metadata: Duration,
    /// The first records of a topic.
    pub fetch: Duration,
    /// A heartbeat of a group's only member.
    pub heartbeat: Duration,
    /// Rounds of the three.
    pub rounds: u64,
}

/// The client at work.
#[derive(Debug)]
pub struct Asking {
    thread: JoinHandle<Result<Longest>>,
    ended: Arc<AtomicBool>,
}

impl Asking {
    /// Joins a group, and begins to ask about `topic`, of whose partition 0 there are records.
    pub fn start(address: &str, topic: &str) -> Result<Self> {
        let mut client = Client::join(address, topic)?;
        let ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ended);
        let thread = thread::spawn(move || {
            let mut longest = Longest::default();
            while !ends.load(Ordering::Relaxed) {
                longest.metadata = longest.metadata.max(timed(|| client.metadata())?);
                longest.fetch = longest.fetch.max(timed(|| client.fetch())?);
                longest.heartbeat = longest.heartbeat.max(timed(|| client.heartbeat())?);
                longest.rounds += 1;
                thread::sleep(PACE);
            }
            Ok(longest)
        });
        Ok(Self { thread, ended })
    }

    /// Ends, and tells.
    ///
    /// # Errors
    /// When any answer was not the one expected, or did not come at all.
    pub fn stop(self) -> Result<Longest> {
        self.ended.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the thread that asks has failed"))?
    }
}

fn timed(ask: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begun = Instant::now();
    ask()?;
    Ok(begun.elapsed())
}

struct Client {
    connection: Connection,
    topic: String,
    generation: i32,
    member: String,
}

impl Client {
    fn join(address: &str, topic: &str) -> Result<Self> {
        let connection = Connection::open(address)?;
        let mut client = Self { connection, topic: topic.to_owned(), generation: 0, member: String::new() };
        let mut group = Vec::new();
        put_string(&mut group, GROUP);
        wait::until(COORDINATED, "a coordinator", || {
            let answer = client.ask(FIND_COORDINATOR, 0, &group)?;
            Ok(Cursor::new(&answer).i16()? == 0)
        })?;
        let mut body = Vec::new();
        put_string(&mut body, GROUP);
        body.extend(SESSION_MS.to_be_bytes());
        body.extend(SESSION_MS.to_be_bytes()); // for a rebalance
        put_string(&mut body, ""); // no member yet
        put_string(&mut body, "consumer");
        body.extend(1_i32.to_be_bytes());
        put_string(&mut body, "range");
        body.extend(0_i32.to_be_bytes()); // no metadata
        let answer = wait::until_some(COORDINATED, "a group to be joined", || {
            let answer = client.ask(JOIN_GROUP, 2, &body)?;
            let mut cursor = Cursor::new(&answer);
            cursor.i32()?; // throttled for
            Ok((cursor.i16()? == 0).then(|| cursor.rest().to_vec()))
        })?;
        let mut cursor = Cursor::new(&answer);
        client.generation = cursor.i32()?;
        for _ in 0..2 {
            string(&mut cursor)?; // the protocol, the leader
        }
        client.member = string(&mut cursor)?;
        let mut body = client.as_member();
        body.extend(0_i32.to_be_bytes()); // no assignments
        let answer = client.ask(SYNC_GROUP, 0, &body)?;
        let error = Cursor::new(&answer).i16()?;
        ensure!(error == 0, "SyncGroup: error {error}");
        Ok(client)
    }

    fn ask(&mut self, key: i16, version: i16, body: &[u8]) -> Result<Vec<u8>> {
        self.connection.request(key, version, 1, body)?;
        Ok(self.connection.answer()?.1)
    }

    fn as_member(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_string(&mut body, GROUP);
        body.extend(self.generation.to_be_bytes());
        put_string(&mut body, &self.member);
        body
    }

    fn metadata(&mut self) -> Result<()> {
        let mut body = 1_i32.to_be_bytes().to_vec();
        put_string(&mut body, &self.topic);
        let answer = self.ask(METADATA, 1, &body)?;
        ensure!(Cursor::new(&answer).i32()? == 1, "Metadata without a broker");
        Ok(())
    }

    fn fetch(&mut self) -> Result<()> {
        let mut body = Vec::new();
        body.extend((-1_i32).to_be_bytes()); // a consumer
        body.extend(0_i32.to_be_bytes()); // no waiting
        body.extend(0_i32.to_be_bytes()); // bytes at least
        body.extend(FETCH_BYTES.to_be_bytes());
        body.push(0); // uncommitted ones, too
        body.extend(1_i32.to_be_bytes());
        put_string(&mut body, &self.topic);
        body.extend(1_i32.to_be_bytes());
        body.extend(0_i32.to_be_bytes()); // the partition
        body.extend(0_i64.to_be_bytes()); // the offset
        body.extend(FETCH_BYTES.to_be_bytes());
        let answer = self.ask(FETCH, 4, &body)?;
        let mut cursor = Cursor::new(&answer);
        cursor.i32()?; // throttled for
        ensure!(cursor.i32()? == 1, "Fetch without the topic");
        string(&mut cursor)?;
        ensure!(cursor.i32()? == 1, "Fetch without the partition");
        cursor.i32()?;
        let error = cursor.i16()?;
        ensure!(error == 0, "Fetch: error {error}");
        for _ in 0..2 {
            cursor.i64()?; // the high watermark, the last stable offset
        }
        cursor.i32()?; // aborted transactions: none
        ensure!(cursor.i32()? > 0, "Fetch without records");
        Ok(())
    }

    fn heartbeat(&mut self) -> Result<()> {
        let body = self.as_member();
        let answer = self.ask(HEARTBEAT, 0, &body)?;
        let error = Cursor::new(&answer).i16()?;
        ensure!(error == 0, "Heartbeat: error {error}");
        Ok(())
    }
}

fn string(cursor: &mut Cursor<'_>) -> Result<String> {
    let length = usize::try_from(cursor.i16()?)?;
    Ok(String::from_utf8_lossy(cursor.take(length)?).into_owned())
}
