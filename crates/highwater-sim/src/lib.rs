//! Deterministic simulation: several brokers with the real engine, metadata and group code, on virtual
//! time, disks, network and bucket, all of it drawn from one seed.
//!
//! - [`history`]: one seed from its begin to its end. - [`run`]: many of them, counted.
//! - `world`: what outlives the brokers; `process`: one broker's life; `nemesis`: what happens to both.
//! - `network`: calls between clients and brokers; `produce`, `consume`, `commit`: the clients.
//! - `model`: what must hold; `audit`: asking brokers and, at the end, the bucket whether it does.
//! - [`protections`]: what can be switched off, so that a violation has to be found. - [`hazards`]:
//!   what a long run has to meet.

mod audit;
mod commit;
mod consume;
pub mod hazards;
pub mod history;
mod model;
mod nemesis;
mod network;
mod process;
mod produce;
pub mod protections;
pub mod run;
mod world;

pub use history::{History, Outcome, Violation};
