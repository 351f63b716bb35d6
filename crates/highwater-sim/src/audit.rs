//! Asking brokers, and at the end the bucket, whether all is as it must be.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use highwater_env::Env;
use highwater_env::marks::met;
use highwater_env::sim::{DiskFaults, SimExecutor};
use highwater_log::wal::SideFile;
use highwater_log::{ReadError, verify};
use highwater_store::Store;

use crate::consume::{of_batch, records, request};
use crate::model::{Gone, Reading};
use crate::process::{Handles, Process, WAL_DIR};
use crate::world::{BROKERS, World};
use crate::{commit, members};

/// How often brokers are asked for their marks.
const ASK_EVERY: Duration = Duration::from_millis(15);
/// By then a broker that nothing hinders must serve.
const COMES_BACK: Duration = Duration::from_secs(300);
/// By then everything must be read.
const READ_WITHIN: Duration = Duration::from_secs(120);
/// Steps of these phases at most.
const STEPS: u64 = 2_000_000;

/// Asks every broker that serves for its marks, until the history ends.
pub(crate) async fn watch(world: Arc<World>) {
    while !*world.quiet.lock() {
        world.env.sleep(ASK_EVERY).await;
        let partitions = world.partitions.lock().clone();
        for broker in world.serving() {
            let handles = world.processes.lock()[broker].as_ref().and_then(|process| process.handles());
            let Some(handles) = handles else { continue };
            for (number, tp) in partitions.iter().enumerate() {
                let marks = handles.log.partition(*tp).ok().and_then(|partition| partition.marks().ok());
                if let Some(marks) = marks {
                    world.model.lock().marks(number, &marks, true);
                }
            }
        }
    }
}

/// Runs until a condition holds; gives whether it came to hold.
pub(crate) fn wait(world: &World, limit: Duration, holds: impl Fn() -> bool) -> bool {
    let executor: &SimExecutor = &world.executor;
    let end = world.env.now() + limit;
    executor.run_until(end, STEPS, || !holds() && world.model.lock().violation().is_none());
    holds()
}

/// Everything heals, all brokers but one end, and the one must have everything.
pub(crate) fn conclude(world: &Arc<World>) {
    *world.quiet.lock() = true;
    *world.losses.lock() = 0;
    world.bucket.heal();
    for disk in &world.disks {
        disk.set_faults(DiskFaults::default());
    }
    for link in &world.links {
        link.repair();
    }
    let survivor = world.below(BROKERS as u64) as usize;
    let survivor = if world.processes.lock()[survivor].is_some() { survivor } else { 0 };
    for broker in 0..BROKERS {
        let process = world.processes.lock()[broker].take();
        if let Some(process) = process {
            process.kill(world);
            world.disks[broker].kill();
            world.model.lock().dead(broker, world.env.now());
        }
    }
    world.note(&[50, survivor as u64], || format!("the end: broker {survivor} alone"));
    let process = Process::start(world, survivor);
    world.processes.lock()[survivor] = Some(Arc::clone(&process));
    let serves = || process.handles().is_some_and(|handles| handles.log.is_ready());
    if !wait(world, COMES_BACK, || serves() || process.has_ended()) || process.has_ended() {
        let what = format!("broker {survivor} does not come to serve though nothing hinders it");
        return world.model.lock().violated(what);
    }
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = Arc::clone(&done);
    let reading = {
        let world = Arc::clone(world);
        async move {
            if let Some(handles) = process.handles() {
                read_all(&world, survivor, &handles).await;
                set_aside(&world, survivor).await;
                groups(&world).await;
                bucket(&world).await;
            }
            seen.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    };
    world.executor.spawn(world.outside, "audit", Box::pin(reading));
    if !wait(world, READ_WITHIN, || done.load(std::sync::atomic::Ordering::Relaxed)) {
        world.model.lock().violated("the end was not read though nothing hinders it".to_owned());
    }
}

async fn read_all(world: &Arc<World>, broker: usize, handles: &Handles) {
    let partitions = world.partitions.lock().clone();
    for (number, tp) in partitions.iter().enumerate() {
        if let Err(what) = read_whole(world, broker, handles, number, *tp).await {
            world.model.lock().violated(format!("{tp}: {what}"));
        }
    }
}

async fn read_whole(
    world: &Arc<World>,
    broker: usize,
    handles: &Handles,
    number: usize,
    tp: highwater_types::TopicPartition,
) -> Result<(), String> {
    let partition = handles.log.partition(tp).map_err(|error| error.to_string())?;
    let asked = world.env.now();
    'again: loop {
        let from = partition.marks().map_err(|error| error.to_string())?.log_start;
        let (mut next, mut all) = (from, Vec::new());
        loop {
            match partition.read(request(next)).await {
                Ok(outcome) => {
                    let records = records(&outcome, next)?;
                    let Some(last) = records.last() else {
                        let reading = Reading { from, records: &all, marks: outcome.marks, whole: true };
                        world.model.lock().read(number, broker, asked, &reading);
                        return Ok(());
                    };
                    next = last.offset + 1;
                    all.extend(records);
                }
                // Retention was faster.
                Err(ReadError::OutOfRange(marks)) if marks.log_start > from => continue 'again,
                Err(ReadError::Busy) => world.env.sleep(ASK_EVERY).await,
                Err(error) => return Err(format!("offset {next} is not read: {error}")),
            }
        }
    }
}

