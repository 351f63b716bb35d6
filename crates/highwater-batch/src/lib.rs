//! Kafka record batch v2: header view, checksum, offset patch, record iterator.
