//! However samples, markers, flips and turns fall together, live decisions are the replayed ones: the real driver, sinks
//! and rings, fed in random order and size, too late, too much, with faults, recorded as a session and replayed.

use std::collections::BTreeMap;

use acquisition::{
    ChannelFormat, ChunkSink, MarkerPorts, MarkerSink, OutletSpec, SinkPorts, SinkSpec, SourceInfo,
};
use crossbeam_channel::Receiver;
use photic::experiment::Experiment;
use photic::replay::replay;
use photic::turns::{LoopDriver, Port, TurnEnd};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use recording::xdf::Format;
use recording::{
    ClockKind, Machine, Manifest, Options, RawStream, Recorder, SessionFolder, SourceEntry, SourceKind,
    WallTime, sha256_hex,
};
use timeline::latest::{LatestReader, latest};
use timeline::ring::{Reader, RowReader, Writer, ring, rows};
use timeline::{Act, Command, Device, Event, Flip, OnsetClass, Response, SourceId, s_from_ns};

const LABELS: [&str; 3] = ["Oz", "PO7", "PO8"];
const RATE_HZ: f64 = 100.0;
const START_NS: i64 = 5_000_000_000;
const REFRESH_NS: i64 = 16_666_667;

/// Rows that may wait for the loop, and room in its ring: small, so that skips and refusals are common.
const MAX_LAG: usize = 32;
const ROOM: usize = 64;

/// Steps of 15 ms before anything goes wrong: the calibration block and a little.
const CALM: usize = 800;

const STREAM: &str = r#"
[protocol]
name = "interleaved"
description = "Any order of arrivals"
grey_ramp_s = 0.2
min_free_mb = 1
[stream.eeg]
type = "EEG"
channels = ["Oz", "PO7", "PO8"]
rate_hz = 100.0
unit = "uV"
stale_after_s = 0.2
grey_after_s = 0.5
max_lag_s = 0.32
[stream.cues]
type = "Markers"
markers = { rest = 0, ten = 1 }
"#;

const HELD: &str = r#"
[stimulus.target.grating]
sf_cpd = 1.0
orientation_deg = 45.0
phase_deg = 0.0
diameter_deg = 10.0
edge_deg = 1.0
flicker = { on_off_hz = 10.0, waveform = "sine" }
[decoder.ssvep_amplitude]
stream = "eeg"
stimulus = "target"
report_channel = "Oz"
window_s = 1.0
update_s = 0.05
highpass_hz = 1.0
[controller.pi]
kp = 0.2
ki_per_s = 0.5
nominal_gain_uv = 3.5
semisaturation = 0.3
exponent = 2.0
contrast_min = 0.0
contrast_max = 0.9
slew_per_s = 2.0
[[block]]
name = "calibrate"
duration_s = 11.0
calibrate = { stimulus = "target", contrast = 0.6, on_s = 4.8, off_s = 0.7 }
[[block]]
name = "hold"
duration_s = 4.0
hold = { stimulus = "target", set_point_uv = 2.0 }
[[block]]
name = "hold again"
duration_s = 60.0
hold = { stimulus = "target", set_point_uv = 1.0 }
"#;

const LISTENED: &str = r#"
[decoder.cca]
stream = "eeg"
cues = "cues"
classes = [{ label = "rest", code = 0 }, { label = "10 Hz", code = 1, frequency_hz = 10.0 }]
harmonics = 1
window_s = 1.0
delay_s = 0.1
band_hz = [3.0, 45.0]
rest_false_alarm = 0.05
[[block]]
name = "listen"
duration_s = 60.0
listen = { until_cues = 1000 }
"#;

/// One thing that happens, after `wait_ms`.
#[derive(Debug, Clone)]
enum Happening {
    Chunk {
        samples: usize,
        fault: Fault,
    },
    Cue {
        code: u8,
        late_ms: i64,
    },
    Flips(u64),
    Turn,
    Offset(i64),
    /// Somebody presses; now and then the operator pauses, or goes on.
    Press(bool),
    Drain,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    NotANumber,
    StampNotANumber,
    StampsBack,
}

