//! The function that reads one struct.

use std::fmt::Write;

use anyhow::Result;

use super::message::uses;
use super::schema::{Base, Field, Message, Struct};
use super::types;

/// `fn read(d, version) -> Result<Self, DecodeError>`.
pub fn function(message: &Message, one: &Struct) -> Result<String> {
    let flex = types::flex(message, one);
    let tagged: Vec<&Field> = one.fields.iter().filter(|field| field.tag.is_some()).collect();
    let mut body = String::new();
    for field in &one.fields {
        let value = match field.tag {
            Some(_) => types::default(field)?,
            None => value(message, one, field)?,
        };
        writeln!(body, "{}: {value},", types::ident(&field.name))?;
    }
    let body = match (flex, tagged.is_empty()) {
        ("false", _) => format!("Ok(Self {{ {body} }})"),
        (_, true) => format!("Ok(Self {{ {body} unknown_tags: d.unknown_tags({flex})?, }})"),
        (_, false) => {
            let tags = tags(message, one, &tagged)?;
            let tags = if flex == "flex" { format!("if flex {{ {tags} }}") } else { tags };
            format!("let mut m = Self {{ {body} unknown_tags: TaggedFields::default(), }};\n{tags}\nOk(m)")
        }
    };
    let flex_line = match message.flexible {
        Some(from) if uses(&body, "flex") => format!("let flex = version >= {from};\n"),
        _ => String::new(),
    };
    let body = flex_line + &body;
    let version = if uses(&body, "version") { "version" } else { "_version" };
    Ok(format!("fn read(d: &mut Decoder, {version}: i16) -> Result<Self, DecodeError> {{ {body} }}\n\n"))
}

/// The expression that reads a field, or gives its default where the version lacks it.
fn value(message: &Message, one: &Struct, field: &Field) -> Result<String> {
    let flex = types::field_flex(message, one, field);
    let read = match field.nullable {
        None => plain(message, field, flex, "")?,
        Some(nullable) => {
            let read = plain(message, field, flex, "nullable_")?;
            match types::condition(nullable, field.versions) {
                None => read,
                Some(condition) => {
                    format!("if {condition} {{ {read} }} else {{ Some({}) }}", plain(message, field, flex, "")?)
                }
            }
        }
    };
    Ok(match types::condition(field.versions, one.versions) {
        None => read,
        Some(condition) => {
            format!("if {condition} {{ {read} }} else {{ {} }}", types::default(field)?)
        }
    })
}

/// The call that reads a value; `null` is empty or the prefix of the methods that take null.
fn plain(message: &Message, field: &Field, flex: &str, null: &str) -> Result<String> {
    if field.array {
        let min = types::element_min(message, field)?;
        return Ok(format!("d.{null}array({flex}, {min}, {})?", element(field, flex)));
    }
    Ok(match &field.base {
        Base::Bool => "d.bool()?".to_owned(),
        Base::Number(number) => format!("d.{}()?", types::number(*number)),
        Base::Uuid => "d.uuid()?".to_owned(),
        Base::String => format!("d.{null}string({flex})?"),
        Base::Bytes => format!("d.{null}bytes({flex})?"),
        Base::Records => format!("d.{null}records({flex})?"),
        Base::Struct(name) if null.is_empty() => format!("{name}::read(d, version)?"),
        Base::Struct(name) => format!("d.nullable_struct(|d| {name}::read(d, version))?"),
    })
}

/// What reads one element of an array.
fn element(field: &Field, flex: &str) -> String {
    match &field.base {
        Base::Bool => "Decoder::bool".to_owned(),
        Base::Number(number) => format!("Decoder::{}", types::number(*number)),
        Base::Uuid => "Decoder::uuid".to_owned(),
        Base::String => format!("|d| d.string({flex})"),
        Base::Bytes | Base::Records => format!("|d| d.bytes({flex})"),
        Base::Struct(name) => format!("|d| {name}::read(d, version)"),
    }
}

fn tags(message: &Message, one: &Struct, tagged: &[&Field]) -> Result<String> {
    let mut arms = String::new();
    for field in tagged {
        let null = if field.nullable.is_some() { "nullable_" } else { "" };
        let read = plain(message, field, "true", null)?;
        // All of these versions are flexible, so only what starts after the first flexible one is asked.
        let mut flexible = one.versions;
        flexible.min = flexible.min.max(message.flexible.unwrap_or(flexible.min));
        let guard = types::condition(field.versions, flexible);
        let guard = guard.map_or(String::new(), |condition| format!("if {condition} "));
        let tag = field.tag.unwrap_or_default();
        writeln!(arms, "{tag} {guard}=> m.{} = {read},", types::ident(&field.name))?;
    }
    Ok(format!("m.unknown_tags = d.tags(|d, tag| {{ match tag {{ {arms} _ => return Ok(false), }} Ok(true) }})?;"))
}
