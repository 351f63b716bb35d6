//! DescribeConfigs: every configuration of topics and brokers, with where its value comes from
//! (KIP-133, KIP-226).

use highwater_meta::ConfigTarget;
use highwater_meta::config::{ConfigEntry, SynonymEntry};
use highwater_wire::Str;
use highwater_wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use crate::broker::Broker;
use crate::call::Call;
use crate::config_resources::{self, Failure};

/// What a request wants beside names and values.
#[derive(Clone, Copy)]
struct Wanted {
    synonyms: bool,
    documentation: bool,
}

/// Answers for each resource.
pub async fn handle(call: &Call, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let wanted = Wanted { synonyms: request.include_synonyms, documentation: request.include_documentation };
    let describe = |resource| described(&call.broker, resource, wanted);
    DescribeConfigsResponse { results: request.resources.into_iter().map(describe).collect(), ..Default::default() }
}

fn described(broker: &Broker, resource: DescribeConfigsResource, wanted: Wanted) -> DescribeConfigsResult {
    let found = entries(broker, &resource);
    let keys = resource.configuration_keys.filter(|keys| !keys.is_empty());
    let result = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name,
        ..Default::default()
    };
    match found {
        Ok(entries) => {
            let asked =
                |entry: &ConfigEntry| keys.as_ref().is_none_or(|keys| keys.iter().any(|key| *key == *entry.name));
            let configs = entries.into_iter().filter(asked).map(|entry| shown(entry, wanted));
            DescribeConfigsResult { configs: configs.collect(), ..result }
        }
        Err((error, text)) => {
            DescribeConfigsResult { error_code: error.code(), error_message: Some(Str::from(text)), ..result }
        }
    }
}

fn entries(broker: &Broker, resource: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, Failure> {
    let target = config_resources::find(broker, resource.resource_type, &resource.resource_name)?;
    let state = broker.meta.state();
    Ok(match target {
        ConfigTarget::Topic(id) => {
            // Deleted since it was found: as good as never there.
            state.topic_by_id(id).map(|topic| state.describe_topic_configs(&topic.configs)).unwrap_or_default()
        }
        ConfigTarget::Broker(_) => state.describe_broker_configs(),
        ConfigTarget::AllBrokers => state.describe_default_configs(),
    })
}

fn shown(entry: ConfigEntry, wanted: Wanted) -> DescribeConfigsResourceResult {
    let synonym = |one: SynonymEntry| DescribeConfigsSynonym {
        name: Str::from_static(one.name),
        value: one.value.map(Str::from),
        source: one.source as i8,
        ..Default::default()
    };
    let synonyms = if wanted.synonyms { entry.synonyms } else { Vec::new() };
    DescribeConfigsResourceResult {
        name: Str::from_static(entry.name),
        value: entry.value.map(Str::from),
        read_only: entry.read_only,
        config_source: entry.source as i8,
        is_sensitive: entry.sensitive,
        synonyms: synonyms.into_iter().map(synonym).collect(),
        config_type: entry.kind as i8,
        documentation: wanted.documentation.then(|| Str::from(entry.doc)),
        ..Default::default()
    }
}
