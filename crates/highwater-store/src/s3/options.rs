//! Where a bucket is and how to speak to it.

use std::time::Duration;

use bytes::Bytes;

use crate::error::{StoreError, StoreErrorKind};

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
    /// Certificates (PEM) that are trusted beside the system's, for a service whose certificate a
    /// private authority has signed.
    pub ca_pem: Option<Bytes>,
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
            ca_pem: None,
            unsigned_payload: true,
            request_timeout: Duration::from_secs(25),
            connect_timeout: Duration::from_secs(5),
        }
    }

    /// Refuses options that contradict each other.
    ///
    /// # Errors
    /// `Invalid`, one line for an operator.
    pub fn check(&self) -> Result<(), StoreError> {
        let Some(endpoint) = &self.endpoint else { return Ok(()) };
        let refuse = |detail| {
            let label = format!("s3://{}/{}", self.bucket, self.prefix);
            Err(StoreError::new(StoreErrorKind::Invalid, label, detail))
        };
        if endpoint.starts_with("http://") && !self.allow_http {
            return refuse(format!("{endpoint} is not encrypted: use https or give --s3-allow-http"));
        }
        if !endpoint.starts_with("http://") && !endpoint.starts_with("https://") {
            return refuse(format!("the endpoint {endpoint} must begin with https:// or http://"));
        }
        Ok(())
    }
}
