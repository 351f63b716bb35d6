//! `highwater produce TOPIC`: lines of a file or of standard input become records.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use highwater_batch::Compression;
use highwater_client::{Cluster, Producer, ProducerOptions, Record};

use super::lines::Lines;
use super::session::{CommandError, is_watched, pair};

/// A progress line after so many records.
const PROGRESS_EVERY: u64 = 50_000;
/// A record waits for others of its batch, if the next line is not there after this.
const LINGER: Duration = Duration::from_millis(20);
/// And no longer than this, if lines keep coming.
const LONGEST_LINGER: Duration = Duration::from_millis(200);

/// Flags of `produce`.
#[derive(Clone, Debug, Args)]
pub struct ProduceArgs {
    /// The topic; it comes to be if the brokers allow that.
    topic: String,
    /// A file; without it, standard input.
    file: Option<PathBuf>,
    /// What stands between key and value; without it a line is a value.
    #[arg(long, short = 'K', value_name = "TEXT")]
    key_separator: Option<String>,
    /// An empty key or value is null.
    #[arg(long, short = 'Z')]
    null: bool,
    /// A header of every record; may be repeated.
    #[arg(long = "header", short = 'H', value_name = "NAME=VALUE", value_parser = pair)]
    headers: Vec<(String, String)>,
    /// The partition; without it, by key, or in turn.
    #[arg(long, short = 'p', value_name = "N")]
    partition: Option<i32>,
    /// Codec: none, gzip, snappy, lz4 or zstd.
    #[arg(long, short = 'z', value_name = "CODEC", default_value = "none", value_parser = codec)]
    codec: Compression,
    /// What to wait for: all, 1 (the leader) or 0 (nothing).
    #[arg(long, value_name = "N", default_value = "all", value_parser = acks)]
    acks: i16,
}

fn codec(text: &str) -> Result<Compression, String> {
    Compression::from_name(text).ok_or_else(|| "takes none, gzip, snappy, lz4 or zstd".to_owned())
}

fn acks(text: &str) -> Result<i16, String> {
    match text {
        "all" | "-1" => Ok(-1),
        "1" => Ok(1),
        "0" => Ok(0),
        _ => Err("takes all, 1 or 0".to_owned()),
    }
}

/// Runs it.
pub async fn run(cluster: &mut Cluster, args: ProduceArgs) -> Result<(), CommandError> {
    let name = args.file.as_ref().map_or_else(|| "standard input".to_owned(), |file| file.display().to_string());
    let source: Box<dyn Read + Send> = match &args.file {
        Some(file) => Box::new(std::fs::File::open(file).map_err(CommandError::io(&name))?),
        None => Box::new(std::io::stdin()),
    };
    let env = cluster.env().clone();
    let began = env.now();
    let options = ProducerOptions { compression: args.codec, acks: args.acks, ..ProducerOptions::default() };
    let mut producer = Producer::new(cluster, &args.topic, options).await?;
    let headers: Vec<(String, Bytes)> =
        args.headers.iter().map(|(name, value)| (name.clone(), Bytes::from(value.clone()))).collect();
    let (mut records, mut bytes) = (0u64, 0u64);
    let (mut lines, mut sent) = (Lines::read(source), env.now());
    loop {
        let some = match env.timeout(LINGER, lines.next()).await {
            Ok(Some(some)) => some.map_err(|error| error.told(&name))?,
            Ok(None) => break,
            Err(_) => {
                // Whoever writes lines now and then wants them to arrive, and to hear if they do not.
                producer.flush().await?;
                sent = env.now();
                match lines.next().await {
                    Some(some) => some.map_err(|error| error.told(&name))?,
                    None => break,
                }
            }
        };
        for line in some {
            bytes += line.len() as u64;
            let (key, value) = split(&line, args.key_separator.as_deref());
            let given = |part: &[u8]| (!(args.null && part.is_empty())).then(|| Bytes::copy_from_slice(part));
            let record = Record {
                timestamp: env.wall_ms(),
                key: key.and_then(given),
                value: given(value),
                headers: headers.clone(),
                partition: args.partition,
            };
            producer.send(&record).await?;
            records += 1;
            if records.is_multiple_of(PROGRESS_EVERY) && is_watched() {
                let _ = write!(std::io::stderr(), "\r{records} records, {:.1} MB", bytes as f64 / 1e6);
            }
        }
        if env.now().since(sent) >= LONGEST_LINGER {
            producer.send_open().await?;
            sent = env.now();
        }
    }
    producer.flush().await?;
    let seconds = env.now().since(began).as_secs_f64().max(1e-3);
    let clear = if is_watched() { "\r" } else { "" };
    let _ = writeln!(
        std::io::stderr(),
        "{clear}{records} records, {:.1} MB in {seconds:.1} s: {:.0} records/s, {:.1} MB/s",
        bytes as f64 / 1e6,
        records as f64 / seconds,
        bytes as f64 / 1e6 / seconds
    );
    Ok(())
}

/// Key and value of a line; a line without the separator is a value.
fn split<'a>(line: &'a [u8], separator: Option<&str>) -> (Option<&'a [u8]>, &'a [u8]) {
    let Some(separator) = separator.map(str::as_bytes).filter(|text| !text.is_empty()) else { return (None, line) };
    match line.windows(separator.len()).position(|window| window == separator) {
        Some(at) => (Some(&line[..at]), &line[at + separator.len()..]),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn lines_are_split_at_the_first_separator() {
        assert_eq!(split(b"k:v:w", Some(":")), (Some(&b"k"[..]), &b"v:w"[..]));
        assert_eq!(split(b"v", Some(":")), (None, &b"v"[..]));
        assert_eq!(split(b"k:v", None), (None, &b"k:v"[..]));
        assert_eq!(split(b"k::v", Some("::")), (Some(&b"k"[..]), &b"v"[..]));
    }
}
