//! Which records go by age and size (`retention.ms`, `retention.bytes`), as Kafka means it: the oldest
//! first, never those of a topic that is compacted only.
//!
//! Kafka deletes whole segments of up to `segment.bytes`; here the unit is an extent, so that records go
//! sooner after their time, and never before it: with `retention.bytes` at least so many bytes stay. A
//! record without a timestamp goes by size only.

use highwater_meta::TopicSettings;
use highwater_types::Offset;

use crate::manifest::{Located, PartitionRecord};

/// Where the partition's log is to start, if records are to go.
pub fn log_start(record: &PartitionRecord, settings: &TopicSettings, now_ms: i64) -> Option<Offset> {
    if !settings.cleanup.delete {
        return None;
    }
    let too_old = |extent: &Located| {
        let (time, limit) = (extent.max_timestamp_ms, settings.retention_ms);
        limit >= 0 && time >= 0 && now_ms.saturating_sub(time) > limit
    };
    // Negative: how far the partition is from its limit.
    let mut surplus = match u64::try_from(settings.retention_bytes) {
        Ok(limit) => i128::from(record.bytes()) - i128::from(limit),
        Err(_) => i128::MIN,
    };
    let mut start = None;
    for extent in &record.extents {
        let bytes = i128::from(extent.end - extent.start);
        if !too_old(extent) && surplus < bytes {
            break;
        }
        surplus = surplus.saturating_sub(bytes);
        start = Some(extent.last_offset + 1);
    }
    start.filter(|start| *start > record.log_start)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use highwater_store::Etag;
    use highwater_types::Epoch;

    use super::*;
    use crate::manifest::SegmentHead;

    /// Extents of ten records and 100 bytes each, with these greatest timestamps.
    fn record(times: &[i64]) -> PartitionRecord {
        let head = Arc::new(SegmentHead::flushed(1, Epoch(1), Etag::from("e"), 1_000, 0));
        let extents = times.iter().zip(0..).map(|(time, at)| Located {
            segment: Arc::clone(&head),
            first_offset: 10 * at,
            last_offset: 10 * at + 9,
            start: 100 * at.unsigned_abs(),
            end: 100 * (at.unsigned_abs() + 1),
            max_timestamp_ms: *time,
        });
        PartitionRecord { log_end: 10 * times.len() as i64, extents: extents.collect(), ..PartitionRecord::default() }
    }

    fn settings(pairs: &[(&str, &str)]) -> TopicSettings {
        let own: BTreeMap<String, String> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        TopicSettings::resolve(&own, &[])
    }

    const NOW: i64 = 1_000_000;

    fn start(times: &[i64], pairs: &[(&str, &str)]) -> Option<Offset> {
        log_start(&record(times), &settings(pairs), NOW)
    }

    #[test]
    fn by_age() {
        let limit = [("retention.ms", "1000")];
        assert_eq!(
            start(&[NOW - 1_001, NOW - 1_000, NOW - 5_000], &limit),
            Some(10),
            "in order, up to the first young one"
        );
        assert_eq!(start(&[NOW - 1_000], &limit), None);
        assert_eq!(start(&[1, 2, 3], &limit), Some(30), "all of them");
        assert_eq!(start(&[-1, 1], &limit), None, "no timestamp, no age");
        assert_eq!(start(&[NOW + 9_000_000, 1], &limit), None, "a timestamp of the future");
        assert_eq!(start(&[1], &[("retention.ms", "-1")]), None);
        assert_eq!(start(&[NOW, NOW - 1], &[("retention.ms", "0")]), None, "not older than nothing");
    }

    #[test]
    fn by_size_and_never_below_it() {
        let times = [NOW; 5];
        assert_eq!(start(&times, &[("retention.bytes", "500")]), None);
        assert_eq!(start(&times, &[("retention.bytes", "401")]), None, "would leave 400");
        assert_eq!(start(&times, &[("retention.bytes", "400")]), Some(10));
        assert_eq!(start(&times, &[("retention.bytes", "250")]), Some(20));
        assert_eq!(start(&times, &[("retention.bytes", "0")]), Some(50));
        assert_eq!(start(&times, &[("retention.bytes", "-1")]), None);
        assert_eq!(start(&times, &[("retention.bytes", "-7")]), None);
    }

    #[test]
    fn either_takes_what_the_other_leaves() {
        let limits = [("retention.ms", "1000"), ("retention.bytes", "300")];
        assert_eq!(start(&[1, NOW, NOW, NOW, NOW], &limits), Some(20));
        assert_eq!(start(&[1, 1, 1, NOW, NOW], &limits), Some(30));
    }

    #[test]
    fn compacted_only_is_never_deleted() {
        let limits = [("retention.ms", "1"), ("retention.bytes", "1")];
        for (policy, goes) in [("delete", true), ("compact", false), ("compact,delete", true), ("", false)] {
            let mut pairs = limits.to_vec();
            pairs.push(("cleanup.policy", policy));
            assert_eq!(start(&[1, 1], &pairs).is_some(), goes, "{policy}");
        }
    }

    #[test]
    fn what_is_gone_already_does_not_go_again() {
        let mut record = record(&[1, NOW]);
        record.log_start = 10;
        assert_eq!(log_start(&record, &settings(&[("retention.ms", "1000")]), NOW), None);
    }
}
