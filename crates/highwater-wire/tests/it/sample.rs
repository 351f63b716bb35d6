//! Makes the bytes of messages from the schema, without the code that the generator wrote.
//!
//! The bytes are canonical: a tagged field is there only if it differs from its default, and numbers of
//! variable length are as short as can be. So decoding and encoding must give them back.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::schema::{Base, Field, Message, Number, Struct};

/// Which values to choose.
#[derive(Clone, Copy)]
pub enum Choice {
    /// Anything, from this seed.
    Random(u64),
    /// The shortest of everything, but at this depth of arrays so many elements.
    Dense { depth: usize, elements: usize },
}

/// The bytes of one message.
pub fn message(message: &Message, version: i16, choice: Choice) -> Vec<u8> {
    let seed = match choice {
        Choice::Random(seed) => seed,
        Choice::Dense { .. } => 0,
    };
    let mut sampler = Sampler { message, version, choice, rng: SmallRng::seed_from_u64(seed), depth: 0 };
    let mut out = Vec::new();
    sampler.structure(&message.structs[0], &mut out);
    out
}

struct Sampler<'a> {
    message: &'a Message,
    version: i16,
    choice: Choice,
    rng: SmallRng,
    depth: usize,
}

impl<'a> Sampler<'a> {
    fn flexible(&self) -> bool {
        self.message.is_flexible(self.version)
    }

    fn chance(&mut self, percent: u32) -> bool {
        matches!(self.choice, Choice::Random(_)) && self.rng.random_ratio(percent, 100)
    }

    fn structure(&mut self, one: &'a Struct, out: &mut Vec<u8>) {
        let here = |field: &&Field| field.versions.contains(self.version);
        let fields: Vec<&'a Field> = one.fields.iter().filter(here).collect();
        for field in fields.iter().filter(|field| field.tag.is_none()) {
            self.field(field, out);
        }
        if !self.flexible() {
            return;
        }
        let mut tagged: Vec<_> = fields.iter().filter(|field| field.tag.is_some()).collect();
        tagged.sort_by_key(|field| field.tag);
        let mut written = Vec::new();
        for field in tagged {
            if self.chance(60) {
                let mut value = Vec::new();
                self.field(field, &mut value);
                if value != self.default_of(field) {
                    written.push((field.tag.unwrap(), value));
                }
            }
        }
        for tag in [100, 20_000] {
            if self.chance(10) {
                let length = self.rng.random_range(0..400);
                written.push((tag, self.random_bytes(length)));
            }
        }
        uvarint(written.len(), out);
        for (tag, value) in written {
            uvarint(tag as usize, out);
            uvarint(value.len(), out);
            out.extend(value);
        }
    }

    fn field(&mut self, field: &'a Field, out: &mut Vec<u8>) {
        let flexible = self.flexible() && !field.inflexible;
        let nullable = field.nullable.is_some_and(|versions| versions.contains(self.version));
        let dense_null = !field.array && matches!(self.choice, Choice::Dense { .. });
        if nullable && (dense_null || self.chance(25)) {
            return null(field, flexible, out);
        }
        if field.array {
            let count = self.count();
            length(flexible, count, out);
            self.depth += 1;
            for _ in 0..count {
                self.value(&field.base, flexible, out);
            }
            self.depth -= 1;
            return;
        }
        if nullable && matches!(field.base, Base::Struct(_)) {
            out.push(1);
        }
        self.value(&field.base, flexible, out);
    }

    /// How many elements an array at this depth has.
    fn count(&mut self) -> usize {
        match self.choice {
            Choice::Random(_) => self.rng.random_range(0..4),
            Choice::Dense { depth, .. } if self.depth < depth => 1,
            Choice::Dense { depth, elements } if self.depth == depth => elements,
            Choice::Dense { .. } => 0,
        }
    }

    fn value(&mut self, base: &'a Base, flexible: bool, out: &mut Vec<u8>) {
        let most = if self.chance(10) { 600 } else { 20 };
        match base {
            Base::Bool => out.push(self.chance(50).into()),
            Base::Number(number) => self.number(*number, out),
            Base::Uuid => out.extend(self.random_bytes(16)),
            Base::String => {
                let letters = self.up_to(most);
                let text: String =
                    (0..letters).map(|_| if self.chance(5) { 'ž' } else { self.rng.random_range('a'..='z') }).collect();
                if flexible {
                    uvarint(text.len() + 1, out);
                } else {
                    out.extend((text.len() as i16).to_be_bytes());
                }
                out.extend(text.bytes());
            }
            Base::Bytes | Base::Records => {
                let count = self.up_to(most);
                length(flexible, count, out);
                out.extend(self.random_bytes(count));
            }
            Base::Struct(name) => {
                let message = self.message;
                self.structure(message.find(name).unwrap(), out);
            }
        }
    }

    fn up_to(&mut self, most: usize) -> usize {
        match self.choice {
            Choice::Random(_) => self.rng.random_range(0..most),
            Choice::Dense { .. } => 0,
        }
    }

    fn number(&mut self, number: Number, out: &mut Vec<u8>) {
        if number == Number::Float64 {
            return out.extend(self.rng.random_range(-1e9..1e9_f64).to_be_bytes());
        }
        let width = match number {
            Number::Int8 => 1,
            Number::Int16 | Number::Uint16 => 2,
            Number::Int32 | Number::Uint32 => 4,
            Number::Int64 | Number::Float64 => 8,
        };
        if self.chance(20) {
            let edge = [0x00, 0xff][self.rng.random_range(0..2)];
            out.extend(std::iter::repeat_n(edge, width));
        } else {
            out.extend(self.random_bytes(width));
        }
    }

    fn random_bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.rng.random()).collect()
    }

    /// The bytes of a field that has its default.
    fn default_of(&self, field: &Field) -> Vec<u8> {
        let mut out = Vec::new();
        let given = field.default.as_deref();
        if given == Some("null") {
            null(field, true, &mut out);
            return out;
        }
        if field.array {
            length(true, 0, &mut out);
            return out;
        }
        match &field.base {
            Base::Bool => out.push((given == Some("true")).into()),
            Base::Number(number) => {
                let value: i64 = given.map_or(0, |text| text.parse().unwrap());
                let bytes = value.to_be_bytes();
                out.extend(match number {
                    Number::Int8 => &bytes[7..],
                    Number::Int16 | Number::Uint16 => &bytes[6..],
                    Number::Int32 | Number::Uint32 => &bytes[4..],
                    Number::Int64 | Number::Float64 => &bytes[..],
                });
            }
            Base::Uuid => out.extend([0; 16]),
            Base::String | Base::Bytes | Base::Records => length(true, 0, &mut out),
            Base::Struct(name) => {
                if field.nullable.is_some() {
                    out.push(1);
                }
                for inner in &self.message.find(name).unwrap().fields {
                    if inner.tag.is_none() && inner.versions.contains(self.version) {
                        out.extend(self.default_of(inner));
                    }
                }
                uvarint(0, &mut out);
            }
        }
        out
    }
}

fn null(field: &Field, flexible: bool, out: &mut Vec<u8>) {
    match &field.base {
        Base::Struct(_) if !field.array => out.push(0xff),
        _ if flexible => out.push(0),
        Base::String if !field.array => out.extend([0xff; 2]),
        _ => out.extend([0xff; 4]),
    }
}

fn length(flexible: bool, length: usize, out: &mut Vec<u8>) {
    if flexible {
        uvarint(length + 1, out);
    } else {
        out.extend((length as i32).to_be_bytes());
    }
}

fn uvarint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
