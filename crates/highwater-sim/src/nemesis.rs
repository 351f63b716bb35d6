//! What happens to brokers, disks, bucket and network: kills, power losses, orderly ends, starts of a
//! second broker beside the first, pauses beyond every grace, links that are cut, faults that come and go.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::Random;
use highwater_env::marks::met;
use highwater_env::sim::DiskFaults;
use highwater_store::FaultRates;

use crate::process::Process;
use crate::world::World;

/// A sync that the power does not wait for.
const SLOW: Duration = Duration::from_millis(200);
/// Steps until the power goes at most.
const STEPS: u64 = 20_000;
/// Longest cut of a link that is none of a sleeper's, milliseconds.
const CUT_MS: u64 = 2_000;
/// How long a sleeper sleeps, milliseconds. Others take over within a second or two; names go five to seven
/// seconds later (the grace, a tenth, and a pass of upkeep).
const SLEEP_MS: std::ops::Range<u64> = 6_000..12_000;
/// Of a thousand things that happen in a history of sleepers while nobody sleeps, how many are of that kind.
const OVERSLEEPS: u64 = 150;
/// Of a thousand things that would happen while somebody oversleeps, how many do not: the others have to lead
/// for long.
const CALM: u64 = 850;
/// Who wakes is left alone for so long.
const AWAKE: Duration = Duration::from_millis(1_500);
/// Answers lost in a bad network, of a thousand.
const LOSSES: u64 = 150;

/// One thing happens, or nothing. `brokers` is how many the history has.
pub(crate) fn act(world: &Arc<World>, brokers: usize) {
    let broker = world.below(brokers as u64) as usize;
    let process = world.processes.lock()[broker].clone().filter(|process| !process.has_ended());
    let running = world.processes.lock().iter().flatten().filter(|process| !process.has_ended()).count();
    if *world.calm_until.lock() > world.env.now() {
        if world.chance(CALM) {
            return;
        }
    } else if let Some(process) = process.as_ref().filter(|_| world.sleepers && world.chance(OVERSLEEPS)) {
        let still = world.chance(500);
        return oversleep(world, process, brokers, still);
    }
    let action = world.below(100);
    match (action, process) {
        (0..25, None) => start(world, broker),
        (_, None) if running == 0 => start(world, broker),
        (0..10, Some(process)) => kill(world, &process, false),
        (10..17, Some(process)) => kill(world, &process, true),
        (17..24, Some(process)) => stop(world, &process),
        (24..34, Some(process)) => pause(world, &process, Duration::ZERO),
        // Where there are leases, a pause has to be longer than one before it does any harm.
        (34..60, _) if !world.leases || world.chance(200) => resume(world),
        (60..72, _) => disk(world, broker),
        (72..84, _) => bucket(world),
        (84..90, _) => {
            let losses = if world.chance(500) { LOSSES } else { 0 };
            *world.losses.lock() = losses;
            world.note(&[60, losses], || format!("the network loses {losses} answers of 1000"));
        }
        (90..95, Some(process)) => cut(world, process.broker, Duration::from_millis(world.below(CUT_MS))),
        _ => {}
    }
}

pub(crate) fn start(world: &Arc<World>, broker: usize) {
    let others = world.serving();
    if !others.is_empty() {
        met("takeover-from-a-live-leader");
    }
    world.note(&[61, broker as u64], || format!("broker {broker} starts, beside {others:?}"));
    let before = world.processes.lock()[broker].take();
    if let Some(before) = before {
        // What an orderly end has left running.
        before.kill(world);
        world.disks[broker].kill();
    }
    let process = Process::start(world, broker);
    world.processes.lock()[broker] = Some(process);
}

fn kill(world: &Arc<World>, process: &Process, power: bool) {
    let broker = process.broker;
    if power && world.chance(800) {
        // In the middle of a sync: writes are under way, and may be torn.
        world.disks[broker].set_faults(DiskFaults { slow_sync: Some(SLOW), ..DiskFaults::default() });
        let end = world.env.now() + Duration::from_millis(world.below(SLOW.as_millis() as u64));
        world.executor.run_until(end, STEPS, || world.model.lock().violation().is_none());
        world.disks[broker].set_faults(DiskFaults::default());
    }
    let unflushed = process.handles().map_or(0, |handles| handles.log.unflushed_bytes());
    match (process.is_starting(), unflushed > 0) {
        (true, _) => met("killed-in-takeover"),
        (false, true) => met("killed-with-unflushed-records"),
        (false, false) => met("killed-at-rest"),
    }
    process.kill(world);
    if power {
        met("power-loss");
        world.disks[broker].crash(world.random.next_u64());
    } else {
        world.disks[broker].kill();
    }
    world.model.lock().dead(broker, world.env.now());
    world.note(&[62, broker as u64, u64::from(power)], || {
        format!("broker {broker} is {}", if power { "without power" } else { "killed" })
    });
}

