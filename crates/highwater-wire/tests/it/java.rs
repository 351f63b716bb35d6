//! Our codec beside Kafka's own message classes, both ways: what we write they read whole and write
//! again, and what they write of random values we read whole and write again, byte for byte.
//!
//! `cargo xtask test` runs it; it needs Kafka's jars and the classes of `tests/java`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::Stdio;

use bytes::Bytes;
use highwater_tests::clients;
use highwater_tests::parts::Parts;
use highwater_tests::place::Place;
use highwater_wire::Decoder;

use crate::sample::{self, Choice};
use crate::targets::{self, Target};

const SEEDS: u64 = 20;

/// One question to the Java side and what must come of it.
struct Question {
    what: String,
    target: usize,
    version: i16,
    /// What we wrote, when they read; nothing, when they make it.
    ours: Option<Bytes>,
}

#[test]
#[ignore = "needs Kafka's jars: `cargo xtask test` runs it"]
fn java_classes_agree_both_ways() {
    let targets = targets::all();
    let mut questions = Vec::new();
    for (index, target) in targets.iter().enumerate() {
        let versions = target.message.versions;
        for version in versions.min..=versions.max {
            for seed in 0..SEEDS {
                questions.push(they_read(index, target, version, seed));
                let what = format!("make {} {version} {seed}", target.message.name());
                questions.push(Question { what, target: index, version, ours: None });
            }
        }
    }
    let answers = ask(&questions);
    assert_eq!(answers.len(), questions.len(), "one answer a question");
    for (question, answer) in questions.iter().zip(&answers) {
        let shown = &question.what[..question.what.len().min(200)];
        let theirs = unhex(answer).unwrap_or_else(|| panic!("{shown}: {answer}"));
        let ours = question.ours.clone().unwrap_or_else(|| again(&targets[question.target], question.version, &theirs));
        assert!(ours == theirs, "{shown}: other bytes");
    }
    println!("{} questions about {} messages", questions.len(), targets.len());
}

fn they_read(index: usize, target: &Target, version: i16, seed: u64) -> Question {
    let sampled = Bytes::from(sample::message(&target.message, version, Choice::Random(seed)));
    let ours = again(target, version, &sampled);
    let mut what = format!("read {} {version} ", target.message.name());
    for byte in &ours {
        write!(what, "{byte:02x}").unwrap();
    }
    Question { what, target: index, version, ours: Some(ours) }
}

fn again(target: &Target, version: i16, bytes: &Bytes) -> Bytes {
    let name = target.message.name();
    let mut d = Decoder::new(bytes.clone());
    let again = target.recode(&mut d, version).unwrap_or_else(|error| panic!("{name} {version}: {error}"));
    d.expect_end().unwrap_or_else(|error| panic!("{name} {version}: {error}"));
    again.unwrap_or_else(|error| panic!("{name} {version}: {error}"))
}

fn ask(questions: &[Question]) -> Vec<String> {
    let parts = Parts::from_environment().unwrap();
    let place = Place::new("java-messages").unwrap();
    let lines: String = questions.iter().map(|question| format!("{}\n", question.what)).collect();
    fs::write(place.join("questions"), lines).unwrap();
    let mut java = clients::java(&parts, "highwater.Messages");
    java.stdin(File::open(place.join("questions")).unwrap()).stderr(Stdio::inherit());
    let output = java.output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn unhex(text: &str) -> Option<Bytes> {
    let pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect::<Option<Vec<u8>>>().map(Bytes::from)
}
