//! The store over one bucket.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpRequest, HttpRequestBody};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    Certificate, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload,
    RetryConfig,
};

use super::credentials::{CredentialSource, Provider};
use super::exchange::{Note, NotingClient};
use super::options::S3Options;
use super::outcome;
use crate::body::Body;
use crate::error::{StoreError, StoreErrorKind};
use crate::memory::check_limit;
use crate::name::{check_name, check_prefix};
use crate::observed::RequestKind;
use crate::store::{BucketTime, Etag, LIST_LIMIT, Listing, Object, Put, Read, ReadRange, Store, too_large};

/// Most keys of one LIST request (S3's own limit).
const PAGE_KEYS: usize = 1000;
/// How long the URL of a delete may be used.
const DELETE_VALIDITY: Duration = Duration::from_secs(60);
/// Connections kept for reuse; more may be open while requests are in flight.
const IDLE_CONNECTIONS: usize = 32;
/// Idle connections are closed before servers (20 s and up) do, so that a request is not sent into
/// one that is just going away.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// A bucket, or what lies under a prefix in it.
pub struct S3Store {
    bucket: AmazonS3,
    client: NotingClient,
    options: S3Options,
    /// Begins every key; empty or ending with a slash.
    root: String,
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl S3Store {
    /// A store whose requests are signed with what `credentials` gives. Sends nothing yet;
    /// [`S3Store::check`] does.
    ///
    /// # Errors
    /// `Invalid` when the options contradict each other.
    pub fn new(options: S3Options, credentials: Arc<dyn CredentialSource>) -> Result<Self, StoreError> {
        let label = format!("s3://{}/{}", options.bucket, options.prefix);
        let refuse = |detail: String| StoreError::new(StoreErrorKind::Invalid, &label, detail);
        options.check()?;
        // Another crate of the process may have installed its provider first; either does.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client_options = ClientOptions::new()
            .with_allow_http(options.allow_http)
            .with_timeout(options.request_timeout)
            .with_connect_timeout(options.connect_timeout)
            .with_pool_max_idle_per_host(IDLE_CONNECTIONS)
            .with_pool_idle_timeout(IDLE_TIMEOUT)
            .with_user_agent(HeaderValue::from_static(concat!("highwater/", env!("CARGO_PKG_VERSION"))));
        let client_options = trust(client_options, options.ca_pem.as_deref()).map_err(refuse)?;
        let client = NotingClient::new(&client_options).map_err(|error| refuse(error.to_string()))?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&options.bucket)
            .with_region(&options.region)
            .with_virtual_hosted_style_request(!options.path_style)
            .with_unsigned_payload(options.unsigned_payload)
            .with_client_options(client_options)
            .with_http_connector(client.clone())
            .with_retry(RetryConfig {
                max_retries: 0,
                retry_timeout: options.request_timeout,
                ..RetryConfig::default()
            })
            .with_credentials(Arc::new(Provider(credentials)));
        if let Some(endpoint) = &options.endpoint {
            builder = builder.with_endpoint(bucket_endpoint(endpoint, &options));
        }
        let bucket = builder.build().map_err(|error| refuse(error.to_string()))?;
        let root = if options.prefix.is_empty() { String::new() } else { format!("{}/", options.prefix) };
        Ok(Self { bucket, client, options, root })
    }

    /// Asks the bucket for one name, to learn whether it exists, lets us in, and tells its Date.
    ///
    /// # Errors
    /// `Invalid` or `Denied`, one line for an operator; `Unavailable` when it cannot be reached.
    pub async fn check(&self) -> Result<BucketTime, StoreError> {
        self.look().await.map_err(|(error, _)| error)
    }

    /// As [`S3Store::check`]; an error comes with the bucket's own region if the answer says that it
    /// is another one than we asked.
    pub(crate) async fn look(&self) -> Result<BucketTime, (StoreError, Option<String>)> {
        let note = Note::default();
        self.page_noted("", None, None, 1, &note).await.map(|page| page.date).map_err(|mut error| {
            let said = outcome::elsewhere(&note.read(), &error.source_text());
            error.name = self.describe();
            (error, said.filter(|region| *region != self.options.region))
        })
    }

    fn key(&self, name: &str) -> Result<Path, StoreError> {
        check_name(name)?;
        Path::parse(format!("{}{name}", self.root))
            .map_err(|error| StoreError::new(StoreErrorKind::Invalid, name, error.to_string()))
    }

