//! Reading a partition of `__consumer_offsets` from its start into a coordinator.

use bytes::Bytes;
use highwater_batch::{Batches, Expansion, Records};

use super::log::ReadFailure;
use super::task::Seat;
use crate::machine::{Coordinator, Moment};

/// Reads everything.
pub(crate) async fn load(seat: &Seat) -> Result<Coordinator, ReadFailure> {
    let started = seat.env.now();
    let mut coordinator = Coordinator::new(seat.settings.clone());
    let mut next = 0;
    let mut records = 0_u64;
    loop {
        let batches = seat.log.read(seat.partition, seat.term, next).await?;
        let Some(end) = replay(seat, &mut coordinator, batches, next, &mut records)? else {
            break;
        };
        next = end;
    }
    tracing::info!(
        partition = seat.partition,
        epoch = seat.term.epoch,
        groups = coordinator.group_count(),
        records,
        elapsed_ms = seat.env.now().since(started).as_millis(),
        "group coordinator loaded"
    );
    Ok(coordinator)
}

/// Replays batches; the offset to go on from, or None if there were none.
fn replay(
    seat: &Seat,
    coordinator: &mut Coordinator,
    batches: Bytes,
    from: i64,
    records: &mut u64,
) -> Result<Option<i64>, ReadFailure> {
    let now = seat.moment();
    let mut next = None;
    for batch in Batches::new(batches) {
        let (header, bytes) = batch.map_err(|error| ReadFailure::Storage(error.to_string()))?;
        next = Some(header.base_offset + i64::from(header.last_offset_delta) + 1);
        // Markers say nothing to groups; offsets of transactions count once those exist.
        if header.attributes.is_control() || header.attributes.is_transactional() {
            continue;
        }
        replay_batch(seat, coordinator, &header, &bytes, from, now, records)?;
    }
    Ok(next.filter(|next| *next > from))
}

fn replay_batch(
    seat: &Seat,
    coordinator: &mut Coordinator,
    header: &highwater_batch::BatchHeader,
    bytes: &Bytes,
    from: i64,
    now: Moment,
    count: &mut u64,
) -> Result<(), ReadFailure> {
    let body = bytes.slice(highwater_batch::HEADER_BYTES..);
    let records = Records::open_parts(header, &body, Expansion::default());
    for record in records.map_err(|error| ReadFailure::Storage(error.to_string()))? {
        let record = record.map_err(|error| ReadFailure::Storage(error.to_string()))?;
        if record.offset < from {
            continue;
        }
        *count += 1;
        let key = record.key.as_deref().unwrap_or_default();
        if let Err(error) = coordinator.replay(key, record.value.as_deref(), now) {
            tracing::warn!(partition = seat.partition, offset = record.offset, %error, "record passed over");
        }
    }
    Ok(())
}
