//! Which topic names are legal, which collide, which are Kafka's own.
//!
//! The rules and their words are Apache Kafka 4.3's (`Topic.validate`, `Topic.hasCollision`).

use std::borrow::Cow;

/// Longest topic name, bytes.
pub const MAX_NAME_LEN: usize = 249;

/// Topics that brokers keep for themselves.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__share_group_state", "__transaction_state"];

/// Whether this is one of Kafka's internal topics, which Metadata marks.
pub fn is_internal(name: &str) -> bool {
    INTERNAL.contains(&name)
}

/// `Err` says, in Kafka's words, why the name is not legal.
pub fn check(name: &str) -> Result<(), String> {
    let why = if name.is_empty() {
        "the empty string is not allowed".to_owned()
    } else if name == "." || name == ".." {
        format!("'{name}' is not allowed")
    } else if name.len() > MAX_NAME_LEN {
        // The name may be as large as a frame: show its beginning only.
        let shown: String = name.chars().take(MAX_NAME_LEN).collect();
        format!("the length of '{shown}...' is longer than the max allowed length {MAX_NAME_LEN}")
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
    } else {
        return Ok(());
    };
    Err(format!("Topic name is invalid: {why}"))
}

/// What names have in common that collide: Kafka's metric names turn '.' into '_', so that two
/// topics that differ only there may not both exist.
pub fn collision_key(name: &str) -> Cow<'_, str> {
    if name.contains('.') { Cow::Owned(name.replace('.', "_")) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_and_illegal_names_as_kafka() {
        for good in ["a", "a.b_c-D9", "...", "__consumer_offsets", &"a".repeat(249)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let cases = [
            ("", "Topic name is invalid: the empty string is not allowed"),
            (".", "Topic name is invalid: '.' is not allowed"),
            ("..", "Topic name is invalid: '..' is not allowed"),
            (
                "a b",
                "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
            ),
        ];
        for (name, why) in cases {
            assert_eq!(check(name), Err(why.to_owned()));
        }
        assert!(check(&"a".repeat(250)).is_err_and(|e| e.contains("longer than the max allowed length 249")));
        assert!(check("ä").is_err());
    }

    #[test]
    fn dots_and_underscores_collide() {
        assert_eq!(collision_key("a.b_c"), collision_key("a_b.c"));
        assert_ne!(collision_key("a-b"), collision_key("a_b"));
    }

    #[test]
    fn internal_topics() {
        assert!(is_internal("__consumer_offsets"));
        assert!(!is_internal("__consumer_offset"));
    }
}
