//! Where the bucket is and how to speak to it.

use std::path::{Path, PathBuf};

use highwater_store::open::StoreOptions;
use url::Url;

use super::keys;
use super::kind::without_password;
use super::settings::Settings;
use crate::errors::StartError;

/// Where the bucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreTarget {
    /// A local directory, locked by one broker.
    Directory(PathBuf),
    /// A bucket, with leases.
    Bucket,
}

/// URL and kind of the bucket of a broker whose data are in `data` (absolute).
///
/// # Errors
/// One line: a URL that is no store, or settings that do not go with it.
pub fn target(settings: &Settings, data: &Path) -> Result<(String, StoreTarget), StartError> {
    let spelled = settings.spelled(&keys::STORE.facts);
    let takes = || keys::STORE.facts.kind.takes();
    let given = settings.get(&keys::STORE)?;
    let url = match &given {
        Some(text) => Url::parse(text).map_err(|error| {
            refuse(format!("{spelled} takes {}; got '{}': {error}", takes(), without_password(text)))
        })?,
        None => Url::from_file_path(data.join("bucket")).map_err(|()| {
            refuse(format!("{} {} cannot be written as a URL", settings.spelled(&keys::DATA.facts), data.display()))
        })?,
    };
    if url.scheme() == "s3" {
        return Ok((url.to_string(), StoreTarget::Bucket));
    }
    if url.scheme() != "file" {
        return Err(refuse(format!("{spelled} takes {}; got '{}'", takes(), without_password(url.as_str()))));
    }
    let s3 = [&keys::S3_ENDPOINT.facts, &keys::S3_REGION.facts, &keys::S3_PATH_STYLE.facts, &keys::S3_ALLOW_HTTP.facts];
    if let Some(flag) = settings.first_given(&s3) {
        return Err(refuse(format!("{flag} needs {} s3://BUCKET/PREFIX", keys::STORE.facts.flag())));
    }
    let directory = url.to_file_path().map_err(|()| {
        refuse(format!("{spelled} takes {}; got '{url}', which is not an absolute path of this machine", takes()))
    })?;
    if given.is_some() && directory == data {
        return Err(refuse(format!("{spelled} {url} is the data directory itself: give it a directory of its own")));
    }
    Ok((url.to_string(), StoreTarget::Directory(directory)))
}

/// How to speak to it.
///
/// # Errors
/// One line: a value that cannot be read.
pub fn options(settings: &Settings) -> Result<StoreOptions, StartError> {
    let s3_endpoint = settings.get(&keys::S3_ENDPOINT)?;
    let is_ip = s3_endpoint.as_deref().is_some_and(is_ip_address);
    Ok(StoreOptions {
        s3_region: settings.value(&keys::S3_REGION)?,
        s3_path_style: settings.value(&keys::S3_PATH_STYLE)? || is_ip,
        s3_allow_http: settings.value(&keys::S3_ALLOW_HTTP)?,
        s3_endpoint,
        ..StoreOptions::default()
    })
}

/// Whether an endpoint's host is an IP address, which has no names below it for buckets.
fn is_ip_address(endpoint: &str) -> bool {
    let url = Url::parse(endpoint).ok();
    url.is_some_and(|url| matches!(url.host(), Some(url::Host::Ipv4(_) | url::Host::Ipv6(_))))
}

fn refuse(line: String) -> StartError {
    StartError::Config(line)
}
