//! How the schema's types, defaults and versions look in Rust, and how small they can be on the wire.

use anyhow::{Context, Result, anyhow, ensure};

use super::schema::{Base, Field, Message, Number, Struct, Versions};

/// Words of Rust that are names of fields in the schema.
const KEYWORDS: &[&str] = &["match", "type", "ref", "move", "in"];

/// The field's name in Rust.
pub fn ident(name: &str) -> String {
    if KEYWORDS.contains(&name) { format!("r#{name}") } else { name.to_owned() }
}

/// The Rust name of a number, which is also that of its methods in `Decoder` and `Encoder`.
pub fn number(number: Number) -> &'static str {
    match number {
        Number::Int8 => "i8",
        Number::Int16 => "i16",
        Number::Uint16 => "u16",
        Number::Int32 => "i32",
        Number::Uint32 => "u32",
        Number::Int64 => "i64",
        Number::Float64 => "f64",
    }
}

fn base(base: &Base) -> &str {
    match base {
        Base::Bool => "bool",
        Base::Number(kind) => number(*kind),
        Base::Uuid => "Uuid",
        Base::String => "Str",
        Base::Bytes => "Bytes",
        Base::Records => "Records",
        Base::Struct(name) => name,
    }
}

/// The field's type in Rust.
pub fn rust_type(field: &Field) -> String {
    let mut text = base(&field.base).to_owned();
    if field.array {
        text = format!("Vec<{text}>");
    }
    if field.nullable.is_some() {
        text = format!("Option<{text}>");
    }
    text
}

/// The field's default as an expression.
pub fn default(field: &Field) -> Result<String> {
    if field.default.as_deref() == Some("null") {
        ensure!(field.nullable.is_some(), "{} is never null", field.name);
        return Ok("None".to_owned());
    }
    let given = field.default.as_deref();
    let value = match (&field.base, field.array) {
        (_, true) => "Vec::new()".to_owned(),
        (Base::Bool, _) => given.unwrap_or("false").to_owned(),
        (Base::Number(Number::Float64), _) => given.unwrap_or("0.0").to_owned(),
        (Base::Number(_), _) => given.unwrap_or("0").to_owned(),
        (Base::Uuid, _) => "Uuid::ZERO".to_owned(),
        (Base::String, _) => "Str::EMPTY".to_owned(),
        (Base::Bytes, _) => "Bytes::new()".to_owned(),
        (Base::Records, _) => "Records::default()".to_owned(),
        (Base::Struct(name), _) => format!("{name}::default()"),
    };
    Ok(if field.nullable.is_some() { format!("Some({value})") } else { value })
}

/// Whether the default is what Rust's `Default` of the type gives.
pub fn default_is_natural(field: &Field) -> bool {
    match field.nullable {
        Some(_) => field.default.as_deref() == Some("null"),
        None => field.default.is_none(),
    }
}

/// A condition that holds if the field has its default.
pub fn is_default(field: &Field) -> Result<String> {
    let name = format!("self.{}", ident(&field.name));
    let is_empty = field.array || matches!(field.base, Base::String | Base::Bytes | Base::Records);
    Ok(match (field.nullable.is_some(), field.default.as_deref()) {
        (true, Some("null")) => format!("{name}.is_none()"),
        (true, _) if is_empty => format!("{name}.as_ref().is_some_and(|value| value.is_empty())"),
        (false, None) if is_empty => format!("{name}.is_empty()"),
        (false, None) if field.base == Base::Bool => format!("!{name}"),
        (false, Some("true")) => name,
        _ => format!("{name} == {}", default(field)?),
    })
}

/// A condition on `version` that tells the versions `inner` from the others of `outer`; none if all of
/// them are meant.
pub fn condition(inner: Versions, outer: Versions) -> Option<String> {
    match (inner.min > outer.min, inner.max < outer.max) {
        (false, false) => None,
        (true, false) => Some(format!("version >= {}", inner.min)),
        (false, true) => Some(format!("version <= {}", inner.max)),
        (true, true) if inner.min == inner.max => Some(format!("version == {}", inner.min)),
        (true, true) => Some(format!("({}..={}).contains(&version)", inner.min, inner.max)),
    }
}

/// The opposite of [`condition`].
pub fn opposite(inner: Versions, outer: Versions) -> Option<String> {
    match (inner.min > outer.min, inner.max < outer.max) {
        (false, false) => None,
        (true, false) => Some(format!("version < {}", inner.min)),
        (false, true) => Some(format!("version > {}", inner.max)),
        (true, true) if inner.min == inner.max => Some(format!("version != {}", inner.min)),
        (true, true) => Some(format!("!({}..={}).contains(&version)", inner.min, inner.max)),
    }
}

/// Whether the struct is flexible, as an expression: a constant, or the variable `flex`.
pub fn flex(message: &Message, within: &Struct) -> &'static str {
    let (min, max) = (within.versions.min, within.versions.max);
    match (message.is_flexible(min), message.is_flexible(max)) {
        (true, _) => "true",
        (false, true) => "flex",
        (false, false) => "false",
    }
}

/// The same for one field of it.
pub fn field_flex(message: &Message, within: &Struct, field: &Field) -> &'static str {
    if field.inflexible {
        "false"
    } else if message.is_flexible(field.versions.min) {
        "true"
    } else {
        flex(message, within)
    }
}

/// The fewest bytes that an element of this array takes in any version that has it.
pub fn element_min(message: &Message, field: &Field) -> Result<usize> {
    let sizes = (field.versions.min..=field.versions.max).map(|version| base_min(message, &field.base, version));
    let smallest = sizes.collect::<Result<Vec<_>>>()?.into_iter().min().context("no versions")?;
    ensure!(smallest > 0, "an element of {} may be empty", field.name);
    Ok(smallest)
}

fn base_min(message: &Message, base: &Base, version: i16) -> Result<usize> {
    let flexible = message.is_flexible(version);
    Ok(match base {
        Base::Bool | Base::Number(Number::Int8) => 1,
        Base::Number(Number::Int16 | Number::Uint16) => 2,
        Base::Number(Number::Int32 | Number::Uint32) => 4,
        Base::Number(Number::Int64 | Number::Float64) => 8,
        Base::Uuid => 16,
        Base::String => {
            if flexible {
                1
            } else {
                2
            }
        }
        Base::Bytes | Base::Records => {
            if flexible {
                1
            } else {
                4
            }
        }
        Base::Struct(name) => {
            let inner = message.find(name).map_err(|reason| anyhow!(reason))?;
            let mut sum = usize::from(flexible);
            for field in &inner.fields {
                if field.tag.is_none() && field.versions.contains(version) {
                    sum += field_min(message, field, version)?;
                }
            }
            sum
        }
    })
}

fn field_min(message: &Message, field: &Field, version: i16) -> Result<usize> {
    if field.array {
        return Ok(if message.is_flexible(version) { 1 } else { 4 });
    }
    match (&field.base, field.nullable) {
        (Base::Struct(_), Some(_)) => Ok(1),
        _ => base_min(message, &field.base, version),
    }
}
