//! Sees every HTTP exchange with the bucket, and notes its Date, status and breaks.
//!
//! object_store hands the extensions of a request to its HTTP service. So each of our requests
//! carries a [`Note`] of its own there, which tells what became of exactly this request, also when
//! object_store gives an error that does not say. A Date shared between requests would not do: a
//! LIST that was answered late would look fresher than it is. Deletes, which carry no extensions
//! in object_store, are sent by ourselves to a URL that it signs.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use async_trait::async_trait;
use http::{Extensions, HeaderMap, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use parking_lot::Mutex;

use crate::store::BucketTime;

/// What became of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    pub(super) status: Option<StatusCode>,
    pub(super) date: Option<BucketTime>,
    pub(super) broken: Option<HttpErrorKind>,
    /// Where the bucket is, if the answer says so; S3 does when it was asked in another region.
    pub(super) region: Option<String>,
}

/// Travels with a request and comes back with its [`Exchange`].
#[derive(Clone, Default)]
pub(super) struct Note(Arc<Mutex<Exchange>>);

impl Note {
    /// Extensions that carry this note.
    pub(super) fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(self.clone());
        extensions
    }

    pub(super) fn read(&self) -> Exchange {
        self.0.lock().clone()
    }

    pub(super) fn write(&self, answer: &Result<HttpResponse, HttpError>) {
        let exchange = match answer {
            Ok(response) => Exchange {
                status: Some(response.status()),
                date: date_of(response.headers()),
                broken: None,
                region: region_of(response.headers()),
            },
            Err(error) => Exchange { broken: Some(error.kind()), ..Exchange::default() },
        };
        *self.0.lock() = exchange;
    }
}

/// The Date header (RFC 9110, 6.6.1).
fn date_of(headers: &HeaderMap) -> Option<BucketTime> {
    let text = headers.get(http::header::DATE)?.to_str().ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(BucketTime(i64::try_from(since.as_millis()).ok()?))
}

/// Longest region name that is believed, bytes.
const REGION_LIMIT_BYTES: usize = 64;

/// Whether this can be a region: what is taken from an answer becomes part of a host name.
pub(super) fn is_region(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty() && text.len() <= REGION_LIMIT_BYTES && text.bytes().all(legal)
}

fn region_of(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-amz-bucket-region")?.to_str().ok()?;
    is_region(text).then(|| text.to_owned())
}

/// An HTTP client that writes the notes; as a connector it gives itself, so that object_store and
/// our own requests share its connections.
#[derive(Clone)]
pub(super) struct NotingClient(HttpClient);

impl NotingClient {
    pub(super) fn new(options: &ClientOptions) -> object_store::Result<Self> {
        Ok(Self(ReqwestConnector::default().connect(options)?))
    }

    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let note = request.extensions().get::<Note>().cloned();
        let answer = self.0.execute(request).await;
        if let Some(note) = note {
            note.write(&answer);
        }
        answer
    }
}

impl fmt::Debug for NotingClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotingClient")
    }
}

impl HttpConnector for NotingClient {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for NotingClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.send(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_milliseconds_since_1970() {
        let mut headers = HeaderMap::new();
        assert_eq!(date_of(&headers), None);
        headers.insert(http::header::DATE, http::HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(date_of(&headers), Some(BucketTime(784_111_777_000)));
        headers.insert(http::header::DATE, http::HeaderValue::from_static("yesterday"));
        assert_eq!(date_of(&headers), None);
    }

    #[test]
    fn a_region_is_believed_only_if_it_can_be_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(region_of(&headers), None);
        for (text, believed) in [("eu-west-1", true), ("", false), ("evil.example/", false), ("EU", false)] {
            headers.insert("x-amz-bucket-region", http::HeaderValue::from_static(text));
            assert_eq!(region_of(&headers).is_some(), believed, "{text}");
        }
    }
}