fn happening() -> impl Strategy<Value = (i64, Happening)> {
    let fault = prop_oneof![
        300 => Just(Fault::None),
        1 => Just(Fault::NotANumber),
        1 => Just(Fault::StampNotANumber),
        1 => Just(Fault::StampsBack),
    ];
    let wait_ms = prop_oneof![200 => 0..16i64, 1 => 200..900i64];
    let what = prop_oneof![
        320 => (1..7usize, fault).prop_map(|(samples, fault)| Happening::Chunk { samples, fault }),
        1 => (20..90usize).prop_map(|samples| Happening::Chunk { samples, fault: Fault::None }),
        32 => (0..3u8, 0..40i64).prop_map(|(code, late_ms)| Happening::Cue { code, late_ms }),
        160 => (1..3u64).prop_map(Happening::Flips),
        320 => Just(Happening::Turn),
        2 => (-2_000_000..2_000_000i64).prop_map(Happening::Offset),
        12 => Just(Happening::Drain),
        8 => (0..4u8).prop_map(|dice| Happening::Press(dice == 0)),
    ];
    (wait_ms, what)
}

fn case() -> impl Strategy<Value = (bool, u64, Vec<(i64, Happening)>)> {
    let stopped = prop_oneof![3 => Just(None), 1 => Just(Some((0i64, Happening::Stop)))];
    let happenings =
        (prop::collection::vec(happening(), 300..1500), stopped, prop::collection::vec(happening(), 60));
    let all = happenings.prop_map(|(mut all, stop, rest)| {
        all.extend(stop.into_iter().chain(rest));
        all
    });
    (any::<bool>(), any::<u64>(), all)
}

/// What a case came to, so that the test can say that it tested something.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    turns: u64,
    decisions: usize,
    commands: usize,
    skipped: u64,
    held: u64,
}

/// A session whose every carrier is in our hands.
struct Room {
    now_ns: i64,
    driver: LoopDriver,
    eeg: ChunkSink,
    cues: MarkerSink,
    presses: Writer<Response>,
    flips: Writer<Flip>,
    commands: LatestReader<Option<Command>>,
    flip_events: Writer<Event>,
    events: Vec<Reader<Event>>,
    samples: RowReader,
    texts: Receiver<acquisition::TextMarker>,
    recorder: Recorder,
    sent: u64,
    frame: u64,
    dice: u64,
    stop: bool,
    over: bool,
    seen: Seen,
}

