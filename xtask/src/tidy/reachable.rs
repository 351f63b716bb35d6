//! Dead files: a `.rs` file that no `mod` line leads to is compiled by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;

use super::{Source, relative};
use crate::metadata::Metadata;

pub(super) fn check(sources: &[Source], metadata: &Metadata, found: &mut Vec<String>) -> Result<()> {
    let rust = sources.iter().filter(|source| source.is_rust());
    let rust: BTreeMap<&str, &str> = rust.map(|s| (s.path.as_str(), s.text.as_str())).collect();
    let mut to_visit = roots_outside_the_workspace(sources);
    for package in metadata.members() {
        for target in &package.targets {
            to_visit.push((relative(&target.src_path)?, true));
        }
    }
    let mut reached = BTreeSet::new();
    while let Some((path, is_root)) = to_visit.pop() {
        let Some(text) = rust.get(path.as_str()) else {
            continue;
        };
        if reached.insert(path.clone()) {
            let named = children(&path, text, is_root);
            to_visit.extend(named.into_iter().map(|child| (child, false)));
        }
    }
    for path in rust.keys().filter(|path| !reached.contains(**path)) {
        found.push(format!("{path}: no mod line leads to this file"));
    }
    Ok(())
}

/// A package of its own, such as a fuzzer's, names the roots of its targets in its Cargo.toml.
fn roots_outside_the_workspace(sources: &[Source]) -> Vec<(String, bool)> {
    let mut roots = Vec::new();
    for manifest in sources.iter().filter(|source| source.path.ends_with("/Cargo.toml")) {
        let folder = manifest.path.trim_end_matches("Cargo.toml");
        for line in manifest.text.lines() {
            let path = line.trim().strip_prefix("path = \"").and_then(|rest| rest.split('"').next());
            if let Some(path) = path.filter(|path| path.ends_with(".rs")) {
                roots.push((format!("{folder}{path}"), true));
            }
        }
    }
    roots
}

/// Every file that a `mod name;`, a `#[path]` or an `include!` of this file may mean.
fn children(path: &str, text: &str, is_root: bool) -> Vec<String> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let stem = Path::new(path).file_stem().unwrap_or_default();
    // The children of lib.rs and mod.rs stand beside it, those of name.rs in the folder name/.
    let below = match is_root || stem == "mod" {
        true => folder.to_path_buf(),
        false => folder.join(stem),
    };
    let mut named = Vec::new();
    let mut add = |path: std::path::PathBuf| named.push(path.to_string_lossy().into_owned());
    let mut inline: Vec<(usize, &str)> = Vec::new();
    let mut explicit = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        inline.retain(|(depth, _)| *depth < indent);
        let line = line.trim();
        if let Some(quoted) = quoted_after(line, "#[path = \"") {
            explicit = Some(quoted);
        } else if let Some(quoted) = quoted_after(line, "include!(\"") {
            add(folder.join(quoted));
        } else if let Some((name, opens)) = module(line) {
            let within = inline.iter().fold(below.clone(), |at, (_, name)| at.join(name));
            match (opens, explicit.take()) {
                (true, _) => inline.push((indent, name)),
                (false, Some(quoted)) => add(folder.join(quoted)),
                (false, None) => {
                    add(within.join(format!("{name}.rs")));
                    add(within.join(name).join("mod.rs"));
                }
            }
        }
    }
    named
}

fn quoted_after<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    let at = line.find(start)? + start.len();
    line[at..].split('"').next()
}

/// The name in `mod name;` or `pub(crate) mod name {`, and whether a body opens there.
fn module(line: &str) -> Option<(&str, bool)> {
    let declaration = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(')')?.1.trim_start(),
        Some(rest) => rest.trim_start(),
        None => line,
    };
    let rest = declaration.strip_prefix("mod ")?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
    let (name, rest) = rest.split_at(end);
    match rest.trim_start().chars().next()? {
        ';' => Some((name, false)),
        '{' => Some((name, true)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_a_root_and_of_a_module() {
        let text = "pub mod a;\nmod b {\n    pub(crate) mod c;\n}\n#[path = \"odd.rs\"]\nmod d;\n";
        let of_root = children("crates/x/src/lib.rs", text, true);
        for path in ["a.rs", "a/mod.rs", "b/c.rs", "odd.rs"] {
            assert!(of_root.contains(&format!("crates/x/src/{path}")), "{path} in {of_root:?}");
        }
        let of_module = children("src/m.rs", "mod tests;\n", false);
        assert!(of_module.contains(&"src/m/tests.rs".to_owned()));
    }

    #[test]
    fn only_declarations_count() {
        assert_eq!(module("pub(in crate::a) mod b;"), Some(("b", false)));
        assert_eq!(module("mod b {"), Some(("b", true)));
        assert_eq!(module("// mod b;"), None);
        assert_eq!(module("model;"), None);
    }
}
