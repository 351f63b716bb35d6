//! Kafka frames by hand, well formed or not, over a plain socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// The key of ApiVersions, which every broker answers before anything else.
pub const API_VERSIONS: i16 = 18;
/// The key of Produce.
pub const PRODUCE: i16 = 0;
/// How long a broker may take to answer or to hang up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer than any answer that these tests ask for.
const ANSWER_LIMIT: usize = 1 << 20;

/// A connection that sends whatever it is told to.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects to `host:port`.
    pub fn open(address: &str) -> Result<Self> {
        let address: SocketAddr = address.parse()?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Ends the sending side and keeps the other.
    pub fn finish_sending(&self) -> Result<()> {
        Ok(self.stream.shutdown(std::net::Shutdown::Write)?)
    }

    /// Sends a request with a frame and a header of version 1, which has no tagged fields.
    pub fn request(&mut self, key: i16, version: i16, correlation: i32, body: &[u8]) -> Result<()> {
        self.send(&frame(&request(key, version, correlation, body)))
    }

    /// Reads one answer, without its length: correlation id, then the body.
    pub fn answer(&mut self) -> Result<(i32, Vec<u8>)> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("no answer")?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!((4..=ANSWER_LIMIT).contains(&length), "an answer of {length} bytes");
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).context("a cut answer")?;
        let mut cursor = Cursor::new(&bytes);
        let correlation = cursor.i32()?;
        Ok((correlation, cursor.rest().to_vec()))
    }

    /// Waits until the broker hangs up, and refuses any answer before that.
    pub fn expect_hang_up(&mut self) -> Result<()> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => bail!("an answer where the broker should have hung up"),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(()),
            Err(error) => Err(error).context("the broker did not hang up"),
        }
    }
}

/// Whether a broker at `address` answers ApiVersions without an error.
pub fn answers(address: &str) -> bool {
    let attempt = || -> Result<i16> {
        let mut connection = Connection::open(address)?;
        connection.request(API_VERSIONS, 0, 7, &[])?;
        let (correlation, body) = connection.answer()?;
        ensure!(correlation == 7, "the answer to another request");
        Cursor::new(&body).i16()
    };
    matches!(attempt(), Ok(0))
}

/// A request with a header of version 1 and the client id `raw`.
pub fn request(key: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(key.to_be_bytes());
    bytes.extend(version.to_be_bytes());
    bytes.extend(correlation.to_be_bytes());
    put_string(&mut bytes, "raw");
    bytes.extend(body);
    bytes
}

/// Puts the length before the bytes.
pub fn frame(bytes: &[u8]) -> Vec<u8> {
    let mut framed = (bytes.len() as i32).to_be_bytes().to_vec();
    framed.extend(bytes);
    framed
}

/// A string with a length of two bytes.
pub fn put_string(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as i16).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// The body of Produce version 3 with acks=all: one batch for one partition.
pub fn produce_v3(topic: &str, partition: i32, records: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((-1_i16).to_be_bytes()); // no transactional id
    body.extend((-1_i16).to_be_bytes()); // acks=all
    body.extend(10_000_i32.to_be_bytes()); // time-out in ms
    body.extend(1_i32.to_be_bytes()); // topics
    put_string(&mut body, topic);
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(partition.to_be_bytes());
    body.extend((records.len() as i32).to_be_bytes());
    body.extend(records);
    body
}

/// The error code of the only partition in an answer to [`produce_v3`].
pub fn produce_v3_error(body: &[u8], topic: &str) -> Result<i16> {
    let mut cursor = Cursor::new(body);
    ensure!(cursor.i32()? == 1, "answers for more than one topic");
    let length = cursor.i16()? as usize;
    ensure!(cursor.take(length)? == topic.as_bytes(), "another topic");
    ensure!(cursor.i32()? == 1, "answers for more than one partition");
    cursor.i32()?; // the partition
    cursor.i16()
}

/// A record batch of magic 2 with one record, `value`, and the CRC that `crc` makes of the right one.
pub fn batch(value: &[u8], crc: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut record = vec![0, 0, 0]; // attributes, timestamp delta, offset delta
    put_varint(&mut record, -1); // no key
    put_varint(&mut record, value.len() as i64);
    record.extend(value);
    record.push(0); // no headers
    let mut checked = Vec::new();
    checked.extend(0_i16.to_be_bytes()); // attributes
    checked.extend(0_i32.to_be_bytes()); // last offset delta
    checked.extend(1_700_000_000_000_i64.to_be_bytes()); // first timestamp
    checked.extend(1_700_000_000_000_i64.to_be_bytes()); // greatest timestamp
    checked.extend((-1_i64).to_be_bytes()); // no producer id
    checked.extend((-1_i16).to_be_bytes()); // no producer epoch
    checked.extend((-1_i32).to_be_bytes()); // no sequence
    checked.extend(1_i32.to_be_bytes()); // records
    put_varint(&mut checked, record.len() as i64);
    checked.extend(&record);
    let mut batch = Vec::new();
    batch.extend(0_i64.to_be_bytes()); // base offset
    batch.extend((checked.len() as i32 + 9).to_be_bytes()); // what follows this field
    batch.extend((-1_i32).to_be_bytes()); // leader epoch
    batch.push(2); // magic
    batch.extend(crc(crc32c(&checked)).to_be_bytes());
    batch.extend(checked);
    batch
}

/// A signed number in zigzag form, seven bits a byte.
fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

/// CRC32C, bit by bit: slow, and independent of the library that the broker uses.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// Reads an answer field by field, never past its end.
#[derive(Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Begins at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let taken = self.bytes.split_at_checked(count);
        let (taken, rest) = taken.context("an answer that ends too soon")?;
        self.bytes = rest;
        Ok(taken)
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next INT16.
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }

    /// The next INT32.
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }

    /// The next INT64.
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn crc32c_agrees_with_rfc_3720() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
