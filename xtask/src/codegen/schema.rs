//! The schema of Kafka's messages: what one file of `crates/highwater-wire/schema/` says, parsed.
//!
//! A file is a list of lines; two spaces of indentation make a field belong to the one above it.
//!
//! ```text
//! api 22 InitProducerId                       key and name of an API
//! versions 0-5 flexible 2+ [advertised 0+]    what is served; from where on fields are compact and tagged
//! request | response                          one of its two messages; its fields follow
//! message OffsetCommitKey versions 0-0        a message that belongs to no API
//! struct TaskIds                              a struct that several fields of the message above use
//! error 5 LEADER_NOT_AVAILABLE retriable      an error code
//!   name type [versions] [tag N] [= default] [ignorable] [inflexible]
//! ```
//!
//! Types are Kafka's: `bool`, `int8` to `int64`, `uint16`, `uint32`, `float64`, `uuid`, `string`,
//! `bytes`, `records`, the name of a struct, and `[]` before any of them. `?` makes a field nullable, in
//! all of its versions or in those that follow (`string?7+`). Versions are `3-5`, `3+` or `-5`; a field
//! that names none has those of the message, or of the field that it belongs to. Without a default a
//! field's is zero, false or empty (empty, not null). A field that is `ignorable` is dropped where the
//! version has no place for it; any other is an error there, unless it has its default. An `inflexible`
//! field keeps the old encoding in flexible versions.
//!
//! This file uses the standard library alone: the tests of `highwater-wire` include it, to make messages
//! from the same schema without the code that the generator writes.

/// An inclusive range of versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The first.
    pub min: i16,
    /// The last.
    pub max: i16,
}

impl Versions {
    /// Whether `version` is one of these.
    pub fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// A field's type, without what makes it an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// One byte.
    Bool,
    /// A number, by its name in the schema.
    Number(Number),
    /// 16 bytes.
    Uuid,
    /// UTF-8.
    String,
    /// Bytes.
    Bytes,
    /// Record batches.
    Records,
    /// A struct of the same message, by name.
    Struct(String),
}

/// The numbers of the protocol, all big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the protocol's own")]
pub enum Number {
    Int8,
    Int16,
    Uint16,
    Int32,
    Uint32,
    Int64,
    Float64,
}

/// One field of a message or struct.
#[derive(Clone, Debug)]
pub struct Field {
    /// In snake case.
    pub name: String,
    /// Element type of an array.
    pub base: Base,
    /// Whether it is an array of `base`.
    pub array: bool,
    /// The versions that carry it.
    pub versions: Versions,
    /// The versions in which it may be null, within `versions`.
    pub nullable: Option<Versions>,
    /// Its number, if it is a tagged field.
    pub tag: Option<u32>,
    /// Its default, if that is not zero, false or empty.
    pub default: Option<String>,
    /// Whether a value is dropped in silence where `versions` does not reach.
    pub ignorable: bool,
    /// Whether it keeps the old encoding in flexible versions.
    pub inflexible: bool,
}

/// The fields of a message or of a struct inside it.
#[derive(Clone, Debug)]
pub struct Struct {
    /// As Kafka calls it.
    pub name: String,
    /// The versions of the message in which it can occur.
    pub versions: Versions,
    /// In the order of the wire.
    pub fields: Vec<Field>,
}

/// A message and the structs inside it.
#[derive(Clone, Debug)]
pub struct Message {
    /// The message itself is the first; the structs that it uses follow.
    pub structs: Vec<Struct>,
    /// The valid versions.
    pub versions: Versions,
    /// The first flexible version.
    pub flexible: Option<i16>,
}

/// What a file says about an API.
#[derive(Clone, Debug)]
pub struct Api {
    /// Its number.
    pub key: i16,
    /// Its name.
    pub name: String,
    /// The lowest version that ApiVersions names, where that is below the lowest one served.
    pub advertised: Option<i16>,
}

/// One error code.
#[derive(Clone, Debug)]
pub struct ErrorCode {
    /// Its number.
    pub code: i16,
    /// Kafka's name, in capitals.
    pub name: String,
    /// Whether a client may try the same again.
    pub retriable: bool,
}

