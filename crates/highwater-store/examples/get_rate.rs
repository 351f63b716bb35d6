//! How fast does a bucket give by itself? Whole objects, so many in flight.
//!
//! `get_rate URL ENDPOINT PREFIX IN_FLIGHT` reads every object whose name begins with the prefix and prints
//! bytes a second. Credentials come from AWS's variables.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an experiment on the real machine, not part of the broker"
)]

use std::time::Instant;

use futures::StreamExt;
use highwater_env::RealEnv;
use highwater_store::{ReadRange, StoreOptions};

const LARGEST: u64 = 1 << 30;

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, endpoint, prefix, in_flight] = arguments.as_slice() else { panic!("see the first lines of this file") };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let env = RealEnv::new(tokio::runtime::Handle::current());
    let options = StoreOptions {
        s3_endpoint: Some(endpoint.clone()),
        s3_path_style: true,
        s3_allow_http: true,
        ..StoreOptions::default()
    };
    let store = highwater_store::open(url, &options, &env).await.unwrap();
    let mut names = Vec::new();
    loop {
        let page = store.list(prefix, names.last().map(String::as_str), 1_000).await.unwrap();
        names.extend(page.objects.into_iter().map(|object| object.name));
        if !page.more {
            break;
        }
    }
    let began = Instant::now();
    let read = |name: String| {
        let store = &store;
        async move { store.read(&name, ReadRange::All { limit: LARGEST }, None).await.unwrap().bytes.len() as u64 }
    };
    let reads = futures::stream::iter(names).map(read).buffer_unordered(in_flight.parse().unwrap());
    let bytes: u64 = reads.fold(0, |sum, bytes| async move { sum + bytes }).await;
    println!("{:.0}", bytes as f64 / began.elapsed().as_secs_f64());
}
