//! What operators see of the engine: appends, flushes, the write-ahead log, reads, leadership.

use std::time::Duration;

use highwater_env::metrics::{Histogram, IntCounter, IntCounterVec, Metrics};
use highwater_journal::JournalMetrics;

/// Metrics of one engine. Clones count together.
#[derive(Clone, Debug)]
pub struct LogMetrics {
    appended_batches: IntCounter,
    appended_bytes: IntCounter,
    backpressure: IntCounter,
    flushes: IntCounterVec,
    flushed_bytes: IntCounter,
    flush_seconds: Histogram,
    wal_sync_seconds: Histogram,
    wal_bytes: IntCounter,
    wal_failures: IntCounter,
    block_hits: IntCounter,
    block_loads: IntCounter,
    block_bytes: IntCounter,
    blocks_ahead: IntCounter,
    disk_hits: IntCounter,
    disk_bytes: IntCounter,
    disk_damaged: IntCounter,
    blocks_busy: IntCounter,
    takeovers: IntCounter,
    losses: IntCounter,
    deposed_batches: IntCounter,
    wal_damage: IntCounter,
    retired_bytes: IntCounter,
    swept_objects: IntCounter,
    compacted_segments: IntCounter,
    compaction_segments: IntCounter,
    compaction_bytes: IntCounter,
    /// Those of its journals.
    pub journal: JournalMetrics,
}

/// Why a buffer was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushReason {
    /// It had `flush.bytes`.
    Full,
    /// An acknowledgement waited for it.
    Acknowledgement,
    /// Its oldest byte had waited for long.
    Age,
    /// The broker ends.
    Drain,
}

impl FlushReason {
    const ALL: [Self; 4] = [Self::Full, Self::Acknowledgement, Self::Age, Self::Drain];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Acknowledgement => "acknowledgement",
            Self::Age => "age",
            Self::Drain => "drain",
        }
    }
}

impl LogMetrics {
    /// Registers them.
    #[must_use]
    pub fn register(metrics: &Metrics) -> Self {
        let flushes = metrics.counters("highwater_flushes_total", "Segments that were sealed, by reason.", &["reason"]);
        // Shown from the start: a rate does not see a counter's first step from nothing.
        for reason in FlushReason::ALL {
            flushes.with_label_values(&[reason.as_str()]);
        }
        Self {
            appended_batches: metrics.counter("highwater_appended_batches_total", "Batches that were given offsets."),
            appended_bytes: metrics.counter("highwater_appended_bytes_total", "Bytes of those batches."),
            backpressure: metrics.counter(
                "highwater_backpressure_total",
                "Appends that found no room in memory or in the write-ahead log and had to wait.",
            ),
            flushes,
            flushed_bytes: metrics.counter("highwater_flushed_bytes_total", "Bytes of batches that the bucket has."),
            flush_seconds: metrics
                .seconds("highwater_flush_seconds", "Time from the sealing of a segment to its commit."),
            wal_sync_seconds: metrics
                .seconds("highwater_wal_sync_seconds", "Time to write and sync one block of the write-ahead log."),
            wal_bytes: metrics.counter("highwater_wal_bytes_total", "Bytes written to the write-ahead log."),
            wal_failures: metrics.counter(
                "highwater_wal_failures_total",
                "Blocks of the write-ahead log whose write or sync failed; the bucket makes up for them.",
            ),
            block_hits: metrics.counter("highwater_read_cache_hits_total", "Reads behind the tail that memory served."),
            block_loads: metrics
                .counter("highwater_read_cache_misses_total", "Reads behind the tail that asked the bucket."),
            block_bytes: metrics
                .counter("highwater_read_cache_loaded_bytes_total", "Bytes of segments that were read for consumers."),
            blocks_ahead: metrics.counter(
                "highwater_read_cache_ahead_total",
                "Blocks that were loaded before a reader in order asked for them; misses and disk hits count them, too.",
            ),
            disk_hits: metrics
                .counter("highwater_read_cache_disk_hits_total", "Reads behind the tail that the disk cache served."),
            disk_bytes: metrics
                .counter("highwater_read_cache_disk_bytes_total", "Bytes that the disk cache gave."),
            disk_damaged: metrics.counter(
                "highwater_read_cache_disk_damaged_total",
                "Blocks of the disk cache that were not what they should be; the bucket served them.",
            ),
            blocks_busy: metrics.counter(
                "highwater_read_cache_busy_total",
                "Reads that found no memory, because others hold on to what they read.",
            ),
            takeovers: metrics.counter("highwater_shard_takeovers_total", "Shards that this broker took over."),
            losses: metrics.counter("highwater_shard_losses_total", "Shards whose leadership this broker lost."),
            wal_damage: metrics.counter(
                "highwater_wal_damaged_bytes_total",
                "Bytes of the write-ahead log that had been synced and cannot be read any more.",
            ),
            deposed_batches: metrics.counter(
                "highwater_deposed_batches_total",
                "Batches that only this broker had when another one took over; they are in side files.",
            ),
            retired_bytes: metrics.counter(
                "highwater_retention_bytes_total",
                "Bytes of batches that went by retention.ms or retention.bytes.",
            ),
            swept_objects: metrics.counter(
                "highwater_swept_objects_total",
                "Objects of the bucket that nobody needed any more and that were deleted.",
            ),
            compacted_segments: metrics.counter(
                "highwater_compacted_segments_total",
                "Segments whose records compaction wrote again, so that nobody needs them.",
            ),
            compaction_segments: metrics
                .counter("highwater_compaction_segments_total", "Segments that compaction wrote instead."),
            compaction_bytes: metrics.counter("highwater_compaction_bytes_total", "Bytes of those."),
            journal: JournalMetrics::register(metrics),
        }
    }