/// One file of the schema.
#[derive(Clone, Debug)]
pub struct File {
    /// The file's name without its extension; the name of the module.
    pub stem: String,
    /// The API, if it is one.
    pub api: Option<Api>,
    /// Its messages: of an API, the request and the response.
    pub messages: Vec<Message>,
    /// Its error codes.
    pub errors: Vec<ErrorCode>,
}

impl Message {
    /// The struct of this name.
    pub fn find(&self, name: &str) -> Result<&Struct, String> {
        self.structs.iter().find(|one| one.name == name).ok_or_else(|| format!("no struct {name} in {}", self.name()))
    }

    /// The message's name.
    pub fn name(&self) -> &str {
        self.structs.first().map_or("", |one| &one.name)
    }

    /// Whether `version` uses compact lengths and tagged fields.
    pub fn is_flexible(&self, version: i16) -> bool {
        self.flexible.is_some_and(|from| version >= from)
    }
}

/// Parses one file; an error names the line.
pub fn parse(stem: &str, text: &str) -> Result<File, String> {
    let mut file = File { stem: stem.to_owned(), api: None, messages: Vec::new(), errors: Vec::new() };
    let mut served = None;
    let mut lines = Lines::new(text);
    while let Some(line) = lines.next_at(0) {
        take(&mut file, &mut served, &line, &mut lines)
            .map_err(|reason| format!("{stem}.schema:{}: {reason}", lines.number))?;
    }
    match lines.rest.front() {
        Some(line) => Err(format!("{stem}.schema:{}: wrong indentation", line.number)),
        None => Ok(file),
    }
}

/// What `versions …` says: the versions and the first flexible one.
type Served = (Versions, Option<i16>);

fn take(file: &mut File, served: &mut Option<Served>, line: &Line<'_>, lines: &mut Lines<'_>) -> Result<(), String> {
    match line.words.as_slice() {
        ["api", key, name] => {
            file.api = Some(Api { key: number(key)?, name: (*name).to_owned(), advertised: None });
        }
        ["versions", rest @ ..] => {
            let (these, advertised) = versions_line(rest)?;
            *served = Some(these);
            if let Some(api) = &mut file.api {
                api.advertised = advertised;
            }
        }
        [word @ ("request" | "response")] => {
            let api = file.api.as_ref().ok_or("no api line above")?;
            let served = served.ok_or("no versions line above")?;
            let suffix = if *word == "request" { "Request" } else { "Response" };
            let name = format!("{}{suffix}", api.name);
            file.messages.push(message(name, served, lines)?);
        }
        ["message", name, "versions", rest @ ..] => {
            let (served, _) = versions_line(rest)?;
            file.messages.push(message((*name).to_owned(), served, lines)?);
        }
        ["struct", name] => {
            let message = file.messages.last_mut().ok_or("no message above")?;
            fields((*name).to_owned(), message.versions, 2, lines, &mut message.structs)?;
        }
        ["error", code, name, rest @ ..] => file.errors.push(ErrorCode {
            code: number(code)?,
            name: (*name).to_owned(),
            retriable: match rest {
                [] => false,
                ["retriable"] => true,
                _ => return Err("an error takes only `retriable`".to_owned()),
            },
        }),
        _ => return Err(format!("not understood: {}", line.words.join(" "))),
    }
    Ok(())
}

fn message(name: String, served: Served, lines: &mut Lines<'_>) -> Result<Message, String> {
    let (versions, flexible) = served;
    let mut structs = Vec::new();
    fields(name, versions, 2, lines, &mut structs)?;
    Ok(Message { structs, versions, flexible })
}

/// Reads the fields at one depth into a struct, and those below them into structs that follow it.
fn fields(
    name: String,
    versions: Versions,
    depth: usize,
    lines: &mut Lines<'_>,
    structs: &mut Vec<Struct>,
) -> Result<(), String> {
    let place = structs.len();
    structs.push(Struct { name, versions, fields: Vec::new() });
    let mut list = Vec::new();
    while let Some(line) = lines.next_at(depth) {
        let field = field(&line.words, versions)?;
        if lines.rest.front().is_some_and(|next| next.depth > depth) {
            let Base::Struct(inner) = &field.base else {
                return Err(format!("{} is no struct and has fields", field.name));
            };
            fields(inner.clone(), field.versions, depth + 2, lines, structs)?;
        }
        list.push(field);
    }
    if let Some(this) = structs.get_mut(place) {
        this.fields = list;
    }
    Ok(())
}

