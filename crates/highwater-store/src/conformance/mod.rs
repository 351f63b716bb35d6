//! The suite that every store runs: it fails by panicking with what was expected.
//!
//! Each check works under a folder of its own, so that the store may hold other things.
//!
//! - [`puts`]: put-if-absent, overwrite, delete. - [`reads`]: ranges, versions.
//! - [`lists`]: order, pages, prefixes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite for tests fails by panicking")]

mod lists;
mod puts;
mod reads;

use std::sync::Arc;

use bytes::Bytes;

use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};
use crate::store::{BucketTime, ReadRange, Store};

/// Longest step back of a bucket's dates that is tolerated: S3 gives whole seconds.
const DATE_STEP_BACK_MS: i64 = 1000;

/// How a store orders names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By their bytes, as the contract says.
    Bytes,
    /// Component by component, as SeaweedFS does: `a/c` before `a-b`. It shows where a listing is cut;
    /// no name of ours goes on with `-` or `.` where another goes on with a slash.
    Components,
}

/// Runs every check on `store`. `folder` must be an unused prefix such as `conformance/1`.
///
/// # Panics
/// When the store breaks the contract of [`Store`].
pub async fn run(store: Arc<dyn Store>, folder: &str) {
    run_in_order(store, folder, Order::Bytes).await;
}

/// As [`run`], for a store that orders names in its own way.
///
/// # Panics
/// When the store breaks the rest of the contract of [`Store`].
pub async fn run_in_order(store: Arc<dyn Store>, folder: &str, order: Order) {
    puts::create_takes_a_name_once(&store, &format!("{folder}/create")).await;
    puts::a_race_has_one_winner(&store, &format!("{folder}/race")).await;
    puts::an_overwrite_replaces(&store, &format!("{folder}/overwrite")).await;
    puts::bodies_of_any_shape_come_back(&store, &format!("{folder}/bodies")).await;
    puts::a_deleted_name_can_be_created_again(&store, &format!("{folder}/delete")).await;
    puts::dates_go_on(&store, &format!("{folder}/dates")).await;
    puts::illegal_names_are_refused(&store).await;
    reads::ranges(&store, &format!("{folder}/ranges")).await;
    reads::versions(&store, &format!("{folder}/versions")).await;
    lists::order_after_and_limit(&store, &format!("{folder}/order"), order).await;
    lists::prefixes_are_strings(&store, &format!("{folder}/prefix")).await;
    lists::long_listings(&store, &format!("{folder}/long")).await;
    assert!(!store.describe().is_empty());
}

async fn read_all(store: &Arc<dyn Store>, name: &str) -> Result<Bytes, StoreError> {
    store.read(name, ReadRange::All { limit: 64 << 20 }, None).await.map(|read| read.bytes)
}

async fn create(store: &Arc<dyn Store>, name: &str, body: impl Into<Body>) -> crate::store::Put {
    store.create(name, body.into()).await.unwrap_or_else(|error| panic!("create {name}: {error:?}"))
}

fn kind_of<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreErrorKind {
    match answer {
        Ok(answer) => panic!("expected an error, not {answer:?}"),
        Err(error) => error.kind,
    }
}

fn assert_not_before(later: BucketTime, earlier: BucketTime) {
    assert!(later.0 + DATE_STEP_BACK_MS >= earlier.0, "the bucket's date went back from {earlier} to {later}");
}
