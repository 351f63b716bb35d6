//! Bytes that no client should send, and requests that must be refused: Kafka's own answer to each,
//! and a broker that goes on serving everybody else.

use anyhow::{Context, Result, ensure};
use highwater_tests::raw::{
    API_VERSIONS, Connection, Cursor, PRODUCE, answers, batch, frame, produce_v3, produce_v3_error, put_string, request,
};

use crate::stage::{self, Stage};

const FETCH: i16 = 1;
const METADATA: i16 = 3;
const CREATE_TOPICS: i16 = 19;

const NONE: i16 = 0;
const OFFSET_OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
const MESSAGE_TOO_LARGE: i16 = 10;
const INVALID_TOPIC_EXCEPTION: i16 = 17;
const UNSUPPORTED_VERSION: i16 = 35;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const INVALID_PARTITIONS: i16 = 37;

const TOPIC: &str = "bad-input";
/// Kafka's default for a batch, with room to spare.
const TOO_LARGE_BYTES: usize = 1_300_000;

#[test]
fn bad_frames_close_their_own_connection_only() -> Result<()> {
    stage::on_directory("bad-frames", |stage| {
        let address = stage.broker.address();
        let mut bystander = Connection::open(&address)?;
        for (what, bytes) in bad_frames() {
            let mut connection = Connection::open(&address)?;
            connection.send(&bytes).with_context(|| what)?;
            connection.finish_sending()?;
            connection.expect_hang_up().with_context(|| what)?;
            ensure!(answers(&address), "no answer after {what}");
            bystander.request(API_VERSIONS, 0, 1, &[])?;
            bystander.answer().with_context(|| format!("another connection, after {what}"))?;
        }
        Ok(())
    })
}

#[test]
fn bad_frames_are_refused_without_waiting_for_more() -> Result<()> {
    stage::on_directory("refused-frames", |stage| {
        let complete = bad_frames().into_iter().filter(|(what, _)| !what.contains("truncated"));
        for (what, bytes) in complete {
            let mut connection = Connection::open(&stage.broker.address())?;
            connection.send(&bytes)?;
            // The sending side stays open: only the broker can end this.
            connection.expect_hang_up().with_context(|| what)?;
        }
        Ok(())
    })
}

