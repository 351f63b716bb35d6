//! `highwater verify`: clean where nothing is wrong, and for each kind of damage the object, the range and
//! the records that it affects; everything else goes on being served.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::DEADLINE;
use highwater_tests::highwater::without_settings;
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::said::Said;

use crate::stage::{in_place, with_flights};

const TOPIC: &str = "flights";
const PARTITIONS: usize = 4;
/// Enough for a segment in each shard.
const FLIGHTS: usize = 100_000;

#[test]
fn damage_is_named_and_the_rest_is_served() -> Result<()> {
    in_place("verify", damaged_one_by_one)
}

fn damaged_one_by_one(parts: &Parts, place: &Place) -> Result<()> {
    let data = place.join("data");
    let mut broker = with_flights(parts, place, &data, (TOPIC, PARTITIONS as u32), FLIGHTS)?;
    verify(&data, place)?.expect(0, &["0 findings"])?;
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    verify(&data, place)?.expect(0, &["0 findings", "4 partitions with records"])?;

    let segments = segments(&data)?;
    ensure!(segments.len() >= PARTITIONS, "{} segments", segments.len());
    // Behind the records lies the index: readers do not need it.
    let (last, untouched) = (&segments[segments.len() - 1], fs::read(&segments[segments.len() - 1])?);
    let modified = fs::metadata(last)?.modified()?;
    flip(last, untouched.len() - 40)?;
    verify(&data, place)?.expect(1, &["1 findings", "its records are whole and are served"])?;
    fs::write(last, untouched)?;
    File::options().write(true).open(last)?.set_modified(modified)?;
    verify(&data, place)?.expect(0, &["0 findings"])?;
    flip(&segments[0], 5_000)?;
    fs::remove_file(&segments[1])?;
    cut(&segments[2])?;
    fs::write(data.join("bucket/shards/notes.txt"), b"not ours")?;
    let name = |path: &Path| -> Result<String> { Ok(path.strip_prefix(data.join("bucket"))?.display().to_string()) };
    let said = verify(&data, place)?;
    said.expect(1, &["4 findings", "shards/notes.txt: a name that no broker gives"])?;
    for (segment, word) in
        [(&segments[0], "wrong checksum"), (&segments[1], "missing"), (&segments[2], "another object")]
    {
        let line = said.out.lines().find(|line| line.starts_with(&name(segment).unwrap_or_default()));
        let line = line.with_context(|| format!("nothing about {}: {said:?}", segment.display()))?;
        ensure!(line.contains(word) && line.contains("offsets"), "{word} and offsets in: {line}");
    }

    // Each shard has one partition, and the last shard's segments are whole.
    let damaged = |partition: &usize| said.out.contains(&format!("-{partition} offsets"));
    let whole: Vec<usize> = (0..PARTITIONS).filter(|partition| !damaged(partition)).collect();
    ensure!(whole.contains(&(PARTITIONS - 1)) && whole.len() < PARTITIONS, "whole: {whole:?}, {said:?}");
    broker.up()?;
    let mut consume = without_settings(&highwater_binary()?);
    consume.args([
        "consume",
        TOPIC,
        "--bootstrap",
        &broker.address(),
        "--partition",
        &whole[0].to_string(),
        "-n",
        "100",
    ]);
    let read = Said::by(&mut consume, place, DEADLINE)?;
    ensure!(read.code == 0 && read.out.lines().count() == 100, "the whole partition is not served");
    Ok(())
}

fn verify(data: &Path, place: &Place) -> Result<Said> {
    let mut command = without_settings(&highwater_binary()?);
    Said::by(command.arg("verify").arg("--data").arg(data), place, DEADLINE)
}

/// Objects with records, one shard after another.
fn segments(data: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for shard in fs::read_dir(data.join("bucket/shards"))? {
        for object in fs::read_dir(shard?.path().join("wal"))? {
            let object = object?;
            if object.metadata()?.len() > 100_000 {
                found.push(object.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Changes a bit and keeps the time, as a disk does that forgets.
fn flip(path: &Path, at: usize) -> Result<()> {
    let modified = fs::metadata(path)?.modified()?;
    let mut bytes = fs::read(path)?;
    bytes[at] ^= 1;
    fs::write(path, bytes)?;
    Ok(File::options().write(true).open(path)?.set_modified(modified)?)
}

fn cut(path: &Path) -> Result<()> {
    let (modified, length) = (fs::metadata(path)?.modified()?, fs::metadata(path)?.len());
    let file = File::options().write(true).open(path)?;
    file.set_len(length / 2)?;
    Ok(file.set_modified(modified)?)
}
