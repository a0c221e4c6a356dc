//! Sessions made up for tests: what a thermostat or a listening run leaves, without running one.

use std::f64::consts::TAU;

use protocol::{BlockKind, Protocol, SplitMix64};
use recording::xdf::{Format, StreamHeader};
use recording::{
    ClockKind, DisplayInfo, Machine, Manifest, Outcome, RecordedSession, RecordedSource, SessionFolder,
    SourceEntry, WallTime,
};
use timeline::{
    Chunk, Command, Decision, Flip, Latent, Marker, Notice, NoticeKind, OnsetClass, Published, Ramp, SceneId,
    SourceId, Take, Turn, ns_from_s,
};

/// A protocol of the tests' own, so that tuning the shipped one changes no expectation here.
pub const THERMOSTAT: &str = r#"
[protocol]
name = "thermostat"
description = "Holds the response to a flickering grating at a set point that steps"
grey_ramp_s = 0.5
min_free_mb = 200

[stream.eeg]
type = "EEG"
channels = ["PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2"]
rate_hz = 250.0
unit = "uV"
stale_after_s = 0.3
grey_after_s = 1.0
max_lag_s = 0.5

[stimulus.target.grating]
sf_cpd = 1.0
orientation_deg = 45.0
phase_deg = 0.0
diameter_deg = 10.0
edge_deg = 1.0
flicker = { counterphase_hz = 7.5, waveform = "sine" }

[decoder.ssvep_amplitude]
stream = "eeg"
stimulus = "target"
report_channel = "Oz"
window_s = 2.0
update_s = 0.1
highpass_hz = 1.0

[controller.pi]
kp = 0.2
ki_per_s = 0.5
nominal_gain_uv = 5.0
semisaturation = 0.25
exponent = 2.0
contrast_min = 0.0
contrast_max = 0.9
slew_per_s = 2.0

[[block]]
name = "calibrate"
duration_s = 24.0
calibrate = { stimulus = "target", contrast = 0.6, on_s = 4.0, off_s = 2.0 }

[[block]]
name = "hold-2.0"
duration_s = 30.0
hold = { stimulus = "target", set_point_uv = 2.0 }

[[block]]
name = "hold-3.0"
duration_s = 30.0
hold = { stimulus = "target", set_point_uv = 3.0 }

[[block]]
name = "hold-1.5"
duration_s = 30.0
hold = { stimulus = "target", set_point_uv = 1.5 }

[[block]]
name = "hold-2.5"
duration_s = 30.0
hold = { stimulus = "target", set_point_uv = 2.5 }
"#;

/// A protocol for people.
pub const PEOPLE: &str = include_str!("../../../protocols/two-choice.toml");

/// The same for a listening run.
pub const LISTEN: &str = r#"
[protocol]
name = "ssvep-listen"
description = "Attended flicker of 13, 17 and 21 Hz or rest"
grey_ramp_s = 0.5
min_free_mb = 200

[stream.eeg]
type = "EEG"
channels = ["Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4"]
rate_hz = 256.0
unit = "any"
stale_after_s = 0.5
grey_after_s = 2.0
max_lag_s = 5.0

[stream.cues]
type = "Markers"
markers = { cue_rest = 0, cue_13 = 1, cue_17 = 2, cue_21 = 3 }

[decoder.cca]
stream = "eeg"
cues = "cues"
classes = [
    { label = "rest", code = 0 },
    { label = "13 Hz", code = 1, frequency_hz = 13.0 },
    { label = "17 Hz", code = 2, frequency_hz = 17.0 },
    { label = "21 Hz", code = 3, frequency_hz = 21.0 },
]
harmonics = 2
window_s = 4.0
delay_s = 1.0
band_hz = [6.0, 45.0]
rest_false_alarm = 0.01

[[block]]
name = "listen"
duration_s = 900.0
listen = { until_cues = 32 }
"#;

const RIG: &str = "# a rig\n";

/// Some instant of a monotonic clock.
pub const ZERO_NS: i64 = 5_000_000_000_000;
const CHUNK: usize = 4;

/// A session whose folder vanishes with it.
pub struct Held {
    pub session: RecordedSession,
    _dir: tempfile::TempDir,
}

