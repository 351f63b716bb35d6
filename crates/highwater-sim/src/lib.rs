//! Deterministic simulation: several brokers with the real engine, metadata and group code, on virtual
//! time, disks, network and bucket, all of it drawn from one seed.
//!
//! - [`history`]: one seed from its begin to its end. - [`run`]: many of them, counted.
//! - `world`: what outlives the brokers; `process`: one broker's life; `nemesis`: what happens to both.
//! - `network`: calls between clients and brokers; `link`: a broker's way to the bucket, `bucket`; `produce`, `consume`, `commit`, `members`: the clients;
//!   `follow`: readers of the journal.
//! - `model`: what must hold; `audit`: asking brokers and, at the end, the bucket whether it does.
//! - [`protections`]: what can be switched off, so that a violation has to be found. - [`hazards`]:
//!   what a long run has to meet.

mod audit;
mod bucket;
mod commit;
mod consume;
mod follow;
pub mod hazards;
pub mod history;
mod link;
mod members;
mod model;
mod nemesis;
mod network;
mod process;
mod produce;
pub mod protections;
pub mod run;
mod world;

pub use history::{History, Outcome, Violation};
