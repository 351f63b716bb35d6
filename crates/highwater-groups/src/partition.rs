//! Which partition of `__consumer_offsets` holds a group.

/// Java's `String.hashCode` (over UTF-16 units) in absolute value, modulo `partitions`; the absolute
/// value of the smallest integer is 0, as in Kafka. `partitions` of 0 gives 0.
pub fn partition_for(group_id: &str, partitions: u32) -> u32 {
    let hash = group_id.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = hash.checked_abs().unwrap_or(0).unsigned_abs();
    positive.checked_rem(partitions).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::partition_for;

    /// Computed by Java for 50 partitions.
    #[test]
    fn agrees_with_java() {
        for (group, expected) in [
            ("", 0),
            ("a", 47),
            ("my-group", 12),
            ("grüppe", 12),
            ("polygenelubricants", 0), // its hash code is Integer.MIN_VALUE
            ("consumer-group-42", 17),
            ("𝒳-astral", 14),
            ("日本語グループ", 31),
        ] {
            assert_eq!(partition_for(group, 50), expected, "{group}");
        }
        assert_eq!(partition_for("a", 0), 0);
    }
}