fn bad_frames() -> Vec<(&'static str, Vec<u8>)> {
    let mut endless_metadata = i32::MAX.to_be_bytes().to_vec();
    put_string(&mut endless_metadata, "t");
    let noise: Vec<u8> = (0..200_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let truncated = [&100_i32.to_be_bytes()[..], &[0, 18, 0, 0]].concat();
    vec![
        ("a truncated frame", truncated),
        ("a truncated length", vec![0, 0]),
        ("a negative length", (-5_i32).to_be_bytes().to_vec()),
        ("the least length", i32::MIN.to_be_bytes().to_vec()),
        ("a huge length", i32::MAX.to_be_bytes().to_vec()),
        ("an empty frame", frame(&[])),
        ("a frame shorter than its header", frame(&[0, 18, 0])),
        ("an unknown API", frame(&request(9_999, 0, 1, &[]))),
        ("a negative API", frame(&request(-7, 0, 1, &[]))),
        ("an unknown version", frame(&request(METADATA, 99, 1, &[0, 0, 0]))),
        ("a negative version", frame(&request(METADATA, -3, 1, &[]))),
        ("an array longer than its frame", frame(&request(METADATA, 1, 1, &endless_metadata))),
        ("a body that ends too soon", frame(&request(PRODUCE, 3, 1, &[0xff, 0xff, 0xff]))),
        ("noise in a frame", frame(&noise)),
        ("another protocol", b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n".to_vec()),
    ]
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_at_version_0() -> Result<()> {
    stage::on_directory("api-versions", |stage| {
        let mut connection = Connection::open(&stage.broker.address())?;
        // A flexible header ends in its tagged fields; what follows is of a version yet to come.
        connection.request(API_VERSIONS, 120, 3, &[0, 1, 2, 3])?;
        let (correlation, body) = connection.answer()?;
        let mut cursor = Cursor::new(&body);
        ensure!(correlation == 3, "the answer to another request");
        ensure!(cursor.i16()? == UNSUPPORTED_VERSION);
        let mut found = false;
        for _ in 0..cursor.i32()? {
            let (key, min, max) = (cursor.i16()?, cursor.i16()?, cursor.i16()?);
            ensure!(min <= max);
            found |= key == API_VERSIONS && min == 0 && max >= 3;
        }
        ensure!(found, "the answer must name the versions of ApiVersions itself");
        ensure!(cursor.rest().is_empty(), "an answer of version 0 has nothing after the array");
        // The connection goes on.
        connection.request(API_VERSIONS, 0, 4, &[])?;
        ensure!(connection.answer()?.0 == 4);
        Ok(())
    })
}

#[test]
fn pipelined_requests_are_answered_in_order() -> Result<()> {
    stage::on_directory("pipeline", |stage| {
        let mut connection = Connection::open(&stage.broker.address())?;
        let frames = (0..100).map(|number| frame(&request(API_VERSIONS, 0, number, &[])));
        connection.send(&frames.collect::<Vec<_>>().concat())?;
        for number in 0..100 {
            ensure!(connection.answer()?.0 == number);
        }
        Ok(())
    })
}

#[test]
fn bad_batches_get_their_error_code_and_leave_no_trace() -> Result<()> {
    stage::on_directory("bad-batches", |stage| {
        stage.at().create_topic(TOPIC, 1)?;
        let mut connection = Connection::open(&stage.broker.address())?;
        let mut produce = |topic: &str, records: &[u8]| -> Result<i16> {
            connection.request(PRODUCE, 3, 1, &produce_v3(topic, 0, records))?;
            produce_v3_error(&connection.answer()?.1, topic)
        };
        let good = batch(b"good", |crc| crc);
        ensure!(produce(TOPIC, &good)? == NONE);
        ensure!(produce(TOPIC, &batch(b"bad", |crc| crc ^ 1))? == CORRUPT_MESSAGE);
        ensure!(produce(TOPIC, &batch(&vec![7; TOO_LARGE_BYTES], |crc| crc))? == MESSAGE_TOO_LARGE);
        ensure!(produce("bad-unknown", &good)? == UNKNOWN_TOPIC_OR_PARTITION);
        ensure!(produce(TOPIC, &good)? == NONE);
        ensure!(fetch_error(stage, 0)? == NONE);
        ensure!(fetch_error(stage, 2)? == NONE, "the end of the log is a place to wait at");
        ensure!(fetch_error(stage, 3)? == OFFSET_OUT_OF_RANGE, "a refused batch took an offset");
        ensure!(fetch_error(stage, -3)? == OFFSET_OUT_OF_RANGE);
        Ok(())
    })
}

/// The error of a fetch at `offset`.
fn fetch_error(stage: &Stage, offset: i64) -> Result<i16> {
    let mut body = Vec::new();
    body.extend((-1_i32).to_be_bytes()); // a consumer, not a replica
    body.extend(100_i32.to_be_bytes()); // longest wait in ms
    body.extend(1_i32.to_be_bytes()); // least bytes
    body.extend(1_000_000_i32.to_be_bytes()); // most bytes
    body.push(0); // read uncommitted
    body.extend(1_i32.to_be_bytes()); // topics
    put_string(&mut body, TOPIC);
    body.extend(1_i32.to_be_bytes()); // partitions
    body.extend(0_i32.to_be_bytes());
    body.extend(offset.to_be_bytes());
    body.extend(1_000_000_i32.to_be_bytes());
    let mut connection = Connection::open(&stage.broker.address())?;
    connection.request(FETCH, 4, 1, &body)?;
    let (_, answer) = connection.answer()?;
    let mut cursor = Cursor::new(&answer);
    cursor.i32()?; // throttle time
    ensure!(cursor.i32()? == 1, "answers for more than one topic");
    let length = cursor.i16()? as usize;
    cursor.take(length)?;
    ensure!(cursor.i32()? == 1, "answers for more than one partition");
    cursor.i32()?; // the partition
    cursor.i16()
}

#[test]
fn bad_topics_get_their_error_code() -> Result<()> {
    stage::on_directory("bad-topics", |stage| {
        let mut connection = Connection::open(&stage.broker.address())?;
        let long = "x".repeat(250);
        let mut create = |name: &str, partitions: i32| -> Result<i16> {
            connection.request(CREATE_TOPICS, 2, 1, &create_topics_v2(name, partitions))?;
            let (_, answer) = connection.answer()?;
            let mut cursor = Cursor::new(&answer);
            cursor.i32()?; // throttle time
            ensure!(cursor.i32()? == 1, "answers for more than one topic");
            let length = cursor.i16()? as usize;
            cursor.take(length)?;
            cursor.i16()
        };
        ensure!(create("one.two", 1)? == NONE);
        ensure!(create("one.two", 1)? == TOPIC_ALREADY_EXISTS);
        ensure!(create("one_two", 1)? == INVALID_TOPIC_EXCEPTION, "it collides by its metric name");
        for name in ["", ".", "..", "a b", "a/b", "caf\u{e9}", &long] {
            ensure!(create(name, 1)? == INVALID_TOPIC_EXCEPTION, "{name:?} was accepted");
        }
        ensure!(create("no-partitions", 0)? == INVALID_PARTITIONS);
        ensure!(create("bad-partitions", -2)? == INVALID_PARTITIONS);
        Ok(())
    })
}

fn create_topics_v2(name: &str, partitions: i32) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(1_i32.to_be_bytes()); // topics
    put_string(&mut body, name);
    body.extend(partitions.to_be_bytes());
    body.extend(1_i16.to_be_bytes()); // replicas
    body.extend(0_i32.to_be_bytes()); // assignments
    body.extend(0_i32.to_be_bytes()); // configs
    body.extend(10_000_i32.to_be_bytes()); // time-out in ms
    body.push(0); // not only validated
    body
}
