//! Topics and configurations.

use highwater_wire::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use highwater_wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use highwater_wire::messages::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use highwater_wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use highwater_wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use highwater_wire::{ErrorCode, Str};

use crate::cluster::{ANY, Cluster};
use crate::error::{ClientError, code_of};

/// How long the brokers may take.
const TIMEOUT_MS: i32 = 30_000;

/// What has configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOf {
    /// A topic.
    Topic(String),
    /// A broker, by number.
    Broker(i32),
    /// All brokers.
    AllBrokers,
}

impl ConfigOf {
    /// Kafka's number of the type, the name, and the broker that has to be asked.
    fn on_the_wire(&self) -> (i8, Str, i32) {
        match self {
            Self::Topic(name) => (2, Str::from(name), ANY),
            Self::Broker(node) => (4, Str::from(node.to_string()), *node),
            Self::AllBrokers => (4, Str::default(), ANY),
        }
    }
}

impl std::fmt::Display for ConfigOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "topic '{name}'"),
            Self::Broker(node) => write!(f, "broker {node}"),
            Self::AllBrokers => f.write_str("all brokers"),
        }
    }
}

/// One configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    /// Its name.
    pub name: String,
    /// Its value; `None` if there is none, or it is secret.
    pub value: Option<String>,
    /// Where the value comes from, as Kafka calls it.
    pub source: &'static str,
    /// It is the default of all.
    pub is_default: bool,
    /// It changes at a start only.
    pub read_only: bool,
    /// For people.
    pub documentation: Option<String>,
}

impl Cluster {
    /// Creates a topic; -1 for the brokers' own number of partitions or copies.
    ///
    /// # Errors
    /// As the broker says.
    pub async fn create_topic(
        &mut self,
        name: &str,
        num_partitions: i32,
        replication_factor: i16,
        configs: &[(String, String)],
    ) -> Result<(), ClientError> {
        let config = |(name, value): &(String, String)| CreatableTopicConfig {
            name: Str::from(name),
            value: Some(Str::from(value)),
            ..Default::default()
        };
        let topic = CreatableTopic {
            name: Str::from(name),
            num_partitions,
            replication_factor,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
        let check = |response: &CreateTopicsResponse| {
            let refused = |topic: &CreatableTopicResult| {
                ClientError::check(topic.error_code, topic.error_message.as_deref(), || format!("topic '{name}'"))
            };
            response.topics.iter().try_for_each(refused)
        };
        self.call_controller(&request, check).await.map(drop)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// As the broker says.
    pub async fn delete_topic(&mut self, name: &str) -> Result<(), ClientError> {
        let request =
            DeleteTopicsRequest { topic_names: vec![Str::from(name)], timeout_ms: TIMEOUT_MS, ..Default::default() };
        let refused = |topic: &DeletableTopicResult| match code_of(topic.error_code) {
            ErrorCode::UnknownTopicOrPartition => Err(ClientError::UnknownTopic(name.to_owned())),
            _ => ClientError::check(topic.error_code, topic.error_message.as_deref(), || format!("topic '{name}'")),
        };
        let check = |response: &DeleteTopicsResponse| response.responses.iter().try_for_each(refused);
        self.call_controller(&request, check).await.map(drop)
    }

    /// Gives a topic more partitions, `count` in all.
    ///
    /// # Errors
    /// As the broker says.
    pub async fn add_partitions(&mut self, name: &str, count: i32) -> Result<(), ClientError> {
        let topic = CreatePartitionsTopic { name: Str::from(name), count, assignments: None, ..Default::default() };
        let request = CreatePartitionsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
        let check = |response: &CreatePartitionsResponse| {
            let refused = |topic: &CreatePartitionsTopicResult| {
                ClientError::check(topic.error_code, topic.error_message.as_deref(), || format!("topic '{name}'"))
            };
            response.results.iter().try_for_each(refused)
        };
        self.call_controller(&request, check).await.map(drop)
    }

    /// Every configuration of something, ascending by name.
    ///
    /// # Errors
    /// As the broker says.
    pub async fn configs(&mut self, of: &ConfigOf) -> Result<Vec<ConfigValue>, ClientError> {
        let (resource_type, resource_name, node) = of.on_the_wire();
        let resource =
            DescribeConfigsResource { resource_type, resource_name, configuration_keys: None, ..Default::default() };
        let request =
            DescribeConfigsRequest { resources: vec![resource], include_documentation: true, ..Default::default() };
        let response = self.call(node, &request).await?;
        let mut configs = Vec::new();
        for result in response.results {
            ClientError::check(result.error_code, result.error_message.as_deref(), || of.to_string())?;
            configs.extend(result.configs.into_iter().map(value));
        }
        configs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(configs)
    }

    /// Sets (`Some`) configurations or takes them away (`None`).
    ///
    /// # Errors
    /// As the broker says.
    pub async fn alter_configs(
        &mut self,
        of: &ConfigOf,
        changes: &[(String, Option<String>)],
    ) -> Result<(), ClientError> {
        let (resource_type, resource_name, node) = of.on_the_wire();
        let change = |(name, value): &(String, Option<String>)| AlterableConfig {
            name: Str::from(name),
            config_operation: i8::from(value.is_none()),
            value: value.as_ref().map(Str::from),
            ..Default::default()
        };
        let configs = changes.iter().map(change).collect();
        let resource = AlterConfigsResource { resource_type, resource_name, configs, ..Default::default() };
        let request = IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
        let response = self.call(node, &request).await?;
        for result in &response.responses {
            ClientError::check(result.error_code, result.error_message.as_deref(), || of.to_string())?;
        }
        Ok(())
    }
}

fn value(config: DescribeConfigsResourceResult) -> ConfigValue {
    let (source, is_default) = match config.config_source {
        1 => ("topic", false),
        2 => ("broker (dynamic)", false),
        3 => ("all brokers (dynamic)", false),
        4 => ("broker (static)", false),
        5 => ("default", true),
        6 => ("logger", false),
        _ => ("unknown", false),
    };
    ConfigValue {
        name: String::from(config.name),
        value: config.value.map(String::from),
        source,
        is_default,
        read_only: config.read_only,
        documentation: config.documentation.map(String::from).filter(|text| !text.is_empty()),
    }
}
