//! The broker's directory, its bucket, and who holds the leases there.

use std::sync::Arc;
use std::time::Duration;

use highwater_env::Env;
use highwater_lease::{BrokerInfo, BucketLeases, DirectoryLeases, DirectoryLock, LeaseStore};
use highwater_store::Store;

use crate::config::{ServeConfig, StoreTarget};
use crate::errors::StartError;

/// How long a broker on a bucket lives after a renewal: a stranger waits at most about this long
/// for one that died. Three renewals fit into it.
const LEASE_TTL: Duration = Duration::from_secs(15);

/// Locks the data directory, making it if need be.
pub async fn lock_data(env: &Env, config: &ServeConfig) -> Result<DirectoryLock, StartError> {
    DirectoryLock::take(&*env.disk, &config.data, &note())
        .await
        .map_err(|error| StartError::Lock { flag: "--data", error })
}

/// Opens the bucket and makes sure that it can be used.
pub async fn open_store(env: &Env, config: &ServeConfig) -> Result<Arc<dyn Store>, StartError> {
    Ok(highwater_store::open::open(&config.store_url, &config.store_options, env).await?)
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
