//! Where the bucket is and how to speak to it.

use std::path::{Path, PathBuf};

use highwater_store::StoreOptions;
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
    let s3 = [
        &keys::S3_ENDPOINT.facts,
        &keys::S3_REGION.facts,
        &keys::S3_PATH_STYLE.facts,
        &keys::S3_ALLOW_HTTP.facts,
        &keys::S3_CA_FILE.facts,
    ];
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

/// A store that a command is about.
#[derive(Clone, Debug)]
pub struct StoreChoice {
    /// Its URL.
    pub url: String,
    /// What kind that is.
    pub target: StoreTarget,
    /// How to speak to it, as far as settings say.
    pub options: StoreOptions,
}

impl StoreChoice {
    /// The store of the settings, which must name one.
    ///
    /// # Errors
    /// As [`target`] and [`options`].
    pub fn resolve(settings: &Settings) -> Result<Self, StartError> {
        if settings.get(&keys::STORE)?.is_none() {
            return Err(refuse(format!("say which bucket: {} s3://BUCKET/PREFIX", keys::STORE.facts.flag())));
        }
        let (url, target) = target(settings, &settings.value(&keys::DATA)?)?;
        let options = options(settings, &url, &target)?;
        Ok(Self { url, target, options })
    }
}

/// How to speak to the bucket of `url`, as far as settings say; what they leave open is looked for in
/// AWS's environment and profile when it is opened.
///
/// # Errors
/// One line: a value that cannot be read, or a file without certificates.
pub fn options(settings: &Settings, url: &str, target: &StoreTarget) -> Result<StoreOptions, StartError> {
    let mut options = StoreOptions {
        s3_region: settings.get(&keys::S3_REGION)?,
        s3_path_style: settings.value(&keys::S3_PATH_STYLE)? || has_dots(url),
        s3_allow_http: settings.value(&keys::S3_ALLOW_HTTP)?,
        ..StoreOptions::default()
    };
    if *target == StoreTarget::Bucket {
        options.s3_ca_pem = certificates(settings)?.map(Into::into);
        if let Some(endpoint) = settings.get(&keys::S3_ENDPOINT)? {
            set_endpoint(&mut options, &endpoint, &settings.spelled(&keys::S3_ENDPOINT.facts))?;
        }
    }
    Ok(options)
}

fn certificates(settings: &Settings) -> Result<Option<Vec<u8>>, StartError> {
    let Some(path) = settings.get(&keys::S3_CA_FILE)? else { return Ok(None) };
    let wrong = |why: String| {
        let spelled = settings.spelled(&keys::S3_CA_FILE.facts);
        refuse(format!("{spelled} takes a file of certificates (PEM); got '{}': {why}", path.display()))
    };
    let pem = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
    if !String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----") {
        return Err(wrong("there is no certificate in it".to_owned()));
    }
    Ok(Some(pem))
}

/// Sets the endpoint that `source` gives. One at an IP address has no names below it, so buckets are
/// addressed by path there.
///
/// # Errors
/// One line: a URL of no service.
pub fn set_endpoint(options: &mut StoreOptions, endpoint: &str, source: &str) -> Result<(), StartError> {
    let wrong = |why: &str| refuse(format!("{source} takes http(s)://HOST:PORT; got '{endpoint}': {why}"));
    let parsed = Url::parse(endpoint).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(wrong("not http or https"));
    }
    let host = parsed.host().ok_or_else(|| wrong("no host"))?;
    options.s3_path_style |= !matches!(host, url::Host::Domain(_));
    options.s3_endpoint = Some(endpoint.to_owned());
    Ok(())
}

/// Whether an `s3:` URL names a bucket with dots, which no certificate's wildcard covers as a host name.
fn has_dots(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "s3" && url.host_str().is_some_and(|bucket| bucket.contains('.')))
}

fn refuse(line: String) -> StartError {
    StartError::Config(line)
}
