//! What happens to brokers, disks, bucket and network: kills, power losses, orderly ends, starts of a
//! second broker beside the first, pauses beyond every grace, faults that come and go.

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
/// Answers lost in a bad network, of a thousand.
const LOSSES: u64 = 150;

/// One thing happens, or nothing. `brokers` is how many the history has.
pub(crate) fn act(world: &Arc<World>, brokers: usize) {
    let broker = world.below(brokers as u64) as usize;
    let process = world.processes.lock()[broker].clone().filter(|process| !process.has_ended());
    let running = world.processes.lock().iter().flatten().filter(|process| !process.has_ended()).count();
    let action = world.below(100);
    match (action, process) {
        (0..25, None) => start(world, broker),
        (_, None) if running == 0 => start(world, broker),
        (0..10, Some(process)) => kill(world, &process, false),
        (10..17, Some(process)) => kill(world, &process, true),
        (17..24, Some(process)) => stop(world, &process),
        (24..34, Some(process)) => pause(world, &process),
        // Where there are leases, a pause has to be longer than one before it does any harm.
        (34..60, _) if !world.leases || world.chance(200) => resume(world),
        (60..72, _) => disk(world, broker),
        (72..84, _) => bucket(world),
        (84..90, _) => {
            let losses = if world.chance(500) { LOSSES } else { 0 };
            *world.losses.lock() = losses;
            world.note(&[60, losses], || format!("the network loses {losses} answers of 1000"));
        }
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

fn pause(world: &Arc<World>, process: &Process) {
    *process.paused.lock() = true;
    world.executor.pause(process.node);
    world.note(&[64, process.broker as u64], || format!("broker {} is paused", process.broker));
}

/// All go on that were paused; some of them long after the grace.
fn resume(world: &Arc<World>) {
    let processes: Vec<_> = world.processes.lock().iter().flatten().cloned().collect();
    for process in processes {
        let was_paused = std::mem::replace(&mut *process.paused.lock(), false);
        if was_paused && !process.has_ended() {
            met("paused-and-resumed");
            world.note(&[65, process.broker as u64], || format!("broker {} goes on", process.broker));
            world.executor.resume(process.node);
        }
    }
}

/// Time passes at once for everybody, as when the machine is suspended.
pub(crate) fn suspend(world: &World) {
    let time = Duration::from_millis(world.below(9_000));
    met("suspended");
    world.note(&[66, time.as_millis() as u64], || format!("everything stands still for {time:?}"));
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
    world.bucket.set_rates(rates);
}
