//! What somebody may have meant who wrote a name that does not exist.

/// From here on two names are alike (Jaro-Winkler, 1 for equal ones).
const ALIKE: f64 = 0.8;

/// The name most like `got`, if one is like it.
pub fn nearest<'a>(got: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &'a str| (strsim::jaro_winkler(got, name), name);
    let best = known.map(likeness).max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, name)| name)
}

/// `; did you mean 'NAME'?`, or nothing.
pub fn hint<'a>(got: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(got, known).map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_alike() {
        let known = ["wal.max.bytes", "flush.bytes", "listen"];
        assert_eq!(nearest("wal.max.byte", known.into_iter()), Some("wal.max.bytes"));
        assert_eq!(nearest("lisen", known.into_iter()), Some("listen"));
        assert_eq!(nearest("zebra", known.into_iter()), None);
        assert_eq!(hint("flush_bytes", known.into_iter()), "; did you mean 'flush.bytes'?");
        assert_eq!(hint("quux", known.into_iter()), "");
    }
}
