//! Rot and torn writes: what may be left out, and what must be reported.

use highwater_format::wal::{BlockHeader, FILE_HEADER_BYTES, FileHeader};

use super::*;

/// Where the blocks of the newest generation's file start, census first.
async fn blocks(bench: &Bench) -> (PathBuf, Vec<u64>) {
    let mut newest = None;
    for path in bench.files().await {
        let file = bench.sim.env.disk.open(&path, OpenMode::Read).await.unwrap();
        let bytes = file.read_at(0, FILE_BYTES as usize).await.unwrap();
        let Ok(header) = FileHeader::decode(&bytes) else {
            continue;
        };
        let mut at = FILE_HEADER_BYTES;
        let mut starts = Vec::new();
        while let Some(Ok(block)) = bytes.get(at..).map(BlockHeader::decode)
            && block.generation == header.generation
        {
            starts.push(at as u64);
            at += block.block_bytes() as usize;
        }
        if !starts.is_empty() && newest.as_ref().is_none_or(|(generation, _, _)| *generation < header.generation) {
            newest = Some((header.generation, path, starts));
        }
    }
    let (_, path, starts) = newest.unwrap();
    (path, starts)
}

async fn three_blocks() -> (Bench, PathBuf, Vec<u64>, [WalSeq; 3]) {
    let bench = Bench::new(options()).await;
    let seqs = [bench.write(0, 0, 5000).await, bench.write(1, 1, 5000).await, bench.write(0, 2, 5000).await];
    let (path, starts) = blocks(&bench).await;
    assert_eq!(starts.len(), 4);
    (bench, path, starts, seqs)
}

async fn damage(recovered: &mut Recovered) -> Damage {
    match recovered.next().await {
        Err(WalError::Damaged(damage)) => damage,
        other => panic!("not reported: {other:?}"),
    }
}

#[tokio::test]
async fn a_torn_last_write_is_left_out_and_said() {
    for at in [0, 5000] {
        let (bench, path, starts, _) = three_blocks().await;
        spoil(&bench.sim.env, &path, starts[3] + at).await;
        let (bench, mut recovered) = bench.kill().await;
        assert_eq!(offsets(&all(&mut recovered).await), [0, 1]);
        // Without its header nothing says that there was a write.
        let torn = (at > 0).then(|| TornTail { file: path.clone(), position: starts[3], frames: 1 });
        assert_eq!(recovered.truncated, torn);
        // And it stays so when the log has gone on, in another file.
        bench.write(0, 3, 100).await;
        let (_bench, mut recovered) = bench.kill().await;
        assert_eq!(offsets(&all(&mut recovered).await), [0, 1, 3]);
        assert_eq!(recovered.truncated, None);
    }
}

#[tokio::test]
async fn rot_before_a_later_write_is_reported_and_read_past() {
    for at in [0, 5000] {
        let (bench, path, starts, seqs) = three_blocks().await;
        spoil(&bench.sim.env, &path, starts[2] + at).await;
        let (bench, mut recovered) = bench.kill().await;
        assert_eq!(recovered.next().await.unwrap().unwrap().seq, seqs[0]);
        let damage = damage(&mut recovered).await;
        assert_eq!((&damage.file, damage.bytes.end), (&path, starts[3]));
        assert!(damage.bytes.start >= starts[2] && damage.bytes.start <= starts[2] + 64);
        assert_eq!((damage.first_seq, damage.next_seq), (Some(seqs[1]), Some(seqs[2])));
        assert_eq!(offsets(&all(&mut recovered).await), [2]);
        // Released, and no longer the one with the newest census, it is kept under another name.
        bench.write(0, 3, 10).await;
        bench.wal.release(ShardId(0), WalSeq(u64::MAX));
        bench.settle().await;
        let kept = bench.files().await.into_iter().filter(|path| path.extension().unwrap() == "damaged");
        assert_eq!(kept.count(), 1);
    }
}

#[tokio::test]
async fn good_frames_of_a_bad_block_come_back() {
    let bench = Bench::new(options()).await;
    let seqs: Vec<_> = (0..5).map(|offset| bench.append(0, offset, 200).unwrap()).collect();
    bench.settle().await;
    bench.write(0, 5, 10).await;
    let (path, starts) = blocks(&bench).await;
    spoil(&bench.sim.env, &path, starts[1] + 64 + 3 * 297 + 150).await;
    let (_bench, mut recovered) = bench.kill().await;
    for seq in &seqs[..3] {
        assert_eq!(recovered.next().await.unwrap().unwrap().seq, *seq);
    }
    let damage = damage(&mut recovered).await;
    assert_eq!(damage.bytes, starts[1] + 64 + 3 * 297..starts[2]);
    assert_eq!(damage.first_seq, Some(seqs[3]));
    assert_eq!(offsets(&all(&mut recovered).await), [5]);
}

#[tokio::test]
async fn rot_in_the_last_block_of_an_older_file_is_reported() {
    let (bench, path, starts, seqs) = three_blocks().await;
    let (bench, _) = bench.kill().await;
    bench.write(0, 3, 100).await;
    spoil(&bench.sim.env, &path, starts[3] + 10).await;
    let (_bench, mut recovered) = bench.kill().await;
    recovered.next().await.unwrap().unwrap();
    recovered.next().await.unwrap().unwrap();
    let damage = damage(&mut recovered).await;
    assert_eq!((damage.first_seq, damage.next_seq), (Some(WalSeq(seqs[1].0 + 1)), None));
    assert_eq!(offsets(&all(&mut recovered).await), [3]);
}

#[tokio::test]
async fn a_rotten_file_header_or_census_costs_no_frame() {
    let (bench, path, starts, _) = three_blocks().await;
    spoil(&bench.sim.env, &path, 20).await;
    let (bench, mut recovered) = bench.kill().await;
    assert_eq!(offsets(&all(&mut recovered).await), [0, 1, 2]);
    drop(recovered);
    drop(bench);

    let (bench, path, _, _) = three_blocks().await;
    spoil(&bench.sim.env, &path, starts[0] + 20).await;
    let (_bench, mut recovered) = bench.kill().await;
    assert_eq!(damage(&mut recovered).await.bytes, starts[0]..starts[1]);
    assert_eq!(offsets(&all(&mut recovered).await), [0, 1, 2]);
}

#[tokio::test]
async fn a_later_version_and_a_copied_file_are_refused() {
    let (bench, path, _, _) = three_blocks().await;
    let env = bench.sim.env.clone();
    let file = env.disk.open(&path, OpenMode::Read).await.unwrap();
    let bytes = file.read_at(0, FILE_BYTES as usize).await.unwrap();
    let copy = Path::new(DIR).join("00000099.wal");
    let target = env.disk.open(&copy, OpenMode::Write).await.unwrap();
    target.write_at(0, AlignedBuf::from_slice(&bytes), true).await.1.unwrap();
    let Bench { sim, options, wal, .. } = bench;
    drop(wal);
    assert!(matches!(Bench::open(sim.clone(), options.clone()).await, Err(WalError::Copies { .. })));
    target.write_at(7, AlignedBuf::from_slice(b"2"), true).await.1.unwrap();
    assert!(matches!(Bench::open(sim, options).await, Err(WalError::Version { version: 2, .. })));
}
