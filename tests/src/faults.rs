//! A bucket's service that fails on purpose: a proxy between brokers and a real one.
//!
//! Requests go on byte for byte but for `Connection` and `Expect`, which nobody signs, so signatures stay
//! valid; each has a connection of its own to the service. Which requests fail is decided by a script,
//! if it has an opinion, and else by chance from a seed.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

use crate::answering::http_date;
use crate::dice::Dice;

/// More than any object of a test.
const BODY_LIMIT: usize = 256 << 20;
const HEAD_LIMIT: u64 = 64 << 10;
/// For one answer of the service.
const PATIENCE: Duration = Duration::from_secs(60);
/// The shortest delay; each further doubling is half as likely, up to [`LONGEST_DELAY`].
const SHORTEST_DELAY: Duration = Duration::from_millis(25);
const LONGEST_DELAY: Duration = Duration::from_millis(3_200);

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 503 SlowDown; the service never hears of it.
    Refuse,
    /// Done, and the answer is dropped with its connection.
    Lose,
    /// Done, and the answer ends in the middle of its body, or of its head where there is none.
    Cut,
    /// Late before it is done.
    DelayBefore,
    /// Done, and the answer is late.
    DelayAfter,
    /// Done twice; the answer is that of the second time.
    Twice,
    /// Neither done nor answered: the connection ends, and the request waits for [`Faults::release`].
    Hold,
    /// None, though chance may say otherwise.
    Spare,
}

/// How many of a hundred requests meet each fault.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// [`Fault::Refuse`].
    pub refused: u64,
    /// [`Fault::Lose`].
    pub lost: u64,
    /// [`Fault::Cut`].
    pub cut: u64,
    /// [`Fault::DelayBefore`] and [`Fault::DelayAfter`], half each.
    pub slow: u64,
    /// [`Fault::Twice`].
    pub twice: u64,
}

impl Rates {
    fn choose(self, dice: &mut Dice) -> Option<Fault> {
        let mut left = dice.roll() % 100;
        let slow_before = self.slow / 2;
        let parts = [
            (self.refused, Fault::Refuse),
            (self.lost, Fault::Lose),
            (self.cut, Fault::Cut),
            (slow_before, Fault::DelayBefore),
            (self.slow - slow_before, Fault::DelayAfter),
            (self.twice, Fault::Twice),
        ];
        for (share, fault) in parts {
            if left < share {
                return Some(fault);
            }
            left -= share;
        }
        None
    }
}

/// What a script is told of a request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Such as `PUT`.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// How often this method asked for this path before.
    pub before: u32,
}

type Script = Box<dyn FnMut(&Asked) -> Option<Fault> + Send>;

/// What has been done for a request: the service's status, or nothing where it was not asked.
#[derive(Debug, Clone)]
pub struct Done {
    /// The request.
    pub asked: Asked,
    /// What happened to it.
    pub fault: Option<Fault>,
    /// What the service said.
    pub status: Option<u16>,
}

struct State {
    dice: Dice,
    rates: Rates,
    script: Option<Script>,
    asked: BTreeMap<(String, String), u32>,
    held: Vec<Request>,
    counts: BTreeMap<Fault, u64>,
    done: Vec<Done>,
}

/// The proxy; it ends when it is dropped.
pub struct Faults {
    port: u16,
    upstream: SocketAddr,
    state: Arc<Mutex<State>>,
    ended: Arc<AtomicBool>,
}

