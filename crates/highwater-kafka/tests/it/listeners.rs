//! Several listeners: each tells its own addresses, and all share the limit on connections.

use std::time::Duration;

use highwater_wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use highwater_wire::messages::metadata::{MetadataRequest, MetadataResponse};
use highwater_wire::{ApiKey, Str};
use tokio::net::TcpStream;

use crate::world::{Client, OUTSIDE_HOST, World};

async fn told(client: &mut Client) -> (String, i32) {
    let request = MetadataRequest::default();
    let response = client.call(ApiKey::Metadata, 9, |e, v| request.encode(e, v), MetadataResponse::decode).await;
    assert_eq!(response.brokers.len(), 1);
    (response.brokers[0].host.to_string(), response.brokers[0].port)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_told_the_address_of_the_listener_that_they_came_in_by() {
    let world = World::start().await;
    let inside = ("127.0.0.1".to_owned(), i32::from(world.address.port()));
    let outside = (OUTSIDE_HOST.to_owned(), 9);
    for (address, expected) in [(world.address, inside), (world.outside, outside)] {
        let mut client = Client::connect(address).await;
        assert_eq!(told(&mut client).await, expected);
        let request = FindCoordinatorRequest { coordinator_keys: vec![Str::from("group")], ..Default::default() };
        let response =
            client.call(ApiKey::FindCoordinator, 4, |e, v| request.encode(e, v), FindCoordinatorResponse::decode).await;
        let coordinator = &response.coordinators[0];
        assert_eq!((coordinator.host.to_string(), coordinator.port), expected);
    }
    assert_eq!(world.server.addresses(), [world.address, world.outside]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_on_connections_holds_for_all_listeners_together() {
    let world = World::start_with(|config| config.max_connections = 2).await;
    let mut first = Client::connect(world.address).await;
    let mut second = Client::connect(world.outside).await;
    told(&mut first).await;
    told(&mut second).await;

    // At the limit the system still takes the connection, and nobody answers.
    let mut waiting = Client::connect(world.outside).await;
    let answer = tokio::time::timeout(Duration::from_millis(200), told(&mut waiting)).await;
    assert!(answer.is_err(), "a third connection was served");
    assert_eq!(world.server.connection_count()(), 2);

    // A place that becomes free at one listener serves the other; the request was sent long ago.
    drop(first);
    let request = MetadataRequest::default();
    let (_, response) = waiting.receive(ApiKey::Metadata, 9, MetadataResponse::decode).await;
    assert_eq!(&*response.brokers[0].host, OUTSIDE_HOST);
    let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
    second.call(ApiKey::Metadata, 9, encode, MetadataResponse::decode).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_does_not_wait_for_who_waits_for_a_place() {
    let world = World::start_with(|config| config.max_connections = 1).await;
    let mut first = Client::connect(world.address).await;
    told(&mut first).await;
    let _waiting = TcpStream::connect(world.outside).await.unwrap();
    assert_eq!(world.server.drain(Duration::from_secs(10)).await, 0);
}
