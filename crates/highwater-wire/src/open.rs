//! The start of a request frame: which API, which version, whose.

use crate::Decoder;
use crate::error::{DecodeError, DecodeErrorKind};
use crate::messages::ApiKey;
use crate::messages::header::RequestHeader;

/// Decodes the header of a request, whose own version follows from the API key and version at its start.
///
/// The body follows in the decoder. Its version is not checked here: [`crate::Request::decode`] refuses one
/// that is not served, and the caller first looks whether it is ApiVersions, which is answered at version 0
/// with UNSUPPORTED_VERSION then (KIP-511). Every error closes the connection, an API key that no broker
/// serves included.
pub fn decode_request_header(d: &mut Decoder) -> Result<(ApiKey, RequestHeader), DecodeError> {
    let (key, version) = d.peek_key_and_version()?;
    let key = ApiKey::from_code(key).ok_or_else(|| d.error(DecodeErrorKind::UnknownApi(key)))?;
    let header = RequestHeader::decode(d, key.request_header_version(version))?;
    Ok((key, header))
}
