//! A session through the folder and back.

use recording::{
    ClockKind, Machine, Manifest, OpenError, Options, RecordedSession, Recorder, SessionFolder, SourceEntry,
    WallTime,
};
use timeline::{Event, SourceId};

use crate::support::{events, feed, sample, sources};

fn manifest() -> Manifest {
    let entries = sources().into_iter().map(|source| SourceEntry {
        name: source.name.clone(),
        stream_name: source.name,
        stream_type: source.stream_type,
        rate_hz: source.rate_hz,
        labels: source.labels,
        units: source.units,
        wanted: vec![0],
        time_scale: 1.0,
    });
    Manifest {
        format_version: Manifest::FORMAT_VERSION,
        photic_version: "0.0.0".into(),
        photic_build: "test".into(),
        protocol: "t".into(),
        protocol_sha256: String::new(),
        rig_sha256: String::new(),
        seed: 7,
        participant: "P01".into(),
        clock: ClockKind::Virtual,
        started_utc: WallTime::from_unix_s(0).iso(),
        start_ns: 1,
        command_line: vec![],
        machine: Machine::probe(),
        sources: entries.collect(),
        display: None,
        outcome: None,
        extra: serde_json::Map::new(),
    }
}

fn recorded(out: &std::path::Path, turns: u64) -> SessionFolder {
    let folder = SessionFolder::create(out, "P01", "t", WallTime::from_unix_s(0)).unwrap();
    manifest().write(&folder).unwrap();
    let options = Options { meta: "{\"a\": \"<&>\"}".into(), ..Options::virtual_clock() };
    let mut recorder = Recorder::create(&folder, &sources(), options).unwrap();
    for index in 0..turns {
        feed(&mut recorder, index);
    }
    let summary = recorder.close(0);
    assert_eq!(summary.ended_early, None);
    assert_eq!(summary.bytes, std::fs::metadata(folder.xdf_path()).unwrap().len());
    assert_eq!(summary.streams[0].samples, turns);
    assert!(summary.streams.iter().all(|stream| stream.refused == 0 && stream.out_of_order == 0));
    folder
}

#[test]
fn everything_comes_back_as_it_was_handed_over() {
    let out = tempfile::tempdir().unwrap();
    let folder = recorded(out.path(), 1234);
    let session = RecordedSession::open(folder.path()).unwrap();
    assert!(session.is_closed && session.problems.is_empty(), "{:?}", session.problems);
    assert_eq!(session.meta.seed, 7);

    let handed: Vec<Event> = (0..1234).flat_map(events).collect();
    macro_rules! same {
        ($field:ident, $variant:ident) => {
            let wanted: Vec<_> = handed
                .iter()
                .filter_map(|event| if let Event::$variant(e) = event { Some(*e) } else { None })
                .collect();
            assert!(!wanted.is_empty());
            assert_eq!(session.$field, wanted);
        };
    }
    same!(turns, Turn);
    same!(commands, Command);
    same!(published, Published);
    same!(decisions, Decision);
    same!(flips, Flip);
    same!(chunks, Chunk);
    same!(markers, Marker);
    same!(notices, Notice);
    same!(latents, Latent);
    same!(clock_offsets, ClockOffset);
    assert!(session.decisions[0].set_point.unwrap().is_sign_negative(), "-0.0 keeps its sign");

    let eeg = session.source(SourceId(0)).unwrap();
    assert_eq!(eeg.info.channels[6].label, "Oz");
    assert_eq!(eeg.info.field("photic_meta"), Some("{\"a\": \"<&>\"}"));
    for index in 0..1234 {
        let (head, values) = sample(index);
        assert_eq!(eeg.stamps_s[index as usize].to_bits(), head.stamp_s.to_bits());
        assert_eq!(eeg.values[index as usize * 8..][..8], values);
    }
    // In XDF's own terms the measurement is on the source's clock.
    assert_eq!(eeg.clock_offsets.len(), 13);
    assert!((eeg.clock_offsets[0].time_s - (1_000.000_000_007 - 0.25)).abs() < 1e-9);
    assert!((eeg.clock_offsets[0].offset_s - 0.25).abs() < 1e-9);

    let cues = session.source(SourceId(1)).unwrap();
    assert_eq!(cues.texts.len(), 124);
    assert_eq!(cues.texts[..2], ["cue_13", "\u{e4}<&>"]);
    assert_eq!(cues.info.field("source_id"), Some("box-7"));
    assert!(cues.info.raw_xml.contains("<maker>A &amp; B</maker>"));
    assert!(!cues.info.raw_xml.contains("ward-3") && !cues.info.raw_xml.contains("10.0.0.7"));
}

