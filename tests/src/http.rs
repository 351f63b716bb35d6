//! One request of HTTP/1.1, enough to ask a server whether it is ready, or to set something.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may take to accept, and to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// No page is as large; more than this is not read.
const ANSWER_LIMIT: u64 = 4 << 20;

/// The status of `GET path`, or nothing when no server gave one.
pub fn status(port: u16, path: &str) -> Option<u16> {
    let answer = get(port, path)?;
    answer.split_whitespace().nth(1)?.parse().ok()
}

/// The whole answer to `GET path`, head and body, or nothing when no server gave one.
pub fn get(port: u16, path: &str) -> Option<String> {
    ask(port, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
}

/// The whole answer to `PUT path` with this body, or nothing when no server gave one.
pub fn put(port: u16, path: &str, body: &str) -> Option<String> {
    let head = format!("PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n");
    ask(port, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
}

fn ask(port: u16, request: &str) -> Option<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer).into_owned())
}
