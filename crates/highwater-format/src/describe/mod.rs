//! What an object or file of ours holds, item by item, for people who look at one.
//!
//! A description is a stream: it goes to a [`Sink`] as it is made, so that a large object needs no
//! memory beside its bytes. It takes nothing on trust and stops at nothing: what does not check is
//! told as damage, with the bytes that it affects, and everything else is described all the same.
//!
//! - [`entry`]: the header of a journal's object. - [`segment`]: extents, batches, records.
//! - [`wal`]: a file of the write-ahead log. - `batch`: batches and records of both.
//!
//! Who calls it has the bytes in memory, so that their number bounds all of it: each byte is looked
//! at a fixed number of times.

mod batch;
pub mod entry;
pub mod segment;
pub mod wal;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Range, RangeInclusive};

use highwater_types::{TopicId, TopicPartition};

/// A value of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Words.
    Text(String),
    /// A number; 64-bit offsets, epochs, counts and times fit.
    Number(i128),
    /// An id that is only ever compared.
    Id(u64),
    /// Yes or no.
    Flag(bool),
    /// Bytes of the object, the end not included.
    Bytes(Range<u64>),
    /// Offsets of a partition, the last included.
    Offsets(RangeInclusive<i64>),
    /// Several values.
    List(Vec<Value>),
}

/// A value under its name; an item has each name once.
pub type Field = (&'static str, Value);

/// Who takes a description.
pub trait Sink {
    /// The next item: how deep it lies in the one before it that is less deep, what it is, and what
    /// is said of it.
    fn item(&mut self, depth: usize, kind: &'static str, fields: &[Field]);
    /// These bytes of the object are not as they should be.
    fn damage(&mut self, bytes: Range<u64>, what: &str);
}

/// How closely to look, and what is known beside the bytes.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Describe each batch.
    pub batches: bool,
    /// Describe each record, too; implies `batches`.
    pub records: bool,
    /// Names of topics.
    pub names: BTreeMap<TopicId, String>,
}

impl Look {
    /// Topic, name where it is known, and partition.
    pub fn partition(&self, tp: TopicPartition) -> Vec<Field> {
        let mut fields = self.topic(tp.topic);
        fields.push(("partition", tp.partition.into()));
        fields
    }

    /// Topic, and its name where it is known.
    pub fn topic(&self, topic: TopicId) -> Vec<Field> {
        let mut fields = vec![("topic", topic.to_string().into())];
        if let Some(name) = self.names.get(&topic) {
            fields.push(("name", name.as_str().into()));
        }
        fields
    }
}

/// A description that is kept: for what is small, and for tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Depth, kind and fields of each item, in order.
    pub items: Vec<(usize, &'static str, Vec<Field>)>,
    /// Bytes that are not as they should be, and what is wrong with them.
    pub damage: Vec<(Range<u64>, String)>,
}

impl Said {
    /// Whether an item of this kind has a field of this text.
    pub fn has(&self, kind: &str, field: &str, text: &str) -> bool {
        let fields = self.items.iter().filter(|(_, of, _)| *of == kind).flat_map(|(.., fields)| fields);
        fields.into_iter().any(|(name, value)| *name == field && value.to_string() == text)
    }
}

impl Sink for Said {
    fn item(&mut self, depth: usize, kind: &'static str, fields: &[Field]) {
        self.items.push((depth, kind, fields.to_vec()));
    }

    fn damage(&mut self, bytes: Range<u64>, what: &str) {
        self.damage.push((bytes, what.to_owned()));
    }
}

/// As people read it: ranges as Rust writes them, ids in hexadecimal.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Id(id) => write!(f, "{id:016x}"),
            Self::Flag(flag) => flag.fmt(f),
            Self::Bytes(bytes) => write!(f, "{}..{}", bytes.start, bytes.end),
            Self::Offsets(offsets) => write!(f, "{}..={}", offsets.start(), offsets.end()),
            Self::List(values) => {
                let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", texts.join(", "))
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Number(i128::try_from(count).unwrap_or(i128::MAX))
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Number(number.into())
            }
        }
    )*};
}

numbers!(i16, i32, i64, u8, u16, u32, u64);

impl From<Range<u64>> for Value {
    fn from(bytes: Range<u64>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<RangeInclusive<i64>> for Value {
    fn from(offsets: RangeInclusive<i64>) -> Self {
        Self::Offsets(offsets)
    }
}

impl<T: Into<Self>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}
