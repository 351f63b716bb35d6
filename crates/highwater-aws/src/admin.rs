//! What is asked of a bucket as a whole, which the store of its objects cannot: whether and where it
//! is, its lifecycle rules, its versioning, old versions of objects.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials as AwsCredentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration,
    LifecycleRule,
};
use highwater_store::{CredentialSource, S3Options, StoreError, StoreErrorKind};

use crate::client::{Way, http_client};

/// The region whose buckets have no location constraint.
const NO_CONSTRAINT: &str = "us-east-1";
/// For one request, all its attempts together.
const REQUEST_LIMIT: Duration = Duration::from_secs(20);
/// For one attempt.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(8);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 3;
/// Old versions that are deleted at most; a check leaves a few dozen.
const VERSIONS_LIMIT: i32 = 1000;

/// A bucket as its owner sees it.
#[derive(Clone)]
pub(crate) struct Admin {
    client: Client,
    options: S3Options,
}

/// Whether there is a bucket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It is there, in the region that is asked.
    Here,
    /// It is to be asked for in this region, and there if it is anywhere.
    In(String),
    /// There is none.
    Absent,
}

/// What is known about a bucket's versioning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versioning {
    /// Never switched on.
    Never,
    /// A delete leaves a marker and the old version.
    Enabled,
    /// No longer; old versions may be there.
    Suspended,
}

/// A request about the bucket that did not succeed: S3's code and what it says.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    status: Option<u16>,
    text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Refusal {
    /// The service does not know this kind of request, or not this form of it.
    pub(crate) fn is_unsupported(&self) -> bool {
        const CODES: [&str; 6] =
            ["NotImplemented", "MethodNotAllowed", "MalformedXML", "InvalidRequest", "InvalidArgument", "NotSupported"];
        CODES.contains(&self.code.as_str()) || matches!(self.status, Some(405 | 501))
    }

    /// We may not ask this.
    pub(crate) fn is_denied(&self) -> bool {
        self.status == Some(403)
    }

    fn from_sdk<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let status = error.raw_response().map(|response| response.status().as_u16());
        let code = error.code().unwrap_or_default().to_owned();
        let text = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            // An answer without a body has nothing more to say; without an answer the cause does.
            _ => status.map_or_else(|| innermost(&error), |status| format!("it answered {status}")),
        };
        Self { code, status, text: text.split_whitespace().collect::<Vec<_>>().join(" ") }
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

/// Our credentials as the SDK takes them.
#[derive(Debug)]
struct Bridge(Arc<dyn CredentialSource>);

impl ProvideCredentials for Bridge {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async move {
            let given = self.0.credentials().await.map_err(CredentialsError::provider_error)?;
            // No end is given: they are asked for again for every request.
            let (key, secret) = (given.access_key_id, given.secret_access_key);
            Ok(AwsCredentials::new(key, secret, given.session_token, None, "highwater"))
        })
    }
}

impl Admin {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// `Invalid` when the options contradict each other.
    pub(crate) fn new(options: S3Options, credentials: Arc<dyn CredentialSource>) -> Result<Self, StoreError> {
        options.check()?;
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(REQUEST_LIMIT)
            .operation_attempt_timeout(ATTEMPT_LIMIT)
            .connect_timeout(CONNECT_LIMIT)
            .build();
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(options.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(Bridge(credentials)))
            .http_client(http_client(options.ca_pem.as_deref(), Way::Proxied)?)
            .force_path_style(options.path_style)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            // Only where S3 demands one: other services do not know all of them.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &options.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Ok(Self { client: Client::from_conf(config.build()), options })
    }

    /// The same bucket, asked for in another region.
    pub(crate) fn in_region(&self, region: String, credentials: Arc<dyn CredentialSource>) -> Result<Self, StoreError> {
        Self::new(S3Options { region, ..self.options.clone() }, credentials)
    }

    /// What begins every key of ours.
    pub(crate) fn keys(&self) -> String {
        if self.options.prefix.is_empty() { String::new() } else { format!("{}/", self.options.prefix) }
    }

    /// The bucket's name.
    pub(crate) fn bucket(&self) -> &str {
        &self.options.bucket
    }

    /// The region that is asked.
    pub(crate) fn region(&self) -> &str {
        &self.options.region
    }

