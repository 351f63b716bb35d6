//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources.

use highwater_wire::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResponse, AlterableConfig,
};
use highwater_wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, DescribeConfigsResult,
};
use highwater_wire::messages::incremental_alter_configs as incremental;
use highwater_wire::messages::list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use highwater_wire::{ApiKey, ErrorCode, Str};

use crate::world::{Client, World, batch};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

async fn describe(client: &mut Client, kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResult {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: Str::from(name),
            configuration_keys: keys.map(|keys| keys.iter().map(|key| Str::from(*key)).collect()),
            ..Default::default()
        }],
        include_synonyms: true,
        include_documentation: true,
        ..Default::default()
    };
    let response =
        client.call(ApiKey::DescribeConfigs, 4, |e, v| request.encode(e, v), DescribeConfigsResponse::decode).await;
    response.results[0].clone()
}

/// Value and source of one configuration.
async fn value(client: &mut Client, kind: i8, name: &str, key: &str) -> (Option<String>, i8) {
    let result = describe(client, kind, name, Some(&[key])).await;
    assert_eq!(result.error_code, 0, "{:?}", result.error_message);
    let config = &result.configs[0];
    (config.value.as_ref().map(ToString::to_string), config.config_source)
}

/// Operations on one resource; gives code and text.
async fn change(client: &mut Client, kind: i8, name: &str, changes: &[(&str, i8, Option<&str>)]) -> (i16, String) {
    let config = |(name, operation, value): &(&str, i8, Option<&str>)| incremental::AlterableConfig {
        name: Str::from(*name),
        config_operation: *operation,
        value: value.map(Str::from),
        ..Default::default()
    };
    let request = incremental::IncrementalAlterConfigsRequest {
        resources: vec![incremental::AlterConfigsResource {
            resource_type: kind,
            resource_name: Str::from(name),
            configs: changes.iter().map(config).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let response = client
        .call(
            ApiKey::IncrementalAlterConfigs,
            1,
            |e, v| request.encode(e, v),
            incremental::IncrementalAlterConfigsResponse::decode,
        )
        .await;
    let answer = &response.responses[0];
    (answer.error_code, answer.error_message.as_ref().map(ToString::to_string).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topics_configurations_change_and_take_effect() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    let all = describe(&mut client, TOPIC, "topic", None).await;
    assert_eq!((all.error_code, all.configs.len()), (0, 34));
    assert!(all.configs.iter().all(|config| config.documentation.is_some() && !config.read_only));
    assert_eq!(value(&mut client, TOPIC, "topic", "retention.ms").await, (Some("604800000".into()), 5));

    assert_eq!(change(&mut client, TOPIC, "topic", &[("max.message.bytes", 0, Some("100"))]).await.0, 0);
    assert_eq!(value(&mut client, TOPIC, "topic", "max.message.bytes").await, (Some("100".into()), 1));
    let large = "x".repeat(200);
    assert_eq!(client.produce("topic", 0, batch(&[&large])).await.error_code, ErrorCode::MessageTooLarge.code());
    assert_eq!(change(&mut client, TOPIC, "topic", &[("max.message.bytes", 1, None)]).await.0, 0);
    assert_eq!(client.produce("topic", 0, batch(&[&large])).await.error_code, 0);

    assert_eq!(change(&mut client, TOPIC, "topic", &[("cleanup.policy", 2, Some("compact"))]).await.0, 0);
    assert_eq!(value(&mut client, TOPIC, "topic", "cleanup.policy").await, (Some("delete,compact".into()), 1));
    assert_eq!(change(&mut client, TOPIC, "topic", &[("cleanup.policy", 3, Some("delete"))]).await.0, 0);
    assert_eq!(value(&mut client, TOPIC, "topic", "cleanup.policy").await, (Some("compact".into()), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_meant_is_refused() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    let invalid_config = ErrorCode::InvalidConfig.code();
    let invalid_request = ErrorCode::InvalidRequest.code();
    for (kind, name, changes, code, words) in [
        (TOPIC, "topic", &[("no.such", 0, Some("1"))][..], invalid_config, "Unknown topic config name: no.such"),
        (TOPIC, "topic", &[("retention.ms", 0, Some("soon"))], invalid_config, "Invalid value soon"),
        (TOPIC, "topic", &[("retention.ms", 2, Some("1"))], invalid_config, "its type is not LIST"),
        (TOPIC, "topic", &[("retention.ms", 0, None)], invalid_request, "Null value not supported"),
        (TOPIC, "topic", &[("retention.ms", 7, Some("1"))], invalid_request, "Unknown operation type"),
        (TOPIC, "topic", &[("retention.ms", 0, Some("1")), ("retention.ms", 1, None)], invalid_request, "duplicate"),
        (TOPIC, "none", &[("retention.ms", 0, Some("1"))], 3, "The topic 'none' does not exist."),
        (TOPIC, "bad name", &[], 17, ""),
        (BROKER, "7", &[("log.retention.ms", 0, Some("1"))], invalid_request, "expected 1, but received 7"),
        (BROKER, "one", &[("log.retention.ms", 0, Some("1"))], invalid_request, "must be an integer"),
        (BROKER, "1", &[("num.partitions", 0, Some("3"))], invalid_request, "dynamically: num.partitions"),
        (BROKER, "", &[("ssl.keystore.type", 0, Some("PEM"))], invalid_request, "broker id must be specified"),
        (BROKER, "", &[("message.max.bytes", 0, Some("-1"))], invalid_config, "Value must be at least 0"),
        (99, "x", &[], invalid_request, "Unexpected resource type"),
    ] {
        let (error, text) = change(&mut client, kind, name, changes).await;
        assert_eq!(error, code, "{kind} {name} {changes:?}: {text}");
        assert!(text.contains(words), "{text}");
    }
    for (kind, name, code) in [(TOPIC, "none", 3), (TOPIC, "bad name", 17), (BROKER, "7", 42), (99, "", 42)] {
        assert_eq!(describe(&mut client, kind, name, None).await.error_code, code, "{kind} {name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_give_topics_their_defaults() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    let all = describe(&mut client, BROKER, "1", None).await;
    assert!(all.configs.len() > 300, "{}", all.configs.len());
    assert!(describe(&mut client, BROKER, "", None).await.configs.is_empty());

    assert_eq!(change(&mut client, BROKER, "", &[("log.retention.ms", 0, Some("70"))]).await.0, 0);
    assert_eq!(change(&mut client, BROKER, "1", &[("log.segment.bytes", 0, Some("2000000"))]).await.0, 0);
    assert_eq!(value(&mut client, TOPIC, "topic", "retention.ms").await, (Some("70".into()), 3));
    assert_eq!(value(&mut client, TOPIC, "topic", "segment.bytes").await, (Some("2000000".into()), 2));
    assert_eq!(value(&mut client, BROKER, "1", "log.retention.ms").await, (Some("70".into()), 3));
    let defaults = describe(&mut client, BROKER, "", None).await;
    assert_eq!(defaults.configs.iter().map(|config| &*config.name).collect::<Vec<_>>(), ["log.retention.ms"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_older_api_replaces_the_whole() {
    let world = World::start().await;
    let mut client = world.client().await;
    client.create("topic", 1, &[("retention.ms", "5"), ("segment.ms", "6")]).await;
    let resource = |resource_name| AlterConfigsResource {
        resource_type: TOPIC,
        resource_name,
        configs: vec![AlterableConfig {
            name: Str::from_static("segment.ms"),
            value: Some(Str::from_static("7")),
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut request =
        AlterConfigsRequest { resources: vec![resource(Str::from_static("topic"))], ..Default::default() };
    for (validate_only, expected) in [(true, "5"), (false, "604800000")] {
        request.validate_only = validate_only;
        let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
        let response = client.call(ApiKey::AlterConfigs, 2, encode, AlterConfigsResponse::decode).await;
        assert_eq!(response.responses[0].error_code, 0);
        assert_eq!(value(&mut client, TOPIC, "topic", "retention.ms").await.0, Some(expected.into()));
    }
    assert_eq!(value(&mut client, TOPIC, "topic", "segment.ms").await, (Some("7".into()), 1));
    request.resources.push(request.resources[0].clone());
    let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
    let response = client.call(ApiKey::AlterConfigs, 2, encode, AlterConfigsResponse::decode).await;
    assert!(response.responses.iter().all(|one| one.error_code == ErrorCode::InvalidRequest.code()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_listed() {
    let world = World::start().await;
    world.create("topic", 1).await;
    let mut client = world.client().await;
    for (version, types, expected) in
        [(0, vec![], vec![]), (1, vec![], vec![(2, "topic"), (4, "1"), (8, "1")]), (1, vec![4], vec![(4, "1")])]
    {
        let request = ListConfigResourcesRequest { resource_types: types, ..Default::default() };
        let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
        let response =
            client.call(ApiKey::ListConfigResources, version, encode, ListConfigResourcesResponse::decode).await;
        let listed: Vec<_> =
            response.config_resources.iter().map(|one| (one.resource_type, &*one.resource_name)).collect();
        assert_eq!(listed, expected, "version {version}");
    }
    let request = ListConfigResourcesRequest { resource_types: vec![3], ..Default::default() };
    let encode = |e: &mut highwater_wire::Encoder, v| request.encode(e, v);
    let response = client.call(ApiKey::ListConfigResources, 1, encode, ListConfigResourcesResponse::decode).await;
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
}
