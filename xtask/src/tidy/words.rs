//! Words that mark an unfinished place, and paths of one machine.

use super::Source;

/// Lower case; a capital in the text does not save it. Written in two halves, so that this file
/// passes its own check.
const UNFINISHED: &[&[&str]] = &[
    &["to", "do!("],
    &["unimpl", "emented!("],
    &["db", "g!("],
    &["for ", "now"],
    &["in a real ", "implementation"],
    &["in a real ", "system"],
    &["place", "holder"],
    &["fix", "me"],
    &["xx", "x:"],
    &["to", "do:"],
    &["hack", ":"],
];

/// The first folders of paths that exist on one machine only.
const MACHINE_FOLDERS: &[&str] = &["work", "root", "home", "Users", "farm"];

/// Where such words are text, not a sign: the text of a licence, the data of a lock file.
const EXEMPT: &[&str] = &["LICENSE", "Cargo.lock", "package-lock.json", "go.sum"];

pub(super) fn check(source: &Source, found: &mut Vec<String>) {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    if EXEMPT.contains(&name) || source.is_generated() {
        return;
    }
    let banned: Vec<String> = UNFINISHED.iter().map(|halves| halves.concat()).collect();
    for (number, line) in (1..).zip(source.text.lines()) {
        let lower = line.to_lowercase();
        for word in banned.iter().filter(|word| has_word(&lower, word)) {
            found.push(format!("{}:{number}: {word:?} marks an unfinished place", source.path));
        }
        if let Some(folder) = machine_path(line) {
            found.push(format!("{}:{number}: a path of one machine, {folder}", source.path));
        }
    }
}

/// Whether `word` stands in `line` with no letter or digit before or after it.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let open = word.ends_with(['(', ':']);
        !before.is_some_and(char::is_alphanumeric) && (open || !after.is_some_and(char::is_alphanumeric))
    })
}

/// A folder of [`MACHINE_FOLDERS`] where it begins a path.
fn machine_path(line: &str) -> Option<String> {
    MACHINE_FOLDERS.iter().find_map(|folder| {
        let path = format!("/{folder}/");
        line.match_indices(&path).find_map(|(at, _)| {
            let before = line[..at].chars().next_back();
            let inside = before.is_some_and(|c| c.is_alphanumeric() || "_.-}*~".contains(c));
            (!inside).then(|| path.clone())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_whole_words() {
        assert!(has_word("it is here now.", "here now"));
        assert!(!has_word("there now", "here now"));
        assert!(!has_word("here nowadays", "here now"));
        assert!(has_word("x = call!(y)", "call!("));
    }

    #[test]
    fn machine_paths_begin_a_path() {
        let path = ["/ho", "me/somebody/x"].concat();
        assert!(machine_path(&format!("see {path}")).is_some());
        assert!(machine_path(&path).is_some());
        assert!(machine_path(&format!("docs{path}")).is_none());
        assert!(machine_path("a/b/c and s3://bucket/prefix").is_none());
    }
}