/// What to make.
pub struct Synthetic {
    pub seconds: f64,
    pub channels: usize,
    pub seed: u64,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self { seconds: 144.0, channels: 8, seed: 1 }
    }
}

/// A session with a manifest, the given protocol text and nothing else.
pub fn empty(protocol: &str) -> Held {
    let dir = tempfile::tempdir().unwrap();
    let folder =
        SessionFolder::create(dir.path(), "P07", "synthetic", WallTime::from_unix_s(1_795_367_151)).unwrap();
    folder.write_copies(protocol.as_bytes(), RIG.as_bytes()).unwrap();
    let meta = Manifest {
        format_version: Manifest::FORMAT_VERSION,
        photic_version: "0.1.0".into(),
        photic_build: "synthetic".into(),
        protocol: if protocol == LISTEN { "ssvep-listen".into() } else { "thermostat".into() },
        protocol_sha256: recording::sha256_hex(protocol.as_bytes()),
        rig_sha256: recording::sha256_hex(RIG.as_bytes()),
        seed: 1,
        participant: "P07".into(),
        clock: ClockKind::Live,
        started_utc: WallTime::from_unix_s(1_795_367_151).iso(),
        start_ns: ZERO_NS,
        command_line: vec!["photic".into(), "run".into(), "protocols/thermostat.toml".into()],
        machine: Machine {
            os: "linux".into(),
            arch: "x86_64".into(),
            kernel: "6.1".into(),
            cpu: "some processor".into(),
            cores: 2,
        },
        sources: Vec::new(),
        display: None,
        outcome: None,
        extra: serde_json::Map::new(),
    };
    let session = RecordedSession {
        folder,
        meta,
        sources: Vec::new(),
        turns: Vec::new(),
        commands: Vec::new(),
        published: Vec::new(),
        decisions: Vec::new(),
        flips: Vec::new(),
        chunks: Vec::new(),
        markers: Vec::new(),
        notices: Vec::new(),
        latents: Vec::new(),
        latent_rhythms: Vec::new(),
        onsets: Vec::new(),
        trials: Vec::new(),
        scores: Vec::new(),
        drawn: Vec::new(),
        attenuations: Vec::new(),
        responses: Vec::new(),
        attempts: Vec::new(),
        clock_offsets: Vec::new(),
        requests: Vec::new(),
        answers: Vec::new(),
        presentations: Vec::new(),
        states: Vec::new(),
        replies: Vec::new(),
        pictures: Vec::new(),
        is_closed: true,
        problems: Vec::new(),
    };
    Held { session, _dir: dir }
}

/// Adds a numeric source.
pub fn add_source(
    session: &mut RecordedSession,
    labels: &[String],
    rate_hz: f64,
    stamps_s: Vec<f64>,
    values: Vec<f64>,
) {
    session.meta.sources.push(SourceEntry {
        name: "eeg".into(),
        stream_name: "Synthetic amplifier".into(),
        stream_type: "EEG".into(),
        rate_hz,
        labels: labels.to_vec(),
        units: vec!["microvolts".into(); labels.len()],
        wanted: (0..labels.len()).collect(),
        time_scale: 1.0,
    });
    session.sources.push(RecordedSource {
        info: StreamHeader::new("Synthetic amplifier", "EEG", labels.len(), rate_hz, Format::Float32),
        stamps_s,
        values,
        texts: Vec::new(),
        clock_offsets: Vec::new(),
    });
}

/// A session that holds nothing but the given samples.
pub fn with_values(values: Vec<f64>, channels: usize, rate_hz: f64) -> Held {
    let mut held = empty(THERMOSTAT);
    let labels: Vec<String> = (0..channels).map(|n| format!("c{n}")).collect();
    let rows = values.len() / channels;
    let stamps_s = (0..rows).map(|n| ZERO_NS as f64 / 1e9 + n as f64 / rate_hz).collect();
    add_source(&mut held.session, &labels, rate_hz, stamps_s, values);
    held
}

pub fn flip(frame: u64, onset_ns: i64, contrast: f64, command: Option<u64>) -> Flip {
    Flip {
        frame,
        onset_ns,
        class: OnsetClass::Predicted,
        submitted_ns: onset_ns - 9_000_000,
        command,
        scene: SceneId(u16::from(contrast > 0.0)),
        contrast,
        missed: 0,
        late: 0,
        replaces: false,
        gaze: None,
        veil: 1.0,
    }
}

