//! Order, pages, prefixes.

use std::sync::Arc;

use futures::stream::{self, StreamExt};

use super::{Order, create};
use crate::store::{Listing, Store};

fn names(listing: &Listing) -> Vec<&str> {
    listing.objects.iter().map(|object| &*object.name).collect()
}

pub(super) async fn order_after_and_limit(store: &Arc<dyn Store>, folder: &str, order: Order) {
    // '-' and '.' sort before '/', '0' behind it: a directory's place is not its bare name's.
    let all = ["a-b", "a.b", "a/c", "a/d/e", "a0", "b", "c/00000000000000000001", "c/00000000000000000002"];
    let left_out = if order == Order::Bytes { 0 } else { 2 };
    let sorted = &all[left_out..];
    for name in sorted.iter().rev() {
        create(store, &format!("{folder}/{name}"), *name).await;
    }
    let full: Vec<String> = sorted.iter().map(|name| format!("{folder}/{name}")).collect();
    let prefix = format!("{folder}/");
    let listing = store.list(&prefix, None, 100).await.unwrap();
    assert_eq!(names(&listing), full);
    assert!(!listing.more);
    for limit in 1..=sorted.len() {
        let page = store.list(&prefix, None, limit).await.unwrap();
        assert_eq!(names(&page), full[..limit]);
        assert!(page.more || limit == sorted.len(), "limit {limit}");
    }
    for after in 0..sorted.len() {
        let page = store.list(&prefix, Some(&full[after]), 3).await.unwrap();
        assert_eq!(names(&page), full[after + 1..(after + 4).min(sorted.len())], "after {}", full[after]);
    }
    // Names that do not exist, before, between and behind.
    let places = [("a", 0), ("a/", 2), ("a/cc", 3), ("a/z", 4), ("bb", 6), ("c/", 6), ("zz", 8)];
    // Component by component, what is in a folder does not sort behind the folder's bare name.
    let skipped = |after: &str| order == Order::Components && after == "a";
    for (after, expected) in places.into_iter().filter(|(after, _)| !skipped(after)) {
        let page = store.list(&prefix, Some(&format!("{folder}/{after}")), 100).await.unwrap();
        assert_eq!(names(&page), full[usize::saturating_sub(expected, left_out)..], "after {after}");
    }
}

pub(super) async fn prefixes_are_strings(store: &Arc<dyn Store>, folder: &str) {
    for name in ["1/wal/0007", "1/wal/0010", "1/walrus", "10/wal/0001", "2/wal/0001"] {
        create(store, &format!("{folder}/{name}"), name).await;
    }
    for (prefix, expected) in [
        ("1/wal/", vec!["1/wal/0007", "1/wal/0010"]),
        ("1/wal/00", vec!["1/wal/0007", "1/wal/0010"]),
        ("1/wal/000", vec!["1/wal/0007"]),
        ("1/wal", vec!["1/wal/0007", "1/wal/0010", "1/walrus"]),
        ("1", vec!["1/wal/0007", "1/wal/0010", "1/walrus", "10/wal/0001"]),
        ("1/wal/0007", vec!["1/wal/0007"]),
        ("1/wal/0007/", vec![]),
        ("3/", vec![]),
    ] {
        let listing = store.list(&format!("{folder}/{prefix}"), None, 100).await.unwrap();
        let expected: Vec<String> = expected.iter().map(|name| format!("{folder}/{name}")).collect();
        assert_eq!(names(&listing), expected, "prefix {prefix}");
        assert!(!listing.more);
    }
    let after = format!("{folder}/1/wal/0007");
    let listing = store.list(&format!("{folder}/1/wal/"), Some(&after), 1).await.unwrap();
    assert_eq!(names(&listing), [format!("{folder}/1/wal/0010")]);
    let before = store.list(&format!("{folder}/2"), Some(&after), 1).await.unwrap();
    assert_eq!(names(&before), [format!("{folder}/2/wal/0001")]);
}

/// More names than one request of S3 gives.
pub(super) async fn long_listings(store: &Arc<dyn Store>, folder: &str) {
    const COUNT: usize = 1100;
    let put = |number: usize| {
        let name = format!("{folder}/{number:06}");
        async move { create(store, &name, "x").await }
    };
    stream::iter(0..COUNT).map(put).buffer_unordered(8).collect::<Vec<_>>().await;
    let listing = store.list(&format!("{folder}/"), None, 2000).await.unwrap();
    assert_eq!(listing.objects.len(), COUNT);
    assert!(listing.objects.is_sorted_by(|one, other| one.name < other.name) && !listing.more);
    let page = store.list(&format!("{folder}/"), Some(&format!("{folder}/000098")), 1050).await.unwrap();
    assert_eq!((page.objects.len(), page.more), (COUNT - 99, false));
    let page = store.list(&format!("{folder}/"), None, 1050).await.unwrap();
    assert_eq!((page.objects.len(), page.more), (1050, true));
}
