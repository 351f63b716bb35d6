//! Durations as people write them: `100ms`, `5s`, or a number of milliseconds.

use std::time::Duration;

/// Units in milliseconds, smallest first.
const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// `None` if it is not one, or longer than a `u64` of milliseconds.
pub fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor = match unit {
        "" => 1,
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).map(Duration::from_millis)
}

/// In the largest of days, hours, seconds and milliseconds that is exact.
pub fn show(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (name, factor) in [("d", 86_400_000), ("h", 3_600_000), ("s", 1_000)] {
        if milliseconds > 0 && milliseconds.is_multiple_of(factor) {
            return format!("{}{name}", milliseconds / factor);
        }
    }
    format!("{milliseconds}ms")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_shown() {
        for (text, milliseconds, shown) in [
            ("0", 0, "0ms"),
            ("100", 100, "100ms"),
            ("100ms", 100, "100ms"),
            ("5 s", 5_000, "5s"),
            ("2m", 120_000, "120s"),
            ("2min", 120_000, "120s"),
            ("1h", 3_600_000, "1h"),
            ("1d", 86_400_000, "1d"),
            ("1500", 1_500, "1500ms"),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
            assert_eq!(show(Duration::from_millis(milliseconds)), shown);
        }
        for bad in ["", "s", "-1s", "1.5s", "5 seconds", "1s 2ms", "18446744073709551615s"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