    /// HeadBucket.
    pub(crate) async fn presence(&self) -> Result<Presence, StoreError> {
        let error = match self.client.head_bucket().bucket(self.bucket()).send().await {
            Ok(_) => return Ok(Presence::Here),
            Err(error) => error,
        };
        let (mut status, mut region) = (None, None);
        if let Some(response) = error.raw_response() {
            status = Some(response.status().as_u16());
            region = response.headers().get("x-amz-bucket-region").map(str::to_owned);
        }
        match (status, region) {
            (Some(404), _) => Ok(Presence::Absent),
            (Some(_), Some(region)) if region != self.options.region => Ok(Presence::In(region)),
            (Some(403), _) => {
                // A HEAD has no body that could say more; a LIST is refused for the same reason.
                let listed = self.client.list_objects_v2().bucket(self.bucket()).max_keys(1).send().await;
                let why = listed.err().map(|error| format!(" ({})", Refusal::from_sdk(error))).unwrap_or_default();
                let line = format!(
                    "not allowed to see bucket {}: check the credentials and its policy, or whether the name is taken by \
                     somebody else{why}",
                    self.bucket()
                );
                Err(StoreError::new(StoreErrorKind::Denied, "", line))
            }
            _ => {
                let place = self.options.endpoint.clone().unwrap_or_else(|| format!("region {}", self.options.region));
                let line = format!("cannot ask {place} for bucket {}: {}", self.bucket(), Refusal::from_sdk(error));
                Err(StoreError::new(StoreErrorKind::Unavailable, "", line))
            }
        }
    }

    /// CreateBucket. A bucket that is ours already is fine.
    pub(crate) async fn create(&self) -> Result<(), Refusal> {
        let constraint = (self.options.region != NO_CONSTRAINT).then(|| {
            let region = BucketLocationConstraint::from(self.options.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let request = self.client.create_bucket().bucket(self.bucket()).set_create_bucket_configuration(constraint);
        match request.send().await.map_err(Refusal::from_sdk) {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.code == "BucketAlreadyOwnedByYou" => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// GetBucketLifecycleConfiguration; no rules are an empty list.
    pub(crate) async fn lifecycle(&self) -> Result<Vec<LifecycleRule>, Refusal> {
        let request = self.client.get_bucket_lifecycle_configuration().bucket(self.bucket());
        match request.send().await.map_err(Refusal::from_sdk) {
            Ok(answer) => Ok(answer.rules.unwrap_or_default()),
            Err(refusal) if refusal.code == "NoSuchLifecycleConfiguration" => Ok(Vec::new()),
            Err(refusal) => Err(refusal),
        }
    }

    /// PutBucketLifecycleConfiguration, which replaces all rules: S3 knows no other way.
    pub(crate) async fn set_lifecycle(&self, rules: Vec<LifecycleRule>) -> Result<(), Refusal> {
        let configuration = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
        let configuration =
            configuration.map_err(|error| Refusal { code: String::new(), status: None, text: error.to_string() })?;
        let request = self.client.put_bucket_lifecycle_configuration().bucket(self.bucket());
        request.lifecycle_configuration(configuration).send().await.map(drop).map_err(Refusal::from_sdk)
    }

    /// GetBucketVersioning.
    pub(crate) async fn versioning(&self) -> Result<Versioning, Refusal> {
        let answer = self.client.get_bucket_versioning().bucket(self.bucket()).send().await;
        Ok(match answer.map_err(Refusal::from_sdk)?.status() {
            Some(BucketVersioningStatus::Enabled) => Versioning::Enabled,
            Some(BucketVersioningStatus::Suspended) => Versioning::Suspended,
            _ => Versioning::Never,
        })
    }

    /// Deletes old versions and delete markers below a folder of ours; gives how many.
    pub(crate) async fn delete_versions(&self, folder: &str) -> Result<usize, Refusal> {
        let keys = format!("{}{folder}/", self.keys());
        let request = self.client.list_object_versions().bucket(self.bucket()).prefix(&keys).max_keys(VERSIONS_LIMIT);
        let listed = request.send().await.map_err(Refusal::from_sdk)?;
        let versions = listed.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = listed.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let mut deleted = 0;
        for (key, version) in versions.chain(markers) {
            let Some(key) = key.filter(|key| key.starts_with(&keys)) else { continue };
            let request = self.client.delete_object().bucket(self.bucket()).key(key);
            request.set_version_id(version.map(str::to_owned)).send().await.map_err(Refusal::from_sdk)?;
            deleted += 1;
        }
        Ok(deleted)
    }
}
