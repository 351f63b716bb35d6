//! From what became of a request to what the caller should do.

use http::StatusCode;
use object_store::client::HttpErrorKind;

use super::exchange::Exchange;
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

/// Whether an effect may remain of a request that was not answered.
fn changes(kind: RequestKind) -> bool {
    matches!(kind, RequestKind::Create | RequestKind::Overwrite | RequestKind::Delete)
}

/// The error of a request that `exchange` tells of; `text` is what there is to read about it.
pub(super) fn error(options: &S3Options, kind: RequestKind, name: &str, exchange: Exchange, text: &str) -> StoreError {
    let code = element(text, "Code").filter(|code| code.len() <= CODE_LIMIT_BYTES);
    let (error_kind, advice) = classify(options, kind, exchange, code);
    let said = match (code, element(text, "Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => text.to_owned(),
    };
    let detail = advice.map_or_else(|| said.clone(), |advice| format!("{advice} ({said})"));
    StoreError::new(error_kind, name, detail)
}

fn classify(
    options: &S3Options,
    kind: RequestKind,
    exchange: Exchange,
    code: Option<&str>,
) -> (StoreErrorKind, Option<String>) {
    use StoreErrorKind as E;
    let no_answer = if changes(kind) { E::Unknown } else { E::Unavailable };
    let place = || options.endpoint.clone().unwrap_or_else(|| format!("region {}", options.region));
    let Some(status) = exchange.status else {
        return match exchange.broken {
            // Nothing was sent.
            Some(HttpErrorKind::Connect) => (E::Unavailable, Some(format!("cannot connect to {}", place()))),
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
            let advice = format!("bucket {} is not in region {}: correct --s3-region", options.bucket, options.region);
            (E::Invalid, Some(advice))
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
    fn broken_connections_are_unknown_once_something_was_sent() {
        let options = S3Options::new("b");
        let of = |kind, broken| {
            let exchange = Exchange { broken: Some(broken), ..Exchange::default() };
            error(&options, kind, "n", exchange, "boom").kind
        };
        assert_eq!(of(RequestKind::Create, HttpErrorKind::Connect), StoreErrorKind::Unavailable);
        for broken in [HttpErrorKind::Timeout, HttpErrorKind::Interrupted, HttpErrorKind::Request] {
            assert_eq!(of(RequestKind::Create, broken), StoreErrorKind::Unknown);
            assert_eq!(of(RequestKind::Delete, broken), StoreErrorKind::Unknown);
            assert_eq!(of(RequestKind::Read, broken), StoreErrorKind::Unavailable);
        }
    }
}