fn field(words: &[&str], within: Versions) -> Result<Field, String> {
    let [name, kind, rest @ ..] = words else {
        return Err("a field needs a name and a type".to_owned());
    };
    let (kind, null) = match kind.split_once('?') {
        Some((kind, versions)) => (kind, Some(versions)),
        None => (*kind, None),
    };
    let (array, base) = match kind.strip_prefix("[]") {
        Some(element) => (true, base(element)),
        None => (false, base(kind)),
    };
    let mut field = Field {
        name: (*name).to_owned(),
        base,
        array,
        versions: within,
        nullable: None,
        tag: None,
        default: None,
        ignorable: false,
        inflexible: false,
    };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{word} needs a value"));
        match *word {
            "tag" => field.tag = Some(value()?.parse().map_err(|_| "bad tag".to_owned())?),
            "=" => field.default = Some((*value()?).to_owned()),
            "ignorable" => field.ignorable = true,
            "inflexible" => field.inflexible = true,
            versions => field.versions = range(versions, within)?,
        }
    }
    field.nullable = match null {
        None => None,
        Some("") => Some(field.versions),
        Some(versions) => Some(range(versions, field.versions)?),
    };
    Ok(field)
}

fn base(word: &str) -> Base {
    match word {
        "bool" => Base::Bool,
        "int8" => Base::Number(Number::Int8),
        "int16" => Base::Number(Number::Int16),
        "uint16" => Base::Number(Number::Uint16),
        "int32" => Base::Number(Number::Int32),
        "uint32" => Base::Number(Number::Uint32),
        "int64" => Base::Number(Number::Int64),
        "float64" => Base::Number(Number::Float64),
        "uuid" => Base::Uuid,
        "string" => Base::String,
        "bytes" => Base::Bytes,
        "records" => Base::Records,
        name => Base::Struct(name.to_owned()),
    }
}

fn versions_line(words: &[&str]) -> Result<(Served, Option<i16>), String> {
    let all = Versions { min: 0, max: i16::MAX };
    let (served, mut rest) = match words {
        [served, rest @ ..] => (range(served, all)?, rest),
        [] => return Err("which versions?".to_owned()),
    };
    let (mut flexible, mut advertised) = (None, None);
    while let [word, from, more @ ..] = rest {
        match *word {
            "flexible" => flexible = Some(range(from, served)?.min),
            "advertised" => advertised = Some(range(from, all)?.min),
            other => return Err(format!("not understood: {other}")),
        }
        rest = more;
    }
    Ok(((served, flexible), advertised))
}

/// `3-5`, `3+` or `-5`, which must lie within `within`.
fn range(text: &str, within: Versions) -> Result<Versions, String> {
    let versions = if let Some(min) = text.strip_suffix('+') {
        Versions { min: number(min)?, ..within }
    } else {
        let (min, max) = text.split_once('-').ok_or_else(|| format!("not understood: {text}"))?;
        Versions { min: if min.is_empty() { within.min } else { number(min)? }, max: number(max)? }
    };
    let inside = within.min <= versions.min && versions.min <= versions.max && versions.max <= within.max;
    if inside { Ok(versions) } else { Err(format!("versions {text} are empty or lie outside")) }
}

fn number(text: &str) -> Result<i16, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

struct Line<'a> {
    number: usize,
    depth: usize,
    words: Vec<&'a str>,
}

/// The lines that say something, in order.
struct Lines<'a> {
    rest: std::collections::VecDeque<Line<'a>>,
    /// Of the last line taken.
    number: usize,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let said = text.lines().enumerate().filter_map(|(index, line)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let says = words.first().is_some_and(|first| !first.starts_with('#'));
            says.then(|| Line { number: index + 1, depth: line.len() - line.trim_start().len(), words })
        });
        Self { rest: said.collect(), number: 0 }
    }

    /// The next line, if it is at this depth.
    fn next_at(&mut self, depth: usize) -> Option<Line<'a>> {
        let line = self.rest.pop_front_if(|line| line.depth == depth)?;
        self.number = line.number;
        Some(line)
    }
}
