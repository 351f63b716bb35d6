//! A file is a room with one job: its first line says which, and it is not too long.

use super::Source;

/// Past this many lines of production code a file must say why it is one room.
const LONG_LINES: usize = 700;
/// From here on it is asking to be split.
const SHOULD_SPLIT_LINES: usize = 500;
/// What a long file says, with its reason, in a comment.
const LONG_BECAUSE: &str = "// Long because ";
/// No text file of this repository is that large unless it is data.
const LARGE_BYTES: usize = 1 << 20;

pub(super) fn check(source: &Source, found: &mut Vec<String>) {
    if source.text.len() > LARGE_BYTES && !source.is_generated() && !is_data(&source.path) {
        found.push(format!("{}: over 1 MiB; does it belong here?", source.path));
    }
    if !source.is_rust() || source.is_generated() {
        return;
    }
    let first = source.text.lines().next().unwrap_or_default();
    if first.strip_prefix("//!").is_none_or(|job| job.trim().is_empty()) {
        found.push(format!("{}:1: the first line does not say the job of the file", source.path));
    }
    let lines = production_lines(source);
    let explained = source.text.lines().any(|line| line.trim_start().starts_with(LONG_BECAUSE));
    if lines > LONG_LINES && !explained {
        let path = &source.path;
        found.push(format!(
            "{path}: {lines} lines of production code; split it by noun, or say \
             \"{LONG_BECAUSE}...\""
        ));
    } else if lines > SHOULD_SPLIT_LINES && !explained {
        println!("note: {}: {lines} lines of production code ask to be split", source.path);
    }
}

fn is_data(path: &str) -> bool {
    path.contains("/golden/") || path.contains("/schema/") || path.ends_with(".lock")
}

/// Lines before the unit tests, which stand at the end; a file of tests has none.
fn production_lines(source: &Source) -> usize {
    let path = &source.path;
    let in_folder = |name: &str| path.starts_with(&name[1..]) || path.contains(name);
    if ["/tests/", "/benches/", "/fuzz/"].into_iter().any(in_folder) || path.ends_with("tests.rs") {
        return 0;
    }
    let mut lines = source.text.lines();
    let before_tests = lines.by_ref().take_while(|line| *line != "#[cfg(test)]");
    before_tests.filter(|line| !line.trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn the_first_line_says_the_job() {
        let mut found = Vec::new();
        check(&source("a.rs", "//! Its job.\nfn a() {}\n"), &mut found);
        assert!(found.is_empty(), "{found:?}");
        check(&source("a.rs", "use b;\n"), &mut found);
        check(&source("a.rs", "//!\n//! Late.\n"), &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn long_files_give_a_reason_and_tests_do_not_count() {
        let body = "fn f() {}\n".repeat(LONG_LINES + 1);
        let mut found = Vec::new();
        check(&source("a.rs", &format!("//! Job.\n{body}")), &mut found);
        assert_eq!(found.len(), 1);
        check(&source("a.rs", &format!("//! Job.\n// Long because of x.\n{body}")), &mut found);
        check(&source("a.rs", &format!("//! Job.\n#[cfg(test)]\n{body}")), &mut found);
        check(&source("crates/a/tests/it/main.rs", &format!("//! Job.\n{body}")), &mut found);
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
