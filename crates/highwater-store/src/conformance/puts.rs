//! Put-if-absent, overwrite, delete, dates, names.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;

use super::{assert_not_before, create, kind_of, read_all};
use crate::body::Body;
use crate::error::StoreErrorKind;
use crate::store::{ReadRange, Store};

pub(super) async fn create_takes_a_name_once(store: &Arc<dyn Store>, folder: &str) {
    let name = format!("{folder}/00000000000000000001");
    assert_eq!(kind_of(read_all(store, &name).await), StoreErrorKind::NotFound);
    let put = create(store, &name, "first").await;
    assert_eq!(kind_of(store.create(&name, "second".into()).await), StoreErrorKind::AlreadyExists);
    let read = store.read(&name, ReadRange::All { limit: 100 }, None).await.unwrap();
    assert_eq!((&read.bytes[..], read.range, read.size), (&b"first"[..], 0..5, 5));
    assert_eq!(read.etag, put.etag);
    assert_not_before(read.date, put.date);
    assert_eq!(kind_of(read_all(store, &format!("{folder}/00000000000000000002")).await), StoreErrorKind::NotFound);
}

pub(super) async fn a_race_has_one_winner(store: &Arc<dyn Store>, folder: &str) {
    for round in 0..4 {
        let name = format!("{folder}/{round}");
        // Bodies long enough that they are on their way at the same time.
        let body = |racer: u8| Body::from(vec![racer; 64 * 1024]);
        let answers = join_all((0..16).map(|racer| store.create(&name, body(racer)))).await;
        let winners: Vec<usize> = (0..16).filter(|racer| answers[*racer].is_ok()).collect();
        let stored = read_all(store, &name).await.unwrap();
        assert!(winners.len() <= 1, "{} winners", winners.len());
        for (racer, answer) in answers.iter().enumerate() {
            match answer.as_ref().map_err(|error| error.kind) {
                Ok(_) => assert_eq!(usize::from(stored[0]), racer, "the winner's body is not what is stored"),
                // A loser may see its connection reset, and the winner itself may not hear.
                Err(StoreErrorKind::AlreadyExists | StoreErrorKind::Unknown) => {}
                Err(kind) => panic!("racer {racer} saw {kind:?}"),
            }
        }
        if winners.is_empty() {
            assert!(answers.iter().any(|answer| { answer.as_ref().is_err_and(|e| e.kind == StoreErrorKind::Unknown) }));
        }
        assert!(stored.len() == 64 * 1024 && stored.iter().all(|byte| *byte == stored[0]), "bodies were mixed");
    }
}

pub(super) async fn an_overwrite_replaces(store: &Arc<dyn Store>, folder: &str) {
    let name = format!("{folder}/lease");
    let first = store.overwrite(&name, "one".into()).await.unwrap();
    let second = store.overwrite(&name, "three".into()).await.unwrap();
    assert_ne!(first.etag, second.etag);
    assert_eq!(&read_all(store, &name).await.unwrap()[..], b"three");
    assert_eq!(kind_of(store.create(&name, "four".into()).await), StoreErrorKind::AlreadyExists);
}

pub(super) async fn bodies_of_any_shape_come_back(store: &Arc<dyn Store>, folder: &str) {
    create(store, &format!("{folder}/empty"), Bytes::new()).await;
    assert!(read_all(store, &format!("{folder}/empty")).await.unwrap().is_empty());
    let chunks: Vec<Bytes> = (0..500u32).map(|i| Bytes::from(vec![i as u8; 4000 + i as usize])).collect();
    let expected = Body::from(chunks.clone()).to_bytes();
    create(store, &format!("{folder}/500-chunks"), chunks).await;
    assert!(read_all(store, &format!("{folder}/500-chunks")).await.unwrap() == expected);
    for len in [1usize, 511, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1, (3 << 20) - 1] {
        let body: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
        create(store, &format!("{folder}/{len}"), body.clone()).await;
        let read = store.read(&format!("{folder}/{len}"), ReadRange::All { limit: len as u64 }, None).await.unwrap();
        assert!(read.bytes == body && read.size == len as u64, "a body of {len} bytes");
    }
}

pub(super) async fn a_deleted_name_can_be_created_again(store: &Arc<dyn Store>, folder: &str) {
    let name = format!("{folder}/x");
    store.delete(&name).await.unwrap();
    let first = create(store, &name, "same").await;
    let deleted = store.delete(&name).await.unwrap();
    assert_not_before(deleted, first.date);
    assert_eq!(kind_of(read_all(store, &name).await), StoreErrorKind::NotFound);
    assert!(store.list(folder, None, 10).await.unwrap().objects.is_empty());
    store.delete(&name).await.unwrap();
    create(store, &name, "other").await;
    assert_eq!(&read_all(store, &name).await.unwrap()[..], b"other");
}

pub(super) async fn dates_go_on(store: &Arc<dyn Store>, folder: &str) {
    let name = format!("{folder}/x");
    let put = create(store, &name, "x").await;
    let mut last = put.date;
    assert!(last.0 > 1_500_000_000_000, "milliseconds since 1970, not {last}");
    for _ in 0..3 {
        let read = store.read(&name, ReadRange::Suffix(1), None).await.unwrap();
        let listing = store.list(folder, None, 1).await.unwrap();
        let overwritten = store.overwrite(&format!("{folder}/y"), "y".into()).await.unwrap();
        let deleted = store.delete(&format!("{folder}/y")).await.unwrap();
        assert_not_before(put.date, read.modified);
        assert_not_before(read.modified, put.date);
        assert_eq!(listing.objects[0].modified.0 / 1000, read.modified.0 / 1000);
        for date in [read.date, listing.date, overwritten.date, deleted] {
            assert_not_before(date, last);
            last = date;
        }
    }
}

pub(super) async fn illegal_names_are_refused(store: &Arc<dyn Store>) {
    for name in ["", "/a", "a/", "a//b", "../a", "a/../b", ".staging/x", "a b", "ü"] {
        let all = ReadRange::All { limit: 1 };
        assert_eq!(kind_of(store.create(name, "x".into()).await), StoreErrorKind::Invalid, "{name:?}");
        assert_eq!(kind_of(store.overwrite(name, "x".into()).await), StoreErrorKind::Invalid, "{name:?}");
        assert_eq!(kind_of(store.read(name, all, None).await), StoreErrorKind::Invalid, "{name:?}");
        assert_eq!(kind_of(store.delete(name).await), StoreErrorKind::Invalid, "{name:?}");
    }
    assert_eq!(kind_of(store.list("../", None, 1).await), StoreErrorKind::Invalid);
    assert_eq!(kind_of(store.list("a", None, 0).await), StoreErrorKind::Invalid);
}
