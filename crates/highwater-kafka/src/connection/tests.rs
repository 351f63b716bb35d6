//! A connection over a real socket pair, with a service that does as the request says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::disallowed_methods, reason = "tests")]

use std::sync::Mutex;

use bytes::{BufMut, Bytes, BytesMut};
use highwater_env::real::RealEnv;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::service::Reply;
use super::*;
use crate::budget::Charge;
use crate::config::ListenerId;

/// Request: `key i16, unused i16, id i32`, then anything. The key says what to do.
const AT_ONCE: i16 = 0;
const WHEN_RELEASED: i16 = 1;
const SILENT: i16 = 2;
const REFUSED: i16 = 3;
const CLOSING: i16 = 4;
/// Answers with as many KiB as the id says.
const LARGE: i16 = 5;

#[derive(Default)]
struct Fake {
    begun: Mutex<Vec<i32>>,
    release: Arc<Notify>,
    answers: Option<ByteBudget>,
}

impl Service for Fake {
    fn memory_of(&self, announced: Announced) -> usize {
        announced.length
    }

    async fn begin(&self, _: &Peer, frame: Bytes, charge: Charge) -> Result<Pending, String> {
        let key = i16::from_be_bytes([frame[0], frame[1]]);
        let id = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        self.begun.lock().unwrap().push(id);
        let release = Arc::clone(&self.release);
        let answers = self.answers.clone();
        if key == REFUSED {
            return Err("refused".to_owned());
        }
        Ok(Box::pin(async move {
            let _charge = charge;
            match key {
                SILENT => return Reply::Nothing,
                CLOSING => return Reply::Close("closing".to_owned()),
                WHEN_RELEASED => release.notified().await,
                _ => {}
            }
            let mut chunks = vec![Bytes::copy_from_slice(&id.to_be_bytes())];
            if key == LARGE {
                chunks.extend((0..id).map(|_| Bytes::from_static(&[7; 1024])));
            }
            let charge = answers.and_then(|answers| answers.try_take(chunks.len() << 10));
            Reply::Send { chunks, charge }
        }))
    }
}

fn request(key: i16, id: i32, padding: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(u32::try_from(8 + padding).unwrap());
    bytes.put_i16(key);
    bytes.put_i16(0);
    bytes.put_i32(id);
    bytes.put_bytes(0, padding);
    bytes.freeze()
}

struct Rig {
    shared: Arc<Shared<Fake>>,
    client: TcpStream,
    server: tokio::task::JoinHandle<End>,
}

async fn rig(max_idle: Duration, memory: usize) -> Rig {
    rig_with(max_idle, memory, Fake::default()).await
}

async fn rig_with(max_idle: Duration, memory: usize, fake: Fake) -> Rig {
    let shared = Arc::new(Shared {
        env: RealEnv::new(tokio::runtime::Handle::current()),
        service: Arc::new(fake),
        requests: ByteBudget::new(memory),
        appends: ByteBudget::new(memory),
        max_request_bytes: 1 << 20,
        max_idle,
        draining: CancellationToken::new(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, address) = listener.accept().await.unwrap();
    let serving = Arc::clone(&shared);
    let server = tokio::spawn(async move {
        let (input, output) = stream.into_split();
        serve(&serving, Peer { address, listener: ListenerId(0) }, input, output).await
    });
    Rig { shared, client, server }
}

const LONG: Duration = Duration::from_secs(600);

async fn ids(client: &mut TcpStream, count: usize) -> Vec<i32> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(client.read_i32().await.unwrap());
    }
    ids
}

#[tokio::test]
async fn stage_one_runs_ahead_and_answers_keep_their_order() {
    let mut rig = rig(LONG, 1 << 20).await;
    let requests =
        [request(WHEN_RELEASED, 1, 0), request(AT_ONCE, 2, 5000), request(SILENT, 3, 10), request(AT_ONCE, 4, 300_000)];
    rig.client.write_all(&requests.concat()).await.unwrap();
    while rig.shared.service.begun.lock().unwrap().len() < 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut byte = [0; 1];
    assert!(
        tokio::time::timeout(Duration::from_millis(20), rig.client.read(&mut byte)).await.is_err(),
        "nothing is answered before the first"
    );
    rig.shared.service.release.notify_one();
    assert_eq!(ids(&mut rig.client, 3).await, [1, 2, 4]);
    assert_eq!(*rig.shared.service.begun.lock().unwrap(), [1, 2, 3, 4]);
    drop(rig.client);
    assert_eq!(rig.server.await.unwrap(), End::Quiet("closed by the peer"));
    assert_eq!(rig.shared.requests.free_bytes(), 1 << 20, "all memory came back");
}

