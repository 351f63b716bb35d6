//! ApiVersions (KIP-35, KIP-511): exactly what the list of handlers serves.

use highwater_wire::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use highwater_wire::{ApiKey, ErrorCode};

use super::{HANDLERS, Handler, ready};
use crate::call::Call;
use crate::connection::service::Pending;

/// First version with the client's software name, which must look like one (KIP-511).
const FIRST_WITH_SOFTWARE: i16 = 3;

/// Answers with all handlers; INVALID_REQUEST for a software name or version that is not one.
pub async fn handle(call: &Call, request: ApiVersionsRequest) -> ApiVersionsResponse {
    let named = is_name(&request.client_software_name) && is_name(&request.client_software_version);
    if call.version >= FIRST_WITH_SOFTWARE && !named {
        return ApiVersionsResponse { error_code: ErrorCode::InvalidRequest.code(), ..Default::default() };
    }
    tracing::debug!(
        peer = %call.peer.address,
        software = &*request.client_software_name,
        version = &*request.client_software_version,
        "client"
    );
    ApiVersionsResponse { api_keys: HANDLERS.iter().map(versions).collect(), ..Default::default() }
}

/// The answer to a version that we do not know: version 0, UNSUPPORTED_VERSION, and the versions of
/// ApiVersions itself, so that the client can ask again.
pub fn unsupported(call: Call) -> Pending {
    let own = HANDLERS.iter().filter(|handler| handler.key == ApiKey::ApiVersions);
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: own.map(versions).collect(),
        ..Default::default()
    };
    ready(call.reply_at(0, |encoder, version| response.encode(encoder, version)))
}

fn versions(handler: &Handler) -> ApiVersion {
    ApiVersion {
        api_key: handler.key.code(),
        min_version: handler.advertised.min,
        max_version: handler.advertised.max,
        ..Default::default()
    }
}

/// Kafka's pattern `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    outer(bytes.first()) && outer(bytes.last()) && bytes.iter().all(inner)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn software_names_as_kafka() {
        for good in ["a", "apache-kafka-java", "4.3.1", "librdkafka", "a.-b"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-", "a-", ".a", "a b", "ä", "a_b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
