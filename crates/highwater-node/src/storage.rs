//! The broker's directory, its bucket, and who holds the leases there.

use std::sync::Arc;
use std::time::Duration;

use highwater_aws::{AwsAccess, AwsOptions};
use highwater_env::Env;
use highwater_env::metrics::Metrics;
use highwater_lease::{BrokerInfo, BucketLeases, DirectoryLeases, DirectoryLock, LeaseStore};
use highwater_store::{Store, StoreMetrics, StoreObserver, StoreOptions};

use crate::config::{ServeConfig, StoreTarget, set_endpoint};
use crate::errors::StartError;

/// How long a broker on a bucket lives after a renewal: a stranger waits at most about this long
/// for one that died. Three renewals fit into it.
const LEASE_TTL: Duration = Duration::from_secs(15);

/// Where a cluster's metadata begin: where nothing is, there is no cluster yet.
const CLUSTER: &str = "meta/";

/// Locks the data directory, making it if need be.
pub async fn lock_data(env: &Env, config: &ServeConfig) -> Result<DirectoryLock, StartError> {
    DirectoryLock::take(&*env.disk, &config.data, &note())
        .await
        .map_err(|error| StartError::Lock { flag: "--data", error })
}

/// Opens the bucket and makes sure that it can be used; a bucket that is still empty must also refuse
/// a second create of one name, since everything else rests on that.
pub async fn open_store(env: &Env, config: &ServeConfig, metrics: &Metrics) -> Result<Arc<dyn Store>, StartError> {
    let observer: Arc<dyn StoreObserver> = Arc::new(StoreMetrics::register(metrics));
    let options = StoreOptions { observer: Some(observer), ..config.store_options.clone() };
    if config.store_target != StoreTarget::Bucket {
        return Ok(highwater_store::open(&config.store_url, &options, env).await?);
    }
    let options = with_aws(env, options).await?;
    let store = highwater_store::open(&config.store_url, &options, env).await?;
    if store.list(CLUSTER, None, 1).await?.objects.is_empty() {
        highwater_aws::check::honours_put_if_absent(&store, env).await?;
    }
    Ok(store)
}

/// Fills in what the flags leave open about a bucket from AWS's environment and profile.
pub async fn with_aws(env: &Env, mut options: StoreOptions) -> Result<StoreOptions, StartError> {
    let known = AwsOptions { region: options.s3_region.clone(), ca_pem: options.s3_ca_pem.clone() };
    let found = AwsAccess::discover(env, &known).await?;
    if options.s3_region.is_none() {
        options.s3_region = found.region;
    }
    if let (None, Some(endpoint)) = (&options.s3_endpoint, found.endpoint) {
        set_endpoint(&mut options, &endpoint, "the endpoint of AWS's environment or profile")?;
    }
    options.credentials = Some(found.credentials);
    Ok(options)
}

/// The leases of the bucket: on a directory the lock of it, which only one broker has.
pub async fn open_leases(
    env: &Env,
    config: &ServeConfig,
    store: &Arc<dyn Store>,
    me: BrokerInfo,
) -> Result<Arc<dyn LeaseStore>, StartError> {
    match &config.store_target {
        StoreTarget::Directory(directory) => {
            let lock = DirectoryLock::take(&*env.disk, directory, &note())
                .await
                .map_err(|error| StartError::Lock { flag: "--store", error })?;
            Ok(Arc::new(DirectoryLeases::new(lock, me)))
        }
        StoreTarget::Bucket => Ok(Arc::new(BucketLeases::new(Arc::clone(store), me, LEASE_TTL))),
    }
}

/// What the next one who tries is told.
fn note() -> String {
    format!("highwater, process {}", std::process::id())
}