#[tokio::test]
async fn requests_in_flight_are_bounded() {
    let mut rig = rig(LONG, 1 << 20).await;
    let many: Vec<Bytes> = (0..200).map(|id| request(WHEN_RELEASED, id, 0)).collect();
    rig.client.write_all(&many.concat()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begun = rig.shared.service.begun.lock().unwrap().len();
    assert!(begun <= MAX_IN_FLIGHT_PER_CONNECTION + 2, "{begun}");
    for id in 0..200 {
        rig.shared.service.release.notify_one();
        assert_eq!(ids(&mut rig.client, 1).await, [id]);
    }
}

#[tokio::test]
async fn without_memory_a_frame_waits_in_its_socket() {
    let mut rig = rig(LONG, 10_000).await;
    let held = rig.shared.appends.take(9_000).await.unwrap();
    rig.client.write_all(&request(AT_ONCE, 1, 5000)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(rig.shared.service.begun.lock().unwrap().is_empty());
    drop(held);
    assert_eq!(ids(&mut rig.client, 1).await, [1]);
}

#[tokio::test]
async fn faults_close_the_connection_with_a_reason() {
    for (bytes, expected) in [
        (request(REFUSED, 1, 0), "refused"),
        (request(CLOSING, 1, 0), "closing"),
        (Bytes::from_static(&[0xff; 8]), "invalid request size"),
        (Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"), "invalid request size"),
    ] {
        let mut rig = rig(LONG, 1 << 20).await;
        rig.client.write_all(&bytes).await.unwrap();
        let End::Fault(reason) = rig.server.await.unwrap() else { panic!("{expected}") };
        assert!(reason.contains(expected), "{reason}");
        let mut rest = Vec::new();
        let _ = rig.client.read_to_end(&mut rest).await;
        assert!(rest.is_empty());
    }
}

#[tokio::test]
async fn answers_before_a_closing_one_are_written() {
    let mut rig = rig(LONG, 1 << 20).await;
    let requests = [request(AT_ONCE, 1, 0), request(AT_ONCE, 2, 0), request(CLOSING, 3, 0), request(AT_ONCE, 4, 0)];
    rig.client.write_all(&requests.concat()).await.unwrap();
    assert_eq!(ids(&mut rig.client, 2).await, [1, 2]);
    assert_eq!(rig.server.await.unwrap(), End::Fault("closing".to_owned()));
}

#[tokio::test]
async fn draining_answers_what_is_in_flight() {
    let mut rig = rig(LONG, 1 << 20).await;
    rig.client.write_all(&request(WHEN_RELEASED, 1, 0)).await.unwrap();
    while rig.shared.service.begun.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.shared.draining.cancel();
    rig.shared.service.release.notify_one();
    assert_eq!(ids(&mut rig.client, 1).await, [1]);
    assert_eq!(rig.server.await.unwrap(), End::Quiet("draining"));
}

#[tokio::test]
async fn idle_connections_end_and_waiting_ones_do_not() {
    let idle = Duration::from_millis(60);
    let rig_idle = rig(idle, 1 << 20).await;
    assert_eq!(rig_idle.server.await.unwrap(), End::Quiet("idle"));

    let mut waiting = rig(idle, 1 << 20).await;
    waiting.client.write_all(&request(WHEN_RELEASED, 1, 0)).await.unwrap();
    tokio::time::sleep(idle * 3).await;
    waiting.shared.service.release.notify_one();
    assert_eq!(ids(&mut waiting.client, 1).await, [1]);
    assert_eq!(waiting.server.await.unwrap(), End::Quiet("idle"));
}

#[tokio::test]
async fn large_answers_arrive_whole_at_a_slow_reader() {
    let mut rig = rig(LONG, 1 << 20).await;
    rig.client.write_all(&[request(LARGE, 8000, 0), request(AT_ONCE, 2, 0)].concat()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    let mut answer = vec![0; 4 + 8000 * 1024];
    rig.client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer[..4], 8000i32.to_be_bytes());
    assert!(answer[4..].iter().all(|byte| *byte == 7));
    assert_eq!(ids(&mut rig.client, 1).await, [2]);
}

#[tokio::test]
async fn who_takes_no_answer_is_cut_off_when_others_need_its_memory() {
    let answers = ByteBudget::new(100 << 20);
    let fake = Fake { answers: Some(answers.clone()), ..Fake::default() };
    let mut rig = rig_with(LONG, 1 << 20, fake).await;
    rig.client.write_all(&request(LARGE, 90_000, 0)).await.unwrap();
    while answers.free_bytes() == answers.total_bytes() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let others = tokio::time::timeout(Duration::from_secs(20), answers.take(50 << 20)).await;
    assert!(others.is_ok_and(|charge| charge.is_some()));
    let End::Fault(reason) = rig.server.await.unwrap() else { panic!("not cut off") };
    assert!(reason.contains("took no byte"), "{reason}");
}
