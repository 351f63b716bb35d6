//! Bytes that lie: their connection ends, or they are answered; the broker goes on.

use std::time::Duration;

use highwater_wire::messages::metadata::{MetadataRequest, MetadataResponse};
use highwater_wire::{ApiKey, Encoder};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{LIMIT, World, batch, fetch_request, frame, produce_request};

/// What is sent: raw bytes, or a good request with some bytes changed, behind a right length.
fn lies() -> impl Strategy<Value = Vec<u8>> {
    let raw = proptest::collection::vec(any::<u8>(), 0..200);
    let key = proptest::sample::select(ApiKey::ALL.to_vec());
    let random_body =
        (key, -1..20i16, proptest::collection::vec(any::<u8>(), 0..200)).prop_map(|(key, version, rest)| {
            let body = [&key.code().to_be_bytes()[..], &version.to_be_bytes(), &rest].concat();
            [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat()
        });
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5);
    let changed = (any::<bool>(), changes).prop_map(|(produce, changes)| {
        let mut bytes = if produce {
            let request = produce_request("topic", 0, batch(&["a", "b"]), -1);
            frame(ApiKey::Produce, 9, 1, &|e: &mut Encoder, v| request.encode(e, v)).to_vec()
        } else {
            let request = fetch_request("topic", &[(0, 0)]);
            frame(ApiKey::Fetch, 12, 1, &|e: &mut Encoder, v| request.encode(e, v)).to_vec()
        };
        for (at, value) in changes {
            let at = 4 + at.index(bytes.len() - 4);
            bytes[at] = value;
        }
        bytes
    });
    prop_oneof![raw, random_body, changed]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_sent_harms_the_broker() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let bytes = lies().new_tree(&mut runner).unwrap().current();
        let mut client = world.client().await;
        // The broker may have closed already.
        let _ = client.stream.write_all(&bytes).await;
        let mut rest = Vec::new();
        // An answer, or a request that waits for more bytes, which never come.
        let _ = tokio::time::timeout(Duration::from_millis(15), client.stream.read_buf(&mut rest)).await;
        let _ = client.stream.shutdown().await;
        let read = client.stream.read_to_end(&mut rest);
        let ended = tokio::time::timeout(LIMIT, read).await;
        assert!(ended.is_ok(), "hangs on {bytes:02x?}");
    }
    let mut client = world.client().await;
    let request = MetadataRequest::default();
    let response = client.call(ApiKey::Metadata, 12, |e, v| request.encode(e, v), MetadataResponse::decode).await;
    assert!(response.topics.is_empty());
    assert_eq!(client.produce("topic", 0, batch(&["a"])).await.error_code, 0);
}
