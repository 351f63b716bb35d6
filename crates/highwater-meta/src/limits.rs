//! How much the metadata may hold.

/// Most partitions of one topic. Kafka takes at most as many in one request.
pub const MAX_PARTITIONS_PER_TOPIC: usize = 10_000;

/// Most partitions of the cluster: each costs every broker about 1 KiB.
pub const MAX_PARTITIONS: u64 = 1_000_000;

/// Most topics in one request to create or delete: one entry of the journal carries them.
pub const MAX_TOPICS_PER_REQUEST: usize = 10_000;

/// Most partitions that one entry creates; further requests wait for the next.
pub const MAX_PARTITIONS_PER_ENTRY: usize = 50_000;

/// Most edits in one entry, beyond which further requests wait for the next.
pub const MAX_EDITS_PER_ENTRY: usize = 10_000;

/// Most shards of a cluster.
pub const MAX_SHARDS: u32 = 4_096;

/// Producer ids in one block, as in Kafka (KIP-730).
pub const PRODUCER_ID_BLOCK: i64 = 1_000;
