//! Between the wire's texts and bytes, which share the request's frame, and the coordinator's,
//! which outlive it.

use std::sync::Arc;

use bytes::Bytes;
use highwater_groups::api::Caller;
use highwater_wire::Str;

/// A copy that does not hold on to the frame.
pub fn owned(text: &Str) -> Arc<str> {
    Arc::from(text.as_str())
}

/// The same for a text that may be absent.
pub fn owned_option(text: Option<&Str>) -> Option<Arc<str>> {
    text.map(owned)
}

/// A copy of opaque bytes that does not hold on to the frame.
pub fn owned_bytes(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// A coordinator's text for the wire; copies.
pub fn wire(text: &Arc<str>) -> Str {
    Str::from(&**text)
}

/// The same for a text that may be absent.
pub fn wire_option(text: Option<&Arc<str>>) -> Option<Str> {
    text.map(wire)
}

/// The member of a request.
pub fn caller(group_id: &Str, generation: i32, member_id: &Str, instance_id: Option<&Str>) -> Caller {
    Caller {
        group_id: owned(group_id),
        generation,
        member_id: owned(member_id),
        instance_id: owned_option(instance_id),
    }
}