pub fn decision(index: u64, decided_ns: i64, value: f64, set_point: Option<f64>) -> Decision {
    Decision {
        index,
        turn: index,
        decided_ns,
        source: SourceId(0),
        first_sample: 0,
        end_sample: 1,
        value,
        spread: 0.3,
        set_point,
        label: None,
        cue: None,
    }
}

pub fn notice(at_ns: i64, kind: NoticeKind, source: Option<SourceId>, count: i64) -> Notice {
    Notice { at_ns, kind, source, count, value: 0.0 }
}

pub fn turn(index: u64, now_ns: i64, end: u64) -> Turn {
    let mut takes = [Take::default(); timeline::MAX_SOURCES];
    takes[0].end = end;
    Turn {
        index,
        now_ns,
        flips_end: 0,
        stop: false,
        held: false,
        takes,
        answers_end: 0,
        replies_end: 0,
        responses_end: 0,
    }
}

/// Uniform between -1 and 1; the sum of four is near enough to normal.
fn noise(random: &mut SplitMix64) -> f64 {
    (0..4).map(|_| random.next_u64() as f64 / u64::MAX as f64 - 0.5).sum::<f64>() * 1.73
}

/// A thermostat run: calibration, then hold blocks over and over, with a dead source in the middle.
pub fn thermostat(make: &Synthetic) -> Held {
    let mut held = empty(THERMOSTAT);
    let protocol = Protocol::parse(THERMOSTAT, "thermostat").unwrap();
    let session = &mut held.session;
    let mut random = SplitMix64::new(make.seed);
    let mut run = Thermostat { contrast: 0.0, latent: 0.0, measured: 0.0 };
    let (rate_hz, refresh_hz) = (250.0, 60.0);
    let mut stamps_s = Vec::new();
    let mut values = Vec::new();
    let (mut frame, mut frames_ns) = (0_u64, ZERO_NS);
    let dead = 70.0..72.2;
    let mut block = None;
    for k in 0..(make.seconds * rate_hz) as usize / CHUNK {
        let t = (k * CHUNK) as f64 / rate_hz;
        if dead.contains(&(t % 144.0)) {
            continue;
        }
        let first = stamps_s.len();
        for n in 0..CHUNK {
            let t = t + n as f64 / rate_hz;
            stamps_s.push(ZERO_NS as f64 / 1e9 + t);
            run.sample(t, make.channels, &mut random, &mut values);
        }
        let jitter_ns = (noise(&mut random).powi(4) * 1e5) as i64 + 300_000;
        let arrival_ns = ZERO_NS + ns_from_s(t + (CHUNK - 1) as f64 / rate_hz) + jitter_ns;
        let index = session.turns.len() as u64;
        let source = SourceId(0);
        let (first_sample, count) = (first as u64, CHUNK as u32);
        session.chunks.push(Chunk { source, first_sample, count, arrival_ns, offset_ns: 0, refused: 0 });
        let now_ns = arrival_ns + 25_000 + (noise(&mut random).abs() * 4e4) as i64;
        session.turns.push(turn(index, now_ns, stamps_s.len() as u64));
        begin_blocks(session, &protocol, now_ns, t, &mut block);
        let hold = hold_of(&protocol, t);
        if stamps_s.len() > 500 && stamps_s.len() % 25 < CHUNK && t > 24.0 {
            run.decide(session, index, now_ns, stamps_s.len() as u64, hold, &mut random);
        }
        while frames_ns < now_ns {
            let missed = u32::from(random.below(400) == 0) * (1 + random.below(2) as u32);
            frame += 1 + u64::from(missed);
            let onset_ns = ZERO_NS + ns_from_s(frame as f64 / refresh_hz);
            run.show(session, frame, onset_ns + (noise(&mut random) * 4e4) as i64, missed, t);
            frames_ns = onset_ns;
        }
    }
    absence(session, dead.start);
    let labels = ["PO7", "PO3", "POz", "PO4", "PO8", "O1", "Oz", "O2"].map(String::from);
    let labels: Vec<String> = (0..make.channels).map(|n| labels[n % 8].clone()).collect();
    add_source(session, &labels, rate_hz, stamps_s, values);
    finish(session, refresh_hz, "finished");
    held
}

