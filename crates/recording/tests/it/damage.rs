//! Torn, damaged and hostile files: an answer always, and only what was touched is lost.

use std::fs;

use proptest::prelude::*;
use recording::xdf::{Format, ReadError, StreamHeader, Writer, corrected_stamps, read, read_path};
use recording::{RepairError, repair, verify};

use crate::support::{Dice, every_format, recorded, shared_xdf};

/// Samples of all streams of a file.
fn samples(bytes: &[u8]) -> Vec<usize> {
    read(bytes).unwrap().streams.iter().map(recording::xdf::Stream::samples).collect()
}

/// Ends of the file's chunks, by a walk of its own over lengths alone.
fn chunk_ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![4];
    let mut at = 4;
    while at < bytes.len() {
        let size = usize::from(bytes[at]);
        let mut length = [0; 8];
        length[..size].copy_from_slice(&bytes[at + 1..at + 1 + size]);
        at += 1 + size + u64::from_le_bytes(length) as usize;
        ends.push(at);
    }
    assert_eq!(at, bytes.len());
    ends
}

/// Cuts the file at every `step`-th offset of its last 64 kB and compares with a walk over lengths alone.
fn cut_at(file: &[u8], step: usize) {
    assert!(file.len() > 1 << 16, "{}", file.len());
    let ends = chunk_ends(file);
    let mut whole: Option<(usize, Vec<usize>)> = None;
    for cut in (file.len() - (1 << 16)..=file.len()).step_by(step) {
        let recording = read(&file[..cut]).unwrap();
        let end = ends[ends.partition_point(|end| *end <= cut) - 1];
        assert_eq!(recording.whole_bytes as usize, end, "cut at {cut}");
        assert_eq!(recording.problem_count, u64::from(cut != end), "cut at {cut}: {:?}", recording.problems);
        assert_eq!(recording.damaged_bytes, 0);
        let found: Vec<usize> = recording.streams.iter().map(recording::xdf::Stream::samples).collect();
        match &whole {
            Some((at, wanted)) if *at == end => assert_eq!(&found, wanted, "cut at {cut}"),
            _ => whole = Some((end, found)),
        }
    }
}

#[test]
fn a_cut_at_every_offset_costs_only_the_torn_chunk() {
    cut_at(&every_format(230), 1);
}

#[test]
fn a_session_cut_anywhere_costs_only_the_torn_chunk() {
    cut_at(&recorded(300), 13);
}

#[test]
fn verify_and_repair_at_random_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xdf");
    let file = every_format(400);
    let ends = chunk_ends(&file);
    let headers = ends[8]; // file header and seven stream headers
    let mut dice = Dice(11);
    for _ in 0..60 {
        let cut = headers + dice.below(file.len() - headers);
        fs::write(&path, &file[..cut]).unwrap();
        let report = verify(&path).unwrap();
        assert_eq!(report.torn_tail_bytes + report.whole_bytes, cut as u64);
        let before = samples(&file[..cut]);
        let repaired = repair(&path).unwrap();
        assert_eq!(repaired.removed_bytes, report.torn_tail_bytes);
        assert_eq!(repaired.footers_added, report.missing_footers());
        let after = verify(&path).unwrap();
        assert!(after.is_whole(), "{after:?}");
        let now = fs::read(&path).unwrap();
        assert_eq!(samples(&now), before);
        assert_eq!(now[..report.whole_bytes as usize], file[..report.whole_bytes as usize]);
        if let Some(saved) = repaired.saved_as {
            assert_eq!(fs::read(&saved).unwrap(), &file[report.whole_bytes as usize..cut]);
            fs::remove_file(saved).unwrap();
        }
        // A second repair finds nothing to do and touches nothing.
        let again = repair(&path).unwrap();
        assert_eq!((again.removed_bytes, again.footers_added, again.saved_as), (0, 0, None));
        assert_eq!(fs::read(&path).unwrap(), now);
    }
}

