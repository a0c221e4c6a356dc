//! Recordings to test with.

use std::path::PathBuf;

use recording::xdf::{Ended, Format, SampleBlock, StreamHeader, Writer};
use recording::{Options, RawStream, Recorder, SourceKind};
use timeline::ring::RowHead;
use timeline::{
    Chunk, ClockOffset, Command, Decision, Event, Flip, Latent, Marker, Notice, NoticeKind, OnsetClass,
    Published, Ramp, SceneId, SourceId, Take, Turn,
};

/// The folder of real recordings; `None` (with a printed reason) when it is absent and nobody insists.
pub fn shared_data() -> Option<PathBuf> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data"));
    if path.is_dir() {
        return Some(path);
    }
    assert!(std::env::var_os("PHOTIC_REQUIRE_SHARED").is_none(), "{} is absent", path.display());
    eprintln!("skipped: no real recordings at {}", path.display());
    None
}

/// All real XDF files.
pub fn shared_xdf() -> Vec<PathBuf> {
    let Some(data) = shared_data() else { return Vec::new() };
    let folders = ["xdf", "eeg"].map(|folder| std::fs::read_dir(data.join(folder)).unwrap());
    let mut files: Vec<PathBuf> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "xdf"));
    files.sort();
    assert!(files.len() >= 5, "{files:?}");
    files
}

/// A small generator (SplitMix64), so that a failure can be repeated.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Two sources like those of a session: EEG and markers.
pub fn sources() -> Vec<RawStream> {
    vec![
        RawStream {
            name: "amp".into(),
            stream_type: "EEG".into(),
            channel_count: 8,
            labels: ["PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2"].map(String::from).to_vec(),
            units: vec!["microvolts".into(); 8],
            rate_hz: 250.0,
            format: Format::Float32,
            source_xml: None,
            kind: SourceKind::Numeric,
        },
        RawStream {
            name: "cues".into(),
            stream_type: "Markers".into(),
            channel_count: 1,
            labels: vec![],
            units: vec![],
            rate_hz: 0.0,
            format: Format::Text,
            source_xml: Some(
                "<?xml version=\"1.0\"?><info><name>cues</name><type>Markers</type><channel_count>1</channel_count>\
                 <nominal_srate>0</nominal_srate><channel_format>string</channel_format>\
                 <source_id>box-7</source_id><hostname>ward-3</hostname><v4address>10.0.0.7</v4address>\
                 <desc><maker>A &amp; B</maker></desc></info>"
                    .into(),
            ),
            kind: SourceKind::Text,
        },
    ]
}

/// What turn `index` of the example hands over, with every optional field both there and absent.
pub fn events(index: u64) -> Vec<Event> {
    let now_ns = 1_000_000_000_000 + index as i64 * 4_000_000 + 7;
    let even = index.is_multiple_of(2);
    let source = SourceId(0);
    let mut takes = [Take::default(); 4];
    takes[0] = Take { end: index + 1, skipped: index % 3 };
    let mut events = vec![Event::Turn(Turn {
        index,
        now_ns,
        flips_end: index / 4,
        stop: index == 77,
        held: index == 78,
        takes,
        answers_end: index / 9,
        replies_end: 0,
        responses_end: 0,
    })];
    if index.is_multiple_of(4) {
        events.push(Event::Flip(Flip {
            frame: index / 4,
            onset_ns: now_ns + 1,
            class: OnsetClass::Simulated,
            submitted_ns: now_ns - 5,
            command: even.then_some(index),
            scene: SceneId(3),
            contrast: 0.1 * index as f64,
            missed: 2,
            late: 0,
            replaces: false,
            gaze: None,
            veil: 1.0,
        }));
        events.push(Event::Chunk(Chunk {
            source,
            first_sample: index,
            count: 4,
            arrival_ns: now_ns,
            offset_ns: -17,
            refused: 1,
        }));
    }
    if index.is_multiple_of(10) {
        events.push(Event::Decision(Decision {
            index,
            turn: index,
            decided_ns: now_ns,
            source,
            first_sample: 0,
            end_sample: index,
            value: 1.0 / 3.0,
            spread: f64::MIN_POSITIVE,
            set_point: even.then_some(-0.0),
            label: even.then_some(2),
            cue: None,
        }));
        events.push(Event::Command(Command {
            index,
            turn: index,
            issued_ns: now_ns,
            decision: Some(index),
            scene: SceneId::GREY,
            contrast: Ramp { from: 0.1, to: 0.2, start_ns: now_ns, end_ns: now_ns + 1 },
            picture: None,
            not_before_ns: 0,
        }));
        events.push(Event::Published(Published { command: index, at_ns: now_ns + 9 }));
        events.push(Event::Marker(Marker {
            source: SourceId(1),
            index,
            at_ns: now_ns,
            arrival_ns: now_ns,
            code: None,
        }));
        events.push(Event::Notice(Notice {
            at_ns: now_ns,
            kind: NoticeKind::FlatChannel,
            source: Some(source),
            count: i64::MIN,
            value: f64::INFINITY,
        }));
        events.push(Event::Latent(Latent { at_ns: now_ns, response_uv: 2.5, gain: 0.9, contrast_seen: 0.4 }));
    }
    if index.is_multiple_of(100) {
        events.push(Event::ClockOffset(ClockOffset {
            source,
            at_ns: now_ns,
            offset_ns: 250_000_000 + index as i64,
        }));
    }
    events
}

