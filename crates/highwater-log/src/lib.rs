//! The engine: shards, write-ahead log, flush, tickets, reads and recovery.