    fn failed(&self, kind: RequestKind, name: &str, note: &Note, error: object_store::Error) -> StoreError {
        // Nothing was sent, and who gives the credentials knows why and whether it helps to try again.
        if let Some(refused) = credentials_error(&error) {
            return StoreError::new(refused.kind, name, refused.detail.clone()).with_source(error);
        }
        outcome::error(&self.options, kind, name, note.read(), &outcome::text_of(&error)).with_source(error)
    }

    async fn put(&self, kind: RequestKind, name: &str, body: &Body, mode: PutMode) -> Result<Put, StoreError> {
        let key = self.key(name)?;
        let note = Note::default();
        let options = PutOptions { mode, extensions: note.extensions(), ..PutOptions::default() };
        let payload: PutPayload = body.chunks().iter().cloned().collect();
        let put = self.bucket.put_opts(&key, payload, options).await;
        let put = put.map_err(|error| self.failed(kind, name, &note, error))?;
        let incomplete = |what| StoreError::new(StoreErrorKind::Unknown, name, format!("the answer has no {what}"));
        let etag = put.e_tag.ok_or_else(|| incomplete("ETag"))?;
        let date = note.read().date.ok_or_else(|| incomplete("Date"))?;
        Ok(Put { etag: Etag(etag.into()), date })
    }

    /// One page of a listing.
    async fn page(
        &self,
        prefix: &str,
        after: Option<&str>,
        token: Option<String>,
        max_keys: usize,
    ) -> Result<Page, StoreError> {
        self.page_noted(prefix, after, token, max_keys, &Note::default()).await
    }

    async fn page_noted(
        &self,
        prefix: &str,
        after: Option<&str>,
        token: Option<String>,
        max_keys: usize,
        note: &Note,
    ) -> Result<Page, StoreError> {
        let options = PaginatedListOptions {
            // A token continues where the page before ended.
            offset: after
                .filter(|after| !after.is_empty() && token.is_none())
                .map(|after| format!("{}{after}", self.root)),
            delimiter: None,
            max_keys: Some(max_keys),
            page_token: token,
            extensions: note.extensions(),
        };
        let keys = format!("{}{prefix}", self.root);
        let page = self.bucket.list_paginated((!keys.is_empty()).then_some(&keys), options).await;
        let page = page.map_err(|error| self.failed(RequestKind::List, prefix, note, error))?;
        let objects = page.result.objects.into_iter().filter_map(|meta| self.object(meta)).collect();
        Ok(Page { objects, token: page.page_token, date: self.date(prefix, note)? })
    }

    /// `None` for what is not ours: keys that no name makes.
    fn object(&self, meta: ObjectMeta) -> Option<Object> {
        let name = meta.location.as_ref().strip_prefix(&self.root)?;
        check_name(name).ok()?;
        Some(Object {
            name: name.to_owned(),
            size: meta.size,
            etag: Etag(meta.e_tag?.into()),
            modified: BucketTime(meta.last_modified.timestamp_millis()),
        })
    }

    fn date(&self, name: &str, note: &Note) -> Result<BucketTime, StoreError> {
        let advice = "its answers have no Date header, which fencing needs: something between strips it";
        note.read().date.ok_or_else(|| StoreError::new(StoreErrorKind::Invalid, name, advice))
    }
}

struct Page {
    objects: Vec<Object>,
    token: Option<String>,
    date: BucketTime,
}

/// Trusts more certificates than the system's.
fn trust(mut options: ClientOptions, pem: Option<&[u8]>) -> Result<ClientOptions, String> {
    let Some(pem) = pem else { return Ok(options) };
    let certificates = Certificate::from_pem_bundle(pem).map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("there is no certificate (PEM) in what --s3-ca-file names".to_owned());
    }
    for certificate in certificates {
        options = options.with_root_certificate(certificate);
    }
    Ok(options)
}

/// Why a request could not be signed.
fn credentials_error(error: &object_store::Error) -> Option<&StoreError> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<StoreError>() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

/// What object_store calls the endpoint: with virtual-hosted addressing it includes the bucket.
fn bucket_endpoint(endpoint: &str, options: &S3Options) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    match endpoint.split_once("://") {
        Some((scheme, host)) if !options.path_style => {
            format!("{scheme}://{}.{host}", options.bucket)
        }
        _ => endpoint.to_owned(),
    }
}

