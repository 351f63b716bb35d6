//! One setting's definition: all that the file, the variables, the flags, the reference and
//! `config show` know of it.

use super::kind::Kind;

/// What every variable of ours begins with.
pub const VARIABLE_PREFIX: &str = "HIGHWATER_";

/// A setting whose values are read as `T`.
pub struct Key<T: 'static> {
    /// What is known of it.
    pub facts: Facts,
    /// From text to value. An `Err` says what is wrong with the text beyond what its kind says of
    /// itself; it may be empty.
    pub read: fn(&Kind, &str) -> Result<T, String>,
}

/// What is known of a setting, whatever its type.
#[derive(Debug)]
pub struct Facts {
    /// Its name in the file: words with dots between them.
    pub name: &'static str,
    /// Sentences for people.
    pub doc: &'static str,
    /// How its values are written.
    pub kind: Kind,
    /// Whether it has one value or several.
    pub shape: Shape,
    /// What holds where nobody says anything.
    pub fallback: Fallback,
    /// Its relation to a broker setting of Kafka.
    pub kafka: Kafka,
    /// Its flag where that is not made from the name.
    pub flag: Option<&'static str>,
    /// Variables that other programs read for the same thing, strongest first; weaker than the file.
    pub also: &'static [&'static str],
}

/// How often a setting may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Once.
    One,
    /// Several times, each perhaps with a name: `NAME=VALUE`, a list or a table in the file, commas in
    /// a variable.
    Many,
    /// A table of names and values, merged name by name.
    Table,
}

/// What holds where nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This value, as one would write it.
    Value(&'static str),
    /// No value, which means this.
    Unset(&'static str),
}

/// What is to be done with a setting of Kafka's that means the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kafka {
    /// Kafka has none.
    Unknown,
    /// Kafka's name for it, which is taken for it.
    Same(&'static str),
    /// Kafka's name for it; its values are written in another way, so it is refused.
    Instead(&'static str),
}

impl Facts {
    /// Its flag, with dashes.
    pub fn flag(&self) -> String {
        format!("--{}", self.long())
    }

    /// Its flag without the dashes in front.
    pub fn long(&self) -> String {
        self.flag.map_or_else(|| self.name.replace('.', "-"), str::to_owned)
    }

    /// Its variable; for a table, the prefix of its variables.
    pub fn variable(&self) -> String {
        let name = format!("{VARIABLE_PREFIX}{}", self.name.replace('.', "_").to_ascii_uppercase());
        if self.shape == Shape::Table { name + "_" } else { name }
    }

    /// The sentences, without the spaces that a doc comment begins with.
    pub fn doc(&self) -> &'static str {
        self.doc.trim()
    }
}
