//! Round trips, golden files and damage for the format of the write-ahead log.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use highwater_types::{Epoch, ShardId};
use proptest::prelude::*;

use super::*;
use crate::testing::{batch, golden, tp};

const FILE: FileHeader = FileHeader {
    state: FileState::Live,
    generation: 7,
    salt: 0x1122_3344_5566_7788,
    file_bytes: 64 << 20,
    written_ms: 1_700_000_000_000,
};

fn at(number: u32, position: u64, first_seq: u64) -> BlockHeader {
    BlockHeader {
        generation: FILE.generation,
        salt: FILE.salt,
        first_seq,
        number,
        kind: BlockKind::Frames,
        count: 0,
        body_bytes: 0,
        position,
        synced_end: position,
    }
}

fn frames_block(at: BlockHeader, batches: &[highwater_batch::StoredBatch]) -> Vec<u8> {
    let mut body = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        let header = FrameHeader { shard: ShardId(3), epoch: Epoch(5), tp: tp(9, number as i32) };
        body.extend_from_slice(&header.encode(at.first_seq + number as u64, batch));
        body.extend_from_slice(batch.head());
        body.extend_from_slice(batch.body());
    }
    let header = BlockHeader { count: batches.len() as u32, body_bytes: body.len() as u32, ..at };
    let mut block = header.encode().to_vec();
    block.append(&mut body);
    block.resize(block_bytes(block.len() - BLOCK_HEADER_BYTES), 0);
    block
}

fn read_frames(block: &[u8]) -> (Vec<Frame>, Option<FrameFault>) {
    let header = BlockHeader::decode(block).unwrap();
    let mut good = Vec::new();
    for frame in Frames::new(&header, &Bytes::copy_from_slice(&block[BLOCK_HEADER_BYTES..])) {
        match frame {
            Ok(frame) => good.push(frame),
            Err(fault) => return (good, Some(fault)),
        }
    }
    (good, None)
}

#[test]
fn golden_file() {
    let mut file = FILE.encode().to_vec();
    file.resize(FILE_HEADER_BYTES, 0);
    let entries =
        [CensusEntry { generation: 4, trusted_end: 8192 }, CensusEntry { generation: 6, trusted_end: 1 << 26 }];
    let mut census = census_block(BlockHeader { synced_end: 0, ..at(0, 4096, 1 << 40) }, &entries);
    census.resize(block_bytes(census.len() - BLOCK_HEADER_BYTES), 0);
    file.append(&mut census);
    let batches = [batch(100, 3, 5, 40), batch(0, 1, 5, 5000)];
    file.append(&mut frames_block(at(1, 8192, 1 << 40), &batches));
    golden("wal-v1.bin", &file);

    assert_eq!(FileHeader::decode(&file).unwrap(), FILE);
    let header = BlockHeader::decode(&file[4096..]).unwrap();
    assert_eq!(decode_census(&header, &file[4096 + BLOCK_HEADER_BYTES..]).unwrap(), entries);
    let (frames, fault) = read_frames(&file[8192..]);
    assert_eq!(fault, None);
    assert_eq!(frames.iter().map(|frame| frame.batch.clone()).collect::<Vec<_>>(), batches);
    assert_eq!(frames[1].seq, (1 << 40) + 1);
    assert_eq!(frames[1].header, FrameHeader { shard: ShardId(3), epoch: Epoch(5), tp: tp(9, 1) });
}

#[test]
fn a_file_of_zeros_has_no_header_and_a_later_version_says_so() {
    assert_eq!(FileHeader::decode(&[0; 4096]), Err(WalFormatError::Magic));
    assert_eq!(FileHeader::decode(b"HWATWAL1"), Err(WalFormatError::Short));
    let mut later = FILE.encode();
    later[7] = b'2';
    assert_eq!(FileHeader::decode(&later), Err(WalFormatError::Version(2)));
}