#[test]
fn damage_in_the_middle_costs_what_it_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xdf");
    let file = every_format(400);
    let ends = chunk_ends(&file);
    let total: usize = samples(&file).iter().sum();
    let mut dice = Dice(3);
    for _ in 0..60 {
        // Overwrite the head of one chunk behind the headers, which hides its length.
        let chunk = 9 + dice.below(ends.len() - 30);
        let mut damaged = file.clone();
        for byte in &mut damaged[ends[chunk]..ends[chunk] + 6] {
            *byte = 0xEE;
        }
        fs::write(&path, &damaged).unwrap();
        let recording = read(&damaged).unwrap();
        assert_eq!(recording.problem_count, 1, "{:?}", recording.problems);
        assert_eq!(recording.problems[0].offset, ends[chunk] as u64);
        assert_eq!(recording.problems[0].end, ends[chunk + 1] as u64, "the next chunk is found");
        let left: usize = samples(&damaged).iter().sum();
        assert!(total - left <= 40, "{} samples lost", total - left);

        let repaired = repair(&path).unwrap();
        let saved = repaired.saved_as.unwrap();
        assert_eq!(fs::read(&saved).unwrap(), damaged, "the damaged file is kept");
        fs::remove_file(saved).unwrap();
        let now = fs::read(&path).unwrap();
        assert_eq!(now, [&file[..ends[chunk]], &file[ends[chunk + 1]..]].concat());
    }
}

#[test]
fn a_wrong_length_that_leads_astray_ends_at_the_next_chunk_or_boundary() {
    let file = every_format(200);
    let ends = chunk_ends(&file);
    let total: usize = samples(&file).iter().sum();
    for chunk in (9..ends.len() - 20).step_by(3) {
        let mut damaged = file.clone();
        damaged[ends[chunk] + 1] ^= 0x05; // lowest byte of the length
        let left: usize = samples(&damaged).iter().sum();
        assert!(total - left <= 60, "chunk {chunk}: {} samples lost", total - left);
    }
}

#[test]
fn lost_magic_is_a_problem_and_can_be_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xdf");
    let mut file = every_format(50);
    let before = samples(&file);
    file[0] = b'Y';
    fs::write(&path, &file).unwrap();
    assert!(matches!(read_path(&path), Err(ReadError::NotXdf { .. })));
    assert!(!verify(&path).unwrap().is_whole());
    repair(&path).unwrap();
    assert_eq!(samples(&fs::read(&path).unwrap()), before);
}

#[test]
fn what_is_not_xdf_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xdf");
    for (bytes, word) in
        [(&b""[..], "empty"), (b"\x1f\x8b\x08\x00", "gzip"), (b"GIF89a", "47, 49, 46, 38"), (b"XD", "58, 44")]
    {
        fs::write(&path, bytes).unwrap();
        let error = read_path(&path).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        assert!(verify(&path).unwrap().problem_count > 0);
        assert!(matches!(repair(&path), Err(RepairError::Nothing { .. })));
        assert_eq!(fs::read(&path).unwrap(), bytes, "untouched");
    }
    let absent = folder.path().join("absent.xdf");
    assert!(verify(&absent).unwrap_err().to_string().contains("os error 2"));
    assert!(verify(folder.path()).is_err());
}

/// A file with one stream whose header claims `channels` channels, and then `tail`.
fn hostile(channels: u32, format: Format, tail: &[u8]) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new()).unwrap();
    writer.add_stream(&StreamHeader::new("s", "t", channels as usize, 100.0, format)).unwrap();
    let mut file = writer.into_sink();
    file.extend(tail);
    file
}

#[test]
fn hostile_lengths_allocate_nothing() {
    let huge = u64::MAX.to_le_bytes();
    let count = |marker: u8, count: &[u8]| {
        let mut content = vec![3, 0, 1, 0, 0, 0, marker];
        content.extend(count);
        let mut chunk = vec![1, content.len() as u8];
        chunk.extend(content);
        chunk
    };
    let tails: [Vec<u8>; 8] = [
        [&[8][..], &huge].concat(),
        [&[8][..], &huge, &[3, 0, 1, 0, 0, 0]].concat(),
        [&[4][..], &u32::MAX.to_le_bytes(), &[3, 0]].concat(),
        vec![1, 0, 0, 0],
        vec![1, 1, 3],
        count(8, &huge),
        count(4, &u32::MAX.to_le_bytes()),
        count(1, &[255]),
    ];
    for tail in &tails {
        for (channels, format) in [
            (1, Format::Int8),
            (u32::MAX, Format::Double64),
            (u32::MAX, Format::Text),
            (0, Format::Int64),
            (0, Format::Text),
        ] {
            let recording = read(&hostile(channels, format, tail)).unwrap();
            assert_eq!(
                recording.problem_count, 1,
                "{tail:?} {channels} {format:?}: {:?}",
                recording.problems
            );
            assert_eq!(recording.streams[0].samples(), 0);
        }
    }
    // A stream without channels: one byte a sample, and no more samples than bytes.
    let mut content = vec![3, 0, 1, 0, 0, 0, 1, 4, 0, 0, 0, 0];
    content.splice(0..0, [1, 12]);
    assert_eq!(read(&hostile(0, Format::Int8, &content)).unwrap().streams[0].samples(), 4);
}

