//! Any bytes as a request or response of any API and version: `cargo +nightly fuzz run any_frame`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/any_frame.rs"]
mod any_frame;

fuzz_target!(|data: &[u8]| any_frame::check(data));
