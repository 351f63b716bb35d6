//! Where a bucket is and how to speak to it.

use std::time::Duration;

/// Settings of an S3-compatible bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Options {
    /// Bucket name.
    pub bucket: String,
    /// Prefix of all keys, without slashes at its ends; empty for none.
    pub prefix: String,
    /// Base URL; `None` for Amazon's own.
    pub endpoint: Option<String>,
    /// Region that requests are signed for.
    pub region: String,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    pub path_style: bool,
    /// Allows an `http://` endpoint.
    pub allow_http: bool,
    /// Signs `UNSIGNED-PAYLOAD` instead of each body's SHA-256, which costs 0.6 CPU seconds per
    /// GiB. Over TLS the connection guards the bytes; everywhere our own checksums do.
    pub unsigned_payload: bool,
    /// From the first byte sent to the last byte received. Must stay below the journal's
    /// `put.deadline` (30 s).
    pub request_timeout: Duration,
    /// For a new connection.
    pub connect_timeout: Duration,
}

impl S3Options {
    /// The defaults for a bucket: Amazon, `us-east-1`, TLS, unsigned payloads.
    #[must_use]
    pub fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            prefix: String::new(),
            endpoint: None,
            region: "us-east-1".to_owned(),
            path_style: false,
            allow_http: false,
            unsigned_payload: true,
            request_timeout: Duration::from_secs(25),
            connect_timeout: Duration::from_secs(5),
        }
    }
}