/// Sample `index` of the example's EEG, exact in `float32`.
pub fn sample(index: u64) -> (RowHead, [f64; 8]) {
    let stamp_s = 999.75 + index as f64 / 250.0 + 1e-9 * (index % 7) as f64;
    let values =
        std::array::from_fn(|channel| f64::from((index as f32 * 0.37 + channel as f32).sin() * 50.0));
    (RowHead { index, stamp_s, at_ns: 0 }, values)
}

/// Records `turns` turns of the example, flushing every 25 (100 ms).
pub fn record<S: recording::xdf::Sink>(sink: S, turns: u64) -> Recorder<S> {
    let mut recorder = Recorder::start(sink, &sources(), Options::default()).unwrap();
    for index in 0..turns {
        feed(&mut recorder, index);
    }
    recorder
}

/// One turn of the example, with its flush when it is due.
pub fn feed<S: recording::xdf::Sink>(recorder: &mut Recorder<S>, index: u64) -> Option<Ended> {
    let (head, values) = sample(index);
    recorder.take_sample(SourceId(0), &head, &values);
    if index.is_multiple_of(10) {
        recorder.take_text(
            SourceId(1),
            head.stamp_s,
            if index.is_multiple_of(20) { "cue_13" } else { "\u{e4}<&>" },
        );
    }
    for event in events(index) {
        recorder.take_event(event);
    }
    if index % 25 == 24 {
        return recorder.flush(1_000_000_000_000 + index as i64 * 4_000_000).err();
    }
    None
}

/// A file with one stream of every format, `samples` samples each, and where each of its chunks begins.
pub fn every_format(samples: usize) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new()).unwrap();
    let mut blocks = Vec::new();
    for (index, format) in Format::ALL.into_iter().enumerate() {
        let channels = index % 3 + 1;
        let mut header = StreamHeader::new(
            format.name(),
            "Test",
            channels,
            if index.is_multiple_of(2) { 100.0 } else { 0.0 },
            format,
        );
        header.fields.push(("source_id".into(), format!("s{index}")));
        let id = writer.add_stream(&header).unwrap();
        blocks.push((format, channels, SampleBlock::new(id, format, channels), id));
    }
    let mut dice = Dice(5);
    for sample in 0..samples {
        for (format, channels, block, id) in &mut blocks {
            let stamp_s = 50.0 + sample as f64 * 0.01 + dice.below(1000) as f64 * 1e-7;
            match format {
                Format::Text => {
                    let texts: Vec<String> = (0..*channels).map(|_| "x".repeat(dice.below(300))).collect();
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    block.push_texts(stamp_s, &texts).unwrap();
                }
                Format::Int64 => {
                    let values: Vec<i64> = (0..*channels).map(|_| dice.next() as i64).collect();
                    block.push_ints(stamp_s, &values).unwrap();
                }
                _ => {
                    let values: Vec<f64> = (0..*channels).map(|_| dice.next() as i64 as f64 / 1e10).collect();
                    block.push_numbers(stamp_s, &values).unwrap();
                }
            }
            if dice.below(4) == 0 {
                writer.write_block(block).unwrap();
            }
            if dice.below(40) == 0 {
                writer.write_clock_offset(*id, stamp_s, -1e5 + 1e-5 * dice.below(100) as f64).unwrap();
            }
        }
        if sample % 50 == 49 {
            writer.write_boundary().unwrap();
        }
    }
    for (_, _, block, _) in &mut blocks {
        writer.write_block(block).unwrap();
    }
    writer.close().unwrap();
    writer.into_sink()
}

/// A sink that others can look into after the recorder took it.
#[derive(Clone, Default)]
pub struct Shared(pub std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Shared {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl recording::xdf::Sink for Shared {
    fn cut(&mut self, len: u64) -> std::io::Result<()> {
        self.0.lock().unwrap().truncate(len as usize);
        Ok(())
    }
}

/// The example, closed, as bytes.
pub fn recorded(turns: u64) -> Vec<u8> {
    let sink = Shared::default();
    let summary = record(sink.clone(), turns).close(0);
    assert_eq!(summary.ended_early, None);
    sink.bytes()
}