#[test]
fn a_frame_of_an_earlier_life_of_the_file_does_not_check() {
    let old = frames_block(at(1, 4096, 10), &[batch(0, 1, 1, 50)]);
    let mut new = frames_block(at(1, 4096, 11), &[batch(0, 1, 1, 50)]);
    // The header of the new block arrived, the body did not.
    new[BLOCK_HEADER_BYTES..].copy_from_slice(&old[BLOCK_HEADER_BYTES..]);
    assert_eq!(read_frames(&new), (vec![], Some(FrameFault { at: 0, seq: 11 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn headers_round_trip_and_every_flipped_bit_shows(
        generation: u64, salt: u64, first_seq: u64, number: u32, count: u32, body_bytes: u32, position: u64,
        synced_end: u64, census: bool, bit in 0usize..64 * 8,
    ) {
        let kind = if census { BlockKind::Census } else { BlockKind::Frames };
        let header =
            BlockHeader { generation, salt, first_seq, number, kind, count, body_bytes, position, synced_end };
        let mut bytes = header.encode();
        prop_assert_eq!(BlockHeader::decode(&bytes).unwrap(), header);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(BlockHeader::decode(&bytes).is_err());

        let file = FileHeader { state: FileState::Side, generation, salt, file_bytes: position, written_ms: 5 };
        let mut bytes = file.encode();
        prop_assert_eq!(FileHeader::decode(&bytes).unwrap(), file);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(FileHeader::decode(&bytes).is_err());
    }

    #[test]
    fn frames_round_trip_and_every_flipped_bit_shows(
        sizes in proptest::collection::vec(0usize..300, 1..6), flip in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let batches: Vec<_> = sizes.iter().zip(0..).map(|(size, at)| batch(at * 10, 4, 2, *size)).collect();
        let block = frames_block(at(3, 8192, 77), &batches);
        let (frames, fault) = read_frames(&block);
        prop_assert_eq!(fault, None);
        prop_assert_eq!(frames.iter().map(|frame| frame.batch.clone()).collect::<Vec<_>>(), batches);

        let body_bytes = BlockHeader::decode(&block).unwrap().body_bytes as usize;
        let mut broken = block;
        broken[BLOCK_HEADER_BYTES + flip.index(body_bytes)] ^= 1 << bit;
        let (good, fault) = read_frames(&broken);
        prop_assert!(fault.is_some());
        prop_assert_eq!(good.as_slice(), &frames[..good.len()]);
    }

    #[test]
    fn a_short_body_is_a_fault(size in 0usize..300, cut in any::<prop::sample::Index>()) {
        let block = frames_block(at(0, 4096, 1), &[batch(5, 1, 1, size)]);
        let header = BlockHeader::decode(&block).unwrap();
        let body = Bytes::copy_from_slice(&block[BLOCK_HEADER_BYTES..][..cut.index(header.body_bytes as usize)]);
        prop_assert!(Frames::new(&header, &body).fault().is_some());
    }

    #[test]
    fn a_census_round_trips_and_every_flipped_bit_shows(
        generations in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..20),
        flip in any::<prop::sample::Index>(), bit in 0u8..8,
    ) {
        let entries: Vec<_> = generations
            .into_iter()
            .map(|(generation, trusted_end)| CensusEntry { generation, trusted_end })
            .collect();
        let mut block = census_block(at(0, 4096, 9), &entries);
        let header = BlockHeader::decode(&block).unwrap();
        prop_assert_eq!(decode_census(&header, &block[BLOCK_HEADER_BYTES..]).unwrap(), entries);
        let flip = BLOCK_HEADER_BYTES + flip.index(block.len() - BLOCK_HEADER_BYTES);
        block[flip] ^= 1 << bit;
        prop_assert!(decode_census(&header, &block[BLOCK_HEADER_BYTES..]).is_err());
    }

    #[test]
    fn anything_may_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), count: u32, body_bytes: u32) {
        let _ = FileHeader::decode(&bytes);
        let _ = BlockHeader::decode(&bytes);
        let header = BlockHeader { count, body_bytes, ..at(0, 0, 0) };
        let _ = decode_census(&BlockHeader { kind: BlockKind::Census, ..header }, &bytes);
        let _ = Frames::new(&header, &Bytes::from(bytes)).count();
    }
}
