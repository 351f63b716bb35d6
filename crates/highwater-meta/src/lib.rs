//! Cluster metadata: topics, configurations and producer ids, over the journal.
