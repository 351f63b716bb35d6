//! ListConfigResources: what has configurations (KIP-1142; version 0 knew clients' metrics only).

use highwater_wire::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use highwater_wire::{ErrorCode, Str};

use crate::call::Call;
use crate::config_resources::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};

const EVERY_TYPE: [i8; 5] = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];

/// Lists the resources of the types asked for, or of all.
pub async fn handle(call: &Call, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let asked = match request.resource_types.as_slice() {
        _ if call.version == 0 => &[CLIENT_METRICS],
        [] => &EVERY_TYPE[..],
        some => some,
    };
    if asked.iter().any(|kind| !EVERY_TYPE.contains(kind)) {
        return ListConfigResourcesResponse { error_code: ErrorCode::UnsupportedVersion.code(), ..Default::default() };
    }
    let mut config_resources = Vec::new();
    let mut add = |resource_type: i8, resource_name: Str| {
        config_resources.push(ConfigResource { resource_name, resource_type, ..Default::default() });
    };
    if asked.contains(&TOPIC) {
        call.broker.meta.state().topics().for_each(|topic| add(TOPIC, Str::from(&*topic.name)));
    }
    for kind in [BROKER, BROKER_LOGGER].into_iter().filter(|kind| asked.contains(kind)) {
        call.broker
            .brokers
            .live(call.peer.listener)
            .iter()
            .for_each(|broker| add(kind, Str::from(broker.node.0.to_string())));
    }
    ListConfigResourcesResponse { config_resources, ..Default::default() }
}
