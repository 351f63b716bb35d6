//! The consumer group coordinator: a pure state machine and its runtime.