impl Faults {
    /// Starts it before the service at `upstream`; no request fails yet.
    pub fn start(upstream: SocketAddr, seed: u64) -> Result<Self> {
        println!("a bucket's faults by seed {seed}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = State {
            dice: Dice(seed),
            rates: Rates::default(),
            script: None,
            asked: BTreeMap::new(),
            held: Vec::new(),
            counts: BTreeMap::new(),
            done: Vec::new(),
        };
        let (state, ended) = (Arc::new(Mutex::new(state)), Arc::new(AtomicBool::new(false)));
        let (shared, ends) = (Arc::clone(&state), Arc::clone(&ended));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&shared);
                // A client that goes away, or that a fault has sent away, is none of the proxy's concern.
                thread::spawn(move || drop(serve(&stream, upstream, &shared)));
            }
        });
        Ok(Self { port, upstream, state, ended })
    }

    /// The address that a broker is given.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From here on, by chance.
    pub fn set_rates(&self, rates: Rates) {
        locked(&self.state).rates = rates;
    }

    /// From here on, by a script, and by chance where it gives nothing.
    pub fn set_script(&self, script: impl FnMut(&Asked) -> Option<Fault> + Send + 'static) {
        locked(&self.state).script = Some(Box::new(script));
    }

    /// No script any more.
    pub fn end_script(&self) {
        locked(&self.state).script = None;
    }

    /// How often each fault happened.
    pub fn counts(&self) -> BTreeMap<Fault, u64> {
        locked(&self.state).counts.clone()
    }

    /// All that was done so far, in order.
    pub fn done(&self) -> Vec<Done> {
        locked(&self.state).done.clone()
    }

    /// Sends what was held to the service, and gives the paths and what it said.
    pub fn release(&self) -> Result<Vec<(String, u16)>> {
        let held = std::mem::take(&mut locked(&self.state).held);
        held.into_iter().map(|request| Ok((request.path.clone(), forward(self.upstream, &request)?.status))).collect()
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes it; if that fails it is gone already.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request, as it goes on.
struct Request {
    method: String,
    path: String,
    bytes: Vec<u8>,
}

/// An answer, as it goes back.
struct Answer {
    status: u16,
    bytes: Vec<u8>,
    /// Whether its end can be told without the end of the connection.
    is_framed: bool,
}

/// Serves one connection until either side, or a fault, ends it.
fn serve(stream: &TcpStream, upstream: SocketAddr, state: &Mutex<State>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader, stream)? {
        let (asked, fault, delay) = decide(&request, state);
        if fault == Some(Fault::DelayBefore) {
            thread::sleep(delay);
        }
        let answer = match fault {
            Some(Fault::Refuse) => Some(slow_down(&request)),
            Some(Fault::Hold) => None,
            Some(Fault::Twice) => {
                forward(upstream, &request)?;
                Some(forward(upstream, &request)?)
            }
            _ => Some(forward(upstream, &request)?),
        };
        let status = answer.as_ref().filter(|_| fault != Some(Fault::Refuse)).map(|answer| answer.status);
        locked(state).done.push(Done { asked, fault, status });
        let Some(answer) = answer else {
            locked(state).held.push(request);
            return Ok(());
        };
        let sent = match fault {
            Some(Fault::Lose) => return Ok(()),
            Some(Fault::Cut) => cut_length(&answer.bytes),
            _ => answer.bytes.len(),
        };
        if fault == Some(Fault::DelayAfter) {
            thread::sleep(delay);
        }
        (&mut &*stream).write_all(&answer.bytes[..sent])?;
        if sent < answer.bytes.len() || !answer.is_framed {
            return Ok(());
        }
    }
    Ok(())
}

fn decide(request: &Request, state: &Mutex<State>) -> (Asked, Option<Fault>, Duration) {
    let mut state = locked(state);
    let seen = state.asked.entry((request.method.clone(), request.path.clone())).or_default();
    let asked = Asked { method: request.method.clone(), path: request.path.clone(), before: *seen };
    *seen += 1;
    let scripted = state.script.as_mut().and_then(|script| script(&asked));
    let rates = state.rates;
    let fault = scripted.or_else(|| rates.choose(&mut state.dice)).filter(|fault| *fault != Fault::Spare);
    let doublings = state.dice.roll().trailing_ones();
    let delay = SHORTEST_DELAY.saturating_mul(1 << doublings.min(16)).min(LONGEST_DELAY);
    if let Some(fault) = fault {
        *state.counts.entry(fault).or_default() += 1;
    }
    (asked, fault, delay)
}

/// Half of the body; of an answer without one, half of the head.
fn cut_length(bytes: &[u8]) -> usize {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    if bytes.len() > head { head + (bytes.len() - head) / 2 } else { head / 2 }
}

fn slow_down(request: &Request) -> Answer {
    let body = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let body = if request.method == "HEAD" { "" } else { body };
    let date = http_date(SystemTime::now());
    let head = format!(
        "HTTP/1.1 503 Slow Down\r\nDate: {date}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Answer { status: 503, bytes: [head.as_bytes(), body.as_bytes()].concat(), is_framed: true }
}

/// Reads a request; nothing when the client has ended the connection between two.
fn read_request(reader: &mut BufReader<&TcpStream>, mut stream: &TcpStream) -> Result<Option<Request>> {
    let lines = read_head(reader)?;
    let Some(first) = lines.first() else { return Ok(None) };
    let mut words = first.split(' ');
    let (method, target) = (words.next().context("no method")?, words.next().context("no target")?);
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let mut head = format!("{first}\r\n");
    let mut length = 0;
    for line in &lines[1..] {
        let (name, value) = line.split_once(':').context("not a header")?;
        match name.to_ascii_lowercase().as_str() {
            "connection" => continue,
            "expect" => {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                continue;
            }
            "content-length" => length = value.trim().parse()?,
            "transfer-encoding" => anyhow::bail!("a request without a length"),
            _ => {}
        }
        head.push_str(&format!("{line}\r\n"));
    }
    ensure!(length <= BODY_LIMIT, "a body of {length} bytes");
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    let body = bytes.len();
    bytes.resize(body + length, 0);
    reader.read_exact(&mut bytes[body..])?;
    Ok(Some(Request { method: method.to_owned(), path, bytes }))
}

/// The lines of a head without their ends; none at the end of the connection.
fn read_head(reader: &mut impl BufRead) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut reader = reader.take(HEAD_LIMIT);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            ensure!(lines.is_empty(), "a head that ends too soon");
            return Ok(lines);
        }
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Ok(lines);
        }
        lines.push(line.to_owned());
    }
}