fn stop(world: &Arc<World>, process: &Process) {
    met("orderly-end");
    world.note(&[63, process.broker as u64], || format!("broker {} is to end", process.broker));
    process.stop();
}

/// A broker stands still, for `least` or longer.
fn pause(world: &Arc<World>, process: &Process, least: Duration) {
    *process.paused.lock() = Some(world.env.now() + least);
    world.model.lock().deaf(process.broker, world.env.now(), None);
    world.executor.pause(process.node);
    let words = [64, process.broker as u64, least.as_millis() as u64];
    world.note(&words, || format!("broker {} is paused for {least:?} or longer", process.broker));
}

/// Who has slept for as long as was meant goes on.
pub(crate) fn wake(world: &Arc<World>) {
    if *world.calm_until.lock() > world.env.now() {
        resume(world);
    }
}

/// All go on that were paused and have not overslept yet; some of them long after the grace.
fn resume(world: &Arc<World>) {
    let processes: Vec<_> = world.processes.lock().iter().flatten().cloned().collect();
    for process in processes {
        let due = process.paused.lock().take_if(|until| *until <= world.env.now());
        if due.is_some() && !process.has_ended() {
            met("paused-and-resumed");
            world.note(&[65, process.broker as u64], || format!("broker {} goes on", process.broker));
            world.model.lock().hears(process.broker, world.env.now());
            world.executor.resume(process.node);
        }
    }
}

/// A broker's link to the bucket is cut: what is on its way, in either direction, waits.
fn cut(world: &Arc<World>, broker: usize, time: Duration) {
    met("link-cut");
    world.links[broker].cut(world.env.now() + time);
    world.model.lock().deaf(broker, world.env.now(), Some(time));
    world.note(&[69, broker as u64, time.as_millis() as u64], || {
        format!("broker {broker} is cut off from the bucket for {time:?}")
    });
}

/// A broker stands still, or its link is cut, for longer than it takes others to take over, to trim and to
/// delete. If nobody else is there, somebody comes.
pub(crate) fn oversleep(world: &Arc<World>, process: &Process, brokers: usize, still: bool) {
    let time = Duration::from_millis(SLEEP_MS.start + world.below(SLEEP_MS.end - SLEEP_MS.start));
    met("overslept");
    *world.calm_until.lock() = world.env.now() + time + AWAKE;
    if still {
        pause(world, process, time);
    } else {
        cut(world, process.broker, time);
    }
    let ended = |broker: &usize| world.processes.lock()[*broker].as_ref().is_none_or(|process| process.has_ended());
    let others: Vec<usize> = (0..brokers).filter(|broker| *broker != process.broker).collect();
    if let Some(other) = others.first().filter(|_| others.iter().all(ended)) {
        start(world, *other);
    }
}

/// Time passes at once for everybody, as when the machine is suspended.
pub(crate) fn suspend(world: &World) {
    let time = Duration::from_millis(world.below(9_000));
    met("suspended");
    world.note(&[66, time.as_millis() as u64], || format!("everything stands still for {time:?}"));
    {
        let mut model = world.model.lock();
        let everybody = model.everybody();
        model.deaf(everybody, world.env.now(), Some(time));
    }
    world.clock.suspend(time);
}

fn disk(world: &World, broker: usize) {
    let faults = match world.below(6) {
        0 => DiskFaults { fail_sync: true, ..DiskFaults::default() },
        1 => DiskFaults { full: true, ..DiskFaults::default() },
        2 => DiskFaults { slow_sync: Some(Duration::from_millis(world.below(300))), ..DiskFaults::default() },
        _ => DiskFaults::default(),
    };
    if faults.full {
        met("disk-full");
    }
    world.note(&[67, broker as u64], || format!("disk {broker}: {faults:?}"));
    world.disks[broker].set_faults(faults);
}

fn bucket(world: &World) {
    // The tail is longer than the grace; or than what is left of a lease, which no lease survives.
    let longest = Duration::from_millis(if world.leases { 1_000 } else { 7_000 });
    let rates = match world.below(4) {
        0 => FaultRates {
            unavailable: 50,
            throttled: 50,
            request_lost: 50,
            response_lost: 100,
            late: 20,
            twice: 20,
            delayed: 200,
            longest_delay: Duration::from_millis(800),
        },
        1 => FaultRates { delayed: 60, late: 15, longest_delay: longest, ..FaultRates::default() },
        2 => FaultRates { unavailable: 1000, ..FaultRates::default() },
        _ => FaultRates::default(),
    };
    if rates.unavailable == 1000 {
        met("bucket-outage");
    }
    world.note(&[68, u64::from(rates.unavailable), u64::from(rates.delayed)], || format!("bucket: {rates:?}"));
    {
        let mut model = world.model.lock();
        let everybody = model.everybody();
        model.hears(everybody, world.env.now());
        if rates.unavailable == 1000 {
            model.deaf(everybody, world.env.now(), None);
        }
    }
    world.bucket.set_rates(rates);
}