impl Room {
    fn furnish(folder: &SessionFolder, holds: bool, dice: u64) -> Self {
        let protocol = format!("{STREAM}{}", if holds { HELD } else { LISTENED });
        let rig = include_str!("../../protocols/simulated-rig.toml").to_owned();
        folder.write_copies(protocol.as_bytes(), rig.as_bytes()).unwrap();
        let experiment = Experiment::parse(protocol, "the test's protocol", rig, "the rig").unwrap();
        let step = closedloop::Loop::prepare(&experiment.lower(1).unwrap().plan).unwrap();
        manifest(&experiment).write(folder).unwrap();
        let recorder =
            Recorder::create(folder, &[eeg_stream(), cue_stream()], Options::virtual_clock()).unwrap();

        let (loop_events, loop_reader) = ring(210); // room for little more than a turn: the loop often has to hold
        let (eeg_events, eeg_reader) = ring(1 << 14);
        let (cue_events, cue_reader) = ring(1 << 14);
        let (flip_events, flip_reader) = ring(1 << 14);
        let (loop_rows, port) = rows(ROOM, LABELS.len());
        let (recorder_rows, samples) = rows(1 << 15, LABELS.len());
        let (loop_markers, markers) = ring(512);
        let (flips, flips_reader) = ring(1 << 14);
        let (texts_in, texts) = crossbeam_channel::bounded(1 << 12);
        let (publish, commands) = latest(&None);
        let ports = vec![Port::Samples { rows: port, max_lag: MAX_LAG }, Port::Markers(markers)];
        let info = SourceInfo::in_process(&outlet(), s_from_ns(START_NS));
        let wanted = acquisition::Expected {
            channels: LABELS.map(String::from).to_vec(),
            rate_hz: RATE_HZ,
            unit: None,
        };
        let map = acquisition::check(&info, &wanted).unwrap();
        let spec = SinkSpec { source: SourceId(0), channel_count: LABELS.len(), map, rate_hz: RATE_HZ };
        let codes = BTreeMap::from([("rest".to_owned(), 0), ("ten".to_owned(), 1)]);
        let cue_ports = MarkerPorts { loop_markers, events: cue_events, texts: texts_in };
        let mut driver = LoopDriver::new(step, ports, flips_reader, publish, loop_events);
        let (presses, pressed) = ring(32);
        driver.hear(pressed);
        Self {
            now_ns: START_NS,
            driver,
            presses,
            eeg: ChunkSink::new(spec, SinkPorts { loop_rows, recorder_rows, events: eeg_events }).unwrap(),
            cues: MarkerSink::new(SourceId(1), codes, cue_ports),
            flips,
            commands,
            flip_events,
            events: vec![loop_reader, eeg_reader, cue_reader, flip_reader],
            samples,
            texts,
            recorder,
            sent: 0,
            frame: 0,
            dice,
            stop: false,
            over: false,
            seen: Seen::default(),
        }
    }

