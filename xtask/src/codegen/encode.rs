//! The function that writes one struct.

use std::fmt::Write;

use anyhow::{Result, bail};

use super::message::uses;
use super::schema::{Base, Field, Message, Struct, Versions};
use super::types;

/// `fn write(&self, e, version) -> Result<(), EncodeError>`.
pub fn function(message: &Message, one: &Struct) -> Result<String> {
    let flex = types::flex(message, one);
    let mut body = String::new();
    for field in one.fields.iter().filter(|field| field.tag.is_none()) {
        body += &statement(message, one, field)?;
    }
    let mut tagged: Vec<&Field> = one.fields.iter().filter(|field| field.tag.is_some()).collect();
    tagged.sort_by_key(|field| field.tag);
    for field in &tagged {
        if let Some(outside) = types::opposite(field.versions, one.versions)
            && !field.ignorable
        {
            writeln!(body, "if {outside} {{ {} }}", must_be_default(one, field)?)?;
        }
    }
    match (flex, tagged.is_empty()) {
        ("false", _) => body += "Ok(())",
        (_, true) => write!(body, "e.unknown_tags({flex}, &self.unknown_tags)")?,
        ("flex", false) => {
            write!(body, "if flex {{ {} }}\nOk(())", tags(message, one, &tagged, "?;")?)?;
        }
        (_, false) => body += &tags(message, one, &tagged, "")?,
    }
    let flex_line = match message.flexible {
        Some(from) if uses(&body, "flex") => format!("let flex = version >= {from};\n"),
        _ => String::new(),
    };
    let body = flex_line + &body;
    let version = if uses(&body, "version") { "version" } else { "_version" };
    let e = if uses(&body, "e") { "e" } else { "_e" };
    Ok(format!("fn write(&self, {e}: &mut Encoder, {version}: i16) -> Result<(), EncodeError> {{ {body} }}\n"))
}

/// The statement that writes a field, or sees to it that nothing is lost where the version lacks it.
fn statement(message: &Message, one: &Struct, field: &Field) -> Result<String> {
    let flex = types::field_flex(message, one, field);
    let name = format!("self.{}", types::ident(&field.name));
    let write = match field.nullable {
        None => plain(field, flex, &borrowed(field, &name))?,
        Some(nullable) => {
            let write = nullable_value(field, flex, &name)?;
            match types::condition(nullable, field.versions) {
                None => write,
                Some(condition) => {
                    let value = format!("non_null(\"{}.{}\", version, {name}.as_ref())?", one.name, field.name);
                    format!("if {condition} {{ {write} }} else {{ {} }}", plain(field, flex, &value)?)
                }
            }
        }
    };
    Ok(match types::condition(field.versions, one.versions) {
        None => write + "\n",
        Some(condition) if field.ignorable => format!("if {condition} {{ {write} }}\n"),
        Some(condition) => {
            let check = must_be_default(one, field)?;
            format!("if {condition} {{ {write} }} else {{ {check} }}\n")
        }
    })
}

fn must_be_default(one: &Struct, field: &Field) -> Result<String> {
    Ok(format!("must_be_default(\"{}.{}\", version, {})?;", one.name, field.name, types::is_default(field)?))
}

/// The field as the writing method takes it: a reference, unless it is a plain number.
fn borrowed(field: &Field, name: &str) -> String {
    match &field.base {
        Base::Bool | Base::Number(_) | Base::Uuid if !field.array => name.to_owned(),
        Base::Struct(_) if !field.array => name.to_owned(),
        _ => format!("&{name}"),
    }
}

fn plain(field: &Field, flex: &str, value: &str) -> Result<String> {
    if field.array {
        return Ok(format!("e.array({flex}, {value}, {})?;", element(field, flex)));
    }
    Ok(match &field.base {
        Base::Bool => format!("e.bool({value});"),
        Base::Number(number) => format!("e.{}({value});", types::number(*number)),
        Base::Uuid => format!("e.uuid({value});"),
        Base::String => format!("e.string({flex}, {value})?;"),
        Base::Bytes => format!("e.bytes({flex}, {value})?;"),
        Base::Records => format!("e.records({flex}, {value})?;"),
        Base::Struct(_) => format!("{value}.write(e, version)?;"),
    })
}

fn nullable_value(field: &Field, flex: &str, name: &str) -> Result<String> {
    if field.array {
        let element = element(field, flex);
        return Ok(format!("e.nullable_array({flex}, {name}.as_deref(), {element})?;"));
    }
    Ok(match &field.base {
        Base::String => format!("e.nullable_string({flex}, {name}.as_ref())?;"),
        Base::Bytes => format!("e.nullable_bytes({flex}, {name}.as_ref())?;"),
        Base::Records => format!("e.nullable_records({flex}, {name}.as_ref())?;"),
        Base::Struct(_) => {
            format!("e.nullable_struct({name}.as_ref(), |e, one| one.write(e, version))?;")
        }
        Base::Bool | Base::Number(_) | Base::Uuid => bail!("{} cannot be null", field.name),
    })
}

/// What writes one element of an array.
fn element(field: &Field, flex: &str) -> String {
    match &field.base {
        Base::Bool => "|e, one| { e.bool(*one); Ok(()) }".to_owned(),
        Base::Number(number) => {
            format!("|e, one| {{ e.{}(*one); Ok(()) }}", types::number(*number))
        }
        Base::Uuid => "|e, one| { e.uuid(*one); Ok(()) }".to_owned(),
        Base::String => format!("|e, one| e.string({flex}, one)"),
        Base::Bytes | Base::Records => format!("|e, one| e.bytes({flex}, one)"),
        Base::Struct(_) => "|e, one| one.write(e, version)".to_owned(),
    }
}

fn tags(message: &Message, one: &Struct, tagged: &[&Field], end: &str) -> Result<String> {
    let mut out = String::from("let mut tags = e.tags(&self.unknown_tags);\n");
    for field in tagged {
        let name = format!("self.{}", types::ident(&field.name));
        let write = match field.nullable {
            None => plain(field, "true", &borrowed(field, &name))?,
            Some(_) => nullable_value(field, "true", &name)?,
        };
        let write = match write.strip_suffix("?;") {
            Some(call) => call.to_owned(),
            None => format!("{{ {write} Ok(()) }}"),
        };
        let flexible =
            Versions { min: one.versions.min.max(message.flexible.unwrap_or(one.versions.min)), ..one.versions };
        let set = set(field)?;
        let condition = match types::condition(field.versions, flexible) {
            None => set,
            Some(condition) => format!("{condition} && {set}"),
        };
        let tag = field.tag.unwrap_or_default();
        writeln!(out, "if {condition} {{ tags.field({tag}, |e| {write})?; }}")?;
    }
    Ok(out + "tags.finish()" + end)
}

/// A condition that holds if the field has another value than its default.
fn set(field: &Field) -> Result<String> {
    let default = types::is_default(field)?;
    Ok(if let Some(not) = default.strip_prefix('!') {
        not.to_owned()
    } else if let Some(name) = default.strip_suffix(".is_none()") {
        format!("{name}.is_some()")
    } else if default.contains(" == ") {
        default.replacen(" == ", " != ", 1)
    } else {
        format!("!{default}")
    })
}