#[test]
fn searching_hostile_damage_is_not_quadratic() {
    // Every byte of this begins a candidate whose stream exists and whose length fits.
    let unit = [4, 0xff, 0xff, 0, 0, 3, 0, 1, 0, 0, 0, 4, 0xff, 0x3f, 0, 0];
    let candidates = [&[7][..], &unit.repeat(1 << 17)].concat();
    // Every boundary in this is followed by a chunk that claims the rest of the file and fails at its end only.
    let boundary =
        [0x43, 0xA5, 0x46, 0xDC, 0xCB, 0xF5, 0x41, 0x0F, 0xB3, 0x0E, 0xD5, 0x46, 0x73, 0x83, 0xCB, 0xE4];
    let count = 1_u32 << 16;
    let mut boundaries = vec![7];
    for left in (0..count).rev() {
        let length = left * 32 + 10;
        boundaries.extend(boundary);
        boundaries.push(4);
        boundaries.extend(length.to_le_bytes());
        boundaries.extend([6, 0, 1, 0, 0, 0, b'<', b'a', b'>', b' ', b' ']);
    }
    boundaries.push(0xff); // so that the last chunk leads nowhere
    for tail in [candidates, boundaries] {
        let file = hostile(1, Format::Int8, &tail);
        let started = timeline::clock::now_ns();
        assert!(read(&file).unwrap().problem_count > 0);
        let took_ns = timeline::clock::now_ns() - started;
        assert!(took_ns < 5_000_000_000, "{} bytes took {} ms", file.len(), took_ns / 1_000_000);
    }
}

/// Everything that may be asked of a file.
fn ask_everything(bytes: &[u8]) {
    if let Ok(recording) = read(bytes) {
        assert!(recording.whole_bytes <= recording.bytes);
        for stream in &recording.streams {
            let values = stream.values.len();
            assert_eq!(values, stream.samples() * stream.header.channel_count);
            assert!(corrected_stamps(stream).len() <= stream.samples());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn flipped_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..30), cut in any::<prop::sample::Index>()) {
        let mut file = every_format(30);
        for (at, byte) in flips {
            let at = at.index(file.len());
            file[at] = byte;
        }
        ask_everything(&file);
        ask_everything(&file[..cut.index(file.len())]);
    }

    #[test]
    fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..2000), real in any::<bool>()) {
        ask_everything(&[b"XDF:", &garbage[..]].concat());
        if real {
            ask_everything(&hostile(2, Format::Text, &garbage));
            ask_everything(&hostile(3, Format::Int16, &garbage));
        }
    }

    #[test]
    fn chunk_shaped_garbage_never_panics(chunks in prop::collection::vec((0u16..8, 0u32..3, prop::collection::vec(any::<u8>(), 0..60)), 0..20)) {
        let mut tail = Vec::new();
        for (tag, stream, content) in chunks {
            tail.extend([1, content.len() as u8 + 6]);
            tail.extend(tag.to_le_bytes());
            tail.extend(stream.to_le_bytes());
            tail.extend(content);
        }
        ask_everything(&hostile(1, Format::Text, &tail));
        ask_everything(&hostile(1, Format::Float32, &tail));
    }
}

#[test]
fn real_files_at_random_cuts_and_flips() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.xdf");
    let mut dice = Dice(29);
    for file in shared_xdf() {
        let bytes = fs::read(&file).unwrap();
        for round in 0..12 {
            let mut cut = bytes[..dice.below(bytes.len())].to_vec();
            if round % 2 == 1 {
                for _ in 0..5.min(cut.len()) {
                    let at = dice.below(cut.len());
                    cut[at] = dice.next() as u8;
                }
            }
            ask_everything(&cut);
            fs::write(&path, &cut).unwrap();
            verify(&path).unwrap();
            let Ok(repaired) = repair(&path) else { continue };
            let after = verify(&path).unwrap();
            let before: Vec<u64> = repaired.before.streams.iter().map(|stream| stream.samples).collect();
            assert_eq!(
                after.streams.iter().map(|stream| stream.samples).collect::<Vec<_>>(),
                before,
                "{}",
                file.display()
            );
            assert_eq!((after.torn_tail_bytes, after.damaged_bytes, after.missing_footers()), (0, 0, 0));
        }
    }
}