fn finish(session: &mut RecordedSession, refresh_hz: f64, exit: &str) {
    session.notices.sort_by_key(|notice| notice.at_ns);
    session.meta.display = Some(DisplayInfo {
        mode: "offscreen".into(),
        adapter: "software Vulkan".into(),
        width_px: 320,
        height_px: 240,
        refresh_hz,
    });
    session.meta.outcome = Some(Outcome {
        exit: exit.into(),
        ended_utc: WallTime::from_unix_s(1_795_367_295).iso(),
        counts: std::collections::BTreeMap::new(),
        recording_ended_early: None,
    });
}

/// Hold blocks repeat, so that a session of any length has something in it.
fn hold_of(protocol: &Protocol, t: f64) -> Option<f64> {
    let schedule = protocol.schedule(1);
    let block = schedule.blocks.iter().find(|block| (block.start_s..block.end_s).contains(&(t % 144.0)))?;
    match &block.block.kind {
        BlockKind::Hold(hold) => Some(hold.set_point.range_uv()[0]),
        _ => None,
    }
}

fn begin_blocks(
    session: &mut RecordedSession,
    protocol: &Protocol,
    now_ns: i64,
    t: f64,
    block: &mut Option<usize>,
) {
    let schedule = protocol.schedule(1);
    let now = schedule.blocks.iter().position(|block| (block.start_s..block.end_s).contains(&(t % 144.0)));
    if now != *block {
        if let Some(before) = *block {
            session.notices.push(notice(now_ns, NoticeKind::BlockEnd, None, before as i64));
        }
        if let Some(now) = now {
            session.notices.push(notice(now_ns, NoticeKind::BlockBegin, None, now as i64));
        }
        *block = now;
    }
}

fn absence(session: &mut RecordedSession, start_s: f64) {
    let at = |s: f64| ZERO_NS + ns_from_s(start_s + s);
    let eeg = Some(SourceId(0));
    session.notices.push(notice(at(0.3), NoticeKind::Stale, eeg, 304_000_000));
    session.notices.push(notice(at(1.0), NoticeKind::ToGrey, eeg, 1_004_000_000));
    session.notices.push(notice(at(2.2), NoticeKind::SourceBack, eeg, 2_204_000_000));
    session.notices.push(notice(at(2.25), NoticeKind::Resumed, None, 0));
    session.notices.push(notice(at(2.2), NoticeKind::SamplesLost, eeg, 550));
    session.notices.push(notice(at(-20.0), NoticeKind::Skipped, eeg, 12));
}

struct Thermostat {
    contrast: f64,
    latent: f64,
    measured: f64,
}

impl Thermostat {
    fn sample(&mut self, t: f64, channels: usize, random: &mut SplitMix64, values: &mut Vec<f64>) {
        let alpha = 6.0 * (1.0 + (TAU * 0.07 * t).sin()) * (TAU * 10.2 * t).sin();
        let blink = if t % 7.3 < 0.2 { 60.0 } else { 0.0 };
        let hum = 2.0 * (TAU * 50.0 * t).sin();
        for channel in 0..channels {
            let weight = 0.4 + 0.6 * (-((channel as f64 % 8.0 - 6.0) / 2.5).powi(2)).exp();
            let response = self.latent * weight * (TAU * 15.0 * t).sin();
            values.push(
                response
                    + alpha * (1.2 - weight)
                    + hum * weight
                    + 5.0 * noise(random)
                    + blink * (1.0 - weight),
            );
        }
    }

    fn decide(
        &mut self,
        session: &mut RecordedSession,
        turn: u64,
        now_ns: i64,
        end_sample: u64,
        set_point: Option<f64>,
        random: &mut SplitMix64,
    ) {
        let index = session.decisions.len() as u64;
        self.measured += 0.1 * (self.latent - self.measured);
        let value = self.measured + 0.25 * noise(random);
        let source = SourceId(0);
        let first_sample = end_sample - 500;
        let record = decision(index, now_ns, value, set_point);
        session.decisions.push(Decision { turn, source, first_sample, end_sample, spread: 0.25, ..record });
        let Some(set_point) = set_point else { return };
        let to = (self.contrast + 0.01 * (set_point - value)).clamp(0.0, 0.9);
        let contrast = Ramp { from: self.contrast, to, start_ns: now_ns, end_ns: now_ns + 50_000_000 };
        self.contrast = to;
        let command = session.commands.len() as u64;
        let scene = SceneId(1);
        session.commands.push(Command {
            index: command,
            turn,
            issued_ns: now_ns,
            decision: Some(index),
            scene,
            contrast,
            picture: None,
            not_before_ns: 0,
        });
        session
            .published
            .push(Published { command, at_ns: now_ns + 30_000 + (noise(random).abs() * 2e4) as i64 });
    }

