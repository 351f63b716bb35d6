//! IncrementalAlterConfigs: configurations one by one, lists by item (KIP-339).

use std::collections::BTreeMap;

use highwater_meta::{ConfigChange, ConfigChanges};
use highwater_wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

use crate::call::Call;
use crate::config_resources::{self, Failure};

/// Kafka's numbers of the operations (`AlterConfigOp.OpType`).
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// Changes each resource for itself.
pub async fn handle(call: &Call, request: IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse {
    let twice =
        config_resources::named_twice(request.resources.iter().map(|one| (one.resource_type, &one.resource_name)));
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let (resource_type, resource_name) = (resource.resource_type, resource.resource_name.clone());
        let outcome = match twice.contains(&(resource_type, resource_name.clone())) {
            true => Err(config_resources::twice()),
            false => alter(call, resource, request.validate_only).await,
        };
        let (error_code, error_message) = config_resources::told(outcome);
        responses.push(AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type,
            resource_name,
            ..Default::default()
        });
    }
    IncrementalAlterConfigsResponse { responses, ..Default::default() }
}

async fn alter(call: &Call, resource: AlterConfigsResource, validate_only: bool) -> Result<(), Failure> {
    let target = config_resources::find(&call.broker, resource.resource_type, &resource.resource_name)?;
    let nulls: Vec<&str> = resource.configs.iter().filter(|one| lacks_value(one)).map(|one| &*one.name).collect();
    if !nulls.is_empty() {
        return Err(config_resources::invalid(format!("Null value not supported for : {}", nulls.join(","))));
    }
    let mut changes = BTreeMap::new();
    for config in resource.configs {
        let value = config.value.map(String::from).unwrap_or_default();
        let change = match config.config_operation {
            SET => ConfigChange::Set(value),
            DELETE => ConfigChange::Delete,
            APPEND => ConfigChange::Append(value),
            SUBTRACT => ConfigChange::Subtract(value),
            other => return Err(config_resources::invalid(format!("Unknown operation type {other}"))),
        };
        if changes.insert(String::from(config.name), change).is_some() {
            return Err(config_resources::invalid("Error due to duplicate config keys".to_owned()));
        }
    }
    config_resources::alter(&call.broker, target, ConfigChanges::Each(changes), validate_only).await
}

fn lacks_value(config: &AlterableConfig) -> bool {
    config.config_operation != DELETE && config.value.is_none()
}
