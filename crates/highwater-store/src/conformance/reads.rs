//! Ranges and versions.

use std::sync::Arc;

use super::{create, kind_of};
use crate::error::StoreErrorKind;
use crate::store::{Etag, ReadRange, Store};

pub(super) async fn ranges(store: &Arc<dyn Store>, folder: &str) {
    let name = format!("{folder}/x");
    let put = create(store, &name, "0123456789").await;
    let good = [
        (ReadRange::All { limit: 10 }, "0123456789", 0..10),
        (ReadRange::Bounded(0..4), "0123", 0..4),
        (ReadRange::Bounded(3..4), "3", 3..4),
        (ReadRange::Bounded(7..1000), "789", 7..10),
        (ReadRange::Bounded(0..1000), "0123456789", 0..10),
        (ReadRange::Suffix(3), "789", 7..10),
        (ReadRange::Suffix(1000), "0123456789", 0..10),
    ];
    for (range, bytes, expected) in good {
        let read = store.read(&name, range.clone(), None).await.unwrap_or_else(|error| panic!("{range:?}: {error:?}"));
        assert_eq!((&read.bytes[..], read.range, read.size), (bytes.as_bytes(), expected, 10), "{range:?}");
        assert_eq!(read.etag, put.etag, "{range:?}");
    }
    let bad = [
        (ReadRange::All { limit: 9 }, StoreErrorKind::TooLarge),
        (ReadRange::Bounded(10..11), StoreErrorKind::OutOfRange),
        (ReadRange::Bounded(1000..1001), StoreErrorKind::OutOfRange),
        (ReadRange::Bounded(3..3), StoreErrorKind::Invalid),
        (ReadRange::Suffix(0), StoreErrorKind::Invalid),
    ];
    for (range, expected) in bad {
        assert_eq!(kind_of(store.read(&name, range.clone(), None).await), expected, "{range:?}");
    }
    let absent = format!("{folder}/absent");
    assert_eq!(kind_of(store.read(&absent, ReadRange::Suffix(1), None).await), StoreErrorKind::NotFound);
    let empty = format!("{folder}/empty");
    create(store, &empty, "").await;
    assert_eq!(kind_of(store.read(&empty, ReadRange::Bounded(0..1), None).await), StoreErrorKind::OutOfRange);
}

pub(super) async fn versions(store: &Arc<dyn Store>, folder: &str) {
    let name = format!("{folder}/x");
    let first = create(store, &name, "one").await.etag;
    let listed = store.list(folder, None, 10).await.unwrap().objects;
    assert_eq!((listed.len(), &listed[0].etag, listed[0].size), (1, &first, 3));
    let read = |etag: Etag| {
        let (store, name) = (store.clone(), name.clone());
        async move { store.read(&name, ReadRange::Bounded(0..2), Some(&etag)).await }
    };
    assert_eq!(read(first.clone()).await.unwrap().etag, first);
    store.delete(&name).await.unwrap();
    // The same length and, on a fast machine, the same instant: still another version.
    let second = create(store, &name, "two").await.etag;
    assert_ne!(first, second);
    assert_eq!(kind_of(read(first).await), StoreErrorKind::PreconditionFailed);
    assert_eq!(&read(second).await.unwrap().bytes[..], b"tw");
}
