//! Each kind of corruption, one by one: `highwater verify` names the object, the broker starts and says what
//! it cannot serve, and everything else is served.
//!
//! The bed of all of them is what a kill leaves behind: segments that the manifests list, segments that they
//! do not list yet, and batches that only the write-ahead log has.

mod bed;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::DEADLINE;
use highwater_tests::highwater::{Highwater, Store, without_settings};
use highwater_tests::parts::highwater_binary;
use highwater_tests::place::Place;
use highwater_tests::said::Said;

use crate::stage::in_place;
use bed::{Bed, ONLY_IN_THE_LOG, PARTITIONS, TOPICS, append, cut_out, flip, overwrite, wipe};

const NONE: i16 = 0;
const KAFKA_STORAGE_ERROR: i16 = 56;
/// Length of a journal entry's header, and where its version lies.
const HEADER: usize = 128;
const VERSION: usize = 8;

/// Length of a segment's trailer, and where it has the length of the index before it.
const TRAILER: usize = 32;
const INDEX_LENGTH: usize = 8;
/// Within the index: part of an id, which nothing but the checksum can tell from another.
const IN_A_TOPIC_ID: usize = 20;

/// What one kind does, and what is to come of it.
struct Kind {
    name: &'static str,
    /// Does the damage; gives the object or file that must be named.
    damage: fn(&Bed) -> Result<PathBuf>,
    /// What is said of it.
    word: &'static str,
    outcome: Outcome,
}

/// What the broker makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// All partitions can be written, and nothing is missing but what the object holds.
    Serves,
    /// As that, though a record of the write-ahead log is lost.
    LosesOneRecord,
    /// Those of one shard cannot be written.
    StopsOneShard,
    /// The metadata are everybody's: it does not start.
    DoesNotStart,
}
use Outcome::{DoesNotStart, LosesOneRecord, Serves, StopsOneShard};

const KINDS: &[Kind] = &[
    Kind {
        name: "records of a segment",
        damage: |bed| flip(bed.listed_segment()?, HEADER + 5_000),
        word: "wrong checksum",
        outcome: Serves,
    },
    Kind {
        name: "header of a segment",
        damage: |bed| flip(bed.listed_segment()?, 40),
        word: "its records are whole and are served",
        outcome: Serves,
    },
    Kind {
        name: "index of a segment",
        damage: |bed| {
            let segment = bed.listed_segment()?;
            let length = fs::metadata(&segment)?.len() as usize;
            flip(segment, length - 40)
        },
        word: "its records are whole and are served",
        outcome: Serves,
    },
    Kind {
        name: "segment cut short",
        damage: |bed| {
            let segment = bed.listed_segment()?;
            let length = fs::metadata(&segment)?.len();
            cut_out(segment, length / 2)
        },
        word: "another object",
        outcome: Serves,
    },
    Kind {
        name: "segment missing",
        damage: |bed| {
            let segment = bed.listed_segment()?;
            fs::remove_file(&segment)?;
            Ok(segment)
        },
        word: "missing",
        outcome: Serves,
    },
    Kind {
        name: "records of a segment that no manifest lists yet",
        damage: |bed| flip(bed.unlisted_segment()?, HEADER + 70),
        word: "wrong checksum",
        outcome: Serves,
    },
    Kind {
        name: "index of a segment that no manifest lists yet",
        damage: |bed| {
            let segment = bed.unlisted_segment()?;
            let at = index_of(&segment)? + IN_A_TOPIC_ID;
            flip(segment, at)
        },
        word: "footer",
        outcome: StopsOneShard,
    },
    Kind {
        name: "manifest entry",
        damage: |bed| flip(bed.last_of("manifest/log")?, HEADER + 20),
        word: "checksum",
        outcome: StopsOneShard,
    },
    Kind {
        name: "manifest entry missing",
        damage: |bed| {
            let entry = bed.before_last_of("manifest/log")?;
            fs::remove_file(&entry)?;
            Ok(entry)
        },
        word: "is missing",
        outcome: StopsOneShard,
    },
    Kind {
        name: "manifest snapshot",
        damage: |bed| flip(bed.first_of("manifest/snap")?, HEADER + 20),
        word: "checksum",
        outcome: StopsOneShard,
    },
    Kind {
        name: "manifest entry of a later version",
        damage: |bed| overwrite(bed.last_of("manifest/log")?, VERSION, 99),
        word: "version",
        outcome: StopsOneShard,
    },
    Kind {
        name: "segment of a later version that no manifest lists yet",
        damage: |bed| overwrite(bed.unlisted_segment()?, VERSION, 99),
        word: "version",
        outcome: StopsOneShard,
    },
    Kind {
        name: "foreign object where the next segment belongs",
        damage: |bed| {
            let next = bed.next_segment()?;
            // As long as a header of ours, so that it is not known by its length.
            fs::write(&next, "not ours".repeat(HEADER))?;
            Ok(next)
        },
        word: "nothing of ours",
        outcome: StopsOneShard,
    },
    Kind {
        name: "foreign object beside ours",
        damage: |bed| {
            let note = bed.data.join("bucket/shards/notes.txt");
            fs::write(&note, "not ours")?;
            Ok(note)
        },
        word: "a name that no broker gives",
        outcome: Serves,
    },
    Kind {
        name: "metadata entry",
        damage: |bed| flip(bed.last_metadata()?, HEADER + 5),
        word: "checksum",
        outcome: DoesNotStart,
    },
    Kind {
        name: "metadata entry of a later version",
        damage: |bed| overwrite(bed.last_metadata()?, VERSION, 99),
        word: "version",
        outcome: DoesNotStart,
    },
    Kind {
        name: "frame of the write-ahead log",
        damage: |bed| {
            let (file, at) = bed.frame(LOST)?;
            flip(file, at)
        },
        word: "acknowledged records are lost",
        outcome: LosesOneRecord,
    },
    Kind {
        name: "block of the write-ahead log that was never written, says the disk",
        damage: |bed| {
            let (file, at) = bed.frame(LOST)?;
            wipe(file, at)
        },
        word: "acknowledged records are lost",
        outcome: LosesOneRecord,
    },
];

