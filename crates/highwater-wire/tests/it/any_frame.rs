//! What must hold for any bytes at all; the fuzz target asks for the same.

use bytes::Bytes;
use highwater_wire::{ApiKey, Decoder, Encoder, Request, Response, decode_request_header};

/// Takes the first two bytes for what to decode (which API, request or response, which version) and the
/// rest for a frame. Panics if decoding goes past the allowance or forgets something.
pub fn check(data: &[u8]) {
    let [select, version, frame @ ..] = data else {
        return;
    };
    let select = usize::from(*select);
    let key = ApiKey::ALL[(select >> 1) % ApiKey::ALL.len()];
    let versions = key.served_versions();
    let version = versions.min + i16::from(*version) % (versions.max - versions.min + 1);
    let frame = Bytes::copy_from_slice(frame);

    let mut d = Decoder::new(frame.clone());
    let _ = decode_request_header(&mut d);

    if select & 1 == 0 {
        let decode = |d: &mut Decoder| Request::decode(key, d, version).ok();
        check_frame(frame, decode, |m, e| m.encode(e, version).is_ok());
    } else {
        let decode = |d: &mut Decoder| Response::decode(key, d, version).ok();
        check_frame(frame, decode, |m, e| m.encode(e, version).is_ok());
    }
}

fn check_frame<M>(frame: Bytes, decode: impl Fn(&mut Decoder) -> Option<M>, encode: impl Fn(&M, &mut Encoder) -> bool) {
    let bound = highwater_wire::frame_charge(frame.len());
    let mut d = Decoder::new(frame);
    let decoded = decode(&mut d);
    assert!(d.charged() <= bound, "charged {} of {bound}", d.charged());
    let Some(message) = decoded else { return };

    // Encoding fails only where tagged fields come in an order that may not be written.
    let mut e = Encoder::new();
    if !encode(&message, &mut e) {
        return;
    }
    let bytes = e.finish_joined();
    let mut d = Decoder::with_allowance(bytes.clone(), usize::MAX);
    let again = decode(&mut d).expect("what was encoded is decoded");
    d.expect_end().expect("nothing is left over");
    let mut e = Encoder::new();
    assert!(encode(&again, &mut e), "what was encoded once is encoded again");
    assert_eq!(e.finish_joined(), bytes);
}
