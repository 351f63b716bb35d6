//! From what became of a request to what the caller should do.

use http::StatusCode;
use object_store::client::HttpErrorKind;

use super::exchange::{Exchange, is_region};
use super::options::S3Options;
use crate::error::{StoreError, StoreErrorKind};
use crate::observed::RequestKind;

/// Longest error code of S3 that is looked at, bytes.
const CODE_LIMIT_BYTES: usize = 64;

/// The text of an XML element, if the text holds one.
fn element<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let start = text.find(&format!("<{tag}>"))? + tag.len() + 2;
    let len = text[start..].find(&format!("</{tag}>"))?;
    Some(&text[start..start + len])
}

/// What an error says, with its innermost cause: for a connection that failed only that says why.
pub(super) fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let (text, cause) = (error.to_string(), cause.to_string());
    if text.contains(&cause) { text } else { format!("{text}: {cause}") }
}

/// The region that an answer names as the bucket's own.
pub(super) fn elsewhere(exchange: &Exchange, text: &str) -> Option<String> {
    let said = || element(text, "Region").filter(|region| is_region(region)).map(str::to_owned);
    exchange.region.clone().or_else(said)
}

fn elsewhere_line(options: &S3Options, region: Option<&str>) -> String {
    let (bucket, asked) = (&options.bucket, &options.region);
    match region.filter(|region| region != asked) {
        Some(region) => format!("bucket {bucket} is in region {region}, not in {asked}: give --s3-region {region}"),
        None => format!("bucket {bucket} is not in region {asked}: correct --s3-region"),
    }
}

fn connect_line(place: &str, text: &str) -> String {
    // What rustls says of a certificate whose authority the machine does not know.
    let unknown = text.contains("certificate") && (text.contains("UnknownIssuer") || text.contains("not trusted"));
    let advice =
        if unknown { ", whose certificate is not trusted: give its authority's with --s3-ca-file" } else { "" };
    format!("cannot connect to {place}{advice}")
}

/// Whether an effect may remain of a request that was not answered.
fn changes(kind: RequestKind) -> bool {
    matches!(kind, RequestKind::Create | RequestKind::Overwrite | RequestKind::Delete)
}

