//! From a URL to a store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_env::Env;
use url::Url;

use crate::directory::DirectoryStore;
use crate::error::{StoreError, StoreErrorKind};
use crate::faults::{FaultPlan, Faults};
use crate::limited::{Limited, RequestLimits};
use crate::memory::MemoryStore;
use crate::name::check_name;
use crate::observed::{Observed, StoreObserver};
use crate::retrying::{RetryPolicy, Retrying};
use crate::s3::{CredentialSource, EnvironmentCredentials, S3Options, S3Store};
use crate::store::Store;

/// What a URL does not say.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Base URL of an S3-compatible service; `None` for Amazon's own.
    pub s3_endpoint: Option<String>,
    /// Region that requests are signed for. `None`: `us-east-1`, and then wherever the bucket says
    /// that it is.
    pub s3_region: Option<String>,
    /// `endpoint/bucket/key` instead of `bucket.endpoint/key`.
    pub s3_path_style: bool,
    /// Allows an `http://` endpoint.
    pub s3_allow_http: bool,
    /// See [`S3Options::ca_pem`].
    pub s3_ca_pem: Option<Bytes>,
    /// See [`S3Options::unsigned_payload`].
    pub s3_unsigned_payload: bool,
    /// Whom to ask for credentials; `None`: the environment's variables.
    pub credentials: Option<Arc<dyn CredentialSource>>,
    /// Requests in flight on a bucket.
    pub limits: RequestLimits,
    /// How reads, lists, deletes and overwrites are repeated on a bucket.
    pub retry: RetryPolicy,
    /// Is told of every request.
    pub observer: Option<Arc<dyn StoreObserver>>,
    /// What goes wrong on purpose, in tests; seen by the observer.
    pub faults: Option<FaultPlan>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            s3_endpoint: None,
            s3_region: None,
            s3_path_style: false,
            s3_allow_http: false,
            s3_ca_pem: None,
            s3_unsigned_payload: true,
            credentials: None,
            limits: RequestLimits::default(),
            retry: RetryPolicy::default(),
            observer: None,
            faults: None,
        }
    }
}

/// Opens `file:///dir`, `s3://bucket` or `s3://bucket/prefix`, or `memory:` (empty, for tests), and
/// makes sure that it can be used. A bucket's store limits the requests in flight and repeats what
/// may be repeated.
///
/// # Errors
/// `Invalid` or `Denied`, one line for an operator; `Unavailable` when a bucket does not answer.
pub async fn open(url: &str, options: &StoreOptions, env: &Env) -> Result<Arc<dyn Store>, StoreError> {
    let parsed = parse(url)?;
    match parsed.scheme() {
        "file" => {
            let directory: PathBuf =
                parsed.to_file_path().map_err(|()| refuse(url, "not an absolute path of this machine"))?;
            Ok(observed(Arc::new(DirectoryStore::open(env, &directory).await?), options, env))
        }
        "s3" => open_bucket(url, options, env).await,
        "memory" => Ok(Arc::new(MemoryStore::new(env))),
        scheme => Err(refuse(url, &format!("no store is called {scheme}:"))),
    }
}

/// The bucket that an `s3:` URL names, with what the options say about it.
///
/// # Errors
/// `Invalid`, one line for an operator.
pub fn bucket_options(url: &str, options: &StoreOptions) -> Result<S3Options, StoreError> {
    let parsed = parse(url)?;
    if parsed.scheme() != "s3" {
        return Err(refuse(url, "it is not a bucket"));
    }
    let bucket = parsed.host_str().ok_or_else(|| refuse(url, "it names no bucket"))?;
    if parsed.port().is_some() {
        return Err(refuse(url, "a bucket has no port; give the service with --s3-endpoint"));
    }
    let prefix = parsed.path().trim_matches('/');
    if !prefix.is_empty() {
        check_name(prefix).map_err(|error| refuse(url, &error.detail))?;
    }
    let defaults = S3Options::new(bucket);
    Ok(S3Options {
        prefix: prefix.to_owned(),
        endpoint: options.s3_endpoint.clone(),
        region: options.s3_region.clone().unwrap_or_else(|| defaults.region.clone()),
        path_style: options.s3_path_style,
        allow_http: options.s3_allow_http,
        ca_pem: options.s3_ca_pem.clone(),
        unsigned_payload: options.s3_unsigned_payload,
        ..defaults
    })
}

/// How often a bucket that does not answer well is asked again at the start, within some three seconds.
const LOOKS_AGAIN: u32 = 5;
const LOOK_PAUSE: Duration = Duration::from_millis(100);

async fn open_bucket(url: &str, options: &StoreOptions, env: &Env) -> Result<Arc<dyn Store>, StoreError> {
    let bucket = bucket_options(url, options)?;
    let credentials = match &options.credentials {
        Some(credentials) => credentials.clone(),
        None => Arc::new(EnvironmentCredentials::read()?),
    };
    let mut store = S3Store::new(bucket.clone(), credentials.clone())?;
    let mut looked = store.look().await;
    for attempt in 0..LOOKS_AGAIN {
        // A bucket that throttles or cuts an answer is no reason not to start.
        if !matches!(&looked, Err((error, None)) if error.kind.is_transient()) {
            break;
        }
        env.sleep(LOOK_PAUSE * (1 << attempt)).await;
        looked = store.look().await;
    }
    match looked {
        Ok(_) => {}
        Err((_, Some(region))) if options.s3_region.is_none() => {
            tracing::info!(bucket = bucket.bucket, region, "the bucket's own region");
            store = S3Store::new(S3Options { region, ..bucket }, credentials)?;
            store.check().await?;
        }
        Err((error, _)) => return Err(error),
    }
    let limited: Arc<dyn Store> = Arc::new(Limited::new(observed(Arc::new(store), options, env), options.limits));
    Ok(Arc::new(Retrying::new(limited, env, options.retry)))
}

/// Each attempt is seen for itself: what is repeated is observed again.
fn observed(store: Arc<dyn Store>, options: &StoreOptions, env: &Env) -> Arc<dyn Store> {
    let store = match &options.faults {
        Some(plan) => Arc::new(Faults::by(store, env, plan.clone())),
        None => store,
    };
    match &options.observer {
        Some(observer) => Arc::new(Observed::new(store, env, Arc::clone(observer))),
        None => store,
    }
}

fn parse(url: &str) -> Result<Url, StoreError> {
    let parsed = Url::parse(url).map_err(|error| refuse(url, &format!("not a URL: {error}")))?;
    if parsed.query().is_some() || parsed.fragment().is_some() || !parsed.username().is_empty() {
        return Err(refuse(url, "it may have no user, query or fragment"));
    }
    Ok(parsed)
}

fn refuse(url: &str, detail: &str) -> StoreError {
    let takes = "a store is file:///DIRECTORY or s3://BUCKET/PREFIX";
    StoreError::new(StoreErrorKind::Invalid, url, format!("{detail}; {takes}"))
}
