//! `highwater inspect`: everything that a broker wrote is shown, from the bucket and as a file; damage is
//! shown with what it affects; what is none of ours has an exit code of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::DEADLINE;
use highwater_tests::highwater::without_settings;
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::said::Said;

use crate::stage::{in_place, with_flights};

const TOPIC: &str = "flights";
/// Some segments and a log.
const FLIGHTS: usize = 50;

#[test]
fn everything_that_a_broker_wrote_is_shown() -> Result<()> {
    in_place("inspect", shown)
}

fn shown(parts: &Parts, place: &Place) -> Result<()> {
    let data = place.join("data");
    let mut broker = with_flights(parts, place, &data, (TOPIC, 1), FLIGHTS)?;
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");

    let bucket = data.join("bucket");
    let names = objects(&bucket, &bucket)?;
    for name in &names {
        // From the bucket by name, and as a file, which is the same to the last letter.
        let by_name = inspect(place, &data, name, &[])?;
        by_name.expect(0, &["entry type="])?;
        let as_file = inspect(place, &data, &bucket.join(name).display().to_string(), &[])?;
        ensure!(as_file.out == by_name.out, "{name}: {as_file:?} is not {by_name:?}");
    }
    let holds = |word: &str| -> Result<Vec<&String>> {
        let said = |name: &&String| inspect(place, &data, name, &[]).is_ok_and(|said| said.out.contains(word));
        Ok(names.iter().filter(said).collect())
    };
    for word in ["manifest_edit", "manifest_snapshot", "metadata_entry", "type=fence"] {
        ensure!(!holds(word)?.is_empty(), "no object is said to be {word}: {names:?}");
    }
    let segments = holds("name=flights partition=0 offsets=")?;
    let is_data = |name: &&&String| name.contains("/wal/");
    let segment = segments.iter().find(is_data).with_context(|| format!("no segment: {segments:?}"))?;
    inspect(place, &data, segment, &["--records"])?.expect(0, &["batch bytes=", "record offset=", "checksum=ok"])?;

    let wal = fs::read_dir(data.join("wal"))?.next().context("no write-ahead log")??.path().display().to_string();
    inspect(place, &data, &wal, &[])?.expect(0, &["wal state=", "generation="])?;
    damaged(place, &data, &bucket.join(segment.as_str()))?;

    let notes = place.join("notes.txt");
    fs::write(&notes, "not ours")?;
    inspect(place, &data, &notes.display().to_string(), &[])?.expect_one_line(2, &["nothing of Highwater's"])?;
    inspect(place, &data, "shards/0/wal/7", &[])?.expect_one_line(2, &["no object"])
}

/// A flipped bit in the records: its bytes and offsets are told, and the rest is shown.
fn damaged(place: &Place, data: &Path, segment: &Path) -> Result<()> {
    let mut bytes = fs::read(segment)?;
    bytes[128 + 200] ^= 1;
    let broken = place.join("broken.seg");
    fs::write(&broken, bytes)?;
    let broken = broken.display().to_string();
    let said = inspect(place, data, &broken, &["--batches"])?;
    said.expect(1, &["extent", "checksums=wrong", "wrong checksum", "offsets 0..="])?;
    let last = said.out.lines().last().unwrap_or_default();
    ensure!(last.starts_with("damaged: bytes 128.."), "the last line is {last}");
    let json = inspect(place, data, &broken, &["--json"])?;
    json.expect(1, &["\"kind\":\"damage\"", "\"ok\":false"])
}

fn inspect(place: &Place, data: &Path, name: &str, flags: &[&str]) -> Result<Said> {
    let mut command = without_settings(&highwater_binary()?);
    command.args(["inspect", name, "--data"]).arg(data).args(flags);
    Said::by(&mut command, place, DEADLINE)
}

/// Names of all journal objects below a folder.
fn objects(root: &Path, folder: &PathBuf) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.display().to_string();
        if path.is_dir() && !name.starts_with('.') {
            found.extend(objects(root, &path)?);
        } else if name.starts_with("shards/") || name.starts_with("meta/") {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}
