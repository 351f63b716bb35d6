//! AWS as people have it: credentials from wherever AWS's own tools take them, and a bucket's set-up
//! and check. The only crate that names the AWS SDK; objects themselves go through highwater-store.
//!
//! - [`discover`]: region, endpoint and credentials that environment and profile give.
//! - `chain`: the places that are asked for credentials, in AWS's order. - `cached`: asks before
//!   the old ones expire, once for everybody. - `client`: how the SDK speaks HTTP.
//! - `admin`: what is asked of a bucket as a whole. - `lifecycle`: what a rule would do to us.
//! - [`init`]: makes a bucket ready. - [`check`]: whether one may be used. - [`report`]: what they say.

mod admin;
mod cached;
mod chain;
pub mod check;
mod client;
pub mod discover;
pub mod init;
mod lifecycle;
pub mod report;

pub use discover::{AwsAccess, AwsOptions};
pub use report::{Finding, Outcome, Report};
