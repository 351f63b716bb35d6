//! Deleting what nobody refers to, from a chain whose entries outlive their trim point.

use std::collections::HashSet;

use bytes::Bytes;
use highwater_journal::{Claim, JournalOptions, References, TrimPoint, Unreferenced};

use crate::world::{World, body};

/// More than one page of names.
const ENTRIES: u64 = 1_100;
const POINT: u64 = 1_050;

#[tokio::test(start_paused = true)]
async fn only_what_nobody_refers_to_goes_and_nothing_from_the_point_on() {
    let world = World::new(61);
    let options = JournalOptions::new("wal");
    let grace = options.gc_grace;
    let trims = world.trims();
    let broker = world.broker(options);
    let writer = broker.journal.take_over(trims.clone(), Claim::Next, Bytes::new()).await.unwrap().writer;
    for _ in 0..ENTRIES {
        writer.append(body("x"), None, Bytes::new()).await.unwrap().await.unwrap();
    }
    let left_at = trims.date().await;
    let numbers: HashSet<u64> = (0..ENTRIES).filter(|number| number % 3 == 1).collect();
    let point = TrimPoint { number: POINT, ..writer.point() };
    let references = References { point, left_at, numbers: numbers.clone() };
    let mut found = Unreferenced::default();
    let journal = &broker.journal;

    let first = journal.sweep_unreferenced(&mut found, &references).await.unwrap();
    assert_eq!((first.deleted, first.more, found.round_is_done()), (0, true, false), "a page of two");
    let second = journal.sweep_unreferenced(&mut found, &references).await.unwrap();
    assert_eq!((second.deleted, second.more, found.round_is_done()), (0, true, true), "the grace has not passed");
    let before = world.bucket.len();
    world.sim.clock.advance(grace + grace / 5).await;
    let mut deleted = 0;
    loop {
        let swept = journal.sweep_unreferenced(&mut found, &references).await.unwrap();
        deleted += swept.deleted;
        if !swept.more {
            break;
        }
    }
    let gone = (0..POINT).filter(|number| !numbers.contains(number)).count();
    assert_eq!((deleted, before - world.bucket.len()), (gone, gone), "the fence, too");
    let again = journal.sweep_unreferenced(&mut Unreferenced::default(), &references).await.unwrap();
    assert_eq!((again.deleted, again.more), (0, false), "whoever comes later finds nothing");
}