    fn show(&mut self, session: &mut RecordedSession, frame: u64, onset_ns: i64, missed: u32, t: f64) {
        let calibrating = if t < 24.0 && t % 6.0 < 4.0 { 0.6 } else { 0.0 };
        let contrast = if t < 24.0 { calibrating } else { self.contrast };
        let gain = 5.0 * (1.0 + 0.2 * (TAU * t / 140.0).sin());
        let wanted = gain * contrast * contrast / (contrast * contrast + 0.0625);
        self.latent += 0.06 * (wanted - self.latent);
        let before_ns = onset_ns - 9_000_000;
        let command = session.commands.iter().rev().find(|command| command.issued_ns < before_ns);
        let command = command.map(|command| command.index);
        session.flips.push(Flip { missed, ..flip(frame, onset_ns, contrast, command) });
        session.latents.push(Latent {
            at_ns: onset_ns,
            response_uv: self.latent,
            gain: gain / 5.0,
            contrast_seen: contrast,
        });
    }
}

/// A listening run of 32 cues, of which 30 are answered right.
pub fn listening() -> Held {
    let mut held = empty(LISTEN);
    let session = &mut held.session;
    let mut random = SplitMix64::new(3);
    let (rate_hz, seconds) = (256.0, 300.0);
    let rows = (rate_hz * seconds) as usize;
    let attended = |t: f64| [0.0, 13.0, 17.0, 21.0][((t / 9.0) as usize) % 4];
    let mut values = Vec::with_capacity(rows * 8);
    for n in 0..rows {
        let t = n as f64 / rate_hz;
        let tone = if attended(t) > 0.0 { 2.0 * (TAU * attended(t) * t).sin() } else { 0.0 };
        values.extend((0..8).map(|_| tone + 4.0 * noise(&mut random)));
    }
    let stamps_s: Vec<f64> = (0..rows).map(|n| ZERO_NS as f64 / 1e9 + n as f64 / rate_hz).collect();
    for k in 0..rows / 8 {
        let arrival_ns = ZERO_NS + ns_from_s((k * 8 + 7) as f64 / rate_hz) + 400_000;
        let (source, first_sample) = (SourceId(0), k as u64 * 8);
        session.chunks.push(Chunk { source, first_sample, count: 8, arrival_ns, offset_ns: 0, refused: 0 });
        session.turns.push(turn(k as u64, arrival_ns + 30_000, (k as u64 + 1) * 8));
    }
    session.notices.push(notice(ZERO_NS, NoticeKind::BlockBegin, None, 0));
    for cue in 0..32_u32 {
        let at_ns = ZERO_NS + ns_from_s(f64::from(cue) * 9.0);
        let marker = Marker {
            source: SourceId(1),
            index: u64::from(cue),
            at_ns,
            arrival_ns: at_ns + 200_000,
            code: Some(cue % 4),
        };
        session.markers.push(marker);
        let label = if cue == 9 || cue == 20 { (cue + 1) % 4 } else { cue % 4 };
        let record = decision(u64::from(cue), at_ns + ns_from_s(5.01), 0.4 + 0.02 * noise(&mut random), None);
        session.decisions.push(Decision { label: Some(label), cue: Some(cue % 4), spread: 0.1, ..record });
    }
    let labels = ["Oz", "O1", "O2", "PO3", "POz", "PO7", "PO8", "PO4"].map(String::from);
    add_source(session, &labels, rate_hz, stamps_s, values);
    for frame in 0..(seconds * 60.0) as u64 {
        session.flips.push(flip(frame, ZERO_NS + ns_from_s(frame as f64 / 60.0), 0.0, None));
    }
    finish(session, 60.0, "finished");
    held
}
