//! Descriptions on standard output: indented lines for people, JSON lines for programs.

use std::io::Write;
use std::ops::Range;

use highwater_format::describe::{Field, Sink, Value};
use serde_json::{Map, Number, json};

/// Findings that are kept until the end; of more there is only the number.
const DAMAGE_LIMIT: usize = 1_000;

/// What was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Printed {
    /// Findings.
    pub damage: usize,
}

/// Damage, held back until everything else was said.
#[derive(Default)]
struct Damage {
    kept: Vec<(Range<u64>, String)>,
    count: usize,
}

impl Damage {
    fn push(&mut self, bytes: Range<u64>, what: &str) {
        self.count += 1;
        if self.kept.len() < DAMAGE_LIMIT {
            self.kept.push((bytes, what.to_owned()));
        }
    }
}

/// Lines for people: `kind name=value …`, indented by depth.
pub struct Text<W: Write> {
    out: W,
    damage: Damage,
}

impl<W: Write> Text<W> {
    pub fn new(out: W) -> Self {
        Self { out, damage: Damage::default() }
    }

    /// Prints what is damaged. A closed standard output is no reason to stop.
    pub fn end(mut self) -> Printed {
        for (bytes, what) in &self.damage.kept {
            let _ = writeln!(self.out, "damaged: bytes {}..{}: {}", bytes.start, bytes.end, printable(what));
        }
        let more = self.damage.count - self.damage.kept.len();
        if more > 0 {
            let _ = writeln!(self.out, "damaged: and {more} more places");
        }
        let _ = self.out.flush();
        Printed { damage: self.damage.count }
    }
}

impl<W: Write> Sink for Text<W> {
    fn item(&mut self, depth: usize, kind: &'static str, fields: &[Field]) {
        let mut line = format!("{:1$}{kind}", "", depth * 2);
        for (name, value) in fields {
            line.push_str(&format!(" {name}={}", quoted(&value.to_string())));
        }
        line.push('\n');
        let _ = self.out.write_all(line.as_bytes());
    }

    fn damage(&mut self, bytes: Range<u64>, what: &str) {
        self.damage.push(bytes, what);
    }
}

/// One word as it stands, anything else in quotes and escaped, so that bytes of records can neither
/// break a line nor reach a terminal.
fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"';
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("{text:?}") }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// One JSON object a line; the last one says whether all is well.
pub struct Json<W: Write> {
    out: W,
    damage: Damage,
}

impl<W: Write> Json<W> {
    pub fn new(out: W) -> Self {
        Self { out, damage: Damage::default() }
    }

    pub fn end(mut self, name: &str, bytes: usize) -> Printed {
        for (bytes, what) in &self.damage.kept {
            let _ =
                writeln!(self.out, "{}", json!({"kind": "damage", "bytes": [bytes.start, bytes.end], "what": what}));
        }
        let count = self.damage.count;
        let last = json!({"kind": "inspected", "object": name, "size": bytes, "ok": count == 0, "damaged": count});
        let _ = writeln!(self.out, "{last}").and_then(|()| self.out.flush());
        Printed { damage: count }
    }
}

impl<W: Write> Sink for Json<W> {
    fn item(&mut self, depth: usize, kind: &'static str, fields: &[Field]) {
        let mut item = Map::new();
        item.insert("kind".to_owned(), kind.into());
        item.insert("depth".to_owned(), depth.into());
        for (name, value) in fields {
            item.insert((*name).to_owned(), as_json(value));
        }
        let _ = writeln!(self.out, "{}", serde_json::Value::Object(item));
    }

    fn damage(&mut self, bytes: Range<u64>, what: &str) {
        self.damage.push(bytes, what);
    }
}

fn as_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => Number::from_i128(*number).map_or_else(|| number.to_string().into(), Into::into),
        // 64 bits do not fit into the numbers of many readers.
        Value::Id(_) => value.to_string().into(),
        Value::Flag(flag) => (*flag).into(),
        Value::Bytes(bytes) => json!([bytes.start, bytes.end]),
        Value::Offsets(offsets) => json!([offsets.start(), offsets.end()]),
        Value::List(values) => values.iter().map(as_json).collect(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what went wrong by panicking")]

    use super::*;

    fn fields() -> Vec<Field> {
        vec![
            ("offsets", Value::Offsets(3..=9)),
            ("bytes", Value::Bytes(0..64)),
            ("put_id", Value::Id(255)),
            ("value", "a \u{1b}[31m\nb".into()),
            ("empty", "".into()),
            ("codecs", ["gzip", "none"].into_iter().collect()),
            ("largest", u64::MAX.into()),
            ("control", true.into()),
        ]
    }

    #[test]
    fn people_read_one_line_an_item_whatever_the_bytes() {
        let mut out = Vec::new();
        let mut text = Text::new(&mut out);
        text.item(1, "batch", &fields());
        text.damage(5..9, "wrong checksum");
        assert_eq!(text.end(), Printed { damage: 1 });
        let expected = "  batch offsets=3..=9 bytes=0..64 put_id=00000000000000ff value=\"a \\u{1b}[31m\\nb\" empty=\"\" \
                        codecs=\"[gzip, none]\" largest=18446744073709551615 control=true\n\
                        damaged: bytes 5..9: wrong checksum\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn programs_read_json_and_the_number_of_findings() {
        let mut out = Vec::new();
        let mut lines = Json::new(&mut out);
        lines.item(0, "batch", &fields());
        for at in 0..DAMAGE_LIMIT as u64 + 2 {
            lines.damage(at..at + 1, "x");
        }
        assert_eq!(lines.end("a/b", 10), Printed { damage: DAMAGE_LIMIT + 2 });
        let text = String::from_utf8(out).unwrap();
        let parsed: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(parsed.len(), DAMAGE_LIMIT + 2);
        assert_eq!(parsed[0]["largest"], json!(u64::MAX));
        assert_eq!((&parsed[0]["offsets"], &parsed[0]["bytes"]), (&json!([3, 9]), &json!([0, 64])));
        let last = parsed.last().unwrap();
        assert_eq!((&last["ok"], &last["damaged"]), (&json!(false), &json!(DAMAGE_LIMIT + 2)));
    }
}
