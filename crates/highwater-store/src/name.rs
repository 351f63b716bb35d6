//! Which names objects may have: those that mean the same in every bucket and on every file system.

use crate::error::{StoreError, StoreErrorKind};

/// Longest name, bytes (S3 takes 1,024 with the store's own prefix).
pub const NAME_LIMIT_BYTES: usize = 700;
/// Longest component of a name, bytes (file systems take 255).
pub const COMPONENT_LIMIT_BYTES: usize = 200;

/// A name is components joined by `/`, each of 1 to [`COMPONENT_LIMIT_BYTES`] bytes out of
/// `A-Z a-z 0-9 . _ = -`, not beginning with a dot (so there is no `..`, and dot names are left to
/// the store itself); at most [`NAME_LIMIT_BYTES`] in all. No name may be a directory of another
/// (`a` and `a/b`): a local directory cannot hold both.
///
/// # Errors
/// `Invalid`, with the reason.
pub fn check_name(name: &str) -> Result<(), StoreError> {
    let refuse = |reason| Err(StoreError::new(StoreErrorKind::Invalid, name, format!("not an object name: {reason}")));
    if name.len() > NAME_LIMIT_BYTES {
        return refuse("too long");
    }
    for component in name.split('/') {
        if !is_component(component) {
            return refuse("each component takes 1 to 200 of A-Z a-z 0-9 . _ = - and begins with no dot");
        }
    }
    Ok(())
}

/// A prefix is empty or the beginning of some name.
///
/// # Errors
/// `Invalid`, with the reason.
pub fn check_prefix(prefix: &str) -> Result<(), StoreError> {
    if prefix.is_empty() {
        return Ok(());
    }
    // Whatever begins a name becomes a name by one more letter.
    check_name(&format!("{prefix}x")).map_err(|error| StoreError::new(error.kind, prefix, error.detail))
}

/// Whether a file of this name can be an object's (or an object's directory).
pub(crate) fn is_component(component: &str) -> bool {
    (1..=COMPONENT_LIMIT_BYTES).contains(&component.len())
        && !component.starts_with('.')
        && component.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'=' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        for good in ["a", "a/b", "shards/3/wal/00000000000000000001", "x=1/y.z_-"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let long = "a".repeat(COMPONENT_LIMIT_BYTES + 1);
        let many = "ab/".repeat(NAME_LIMIT_BYTES);
        for bad in ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".tmp/x", "a\\b", "a\0", "ä", "a b", &long, &many] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["", "a", "a/", "a/b.", "shards/3/wal/000"] {
            assert!(check_prefix(good).is_ok(), "{good}");
        }
        for bad in ["/", "a//", "../", ".", "a/."] {
            assert!(check_prefix(bad).is_err(), "{bad:?}");
        }
    }
}
