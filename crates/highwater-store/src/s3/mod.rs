//! An S3-compatible bucket, by the object_store crate with its own retries switched off.
//!
//! - [`options`]: where and how. - [`credentials`]: as whom.
//! - [`exchange`]: sees every request and its answer: the bucket's Date, the status.
//! - [`outcome`]: from statuses and S3's codes to [`StoreErrorKind`](crate::StoreErrorKind).

mod bucket;
mod credentials;
mod exchange;
mod options;
mod outcome;

pub use bucket::S3Store;
pub use credentials::{CredentialSource, Credentials, EnvironmentCredentials};
pub use options::S3Options;
