//! What a running engine can be asked for at any time, as gauges.

use highwater_env::metrics::Metrics;

use crate::engine::Log;

impl Log {
    /// Shows what a running engine can be asked for.
    pub fn show(&self, metrics: &Metrics) {
        let of = self.clone();
        metrics.gauge("highwater_shards_led", "Shards that this broker leads and serves.", move || {
            of.shards().iter().filter(|shard| shard.epoch.is_some()).count() as f64
        });
        let of = self.clone();
        metrics.gauge("highwater_shards", "Shards of the cluster.", move || of.shards().len() as f64);
        let of = self.clone();
        metrics.gauge("highwater_live_segments", "Segments that the manifests refer to.", move || {
            of.shards().iter().map(|shard| shard.segments).sum::<usize>() as f64
        });
        let of = self.clone();
        metrics.gauges("highwater_wal_disk_bytes", "Bytes of the write-ahead log on disk.", "state", move || {
            let usage = of.wal_usage();
            vec![
                ("all".to_owned(), usage.disk_bytes as f64),
                ("pinned".to_owned(), usage.pinned_bytes as f64),
                ("limit".to_owned(), usage.max_bytes as f64),
            ]
        });
    }
}