/// Asks the service and takes all that it says. It may answer before it has read the body, and hang up
/// then, so what it says is read while the body is still being sent.
fn forward(upstream: SocketAddr, request: &Request) -> Result<Answer> {
    let stream = TcpStream::connect(upstream)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    thread::scope(|scope| {
        // An answer counts, whether or not all of the request was wanted.
        let sending = scope.spawn(|| (&stream).write_all(&request.bytes));
        let answer = read_answer(&stream, request.method == "HEAD");
        // Wakes the sender where nobody reads on.
        drop(stream.shutdown(Shutdown::Both));
        drop(sending.join());
        answer
    })
}

fn read_answer(stream: &TcpStream, is_head: bool) -> Result<Answer> {
    let mut reader = BufReader::new(stream);
    let lines = read_head(&mut reader)?;
    let first = lines.first().context("no answer")?;
    let status = first.split(' ').nth(1).context("no status")?.parse()?;
    let (mut length, mut is_chunked) = (None::<usize>, false);
    let mut head = format!("{first}\r\n");
    for line in &lines[1..] {
        let (name, value) = line.split_once(':').context("not a header")?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.trim().parse()?),
            "transfer-encoding" => is_chunked = true,
            "connection" => continue,
            _ => {}
        }
        head.push_str(&format!("{line}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    let is_bare = is_head || status == 204 || status == 304;
    match length {
        _ if is_bare => {}
        _ if is_chunked => read_chunks(&mut reader, &mut bytes)?,
        Some(length) => {
            ensure!(length <= BODY_LIMIT, "an answer of {length} bytes");
            let head = bytes.len();
            bytes.resize(head + length, 0);
            reader.read_exact(&mut bytes[head..])?;
        }
        None => drop(reader.read_to_end(&mut bytes)?),
    }
    Ok(Answer { status, bytes, is_framed: is_bare || is_chunked || length.is_some() })
}

/// Takes a chunked body as it comes, with its sizes.
fn read_chunks(reader: &mut impl BufRead, bytes: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim_end().split(';').next().unwrap_or_default(), 16)?;
        ensure!(size <= BODY_LIMIT, "a chunk of {size} bytes");
        bytes.extend(line.as_bytes());
        let start = bytes.len();
        bytes.resize(start + size + 2, 0);
        reader.read_exact(&mut bytes[start..])?;
        if size == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_leaves_less_than_there_was() {
        assert_eq!(cut_length(b"A: b\r\n\r\n1234"), 10);
        assert_eq!(cut_length(b"A: b\r\n\r\n"), 4);
    }

    #[test]
    fn a_seed_gives_each_fault_its_share() {
        let rates = Rates { refused: 10, lost: 10, cut: 10, slow: 10, twice: 10 };
        let mut dice = Dice(7);
        let mut counts: BTreeMap<Option<Fault>, u32> = BTreeMap::new();
        for _ in 0..10_000 {
            *counts.entry(rates.choose(&mut dice)).or_default() += 1;
        }
        let count = |fault| counts.get(&fault).copied().unwrap_or_default();
        assert!((900..1_100).contains(&count(Some(Fault::Refuse))) && (900..1_100).contains(&count(Some(Fault::Lose))));
        assert!((900..1_100).contains(&count(Some(Fault::Cut))) && (900..1_100).contains(&count(Some(Fault::Twice))));
        assert!((4_600..5_400).contains(&count(None)));
    }

    #[test]
    fn a_lost_answer_ends_the_connection() -> Result<()> {
        let server = crate::answering::Server::start(|_| crate::answering::Answer::new(200, "said"))?;
        let port: u16 = server.url().rsplit(':').next().context("no port")?.parse()?;
        let faults = Faults::start((Ipv4Addr::LOCALHOST, port).into(), 1)?;
        let ask = || -> Result<String> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, faults.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n")?;
            let mut said = String::new();
            // The connection goes on after an answer, and ends without one.
            let mut bytes = [0; 4096];
            while !said.ends_with("said") {
                match stream.read(&mut bytes)? {
                    0 => break,
                    count => said.push_str(&String::from_utf8_lossy(&bytes[..count])),
                }
            }
            Ok(said)
        };
        ensure!(ask()?.starts_with("HTTP/1.1 200"));
        faults.set_script(|asked| (asked.before < 2).then_some(Fault::Lose));
        ensure!(ask()?.is_empty(), "an answer that was to be lost");
        ensure!(faults.done().iter().all(|done| done.status == Some(200)));
        Ok(())
    }
}