#[test]
fn a_torn_session_opens_up_to_the_tear() {
    let out = tempfile::tempdir().unwrap();
    let folder = recorded(out.path(), 1000);
    let bytes = std::fs::read(folder.xdf_path()).unwrap();
    std::fs::write(folder.xdf_path(), &bytes[..bytes.len() / 2]).unwrap();
    let session = RecordedSession::open(&folder.xdf_path()).unwrap();
    assert!(!session.is_closed && session.problems.len() == 1);
    assert!(session.turns.len() > 300 && session.turns.len() < 700, "{}", session.turns.len());
    assert!(session.sources[0].stamps_s.len() >= session.turns.len());
}

#[test]
fn what_is_not_a_session_says_so() {
    let out = tempfile::tempdir().unwrap();
    let folder = recorded(out.path(), 1);
    let foreign = recording::xdf::Writer::start(Vec::new()).unwrap().into_sink();
    std::fs::write(folder.xdf_path(), foreign).unwrap();
    let error = RecordedSession::open(folder.path()).unwrap_err();
    assert!(matches!(&error, OpenError::NoStream { stream, .. } if stream == "source 0"), "{error}");
    std::fs::write(folder.xdf_path(), b"GIF89a").unwrap();
    assert!(matches!(RecordedSession::open(folder.path()), Err(OpenError::Read { .. })));
    std::fs::remove_file(folder.manifest_path()).unwrap();
    assert!(matches!(RecordedSession::open(folder.path()), Err(OpenError::Manifest(_))));
}

#[test]
fn samples_that_do_not_fit_are_counted() {
    let sink = crate::support::Shared::default();
    let mut recorder = Recorder::start(sink.clone(), &sources(), Options::default()).unwrap();
    let (head, values) = sample(0);
    recorder.take_sample(SourceId(0), &head, &values[..7]);
    recorder.take_sample(SourceId(0), &head, &values);
    recorder.take_sample(SourceId(1), &head, &values);
    recorder.take_sample(SourceId(9), &head, &values);
    recorder.take_text(SourceId(0), 1.0, "text");
    let summary = recorder.close(0);
    assert_eq!((summary.streams[0].refused, summary.streams[0].samples), (2, 1));
    assert_eq!(summary.streams[0].out_of_order, 1);
    assert_eq!((summary.streams[1].refused, summary.streams[1].samples), (1, 0));
}

#[test]
fn a_description_that_cannot_stand_alone_costs_only_itself() {
    let mut source = sources().remove(0);
    source.source_xml = Some(
        "<info xmlns:x=\"urn:x\"><name>amp</name><type>EEG</type><channel_count>8</channel_count>\
         <channel_format>float32</channel_format><source_id>s</source_id><desc><x:a/></desc></info>"
            .into(),
    );
    let sink = crate::support::Shared::default();
    let mut recorder = Recorder::start(sink.clone(), &[source], Options::default()).unwrap();
    let (head, values) = sample(0);
    recorder.take_sample(SourceId(0), &head, &values);
    recorder.close(0);
    let recording = recording::xdf::read(&sink.bytes()).unwrap();
    assert!(recording.problems.is_empty(), "{:?}", recording.problems);
    let stream = &recording.streams[0];
    assert_eq!((stream.samples(), stream.header.field("source_id")), (1, Some("s")));
    assert_eq!(stream.header.channels[6].label, "Oz");
}

/// Guards replay's goal (a 10-minute session in 6 s): reading 150 000 turns and samples must be a small part of it.
#[test]
fn ten_minutes_open_fast() {
    let out = tempfile::tempdir().unwrap();
    let folder = recorded(out.path(), 150_000);
    let started = timeline::clock::now_ns();
    let session = RecordedSession::open(folder.path()).unwrap();
    let took_ms = (timeline::clock::now_ns() - started) / 1_000_000;
    assert_eq!(session.turns.len(), 150_000);
    println!("{} bytes opened in {took_ms} ms", std::fs::metadata(folder.xdf_path()).unwrap().len());
    // The limit leaves room for a busy machine and an unoptimised build; see the printed number.
    assert!(took_ms < 5_000, "{took_ms} ms");
}
