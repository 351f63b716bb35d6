//! DescribeCluster: the cluster's id and brokers (KIP-700, KIP-919, KIP-1073).

use highwater_wire::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use highwater_wire::{ErrorCode, Str};

use crate::authorized;
use crate::call::Call;

/// Kafka's numbers of the endpoint types (KIP-919).
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers with the brokers that are alive; one that is not is no member.
pub async fn handle(call: &Call, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let broker = &*call.broker;
    let refused = |error: ErrorCode, text: &'static str| DescribeClusterResponse {
        error_code: error.code(),
        error_message: Some(Str::from_static(text)),
        endpoint_type: request.endpoint_type,
        ..Default::default()
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            return refused(
                ErrorCode::MismatchedEndpointType,
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER",
            );
        }
        _ => return refused(ErrorCode::UnsupportedEndpointType, "The endpoint type is not known."),
    }
    let described = |info: crate::brokers::BrokerInfo| DescribeClusterBroker {
        broker_id: info.node.0,
        host: Str::from(info.endpoint.host),
        port: info.endpoint.port.into(),
        rack: info.rack.map(Str::from),
        ..Default::default()
    };
    DescribeClusterResponse {
        cluster_id: Str::from(broker.meta.state().cluster_id_text()),
        // Every broker serves what Kafka's controller does for clients.
        controller_id: broker.config.node_id.0,
        brokers: broker.brokers.live(call.peer.listener).into_iter().map(described).collect(),
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => authorized::ON_CLUSTER,
            false => authorized::NOT_ASKED,
        },
        ..Default::default()
    }
}