/// Where a segment's index begins.
fn index_of(segment: &Path) -> Result<usize> {
    let bytes = fs::read(segment)?;
    let trailer = bytes.last_chunk::<TRAILER>().context("a segment without a trailer")?;
    let length = trailer[INDEX_LENGTH..].first_chunk().map(|length| u32::from_be_bytes(*length));
    Ok(bytes.len() - TRAILER - length.context("no length")? as usize)
}

/// The record of the log that is damaged: others of its partition lie behind it.
const LOST: usize = 1;

#[test]
fn each_kind_is_named_and_everything_else_is_served() -> Result<()> {
    in_place("corruption", |parts, place| {
        let bed = Bed::make(parts, place)?;
        verify(&bed, place)?.expect(0, &["0 findings"])?;
        for (number, kind) in KINDS.iter().enumerate() {
            let bed = bed.copy(place.join(&format!("bed-{number}")))?;
            one(kind, &bed, place).with_context(|| kind.name)?;
            fs::remove_dir_all(&bed.data)?;
        }
        Ok(())
    })
}

fn one(kind: &Kind, bed: &Bed, place: &Place) -> Result<()> {
    let damaged = (kind.damage)(bed)?;
    let bucket = bed.data.join("bucket");
    let named = damaged.strip_prefix(&bucket).unwrap_or(&damaged).display().to_string();
    if damaged.starts_with(&bucket) {
        let said = verify(bed, place)?;
        let line = said.out.lines().find(|line| line.contains(&named) && line.contains(kind.word));
        ensure!(said.code == 1 && line.is_some(), "{named} and {:?} are not in {said:?}", kind.word);
    }
    let log = place.fresh_log("broker");
    let mut broker = Highwater::launch(&highwater_binary()?, &bed.data, log.clone(), Store::Directory, &[])?;
    if kind.outcome == DoesNotStart {
        let status = broker.process()?.wait(DEADLINE)?;
        ensure!(!status.success(), "it ended with {status}");
        return names(&log, &named);
    }
    broker.wait_until_ready()?;
    let mut refused = Vec::new();
    for topic in TOPICS {
        for partition in 0..PARTITIONS {
            match append(&broker.address(), topic, partition, "afterwards")? {
                NONE => {}
                KAFKA_STORAGE_ERROR => refused.push((topic, partition)),
                code => anyhow::bail!("{topic}-{partition}: error {code}"),
            }
        }
    }
    let expected = if kind.outcome == StopsOneShard { TOPICS.len() } else { 0 };
    ensure!(refused.len() == expected, "refused are {refused:?}: {}", fs::read_to_string(&log)?);
    if matches!(kind.outcome, StopsOneShard | LosesOneRecord) {
        names(&log, &named)?;
    }
    for partition in (0..PARTITIONS).filter(|partition| !refused.contains(&("local", *partition))) {
        of_the_log(&broker, partition, kind.outcome == LosesOneRecord, place)?;
    }
    ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
    Ok(())
}

/// The broker's log has a line of an error with the object.
fn names(log: &Path, named: &str) -> Result<()> {
    let text = fs::read_to_string(log)?;
    ensure!(text.lines().any(|line| line.contains(named)), "{named} is not named in {text}");
    Ok(())
}

/// What only the log had of a partition is served, but for the one record that is lost.
fn of_the_log(broker: &Highwater, partition: usize, one_is_lost: bool, place: &Place) -> Result<()> {
    let is_there = |number: &usize| !(one_is_lost && *number == LOST);
    let all: Vec<usize> = (partition..ONLY_IN_THE_LOG).step_by(PARTITIONS).filter(is_there).collect();
    let mut consume = without_settings(&highwater_binary()?);
    consume.args(["consume", "local", "--bootstrap", &broker.address(), "--partition", &partition.to_string()]);
    let said = Said::by(consume.args(["-n", &(all.len() + 1).to_string()]), place, DEADLINE)?;
    for number in all {
        let record = bed::value(number);
        ensure!(said.out.contains(&record), "partition {partition} lacks {record}: {said:?}");
    }
    ensure!(said.code == 0 && said.out.contains("afterwards"), "{said:?}");
    Ok(())
}

fn verify(bed: &Bed, place: &Place) -> Result<Said> {
    let mut command = without_settings(&highwater_binary()?);
    Said::by(command.arg("verify").arg("--data").arg(&bed.data), place, DEADLINE)
}