    pub(crate) fn appended(&self, bytes: usize) {
        self.appended_batches.inc();
        self.appended_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn backpressure_met(&self) {
        self.backpressure.inc();
    }

    pub(crate) fn sealed(&self, reason: FlushReason) {
        self.flushes.with_label_values(&[reason.as_str()]).inc();
    }

    pub(crate) fn flush_committed(&self, bytes: usize, elapsed: Duration) {
        self.flushed_bytes.inc_by(bytes as u64);
        self.flush_seconds.observe(elapsed.as_secs_f64());
    }

    pub(crate) fn wal_synced(&self, bytes: u64, elapsed: Duration) {
        self.wal_bytes.inc_by(bytes);
        self.wal_sync_seconds.observe(elapsed.as_secs_f64());
    }

    pub(crate) fn wal_failed(&self) {
        self.wal_failures.inc();
    }

    pub(crate) fn block_found(&self) {
        self.block_hits.inc();
    }

    pub(crate) fn block_loaded(&self, bytes: usize) {
        self.block_loads.inc();
        self.block_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn block_read_ahead(&self) {
        self.blocks_ahead.inc();
    }

    pub(crate) fn block_from_disk(&self, bytes: usize) {
        self.disk_hits.inc();
        self.disk_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn block_damaged(&self) {
        self.disk_damaged.inc();
    }

    pub(crate) fn block_refused(&self) {
        self.blocks_busy.inc();
    }

    pub(crate) fn taken_over(&self) {
        self.takeovers.inc();
    }

    pub(crate) fn lost(&self) {
        self.losses.inc();
    }

    pub(crate) fn retired(&self, bytes: u64) {
        self.retired_bytes.inc_by(bytes);
    }

    pub(crate) fn swept(&self, objects: usize) {
        self.swept_objects.inc_by(objects as u64);
    }

    pub(crate) fn compacted(&self, replaced: usize, written: usize, bytes: u64) {
        self.compacted_segments.inc_by(replaced as u64);
        self.compaction_segments.inc_by(written as u64);
        self.compaction_bytes.inc_by(bytes);
    }

    /// So many bytes of the log, synced once, cannot be read any more.
    pub(crate) fn log_damaged(&self, bytes: u64) {
        self.wal_damage.inc_by(bytes);
    }

    pub(crate) fn set_aside(&self, batches: usize) {
        self.deposed_batches.inc_by(batches as u64);
    }
}

impl Default for LogMetrics {
    /// Nobody looks at them.
    fn default() -> Self {
        Self::register(&Metrics::new())
    }
}
