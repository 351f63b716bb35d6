//! AlterConfigs: the whole of a resource's own configurations at once; what is not named goes back to
//! its default (KIP-133; IncrementalAlterConfigs took its place).

use std::collections::BTreeMap;

use highwater_meta::ConfigChanges;
use highwater_wire::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};

use crate::call::Call;
use crate::config_resources::{self, Failure};

/// Changes each resource for itself.
pub async fn handle(call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
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
    AlterConfigsResponse { responses, ..Default::default() }
}

async fn alter(call: &Call, resource: AlterConfigsResource, validate_only: bool) -> Result<(), Failure> {
    let target = config_resources::find(&call.broker, resource.resource_type, &resource.resource_name)?;
    let mut configs = BTreeMap::new();
    for config in resource.configs {
        let name = String::from(config.name);
        let Some(value) = config.value else {
            return Err(config_resources::invalid(format!("Null value not supported for : {name}")));
        };
        if configs.insert(name, String::from(value)).is_some() {
            return Err(config_resources::invalid("Error due to duplicate config keys".to_owned()));
        }
    }
    config_resources::alter(&call.broker, target, ConfigChanges::Whole(configs), validate_only).await
}