#[async_trait]
impl Store for S3Store {
    async fn create(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.put(RequestKind::Create, name, &body, PutMode::Create).await
    }

    async fn overwrite(&self, name: &str, body: Body) -> Result<Put, StoreError> {
        self.put(RequestKind::Overwrite, name, &body, PutMode::Overwrite).await
    }

    async fn read(&self, name: &str, range: ReadRange, if_match: Option<&Etag>) -> Result<Read, StoreError> {
        let key = self.key(name)?;
        range.check(name)?;
        let note = Note::default();
        let options = GetOptions {
            range: match &range {
                ReadRange::All { .. } => None,
                ReadRange::Bounded(range) => Some(GetRange::Bounded(range.clone())),
                ReadRange::Suffix(count) => Some(GetRange::Suffix(*count)),
            },
            if_match: if_match.map(|etag| etag.as_str().to_owned()),
            extensions: note.extensions(),
            ..GetOptions::default()
        };
        let failed = |error| self.failed(RequestKind::Read, name, &note, error);
        let answer = self.bucket.get_opts(&key, options).await.map_err(failed)?;
        let (size, range_read) = (answer.meta.size, answer.range.clone());
        if let ReadRange::All { limit } = range
            && size > limit
        {
            return Err(too_large(name, size, limit));
        }
        let missing = || StoreError::new(StoreErrorKind::Invalid, name, "the bucket's answer has no ETag");
        let etag = Etag(answer.meta.e_tag.clone().ok_or_else(missing)?.into());
        let modified = BucketTime(answer.meta.last_modified.timestamp_millis());
        let bytes: Bytes = answer.bytes().await.map_err(failed)?;
        if bytes.len() as u64 != range_read.end - range_read.start {
            return Err(StoreError::new(StoreErrorKind::Unavailable, name, "the body was cut"));
        }
        Ok(Read { bytes, range: range_read, size, etag, date: self.date(name, &note)?, modified })
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Listing, StoreError> {
        check_prefix(prefix)?;
        check_limit(prefix, limit)?;
        let limit = limit.min(LIST_LIMIT);
        let mut page = self.page(prefix, after, None, limit.min(PAGE_KEYS)).await?;
        let mut listing = Listing { objects: page.objects, more: false, date: page.date };
        while let Some(token) = page.token.take() {
            let left = limit.saturating_sub(listing.objects.len());
            // Within one page what the caller asked for is one request, even if keys that are not
            // ours made it shorter.
            if left == 0 || limit <= PAGE_KEYS {
                listing.more = true;
                break;
            }
            page = self.page(prefix, after, Some(token), left.min(PAGE_KEYS)).await?;
            listing.objects.append(&mut page.objects);
        }
        // A bucket gives them in order; directory buckets do not.
        listing.objects.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listing)
    }

    async fn delete(&self, name: &str) -> Result<BucketTime, StoreError> {
        let key = self.key(name)?;
        let note = Note::default();
        let failed = |error| self.failed(RequestKind::Delete, name, &note, error);
        let url = self.bucket.signed_url(Method::DELETE, &key, DELETE_VALIDITY).await.map_err(failed)?;
        let invalid = |error: http::Error| StoreError::new(StoreErrorKind::Invalid, name, error.to_string());
        let mut request: HttpRequest = http::Request::builder()
            .method(Method::DELETE)
            .uri(url.as_str())
            .body(HttpRequestBody::empty())
            .map_err(invalid)?;
        request.extensions_mut().insert(note.clone());
        let text = match self.client.send(request).await {
            Ok(response) if response.status().is_success() => return self.date(name, &note),
            // The body of an error is short; should it not come, the status says enough.
            Ok(response) => match response.into_body().bytes().await {
                Ok(body) => String::from_utf8_lossy(&body).into_owned(),
                Err(error) => error.to_string(),
            },
            Err(error) => outcome::text_of(&error),
        };
        match outcome::error(&self.options, RequestKind::Delete, name, note.read(), &text) {
            error if error.kind == StoreErrorKind::NotFound => self.date(name, &note),
            error => Err(error),
        }
    }

    fn describe(&self) -> String {
        let place = self.options.endpoint.as_deref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        format!("s3://{}/{}{place}", self.options.bucket, self.options.prefix)
    }

    fn is_local(&self) -> bool {
        false
    }
}
