//! The fenced journal and its snapshots: a pure state machine and its driver; knows no domain.
