//! Region, endpoint and credentials that the environment and the profile give, as AWS's own tools
//! read them. What a flag says comes before; this only fills what is left open.
//!
//! | what | where, in this order |
//! | --- | --- |
//! | region | `AWS_REGION`, `AWS_DEFAULT_REGION`, the profile's `region` (else the bucket says it) |
//! | endpoint | `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`, the profile's `services` and `endpoint_url` |
//! | credentials | environment, profile, web identity, container, instance |
//!
//! Nothing is sent before the first credentials are asked for.

use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::service_config::ServiceConfigKey;
use bytes::Bytes;
use highwater_env::Env;
use highwater_store::{CredentialSource, StoreError};

use crate::cached::CachedCredentials;
use crate::chain::Chain;
use crate::client::{Way, http_client};

/// Where AWS's sign-in services are asked when no region is known: each region has its own.
const SIGN_IN_REGION: &str = "us-east-1";

/// What is known before anything is looked up.
#[derive(Clone, Debug, Default)]
pub struct AwsOptions {
    /// The region that a flag gives, for the services that give credentials.
    pub region: Option<String>,
    /// Certificates (PEM) that are trusted beside the system's.
    pub ca_pem: Option<Bytes>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct AwsAccess {
    /// Region of environment or profile.
    pub region: Option<String>,
    /// Endpoint for S3 of environment or profile.
    pub endpoint: Option<String>,
    /// The credentials of the moment; asks for the first when it is asked.
    pub credentials: Arc<dyn CredentialSource>,
}

impl AwsAccess {
    /// Reads environment and profile files.
    ///
    /// # Errors
    /// `Invalid` when there is no certificate in `ca_pem`.
    pub async fn discover(env: &Env, options: &AwsOptions) -> Result<Self, StoreError> {
        let ca_pem = options.ca_pem.as_deref();
        let (http, direct) = (http_client(ca_pem, Way::Proxied)?, http_client(ca_pem, Way::Direct)?);
        // Not the SDK's own chain, which asks instance metadata, too.
        let regions = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new());
        let region = regions.region().await.map(|region| region.to_string()).filter(|region| !region.is_empty());
        // It must be given one, or it looks for one there.
        let signs_in_at =
            options.region.clone().or_else(|| region.clone()).unwrap_or_else(|| SIGN_IN_REGION.to_owned());
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .region(Region::new(signs_in_at.clone()))
            .no_credentials()
            .load()
            .await;
        let endpoint = s3_endpoint(&config);
        let chain = Chain::new(http, direct, signs_in_at);
        let credentials = Arc::new(CachedCredentials::new(Arc::new(chain), env));
        Ok(Self { region, endpoint, credentials })
    }
}

/// The endpoint of this service before that of all services.
fn s3_endpoint(config: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("s3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let own = config.service_config().and_then(|services| services.load_config(key));
    own.or_else(|| config.endpoint_url().map(str::to_owned)).filter(|url| !url.is_empty())
}
