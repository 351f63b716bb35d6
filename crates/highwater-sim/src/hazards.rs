//! The hazards that a long run has to meet: each of them was the reason for a protection.

/// Names of marks, in the product and in the simulation itself.
pub const HAZARDS: &[&str] = &[
    "back-pressure",
    "bucket-outage",
    "committed-by-another",
    "cut-off-before-compaction-commits",
    "cut-off-before-publication",
    "cut-off-between-fences",
    "cut-off-in-compaction",
    "cut-off-in-edit",
    "cut-off-in-first-fence",
    "cut-off-in-flush",
    "cut-off-in-replay",
    "cut-off-in-snapshot",
    "cut-off-in-sweep",
    "deposed-tail-at-replay",
    "deposed-while-alive",
    "disk-full",
    "duplicate-batch",
    "failed-sync",
    "gap-left-by-takeover",
    "hedged-put",
    "killed-at-rest",
    "killed-in-takeover",
    "killed-with-unflushed-records",
    "lease-lapsed",
    "lost-response-resolved",
    "nothing-at-number",
    "objects-swept",
    "offset-of-a-deposed-coordinator",
    "orderly-end",
    "paused-and-resumed",
    "power-loss",
    "proof-renewed",
    "put-without-answer",
    "records-replayed",
    "records-retired",
    "segments-compacted",
    "suspended",
    "synced-when-another-may-lead",
    "takeover-from-a-live-leader",
    "topic-deleted",
    "torn-end-of-log",
    "waited-for-a-lease",
];

/// A run of so many histories has to meet each hazard [`OFTEN`] times.
pub const LONG_RUN: u64 = 8_000;
/// See [`LONG_RUN`].
pub const OFTEN: u64 = 100;
