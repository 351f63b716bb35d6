//! What encoding does with fields that a version lacks, with large pieces, and with tagged fields.

use bytes::Bytes;
use highwater_wire::messages::api_versions::ApiVersionsRequest;
use highwater_wire::messages::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use highwater_wire::messages::header::{RequestHeader, ResponseHeader};
use highwater_wire::messages::metadata::MetadataRequest;
use highwater_wire::{ApiKey, Decoder, EncodeError, Encoder, Records, Str, TaggedFields, decode_request_header};

#[test]
fn an_ignorable_field_is_dropped_and_another_is_not() {
    let request = FetchRequest { rack_id: Str::from_static("r1"), ..Default::default() };
    request.encode(&mut Encoder::new(), 4).expect("the rack is ignorable");

    let request = FetchRequest { forgotten_topics_data: vec![Default::default()], ..Default::default() };
    assert_eq!(
        request.encode(&mut Encoder::new(), 4),
        Err(EncodeError::FieldNotInVersion { field: "FetchRequest.forgotten_topics_data", version: 4 })
    );
}

#[test]
fn null_needs_a_version_that_takes_it() {
    let request = MetadataRequest { topics: None, ..Default::default() };
    request.encode(&mut Encoder::new(), 1).unwrap();
    assert_eq!(
        request.encode(&mut Encoder::new(), 0),
        Err(EncodeError::NullNotInVersion { field: "MetadataRequest.topics", version: 0 })
    );
}

#[test]
fn other_versions_and_long_text_are_refused() {
    let request = FetchRequest::default();
    assert!(matches!(request.encode(&mut Encoder::new(), 3), Err(EncodeError::UnsupportedVersion { version: 3, .. })));
    let request = ApiVersionsRequest { client_software_name: "x".repeat(40_000).into(), ..Default::default() };
    assert_eq!(request.encode(&mut Encoder::new(), 3), Err(EncodeError::TooLong { length: 40_000, limit: 32_767 }));
}

fn response_of(pieces: Vec<Bytes>) -> FetchResponse {
    let partition = PartitionData { records: Some(Records::from(pieces)), ..Default::default() };
    FetchResponse {
        responses: vec![FetchableTopicResponse { partitions: vec![partition], ..Default::default() }],
        ..Default::default()
    }
}

#[test]
fn a_frame_shares_its_records() {
    let head = Bytes::from(vec![1; 16]);
    let body = Bytes::from(vec![2; 1 << 20]);
    let mut e = Encoder::for_frame();
    let header = ResponseHeader { correlation_id: 77, ..Default::default() };
    header.encode(&mut e, ApiKey::Fetch.response_header_version(12)).unwrap();
    response_of(vec![head.clone(), body.clone()]).encode(&mut e, 12).unwrap();
    let length = e.len();
    let pieces = e.finish();
    assert_eq!(pieces.len(), 3, "what precedes, the batch, what follows");
    assert_eq!(pieces[1].as_ptr(), body.as_ptr(), "the very bytes that were given");

    let whole = Records::from(pieces).into_bytes();
    assert_eq!(whole.len(), length);
    assert_eq!(whole[..4], u32::try_from(length - 4).unwrap().to_be_bytes());
    let mut d = Decoder::new(whole.slice(4..));
    assert_eq!(ResponseHeader::decode(&mut d, 1).unwrap().correlation_id, 77);
    let decoded = FetchResponse::decode(&mut d, 12).unwrap();
    d.expect_end().unwrap();
    let records = decoded.responses[0].partitions[0].records.clone().unwrap();
    assert_eq!(records.chunks().len(), 1);
    assert!(whole.as_ptr_range().contains(&records.chunks()[0].as_ptr()), "a slice of the frame");
    assert_eq!(records, Records::from(vec![head, body]));
}

#[test]
fn large_tagged_fields_are_moved_into_place() {
    let mut tags = TaggedFields::default();
    for tag in 10..210 {
        tags.push(tag, Bytes::from(vec![tag as u8; 3 * tag as usize]));
    }
    let response = FetchResponse { unknown_tags: tags, ..response_of(vec![Bytes::from(vec![9; 5000])]) };
    let mut e = Encoder::new();
    response.encode(&mut e, 17).unwrap();
    let mut d = Decoder::new(e.finish_joined());
    let mut decoded = FetchResponse::decode(&mut d, 17).unwrap();
    d.expect_end().unwrap();
    assert_eq!(decoded, response);

    decoded.unknown_tags.push(11, Bytes::new());
    assert_eq!(decoded.encode(&mut Encoder::new(), 17), Err(EncodeError::TagOrder { tag: 11 }));
}

#[test]
fn the_header_of_a_request_from_the_future_is_read() {
    let header = RequestHeader {
        request_api_key: ApiKey::ApiVersions.code(),
        request_api_version: 99,
        correlation_id: 5,
        client_id: Some("c".into()),
        ..Default::default()
    };
    let mut e = Encoder::new();
    header.encode(&mut e, 2).unwrap();
    let mut d = Decoder::new(e.finish_joined());
    let (key, decoded) = decode_request_header(&mut d).unwrap();
    assert_eq!((key, &decoded), (ApiKey::ApiVersions, &header));
    assert!(!key.served_versions().contains(decoded.request_api_version));
}