    fn noise(&mut self) -> f64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.dice >> 33) as f64 / f64::from(1u32 << 31) - 0.5) * 20.0
    }

    fn happen(&mut self, wait_ms: i64, what: &Happening) {
        self.now_ns += wait_ms * 1_000_000 + 17;
        match *what {
            Happening::Chunk { samples, fault } => self.chunk(samples, fault),
            Happening::Cue { code, late_ms } => {
                let text = ["rest", "ten", "unknown"][usize::from(code)].to_owned();
                self.cues.accept(self.now_ns, s_from_ns(self.now_ns - late_ms * 1_000_000), text);
            }
            Happening::Flips(count) => (0..count).for_each(|_| self.flip()),
            Happening::Turn => self.turn(),
            Happening::Offset(offset_ns) => self.eeg.set_clock_offset(self.now_ns, offset_ns),
            Happening::Press(operator) => self.press(operator),
            Happening::Drain => self.drain(),
            Happening::Stop => self.stop = true,
        }
    }

    fn press(&mut self, operator: bool) {
        let (device, code) = match operator {
            true => (Device::Operator, Act::Toggle.code()),
            false => (Device::Keyboard, 4),
        };
        let at_ns = self.now_ns - 3_000_000;
        let (arrival_ns, queued_ns) = (self.now_ns, 5);
        // A loop that is held takes none; what no longer fits is nobody's input.
        let _ = self.presses.push(Response {
            index: 0,
            at_ns,
            arrival_ns,
            queued_ns,
            device,
            code,
            pressed: true,
        });
    }

    fn chunk(&mut self, samples: usize, fault: Fault) {
        let due = ((self.now_ns - START_NS) as f64 / 1e9 * RATE_HZ) as u64;
        if self.sent > due + 8 {
            return; // an amplifier is never far ahead of time
        }
        let samples = samples + (due.saturating_sub(self.sent) / 8) as usize;
        let (mut stamps_s, mut values) = (Vec::new(), Vec::new());
        let contrast = self.commands.read().map(|command| command.contrast);
        for index in 0..samples {
            let back_s = if fault == Fault::StampsBack { 0.3 } else { 0.0 };
            let stamp_s = s_from_ns(START_NS) + self.sent as f64 / RATE_HZ - back_s;
            let broken = fault == Fault::StampNotANumber && index == samples / 2;
            stamps_s.push(if broken { f64::NAN } else { stamp_s });
            for channel in 0..LABELS.len() {
                let seen = contrast.map_or(0.0, |contrast| contrast.at((stamp_s * 1e9) as i64));
                let seen_uv =
                    20.0 * seen * (std::f64::consts::TAU * 10.0 * (stamp_s - s_from_ns(START_NS))).sin();
                let value = f64::from((seen_uv + self.noise()) as f32);
                let broken = fault == Fault::NotANumber && index == samples / 2 && channel == 1;
                values.push(if broken { f64::NAN } else { value });
            }
            self.sent += 1;
        }
        self.eeg.accept(self.now_ns, &stamps_s, &values);
    }

    fn flip(&mut self) {
        let due = ((self.now_ns - START_NS) / REFRESH_NS) as u64;
        if self.frame >= due {
            return;
        }
        // Late flips come one after the other; where they are far behind, refreshes were missed.
        let missed = if due - self.frame > 4 { (due - self.frame - 2) as u32 } else { 0 };
        self.frame += 1 + u64::from(missed);
        let flip = Flip {
            frame: self.frame,
            onset_ns: START_NS + self.frame as i64 * REFRESH_NS + (self.noise() * 1e4) as i64,
            class: OnsetClass::Predicted,
            submitted_ns: self.now_ns,
            command: None,
            scene: timeline::SceneId(1),
            contrast: 0.5,
            missed,
            late: 0,
            replaces: false,
            gaze: None,
            veil: 1.0,
        };
        // The display's order: to the loop, then to the recorder.
        assert!(self.flips.push(flip) && self.flip_events.push(Event::Flip(flip)));
    }

    fn turn(&mut self) {
        if self.over {
            return;
        }
        let now_ns = self.now_ns;
        match self.driver.turn(now_ns, self.stop, || now_ns) {
            TurnEnd::Finished => self.over = true,
            TurnEnd::Held => self.seen.held += 1,
            TurnEnd::Stepped | TurnEnd::Idle => {}
        }
    }

    fn drain(&mut self) {
        for ring in &mut self.events {
            while let Some(event) = ring.pop() {
                match event {
                    Event::Turn(turn) => {
                        self.seen.turns += 1;
                        self.seen.skipped += turn.takes.iter().map(|take| take.skipped).sum::<u64>();
                    }
                    Event::Decision(_) => self.seen.decisions += 1,
                    Event::Command(_) => self.seen.commands += 1,
                    _ => {}
                }
                self.recorder.take_event(event);
            }
        }
        let mut row = [0.0; LABELS.len()];
        while let Some(head) = self.samples.pop(&mut row) {
            self.recorder.take_sample(SourceId(0), &head, &row);
        }
        while let Ok(marker) = self.texts.try_recv() {
            self.recorder.take_text(marker.source, marker.stamp_s, &marker.text);
        }
        self.recorder.flush(self.now_ns).unwrap();
    }
}

fn outlet() -> OutletSpec {
    OutletSpec {
        name: "amp".into(),
        stream_type: "EEG".into(),
        channel_labels: LABELS.map(String::from).to_vec(),
        units: vec!["microvolts".into()],
        rate_hz: RATE_HZ,
        format: ChannelFormat::Float32,
        source_id: "amp".into(),
        time_scale: 1.0,
        positions_mm: Vec::new(),
        desc: Vec::new(),
    }
}

fn eeg_stream() -> RawStream {
    RawStream {
        name: "amp".into(),
        stream_type: "EEG".into(),
        channel_count: LABELS.len(),
        labels: LABELS.map(String::from).to_vec(),
        units: vec!["microvolts".into(); LABELS.len()],
        rate_hz: RATE_HZ,
        format: Format::Float32,
        source_xml: None,
        kind: SourceKind::Numeric,
    }
}

