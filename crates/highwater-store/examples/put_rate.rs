//! How fast is a bucket by itself? Conditional puts, so many in flight, as the engine sends them.
//!
//! `put_rate URL ENDPOINT COUNT BYTES IN_FLIGHT GAP_MS` creates objects of incompressible bytes and prints
//! bytes a second, and the median and 99th percentile of a put in microseconds. With a gap each put waits
//! for that long before it begins. Credentials come from AWS's variables.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an experiment on the real machine, not part of the broker"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use highwater_env::{Env, RealEnv};
use highwater_store::{Body, Store, StoreOptions};

/// A segment's body comes as this many bytes a chunk, like record batches.
const CHUNK_BYTES: usize = 16 << 10;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, endpoint, numbers @ ..] = arguments.as_slice() else { panic!("see the first lines of this file") };
    let numbers: Vec<u64> = numbers.iter().map(|text| text.parse().unwrap()).collect();
    let [count, bytes, in_flight, gap_ms] = numbers.as_slice() else { panic!("four numbers") };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = RealEnv::new(tokio::runtime::Handle::current());
    let options = StoreOptions {
        s3_endpoint: Some(endpoint.clone()),
        s3_path_style: true,
        s3_allow_http: true,
        ..StoreOptions::default()
    };
    let store = highwater_store::open(url, &options, &env).await.unwrap();
    let run = format!("run-{:016x}", env.random.next_u64());
    let (next, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut writers = Vec::new();
    for _ in 0..*in_flight {
        let (store, next, run) = (Arc::clone(&store), Arc::clone(&next), run.clone());
        let (env, count, bytes, gap_ms) = (env.clone(), *count, *bytes, *gap_ms);
        writers.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return taken;
                }
                tokio::time::sleep(Duration::from_millis(gap_ms)).await;
                taken.push(put(&*store, &format!("{run}/{number}"), body(&env, bytes as usize)).await);
            }
        }));
    }
    let mut taken = Vec::new();
    for writer in writers {
        taken.extend(writer.await.unwrap());
    }
    let seconds = began.elapsed().as_secs_f64();
    taken.sort_unstable();
    let at = |part: f64| taken[((taken.len() as f64 * part) as usize).min(taken.len() - 1)];
    println!("{:.0} {} {}", (count * bytes) as f64 / seconds, at(0.5), at(0.99));
}

async fn put(store: &dyn Store, name: &str, body: Body) -> u64 {
    let began = Instant::now();
    store.create(name, body).await.unwrap();
    u64::try_from(began.elapsed().as_micros()).unwrap()
}

fn body(env: &Env, bytes: usize) -> Body {
    let mut state = env.random.next_u64() | 1;
    let mut all = vec![0; bytes];
    for chunk in all.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    let all = Bytes::from(all);
    let chunk = |at: usize| all.slice(at..(at + CHUNK_BYTES).min(bytes));
    Body::from((0..bytes).step_by(CHUNK_BYTES).map(chunk).collect::<Vec<_>>())
}