/// What the survivor had and another one went on without is in side files, never dropped in silence.
async fn set_aside(world: &Arc<World>, survivor: usize) {
    let gone = world.model.lock().gone();
    if gone.is_empty() {
        return;
    }
    let env = Env { disk: world.disks[survivor].clone(), ..world.env.clone() };
    let aside = match side_files(&env).await {
        Ok(values) => values,
        Err(what) => return world.model.lock().violated(format!("side files of broker {survivor}: {what}")),
    };
    for record in gone {
        met("looked-for-in-a-side-file");
        if !aside.contains(&record.value) {
            let Gone { partition, offset, value } = record;
            let what = format!("{partition}: offset {offset} (value {value}) is neither served nor set aside");
            return world.model.lock().violated(what);
        }
    }
}

/// The values in a broker's side files.
async fn side_files(env: &Env) -> Result<BTreeSet<u64>, String> {
    let folder = Path::new(WAL_DIR).join("deposed");
    let mut values = BTreeSet::new();
    for entry in env.disk.read_dir(&folder).await.unwrap_or_default() {
        let path = folder.join(&entry.name);
        if path.extension().is_none_or(|extension| extension != "wal") {
            continue;
        }
        let mut file = SideFile::open(env, &path).await.map_err(|error| error.to_string())?;
        while let Some(frame) = file.next().await.map_err(|error| error.to_string())? {
            values.extend(of_batch(&frame.batch)?.iter().map(|record| record.value));
        }
    }
    Ok(values)
}

async fn groups(world: &Arc<World>) {
    for group in 0..crate::history::GROUPS {
        let name: Arc<str> = Arc::from(format!("group-{group}").as_str());
        while !commit::fetch(world, group, &name).await {
            world.env.sleep(ASK_EVERY).await;
        }
    }
    for team in 0..members::TEAMS {
        for partition in members::shared() {
            let key = members::offsets_of(team, partition);
            while !commit::fetch_of(world, key, &members::name(team), i32::from(partition)).await {
                world.env.sleep(ASK_EVERY).await;
            }
        }
    }
}

async fn bucket(world: &Arc<World>) {
    let store: Arc<dyn Store> = world.bucket.clone();
    match verify::verify(&world.env, &store, |_| {}).await {
        Ok(verified) => {
            if let Some(finding) = verified.findings.first() {
                world.model.lock().violated(format!("verify: {finding:?}"));
            }
        }
        Err(error) => world.model.lock().violated(format!("verify: {error}")),
    }
}
