//! Any object or file of ours in words: what it is, is told from its bytes and never from its name.
//!
//! Each format is described by the crate that owns it; here one is chosen. `manifest`: the one that
//! is ours.

mod manifest;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use highwater_format::describe::{Look, Sink, entry, segment, wal};
use highwater_format::entry::EntryKind;

/// Describes `object` from its first byte to its last. `false`, and nothing said: it is none of ours.
pub fn describe(object: &Bytes, look: &Look, sink: &mut dyn Sink) -> bool {
    if entry::is_entry(object) {
        journal_entry(object, look, sink);
    } else if wal::is_wal(object) {
        wal::describe(object, look, sink);
    } else {
        return payload(object, 0, look, sink);
    }
    true
}

/// An object of a journal: its header, then what it carries.
fn journal_entry(object: &Bytes, look: &Look, sink: &mut dyn Sink) {
    let Some(found) = entry::describe(object, sink) else { return };
    if found.kind == Some(EntryKind::Fence) && found.bytes.is_empty() {
        return;
    }
    if !payload(&found.bytes, found.at, look, sink) {
        let end = found.at + found.bytes.len() as u64;
        sink.damage(found.at..end, "the payload is no segment, no manifest and no metadata that this release knows");
    }
}

/// What a journal's object carries, which may lie in a file by itself, too.
fn payload(bytes: &Bytes, at: u64, look: &Look, sink: &mut dyn Sink) -> bool {
    if manifest::is_manifest(bytes) {
        manifest::describe(bytes, at, look, sink);
    } else if segment::is_segment(bytes) || segment::begins_as_segment(bytes) {
        segment::describe(bytes, at, look, sink);
    } else {
        return highwater_lease::describe::describe(bytes, at, sink)
            || highwater_meta::describe::describe(bytes, at, look, sink);
    }
    true
}
