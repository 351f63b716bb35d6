//! `highwater consume TOPIC`: records to standard output, a line each.

use std::io::{BufWriter, Write};
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueEnum};
use highwater_client::{Cluster, Consumer, Fetched, GroupMember, StartAt};
use serde_json::{Value, json};

use super::moment;
use super::session::CommandError;

/// A fetch waits at the broker for so long: until then a Ctrl-C of a follower may go unanswered.
const WAIT: Duration = Duration::from_millis(500);

/// Flags of `consume`.
#[derive(Clone, Debug, Args)]
pub struct ConsumeArgs {
    /// The topic.
    topic: String,
    /// Where to begin: beginning, end, an offset, or a time (2026-11-26T13:00:00Z, -1h).
    #[arg(long, short = 'f', value_name = "WHERE", default_value = "beginning", allow_hyphen_values = true)]
    from: String,
    /// Partitions; without any, all. May be repeated.
    #[arg(long = "partition", short = 'p', value_name = "N", conflicts_with = "group")]
    partitions: Vec<i32>,
    /// Read as a member of this group: from what it has committed, and commit what was printed.
    #[arg(long, short = 'g', value_name = "GROUP")]
    group: Option<String>,
    /// Go on at the end and wait for more.
    #[arg(long)]
    follow: bool,
    /// End after so many records.
    #[arg(long, short = 'n', value_name = "N")]
    max: Option<u64>,
    /// What a line says: the value; key, TAB and value; or everything, as a JSON object.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The same as --format json.
    #[arg(long)]
    json: bool,
}

/// What a line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The value.
    #[default]
    Value,
    /// Key, TAB, value.
    KeyValue,
    /// A JSON object.
    Json,
}

/// Runs it. Ctrl-C ends it; what was printed is then committed, if for a group.
pub async fn run(cluster: &mut Cluster, args: ConsumeArgs) -> Result<(), CommandError> {
    let start = start(&args.from, cluster.env().wall_ms()).map_err(CommandError::Usage)?;
    let mut output = Output {
        out: BufWriter::with_capacity(1 << 18, std::io::stdout()),
        format: if args.json { Format::Json } else { args.format },
        left: args.max.unwrap_or(u64::MAX),
    };
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    match &args.group {
        None => {
            let mut consumer = Consumer::new(WAIT);
            let only = (!args.partitions.is_empty()).then_some(args.partitions.as_slice());
            consumer.assign(cluster, &args.topic, only, start).await?;
            if !args.follow {
                consumer.stop_at_present_end(cluster).await?;
            }
            while output.left > 0 {
                let fetched = tokio::select! {
                    biased;
                    _ = &mut interrupted => break,
                    fetched = consumer.poll(cluster) => fetched?,
                };
                output.write(&args.topic, &fetched)?;
                if !args.follow && consumer.is_at_end() {
                    break;
                }
            }
        }
        Some(group) => {
            let mut member = GroupMember::join(cluster, group, &args.topic, start).await?;
            while output.left > 0 {
                let fetched = tokio::select! {
                    biased;
                    _ = &mut interrupted => break,
                    fetched = member.poll(cluster) => fetched?,
                };
                let left = output.left;
                if let Err(closed) = output.write(&args.topic, &fetched) {
                    // Nobody knows what was read of it, so nothing is committed; but nobody has to wait
                    // until the session runs out either.
                    member.abandon(cluster).await?;
                    return Err(closed);
                }
                if fetched.len() as u64 > left {
                    // What was read beyond the last line printed must not be committed.
                    member.rewind(&fetched[usize::try_from(left).unwrap_or(usize::MAX)..]);
                }
                if !args.follow && member.is_at_end() {
                    break;
                }
            }
            output.flush()?;
            member.leave(cluster).await?;
        }
    }
    output.flush()
}

fn start(text: &str, now_ms: i64) -> Result<StartAt, String> {
    match text {
        "beginning" | "earliest" => Ok(StartAt::Beginning),
        "end" | "latest" => Ok(StartAt::End),
        text => match text.parse::<u32>() {
            Ok(_) => text.parse().map(StartAt::Offset).map_err(|_| "an offset".to_owned()),
            Err(_) => match text.parse::<i64>() {
                Ok(offset) if offset >= 0 => Ok(StartAt::Offset(offset)),
                _ => moment::read(text, now_ms).map(StartAt::Time),
            },
        },
    }
}

struct Output {
    out: BufWriter<std::io::Stdout>,
    format: Format,
    left: u64,
}

impl Output {
    /// Prints records, as many as may still be.
    fn write(&mut self, topic: &str, fetched: &[Fetched]) -> Result<(), CommandError> {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(fetched.len());
        for one in &fetched[..count] {
            self.line(topic, one).map_err(CommandError::io("standard output"))?;
        }
        self.left -= count as u64;
        self.flush()
    }

    fn flush(&mut self) -> Result<(), CommandError> {
        self.out.flush().map_err(CommandError::io("standard output"))
    }

    fn line(&mut self, topic: &str, fetched: &Fetched) -> std::io::Result<()> {
        let record = &fetched.record;
        let bytes = |part: &Option<Bytes>| part.clone().unwrap_or_default();
        match self.format {
            Format::Value => self.out.write_all(&bytes(&record.value))?,
            Format::KeyValue => {
                self.out.write_all(&bytes(&record.key))?;
                self.out.write_all(b"\t")?;
                self.out.write_all(&bytes(&record.value))?;
            }
            Format::Json => {
                let headers: Vec<Value> = record
                    .headers
                    .iter()
                    .map(|header| json!([String::from_utf8_lossy(&header.name), value(header.value.as_ref())]))
                    .collect();
                let line = json!({
                    "topic": topic,
                    "partition": fetched.partition,
                    "offset": record.offset,
                    "timestamp": record.timestamp,
                    "key": value(record.key.as_ref()),
                    "value": value(record.value.as_ref()),
                    "headers": headers,
                });
                serde_json::to_writer(&mut self.out, &line)?;
            }
        }
        self.out.write_all(b"\n")
    }
}

/// Text as text; anything else as `{"base64": …}`.
fn value(bytes: Option<&Bytes>) -> Value {
    match bytes {
        None => Value::Null,
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => json!(text),
            Err(_) => json!({ "base64": base64(bytes) }),
        },
    }
}

/// Standard base64 with padding (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        assert_eq!(start("beginning", 0), Ok(StartAt::Beginning));
        assert_eq!(start("latest", 0), Ok(StartAt::End));
        assert_eq!(start("17", 0), Ok(StartAt::Offset(17)));
        assert_eq!(start("99999999999", 0), Ok(StartAt::Offset(99_999_999_999)));
        assert_eq!(start("-1h", 3_600_000), Ok(StartAt::Time(0)));
        assert!(start("-1", 0).is_err());
        assert!(start("middle", 0).is_err());
    }

    #[test]
    fn base64_is_the_standard_one() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}