/// The error of a request that `exchange` tells of; `text` is what there is to read about it.
pub(super) fn error(options: &S3Options, kind: RequestKind, name: &str, exchange: Exchange, text: &str) -> StoreError {
    let code = element(text, "Code").filter(|code| code.len() <= CODE_LIMIT_BYTES);
    let (error_kind, advice) = classify(options, kind, &exchange, code, text);
    let said = match (code, element(text, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        // What was to be sent does not matter where nothing was.
        _ if exchange.broken == Some(HttpErrorKind::Connect) => {
            text.rsplit("error sending request: ").next().unwrap_or(text).to_owned()
        }
        _ => text.to_owned(),
    };
    let detail = advice.map_or_else(|| said.clone(), |advice| format!("{advice} ({said})"));
    StoreError::new(error_kind, name, detail)
}

fn classify(
    options: &S3Options,
    kind: RequestKind,
    exchange: &Exchange,
    code: Option<&str>,
    text: &str,
) -> (StoreErrorKind, Option<String>) {
    use StoreErrorKind as E;
    let no_answer = if changes(kind) { E::Unknown } else { E::Unavailable };
    let place = || options.endpoint.clone().unwrap_or_else(|| format!("region {}", options.region));
    let Some(status) = exchange.status else {
        return match exchange.broken {
            // Nothing was sent.
            Some(HttpErrorKind::Connect) => (E::Unavailable, Some(connect_line(&place(), text))),
            // Neither status nor break: it ended before it began, for want of credentials.
            None => (E::Denied, Some("the request was not sent".to_owned())),
            Some(_) => (no_answer, None),
        };
    };
    match (code.unwrap_or(""), status) {
        ("NoSuchBucket", _) => {
            let advice = format!("there is no bucket {} at {}: create it or correct --store", options.bucket, place());
            (E::Invalid, Some(advice))
        }
        ("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken", _) => {
            let advice = format!("the credentials for bucket {} are wrong or expired", options.bucket);
            (E::Denied, Some(advice))
        }
        ("RequestTimeTooSkewed", _) => (E::Denied, Some("this machine's clock is wrong: set it".to_owned())),
        ("AuthorizationHeaderMalformed" | "PermanentRedirect", _) | ("", StatusCode::MOVED_PERMANENTLY) => {
            (E::Invalid, Some(elsewhere_line(options, elsewhere(exchange, text).as_deref())))
        }
        ("SlowDown" | "TooManyRequests", _) | (_, StatusCode::TOO_MANY_REQUESTS) => (E::Throttled, None),
        ("RequestTimeout", _) | (_, StatusCode::REQUEST_TIMEOUT) => (no_answer, None),
        (_, StatusCode::PRECONDITION_FAILED) if kind == RequestKind::Read => (E::PreconditionFailed, None),
        (_, StatusCode::PRECONDITION_FAILED | StatusCode::CONFLICT) if kind == RequestKind::Create => {
            (E::AlreadyExists, Some("the name is taken".to_owned()))
        }
        (_, StatusCode::RANGE_NOT_SATISFIABLE) => (E::OutOfRange, None),
        (_, StatusCode::NOT_FOUND) if matches!(kind, RequestKind::Read | RequestKind::Delete) => {
            (E::NotFound, Some("no such object".to_owned()))
        }
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            let advice = format!("not allowed in bucket {}: check the credentials and its policy", options.bucket);
            (E::Denied, Some(advice))
        }
        (_, status) if status.is_server_error() || status == StatusCode::CONFLICT => (no_answer, None),
        // A good answer that was cut or cannot be understood.
        (_, status) if status.is_success() => (no_answer, None),
        _ => (E::Invalid, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(kind: RequestKind, status: u16, code: &str) -> StoreErrorKind {
        let exchange = Exchange { status: StatusCode::from_u16(status).ok(), ..Exchange::default() };
        let text = format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        error(&S3Options::new("b"), kind, "n", exchange, &text).kind
    }

    #[test]
    fn statuses_and_codes_tell_what_to_do() {
        use RequestKind::{Create, Delete, List, Overwrite, Read};
        use StoreErrorKind as E;
        for (kind, status, code, expected) in [
            (Create, 412, "PreconditionFailed", E::AlreadyExists),
            (Create, 409, "ConditionalRequestConflict", E::AlreadyExists),
            (Overwrite, 409, "OperationAborted", E::Unknown),
            (Create, 500, "InternalError", E::Unknown),
            (Read, 500, "InternalError", E::Unavailable),
            (Create, 503, "SlowDown", E::Throttled),
            (Create, 503, "ServiceUnavailable", E::Unknown),
            (List, 429, "", E::Throttled),
            (Read, 403, "AccessDenied", E::Denied),
            (Create, 403, "RequestTimeTooSkewed", E::Denied),
            (Read, 404, "NoSuchKey", E::NotFound),
            (Read, 404, "NoSuchBucket", E::Invalid),
            (List, 404, "NoSuchBucket", E::Invalid),
            (Create, 404, "NoSuchKey", E::Invalid),
            (Delete, 404, "NoSuchKey", E::NotFound),
            (Read, 412, "PreconditionFailed", E::PreconditionFailed),
            (Read, 416, "InvalidRange", E::OutOfRange),
            (Create, 400, "RequestTimeout", E::Unknown),
            (Create, 400, "EntityTooLarge", E::Invalid),
            (List, 301, "PermanentRedirect", E::Invalid),
        ] {
            assert_eq!(kind_of(kind, status, code), expected, "{kind:?} {status} {code}");
        }
    }

    #[test]
    fn the_bucket_s_own_region_is_named() {
        let line = |region: Option<&str>, text: &str| {
            let status = StatusCode::from_u16(301).ok();
            let exchange = Exchange { status, region: region.map(str::to_owned), ..Exchange::default() };
            error(&S3Options::new("b"), RequestKind::List, "n", exchange, text).detail
        };
        assert!(line(Some("eu-west-1"), "").starts_with("bucket b is in region eu-west-1, not in us-east-1"));
        let body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-3</Region></Error>";
        assert!(line(None, body).contains("give --s3-region eu-west-3"));
        assert!(line(None, "").starts_with("bucket b is not in region us-east-1: correct --s3-region"));
        // What a server says is not put into a host name unless it can be a region.
        assert!(line(None, "<Region>x.evil/</Region>").contains("correct --s3-region"));
    }

    #[test]
    fn broken_connections_are_unknown_once_something_was_sent() {
        let options = S3Options::new("b");
        let of = |kind, broken| {
            let exchange = Exchange { broken: Some(broken), ..Exchange::default() };
            error(&options, kind, "n", exchange, "boom").kind
        };
        assert_eq!(of(RequestKind::Create, HttpErrorKind::Connect), StoreErrorKind::Unavailable);
        let exchange = || Exchange { broken: Some(HttpErrorKind::Connect), ..Exchange::default() };
        let why = "invalid peer certificate: UnknownIssuer";
        let line = error(&options, RequestKind::Read, "n", exchange(), why).to_string();
        assert!(line.contains("--s3-ca-file"), "{line}");
        let line = error(&options, RequestKind::Read, "n", exchange(), "Connection refused").to_string();
        assert!(!line.contains("--s3-ca-file"), "{line}");
        for broken in [HttpErrorKind::Timeout, HttpErrorKind::Interrupted, HttpErrorKind::Request] {
            assert_eq!(of(RequestKind::Create, broken), StoreErrorKind::Unknown);
            assert_eq!(of(RequestKind::Delete, broken), StoreErrorKind::Unknown);
            assert_eq!(of(RequestKind::Read, broken), StoreErrorKind::Unavailable);
        }
    }
}
