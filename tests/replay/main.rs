//! Replay is the judge of every recording: identical to the bit, or it names the first difference.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod interleavings;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use recording::RecordedSession;
use recording::xdf::{Values, read_path};
use support::*;

/// Ten people from the committed file, each with a seed of its own.
const PEOPLE: [(&str, u64); 10] = [
    ("nominal", 1),
    ("P01", 2),
    ("P07", 3),
    ("P13", 4),
    ("P21", 5),
    ("P30", 6),
    ("P38", 7),
    ("P44", 8),
    ("P52", 9),
    ("P60", 10),
];

#[test]
fn ten_demo_sessions_replay_identically() {
    let out = tempfile::tempdir().unwrap();
    for (person, seed) in PEOPLE {
        let (summary, folder) = virtual_session(out.path(), person, seed, &[]);
        assert_eq!(summary["exit"], "finished", "{summary}");
        let begun_ns = timeline::clock::now_ns();
        let verdict = replays(&folder);
        let took_s = since_s(begun_ns);
        assert_eq!(verdict["decisions"], summary["decisions"], "{verdict} {summary}");
        assert_eq!(verdict["commands"], summary["commands"], "{verdict} {summary}");
        assert!(
            verdict["decisions"].as_u64().unwrap() > 1000,
            "a session that decides little proves little: {verdict}"
        );
        let session_s = verdict["session_s"].as_f64().unwrap();
        assert!(session_s > 100.0 && took_s < session_s / 10.0, "{session_s} s of session took {took_s} s");
    }
}

/// Where value `channel` of sample `index` of the first source stands in the file, found by the sample's own bytes.
fn place_of(file: &[u8], path: &Path, index: usize, channel: usize) -> usize {
    let recording = read_path(path).unwrap();
    let stream = recording.streams.iter().find(|stream| stream.header.stream_type == "EEG").unwrap();
    let Values::Float32(values) = &stream.values else { panic!("the participant sends float32") };
    let width = stream.header.channel_count;
    let row: Vec<u8> =
        values[index * width..(index + 1) * width].iter().flat_map(|v| v.to_le_bytes()).collect();
    let mut found = file.windows(row.len()).enumerate().filter(|(_, window)| *window == row);
    let (at, _) = found.next().expect("the sample is in the file");
    assert!(found.next().is_none(), "sample {index} stands in the file twice");
    at + 4 * channel
}

#[test]
fn one_changed_bit_of_one_sample_is_found_and_named() {
    let out = tempfile::tempdir().unwrap();
    let (_, folder) = virtual_session(out.path(), "P07", 11, &["--seconds", "60"]);
    let session = RecordedSession::open(&folder).unwrap();
    // After the first window: what lies before it went into the calibration, so a command differs before any decision.
    let first = session.decisions.first().unwrap().end_sample as usize;
    let last = session.decisions.last().unwrap().end_sample as usize;
    // The lowest and a high bit of the mantissa, and the sign, between the first window and the last.
    for (index, channel, byte, bit) in [
        (first + 3, 6, 0, 1u8),
        ((first + last) / 2, 0, 0, 1),
        ((first + last) / 2 + 1, 7, 2, 0x40),
        (last - 2, 3, 3, 0x80),
    ] {
        let copies = tempfile::tempdir().unwrap();
        let copy = copy_of(&folder, copies.path());
        let path = copy.join(session.folder.xdf_path().file_name().unwrap());
        let mut bytes = fs::read(&path).unwrap();
        let at = place_of(&bytes, &path, index, channel);
        bytes[at + byte] ^= bit;
        fs::write(&path, bytes).unwrap();

        let (ended, verdict) = replay(&copy);
        ended.expect(1);
        assert_eq!(verdict["identical"], false);
        let difference = verdict["first_difference"].as_str().unwrap();
        // decision 12 of turn 345 (samples 678..1178): `value_f64` was recorded as ...
        let numbers: Vec<u64> = difference
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .take(4)
            .collect();
        let [decision, turn, begin, end] = numbers[..] else { panic!("{difference}") };
        assert!(
            difference.starts_with(&format!("decision {decision} of turn {turn} (samples {begin}..{end})")),
            "sample {index}, channel {channel} was changed: {difference}"
        );
        assert!((begin..end).contains(&(index as u64)), "sample {index} was changed: {difference}");
        let recorded = session.decisions.iter().find(|one| one.index == decision).unwrap();
        assert_eq!((recorded.turn, recorded.first_sample, recorded.end_sample), (turn, begin, end));
        let is_first = session.decisions.iter().find(|one| one.end_sample > index as u64).unwrap();
        assert_eq!(is_first.index, decision, "the first decision whose window holds sample {index}");

        let text = run([std::ffi::OsStr::new("replay"), copy.as_os_str()], 60.0).expect(1).stdout;
        assert!(text.contains("DIFFERENT, first at decision"), "{text}");
    }
}

