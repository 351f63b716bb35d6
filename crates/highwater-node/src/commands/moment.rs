//! Times as people write them: RFC 3339 in UTC, or how long ago.

/// Milliseconds since 1970 of `2026-11-26T13:00:00Z` (fractions and offsets too), or of `-1h`, `-30m`,
/// `-2d`, `-10s` before `now_ms`.
///
/// # Errors
/// What it takes.
pub fn read(text: &str, now_ms: i64) -> Result<i64, String> {
    let takes = || format!("'{text}' is no time: write 2026-11-26T13:00:00Z, or -1h for an hour ago");
    if let Some(ago) = text.strip_prefix('-') {
        return ago_ms(ago).and_then(|ago| now_ms.checked_sub(ago)).ok_or_else(takes);
    }
    rfc3339(text).ok_or_else(takes)
}

fn ago_ms(text: &str) -> Option<i64> {
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit())?;
    let number: i64 = text[..unit_at].parse().ok()?;
    let unit = match &text[unit_at..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}

fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(zone_at);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let legal = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..24).contains(&hour)
        && (0..60).contains(&minute)
        && (0..=60).contains(&second);
    if !legal || parts.next().is_some() {
        return None;
    }
    let millis: i64 = match fraction {
        "" => 0,
        digits => format!("{digits:0<3}").get(..3)?.parse().ok()?,
    };
    let offset_minutes = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + (minute - offset_minutes) * 60 + second;
    seconds.checked_mul(1_000)?.checked_add(millis)
}

/// Days of the Gregorian calendar (Howard Hinnant's algorithm).
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn times_are_read() {
        let now = 1_000_000_000_000;
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-26T13:00:00Z", 1_795_698_000_000),
            ("2026-11-26T14:00:00.25+01:00", 1_795_698_000_250),
            ("2000-02-29T00:00Z", 951_782_400_000),
            ("-1h", now - 3_600_000),
            ("-250ms", now - 250),
        ] {
            assert_eq!(read(text, now), Ok(expected), "{text}");
        }
        for text in ["", "yesterday", "-1", "-x", "2026-13-01T00:00:00Z", "2026-11-26", "2026-11-26T25:00:00Z"] {
            assert!(read(text, now).is_err(), "{text}");
        }
    }
}
