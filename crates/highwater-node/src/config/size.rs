//! Sizes as people write them: `64MiB`, `1GB`, or a number of bytes.

/// Units by name, largest first; the binary ones also as Kubernetes writes them.
const UNITS: [(&str, u64); 13] = [
    ("TiB", 1 << 40),
    ("Ti", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("Gi", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("Mi", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("Ki", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Bytes of a size; capitals do not matter. `None` if it is not one, or larger than a `u64`.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor = match unit {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The shortest exact way to write it.
pub fn show(bytes: u64) -> String {
    let exact = |(_, factor): &&(&str, u64)| bytes > 0 && *factor > 1 && bytes.is_multiple_of(*factor);
    match UNITS.iter().find(exact) {
        Some((name, factor)) => format!("{}{name}", bytes / factor),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_shown() {
        for (text, bytes, shown) in [
            ("0", 0, "0"),
            ("1", 1, "1"),
            ("64MiB", 64 << 20, "64MiB"),
            ("64 mib", 64 << 20, "64MiB"),
            ("1Gi", 1 << 30, "1GiB"),
            ("1GB", 1_000_000_000, "1GB"),
            ("1024KiB", 1 << 20, "1MiB"),
            ("5B", 5, "5"),
            (" 1000 ", 1_000, "1KB"),
            ("18446744073709551615", u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
            assert_eq!(show(bytes), shown);
            assert_eq!(parse(&show(bytes)), Some(bytes));
        }
        for bad in
            ["", "MiB", "-1", "+1", "1.5MiB", "1M", "1 MiB 2", "1e6", "0x10", "18446744073709551616", "99999999TiB"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
