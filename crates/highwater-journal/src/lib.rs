//! The fenced journal and its snapshots: a pure state machine and its driver; knows no domain.
//!
//! A journal is a sequence of immutable objects, `{prefix}/{number:020}`, each written with
//! put-if-absent. Whoever creates the next number has committed that entry. A new leader creates a
//! fence at the first free number; the old leader's next put collides with it. RFC 0002 gives the
//! rules and why each is needed.
//!
//! - [`machine`]: the protocol, pure. - [`checker`]: the exhaustive search over it.
//! - [`driver`]: the protocol over a store: [`Journal`], [`Writer`], [`Tail`].
//! - [`snapshot`]: a journal with snapshots, for manifests: [`SnapshotJournal`].
//! - [`shared`]: a journal of many optimistic writers, for metadata: [`SharedJournal`].
//! - [`metrics`]: what operators see. - [`error`]: what can go wrong, one enum per operation.

pub mod checker;
pub mod driver;
pub mod error;
pub mod machine;
pub mod metrics;
pub mod shared;
pub mod snapshot;

pub use driver::found::{EntryRef, FenceRef};
pub use driver::sweep::{Names, References, Standing, Swept, Unreferenced};
pub use driver::take_over::{Ended, TakenOver};
pub use driver::trims::{Genesis, TrimSource};
pub use driver::walk::{Advanced, Tail, Walk};
pub use driver::writer::{Committed, Pending, Writer};
pub use driver::{Journal, JournalOptions};
pub use error::{SharedError, TakeOverError, WalkError, WriteError};
pub use machine::{Claim, Corruption, Rule, Rules, TrimPoint};
pub use metrics::JournalMetrics;
pub use shared::{Opened, SharedJournal};
pub use snapshot::{Loaded, Snapshot, SnapshotJournal, SnapshotTakenOver};