fn cue_stream() -> RawStream {
    RawStream {
        name: "cues".into(),
        stream_type: "Markers".into(),
        channel_count: 1,
        labels: Vec::new(),
        units: Vec::new(),
        rate_hz: 0.0,
        format: Format::Text,
        source_xml: None,
        kind: SourceKind::Text,
    }
}

fn manifest(experiment: &Experiment) -> Manifest {
    let entry = |name: &str, stream: RawStream, wanted: Vec<usize>| SourceEntry {
        name: name.into(),
        stream_name: stream.name,
        stream_type: stream.stream_type,
        rate_hz: stream.rate_hz,
        labels: stream.labels,
        units: stream.units,
        wanted,
        time_scale: 1.0,
    };
    Manifest {
        format_version: Manifest::FORMAT_VERSION,
        photic_version: env!("CARGO_PKG_VERSION").into(),
        photic_build: "test".into(),
        protocol: "interleaved".into(),
        protocol_sha256: sha256_hex(experiment.protocol_text.as_bytes()),
        rig_sha256: sha256_hex(experiment.rig_text.as_bytes()),
        seed: 1,
        participant: "none".into(),
        clock: ClockKind::Virtual,
        started_utc: WallTime::now().iso(),
        start_ns: START_NS,
        command_line: Vec::new(),
        machine: Machine::probe(),
        sources: vec![entry("eeg", eeg_stream(), vec![0, 1, 2]), entry("cues", cue_stream(), Vec::new())],
        display: None,
        outcome: None,
        extra: serde_json::Map::new(),
    }
}

fn live_and_replayed(holds: bool, dice: u64, happenings: &[(i64, Happening)]) -> Result<Seen, TestCaseError> {
    let out = tempfile::tempdir().unwrap();
    let folder = SessionFolder::create(out.path(), "none", "interleaved", WallTime::now()).unwrap();
    let mut room = Room::furnish(&folder, holds, dice);
    // A calm beginning, in which the calibration can succeed.
    for step in 0..CALM {
        for what in
            [Happening::Flips(1), Happening::Chunk { samples: 2, fault: Fault::None }, Happening::Turn]
        {
            room.happen(5, &what);
        }
        if step % 20 == 19 {
            room.happen(0, &Happening::Drain);
        }
    }
    for (wait_ms, what) in happenings {
        room.happen(*wait_ms, what);
    }
    room.drain();
    let seen = room.seen;
    let written = room.recorder.close(room.now_ns);
    prop_assert!(written.ended_early.is_none());
    let verdict = replay(folder.path()).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert!(verdict.identical && verdict.ends_early.is_none(), "{verdict}");
    prop_assert_eq!(
        (verdict.turns, verdict.decisions, verdict.commands),
        (seen.turns, seen.decisions, seen.commands)
    );
    Ok(seen)
}

#[test]
fn any_interleaving_of_arrivals_replays_identically() {
    let mut all = [Seen::default(); 2];
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let all_of = std::cell::RefCell::new(&mut all);
    let result = runner.run(&case(), |(holds, dice, happenings)| {
        let seen = live_and_replayed(holds, dice, &happenings)?;
        let total = &mut all_of.borrow_mut()[usize::from(holds)];
        total.turns += seen.turns;
        total.decisions += seen.decisions;
        total.commands += seen.commands;
        total.skipped += seen.skipped;
        total.held += seen.held;
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    eprintln!("listening {:?}\nholding {:?}", all[0], all[1]);
    // What the cases must have gone through, or they prove nothing.
    for seen in all {
        assert!(seen.turns > 5000 && seen.skipped > 200 && seen.decisions > 50, "{seen:?}");
    }
    assert!(all[1].decisions > 500 && all[1].commands > 200, "{:?}", all[1]);
    assert!(all[0].held + all[1].held > 20, "{all:?}");
}
