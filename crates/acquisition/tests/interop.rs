//! The reference binding (pylsl) at the other end: values and stamps equal to the bit, both ways, in every format.
//!
//! PHOTIC_JUDGE_PYTHON names a Python that has pylsl. Unset, the tests are skipped with the reason, except in CI.

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use acquisition::{
    ChannelFormat, ChannelMap, InletPlan, MarkerOutlet, MarkerPlan, MarkerPorts, OutletSpec, SampleOutlet,
    SinkPorts, ThreadPorts, Want, find, spawn_inlet, spawn_markers,
};
use common::{DEADLINE_S, drain_rows, library, repository, session_id, wait_until};
use timeline::SourceId;
use timeline::ring::{ring, rows};

const NUMERIC: [ChannelFormat; 6] = [
    ChannelFormat::Float32,
    ChannelFormat::Double64,
    ChannelFormat::Int8,
    ChannelFormat::Int16,
    ChannelFormat::Int32,
    ChannelFormat::Int64,
];

/// The other process, ended with the test whatever happens.
struct Peer {
    child: Child,
    lines: BufReader<ChildStdout>,
    _config: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Starts the judge and waits for its `ready`; `None` (with the reason printed) where there is none.
    fn start(arguments: &[&str]) -> Option<Self> {
        let Some(python) = std::env::var_os("PHOTIC_JUDGE_PYTHON") else {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI, PHOTIC_JUDGE_PYTHON must name a Python with pylsl"
            );
            eprintln!("skipped: PHOTIC_JUDGE_PYTHON is not set");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("lsl_api.cfg");
        let content = format!(
            "[ports]\nIPv6 = disable\n[multicast]\nResolveScope = machine\nListenAddress = 127.0.0.1\n\
             [log]\nlevel = -3\n[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = {}\n",
            session_id()
        );
        std::fs::write(&config, content).expect("a file");
        let mut child = Command::new(python)
            .arg(repository().join("tests/judges/lsl_peer.py"))
            .args(arguments)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the judge starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        Some(Self { child, lines, _config: folder })
    }

    /// The peer has deadlines of its own, so this ends.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("text");
        line.trim_end_matches('\n').to_owned()
    }

    /// Closes the peer's input, which ends an outlet, and returns what it still had to say.
    fn rest(mut self) -> Vec<String> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.lines.read_to_string(&mut text).expect("text");
        assert!(self.child.wait().expect("it ends").success());
        text.lines().map(str::to_owned).collect()
    }
}

