//! Kafka frames and messages, without input or output; generated from a schema of our own.