#[test]
fn a_changed_command_is_found() {
    let out = tempfile::tempdir().unwrap();
    let (_, folder) = virtual_session(out.path(), "nominal", 12, &["--seconds", "40"]);
    let session = RecordedSession::open(&folder).unwrap();
    let command = session.commands[session.commands.len() / 2];
    let path = session.folder.xdf_path();
    let mut bytes = fs::read(&path).unwrap();
    // Index, turn and instant stand side by side in the row, so they name its place.
    let row: Vec<u8> = [command.index as i64, command.turn as i64, command.issued_ns]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    let at = bytes.windows(row.len()).position(|window| window == row).expect("the command is in the file");
    bytes[at + row.len() + 2 * 8] ^= 1; // then come decision and scene, then the contrast's lowest bit
    fs::write(&path, bytes).unwrap();
    let (ended, verdict) = replay(&folder);
    ended.expect(1);
    let difference = verdict["first_difference"].as_str().unwrap();
    assert!(
        difference.starts_with(&format!("command {} of turn {}", command.index, command.turn)),
        "{difference}"
    );
    assert!(difference.contains("contrast_from_f64"), "{difference}");
}

#[test]
fn changed_copies_of_protocol_and_rig_are_refused_by_their_hash() {
    let out = tempfile::tempdir().unwrap();
    let (_, folder) = virtual_session(out.path(), "nominal", 13, &["--seconds", "2"]);
    let session = RecordedSession::open(&folder).unwrap();
    for (what, path) in [("protocol", session.folder.protocol_path()), ("rig", session.folder.rig_path())] {
        let text = fs::read(&path).unwrap();
        fs::write(&path, [&text[..], b"\n"].concat()).unwrap();
        replay(&folder).0.expect(2).says(&[&format!("its {what} was changed"), "SHA-256"]);
        fs::remove_file(&path).unwrap();
        replay(&folder).0.expect(2).says(&[path.file_name().unwrap().to_str().unwrap()]);
        fs::write(&path, text).unwrap();
    }
    replays(&folder);
}

#[test]
fn a_torn_recording_replays_as_far_as_it_goes() {
    let out = tempfile::tempdir().unwrap();
    let (_, folder) = virtual_session(out.path(), "P21", 14, &["--seconds", "45"]);
    let whole = replays(&folder);
    let session = RecordedSession::open(&folder).unwrap();
    let bytes = fs::read(session.folder.xdf_path()).unwrap();
    let mut turns_before = 0;
    for part in [20, 35, 50, 65, 80, 90, 95, 99] {
        for cut in [bytes.len() * part / 100, bytes.len() * part / 100 + 7] {
            let copies = tempfile::tempdir().unwrap();
            let copy = copy_of(&folder, copies.path());
            let path = copy.join(session.folder.xdf_path().file_name().unwrap());
            fs::write(&path, &bytes[..cut]).unwrap();
            let (ended, verdict) = replay(&copy);
            ended.expect(0);
            assert_eq!(verdict["identical"], true, "cut at byte {cut}: {verdict}");
            let turns = verdict["turns"].as_u64().unwrap();
            let expected = whole["turns"].as_u64().unwrap() as f64 * part as f64 / 100.0;
            // Half a second of turns, for what waited in the recorder, and the head of the file.
            assert!(
                turns as f64 > expected - 200.0,
                "cut at byte {cut}: {turns} turns, about {expected} were recorded"
            );
            assert!(turns >= turns_before, "{turns} turns at {cut}, {turns_before} before");
            turns_before = turns;
        }
    }
}