fn hex(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

/// A line as the peer writes it. Which NaN it is may change where a format is converted, that it is one may not.
fn number_line(stamp_s: f64, values: &[f64]) -> String {
    let shown = values.iter().map(|&value| hex(if value.is_nan() { f64::NAN } else { value }));
    std::iter::once(hex(stamp_s)).chain(shown).collect::<Vec<_>>().join(" ")
}

fn text_line(stamp_s: f64, text: &str) -> String {
    let digits: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{} x{digits}", hex(stamp_s))
}

fn want(name: &str, stream_type: &str) -> Want {
    Want { name: Some(name.to_owned()), stream_type: stream_type.to_owned(), timeout_s: DEADLINE_S }
}

fn thread_ports() -> (ThreadPorts, Arc<AtomicBool>) {
    let stop = Arc::new(AtomicBool::new(false));
    let ports = ThreadPorts { wake: thread::current(), stop: Arc::clone(&stop), on_start: Box::new(|| {}) };
    (ports, stop)
}

fn plan(channels: usize) -> InletPlan {
    InletPlan {
        source: SourceId(0),
        name: "eeg".to_owned(),
        map: ChannelMap::identity(channels),
        max_chunk: 128,
        discard_backlog: false,
    }
}

#[test]
fn numbers_from_pylsl_arrive_equal_to_the_bit() {
    let Some(lsl) = library() else { return };
    for format in NUMERIC {
        let name = format!("from-{}", format.name());
        let labels = "Oz,O1,\u{b5}";
        let arguments =
            ["outlet", "--name", &name, "--format", format.name(), "--channels", "3", "--labels", labels];
        let arguments = [&arguments[..], &["--rate", "250", "--count", "600", "--chunk", "17"]].concat();
        let Some(mut peer) = Peer::start(&arguments) else { return };
        assert_eq!(peer.line(), "ready");
        let found = find(&lsl, &want(&name, "EEG")).expect("it is there");
        assert_eq!((found.info.format, found.info.rate_hz), (format, 250.0));
        assert_eq!(found.info.channel_labels, ["Oz", "O1", "\u{b5}"]);
        assert!(found.info.same_host);
        let ((loop_rows, mut to_loop), (recorder_rows, _keep)) = (rows(1024, 3), rows(1024, 3));
        let (ports, stop) = thread_ports();
        let ports_out = SinkPorts { loop_rows, recorder_rows, events: ring(1024).0 };
        let thread = spawn_inlet(found, plan(3), ports_out, ports).expect("a thread");
        let mut got = Vec::new();
        wait_until("600 samples", || {
            got.extend(drain_rows(&mut to_loop));
            got.len() == 600
        });
        stop.store(true, Ordering::Relaxed);
        thread.join().expect("no error");
        let sent = peer.rest();
        assert_eq!(sent.len(), 600);
        for ((head, row), sent) in got.iter().zip(&sent) {
            assert_eq!(&number_line(head.stamp_s, row), sent, "{} at {}", format.name(), head.index);
        }
    }
}

#[test]
fn numbers_arrive_at_pylsl_equal_to_the_bit() {
    let Some(lsl) = library() else { return };
    for format in NUMERIC {
        let name = format!("to-{}", format.name());
        let spec = OutletSpec {
            name: name.clone(),
            stream_type: "EEG".to_owned(),
            channel_labels: vec!["Oz".to_owned(), "O1".to_owned()],
            units: vec!["microvolts".to_owned()],
            rate_hz: 500.0,
            format,
            source_id: name.clone(),
            time_scale: 2.0,
            positions_mm: Vec::new(),
            desc: Vec::new(),
        };
        let mut outlet = SampleOutlet::new(&lsl, &spec).expect("an outlet");
        let arguments = ["inlet", "--name", &name, "--format", format.name(), "--count", "400"];
        let Some(mut peer) = Peer::start(&arguments) else { return };
        assert_eq!(peer.line(), "ready");
        assert!(outlet.wait_for_consumers(DEADLINE_S));
        let start_s = lsl.local_clock_s();
        let stamps: Vec<f64> = (0..400).map(|i| start_s + f64::from(i) * 0.002 * (1.0 + 1e-9)).collect();
        let value = |i: u32| match format {
            ChannelFormat::Double64 if i == 3 => f64::NAN,
            ChannelFormat::Double64 => f64::from(i).sin() * 1e-3,
            ChannelFormat::Float32 => f64::from((i as f32).sin()),
            ChannelFormat::Int8 => f64::from(i % 256) - 128.0,
            ChannelFormat::Int16 => f64::from(i * 81 % 65536) - 32768.0,
            ChannelFormat::Int32 => f64::from(i * 5_300_001) - 2_147_483_648.0,
            _ => f64::from(i) * 11_258_999_068_426.0 - 4_503_599_627_370_496.0,
        };
        let values: Vec<f64> = (0..800).map(value).collect();
        for (stamps, values) in stamps.chunks(23).zip(values.chunks(46)) {
            outlet.push(stamps, values).expect("room");
        }
        let got = peer.rest();
        assert_eq!(got.len(), 401);
        for ((stamp_s, values), got) in stamps.iter().zip(values.chunks(2)).zip(&got) {
            assert_eq!(got, &number_line(*stamp_s, values), "{}", format.name());
        }
        assert_eq!(got[400], "labels Oz,O1 2");
    }
}

#[test]
fn texts_go_both_ways_as_they_are() {
    let Some(lsl) = library() else { return };
    let arguments =
        ["outlet", "--name", "from-texts", "--type", "Markers", "--format", "string", "--count", "40"];
    let Some(mut peer) = Peer::start(&arguments) else { return };
    assert_eq!(peer.line(), "ready");
    let found = find(&lsl, &want("from-texts", "Markers")).expect("it is there");
    let (texts, received) = crossbeam_channel::bounded(64);
    let (ports, stop) = thread_ports();
    let plan = MarkerPlan {
        source: SourceId(1),
        name: "cues".to_owned(),
        codes: BTreeMap::new(),
        discard_backlog: false,
    };
    let ports_out = MarkerPorts { loop_markers: ring(64).0, events: ring(64).0, texts };
    let thread = spawn_markers(found, plan, ports_out, ports).expect("a thread");
    let mut got = Vec::new();
    wait_until("40 texts", || {
        got.extend(received.try_iter());
        got.len() == 40
    });
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no error");
    let sent = peer.rest();
    for (marker, sent) in got.iter().zip(&sent) {
        assert_eq!(&text_line(marker.stamp_s, &marker.text), sent);
    }

    let mut outlet = MarkerOutlet::new(&lsl, "to-texts", "Markers", "to-texts", &[]).expect("an outlet");
    let arguments = ["inlet", "--name", "to-texts", "--format", "string", "--count", "40"];
    let mut peer = Peer::start(&arguments).expect("it was there before");
    assert_eq!(peer.line(), "ready");
    assert!(outlet.wait_for_consumers(DEADLINE_S));
    for marker in &got {
        outlet.push(marker.stamp_s, &marker.text).expect("room");
    }
    assert_eq!(peer.rest()[..40], sent[..]);
}

/// The other process is killed in full flight and started anew: the stream goes on by itself.
#[test]
fn a_killed_source_is_found_again() {
    let Some(lsl) = library() else { return };
    let arguments =
        ["outlet", "--name", "killed", "--rate", "200", "--count", "4000", "--chunk", "4", "--paced"];
    let Some(mut peer) = Peer::start(&arguments) else { return };
    assert_eq!(peer.line(), "ready");
    let found = find(&lsl, &want("killed", "EEG")).expect("it is there");
    let ((loop_rows, mut to_loop), (recorder_rows, _keep)) = (rows(8192, 1), rows(8192, 1));
    let (events, mut told) = ring(8192);
    let (ports, stop) = thread_ports();
    let thread = spawn_inlet(found, plan(1), SinkPorts { loop_rows, recorder_rows, events }, ports);
    let thread = thread.expect("a thread");
    let mut got = Vec::new();
    wait_until("the first samples", || {
        got.extend(drain_rows(&mut to_loop));
        got.len() >= 100
    });
    drop(peer);
    thread::sleep(Duration::from_millis(1500));
    got.extend(drain_rows(&mut to_loop));
    let before = got.len();
    let died_ns = timeline::clock::now_ns();
    let mut peer = Peer::start(&arguments).expect("it was there before");
    assert_eq!(peer.line(), "ready");
    let ready_ns = timeline::clock::now_ns();
    wait_until("samples of the second life", || {
        got.extend(drain_rows(&mut to_loop));
        got.len() >= before + 100
    });
    let back_ms = (got[before].0.at_ns - ready_ns) as f64 / 1e6;
    println!(
        "back {back_ms:.0} ms after the outlet, {} ms after the start",
        (ready_ns - died_ns) / 1_000_000
    );
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("a loss is no error");
    assert!(got.iter().enumerate().all(|(i, (head, _))| head.index == i as u64));
    let jumped = common::drain(&mut told).iter().any(
        |event| matches!(event, timeline::Event::Notice(n) if n.kind == timeline::NoticeKind::StampJump),
    );
    assert!(jumped, "a break of more than a second shows");
}
