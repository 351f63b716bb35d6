//! What a killed broker leaves behind, and damage to parts of it. Times of files are kept, as a disk does
//! that forgets.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use highwater_tests::clients::{At, Client, Codec, DEADLINE};
use highwater_tests::flights::Flights;
use highwater_tests::highwater::{Highwater, Store};
use highwater_tests::parts::{Parts, highwater_binary};
use highwater_tests::place::Place;
use highwater_tests::raw::{Connection, PRODUCE, batch, frame, produce_v3, produce_v3_error, request};

use crate::stage::create;

/// One in each shard.
pub const PARTITIONS: usize = 4;
/// By their durability. Segments have records of both.
pub const TOPICS: [&str; 2] = ["object", "local"];
/// Records that the bucket does not have, over all partitions.
pub const ONLY_IN_THE_LOG: usize = 12;
/// Enough for a segment in each shard.
const FLIGHTS: usize = 100_000;
/// Larger than any segment of the few records that come later.
const LARGE: u64 = 100_000;
/// Of the write-ahead log.
const BLOCK: usize = 4096;

/// The data of a broker that was killed.
pub struct Bed {
    pub data: PathBuf,
}

/// The value of a record that only the log has.
pub fn value(number: usize) -> String {
    format!("only in the log: {number:03}.")
}

/// Appends one record; gives the error code.
pub fn append(address: &str, topic: &str, partition: usize, value: &str) -> Result<i16> {
    let mut connection = Connection::open(address)?;
    let records = batch(value.as_bytes(), |crc| crc);
    connection.send(&frame(&request(PRODUCE, 3, 1, &produce_v3(topic, partition as i32, &records))))?;
    produce_v3_error(&connection.answer()?.1, topic)
}

impl Bed {
    /// See the module.
    pub fn make(parts: &Parts, place: &Place) -> Result<Self> {
        let data = place.join("data");
        let mut broker = Highwater::start(&highwater_binary()?, &data, place.log("broker"), Store::Directory)?;
        let address = broker.address();
        let at = At { broker: &address, parts, place };
        for topic in TOPICS {
            create(&at, topic, PARTITIONS as u32, &format!("highwater.durability={topic}"))?;
        }
        let input = place.join("input.tsv");
        Flights::read(&parts.flights())?.write(0..FLIGHTS, &input)?;
        Client::Kcat.produce(&at, "object", &input, Codec::None)?;
        ensure!(broker.process()?.terminate(DEADLINE)?.success(), "a clean end");
        broker.up()?;
        for partition in 0..PARTITIONS {
            ensure!(append(&address, "object", partition, &"not listed yet ".repeat(20))? == 0, "acknowledged");
        }
        for number in 0..ONLY_IN_THE_LOG {
            ensure!(append(&address, "local", number % PARTITIONS, &value(number))? == 0, "acknowledged");
        }
        let process = broker.process()?;
        process.signal(libc::SIGKILL)?;
        process.wait(DEADLINE)?;
        Ok(Self { data })
    }

    /// The same in another folder.
    pub fn copy(&self, data: PathBuf) -> Result<Self> {
        let status = Command::new("cp").arg("-a").arg(&self.data).arg(&data).status()?;
        ensure!(status.success(), "cp ended with {status}");
        Ok(Self { data })
    }

    /// The objects of a folder of the second shard, by name.
    fn objects(&self, folder: &str) -> Result<Vec<PathBuf>> {
        names(&self.data.join("bucket/shards/1").join(folder))
    }

    /// One with flights.
    pub fn listed_segment(&self) -> Result<PathBuf> {
        let large = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.len() > LARGE);
        self.objects("wal")?.into_iter().find(large).context("no segment with flights")
    }

    /// The last one.
    pub fn unlisted_segment(&self) -> Result<PathBuf> {
        self.last_of("wal")
    }

    /// The name of the one that would be next.
    pub fn next_segment(&self) -> Result<PathBuf> {
        let last = self.last_of("wal")?;
        let number: u64 = last.file_name().context("a name")?.to_string_lossy().parse()?;
        Ok(last.with_file_name(format!("{:020}", number + 1)))
    }

    pub fn first_of(&self, folder: &str) -> Result<PathBuf> {
        self.objects(folder)?.into_iter().next().context("no object")
    }

    pub fn last_of(&self, folder: &str) -> Result<PathBuf> {
        self.objects(folder)?.pop().context("no object")
    }

    pub fn before_last_of(&self, folder: &str) -> Result<PathBuf> {
        self.objects(folder)?.into_iter().nth_back(1).context("too few objects")
    }

    pub fn last_metadata(&self) -> Result<PathBuf> {
        names(&self.data.join("bucket/meta/log"))?.pop().context("no metadata")
    }

    /// Where a record lies that only the log has: the file, and the byte in it.
    pub fn frame(&self, number: usize) -> Result<(PathBuf, usize)> {
        let value = value(number);
        for file in names(&self.data.join("wal"))? {
            let bytes = fs::read(&file)?;
            if let Some(at) = bytes.windows(value.len()).position(|window| window == value.as_bytes()) {
                return Ok((file, at));
            }
        }
        anyhow::bail!("{value:?} is in no file of the log")
    }
}

fn names(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut names = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    names.retain(|path| path.is_file());
    names.sort();
    Ok(names)
}

/// Changes a file and leaves its time as it was.
fn change(path: PathBuf, change: impl FnOnce(&File) -> Result<()>) -> Result<PathBuf> {
    let modified = fs::metadata(&path)?.modified()?;
    let file = File::options().read(true).write(true).open(&path)?;
    change(&file)?;
    file.set_modified(modified)?;
    Ok(path)
}

/// Changes one bit.
pub fn flip(path: PathBuf, at: usize) -> Result<PathBuf> {
    change(path, |file| {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at as u64)?;
        Ok(file.write_all_at(&[byte[0] ^ 1], at as u64)?)
    })
}

/// Puts another byte there.
pub fn overwrite(path: PathBuf, at: usize, byte: u8) -> Result<PathBuf> {
    change(path, |file| Ok(file.write_all_at(&[byte], at as u64)?))
}

/// Ends the file there.
pub fn cut_out(path: PathBuf, length: u64) -> Result<PathBuf> {
    change(path, |file| Ok(file.set_len(length)?))
}

/// Makes the block zero that has this byte.
pub fn wipe(path: PathBuf, at: usize) -> Result<PathBuf> {
    change(path, |file| Ok(file.write_all_at(&[0; BLOCK], (at - at % BLOCK) as u64)?))
}
