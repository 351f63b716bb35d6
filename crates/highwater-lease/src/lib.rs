//! Who should lead: the lease store, on a bucket and on a directory.
//!
//! Leases are hints. They keep brokers from duelling and say where clients should go; what decides
//! is the journal's fence. A wrong lease costs time, never a record.
//!
//! - [`store`]: the trait. - [`broker`]: who is who. - [`conformance`]: the suite of every store.
//! - [`bucket`]: leases as objects. - [`directory`]: an operating system lock.
//! - [`describe`]: leases in words. - [`keeper`]: renewal. - [`tenure`]: how long a leader need not ask.
//!   - [`waiting`]: until the shards are free. - [`lost`]: until they are another's. - [`preferred`]: who should lead.

pub mod broker;
pub mod bucket;
pub mod conformance;
pub mod describe;
pub mod directory;
pub mod keeper;
pub mod lost;
pub mod preferred;
pub mod store;
pub mod tenure;
pub mod waiting;

pub use broker::{BrokerIdentity, BrokerInfo};
pub use bucket::BucketLeases;
pub use directory::{DirectoryLeases, DirectoryLock, LockError};
pub use keeper::Keeper;
pub use preferred::{assign, preferred};
pub use store::{Claim, Holder, LeaseError, LeaseStore, LiveBroker, Registry};
pub use tenure::Tenure;
