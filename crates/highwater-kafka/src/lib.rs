//! The Kafka front door: connections, admission, one handler per API, error mapping.
