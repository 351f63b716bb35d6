//! The bucket: put-if-absent, ranged reads, lists, the bucket's own clock, faults.
//!
//! - [`store`]: the trait and what it answers. - [`body`], [`error`], [`name`]: its vocabulary.
//! - [`s3`], [`directory`], [`memory`]: implementations.
//! - [`retrying`], [`limited`], [`observed`], [`faults`]: wrappers.
//! - [`metrics`]: what operators see. - [`open`]: from a URL to a store. - [`conformance`]: the suite that every store runs.

pub mod body;
pub mod conformance;
pub mod directory;
pub mod error;
pub mod faults;
pub mod limited;
pub mod memory;
pub mod metrics;
pub mod name;
pub mod observed;
pub mod open;
pub mod retrying;
pub mod s3;
pub mod store;

pub use body::Body;
pub use directory::DirectoryStore;
pub use error::{StoreError, StoreErrorKind};
pub use faults::{Fault, FaultPlan, FaultRates, FaultRule, Faults};
pub use limited::{Limited, RequestLimits};
pub use memory::MemoryStore;
pub use metrics::StoreMetrics;
pub use observed::{Observed, RequestKind, RequestSeen, StoreObserver};
pub use open::{StoreOptions, bucket_options, open};
pub use retrying::{RetryPolicy, Retrying};
pub use s3::{CredentialSource, Credentials, EnvironmentCredentials, S3Options, S3Store};
pub use store::{BucketTime, Etag, Listing, Object, Put, Read, ReadRange, Store};
