//! Threads and outlets over LSL, both ends in this process.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use acquisition::{
    AcquisitionError, ChannelFormat, ChannelMap, Expected, Found, InletPlan, MarkerOutlet, MarkerPlan,
    MarkerPorts, OutletSpec, SampleOutlet, SinkPorts, ThreadPorts, Want, check, find, spawn_inlet,
    spawn_markers, streams,
};
use common::{DEADLINE_S, drain, drain_rows, library, wait_until};
use lsl::Lsl;
use timeline::ring::{ring, rows};
use timeline::{Event, Marker, NoticeKind, SourceId};

fn spec(name: &str, stream_type: &str) -> OutletSpec {
    OutletSpec {
        name: name.to_owned(),
        stream_type: stream_type.to_owned(),
        channel_labels: vec!["Oz".to_owned(), "O1".to_owned()],
        units: vec!["microvolts".to_owned()],
        rate_hz: 250.0,
        format: ChannelFormat::Double64,
        source_id: format!("{name}-source"),
        time_scale: 1.0,
        positions_mm: Vec::new(),
        desc: Vec::new(),
    }
}

fn want(name: Option<&str>, stream_type: &str, timeout_s: f64) -> Want {
    Want { name: name.map(str::to_owned), stream_type: stream_type.to_owned(), timeout_s }
}

fn found(lsl: &Lsl, name: &str) -> Found {
    find(lsl, &want(Some(name), "EEG", DEADLINE_S)).expect("it is there")
}

fn thread_ports() -> (ThreadPorts, Arc<AtomicBool>) {
    let stop = Arc::new(AtomicBool::new(false));
    let ports = ThreadPorts { wake: thread::current(), stop: Arc::clone(&stop), on_start: Box::new(|| {}) };
    (ports, stop)
}

fn plan(map: ChannelMap) -> InletPlan {
    InletPlan { source: SourceId(0), name: "eeg".to_owned(), map, max_chunk: 256, discard_backlog: false }
}

#[test]
fn samples_cross_the_thread_whole_and_wake_the_loop() {
    let Some(lsl) = library() else { return };
    let mut outlet = SampleOutlet::new(&lsl, &spec("whole", "EEG")).expect("an outlet");
    let found = found(&lsl, "whole");
    let expected = Expected {
        channels: vec!["O1".to_owned(), "Oz".to_owned()],
        rate_hz: 250.0,
        unit: Some("uV".to_owned()),
    };
    let map = check(&found.info, &expected).expect("it is what we sent");
    let ((loop_rows, mut to_loop), (recorder_rows, mut to_recorder)) = (rows(4096, 2), rows(4096, 2));
    let (events, mut told) = ring(4096);
    let (mut ports, stop) = thread_ports();
    let started = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&started);
    ports.on_start = Box::new(move || {
        assert_eq!(thread::current().name(), Some("inlet-eeg"));
        seen.store(true, Ordering::Relaxed);
    });
    let thread = spawn_inlet(found, plan(map), SinkPorts { loop_rows, recorder_rows, events }, ports);
    let thread = thread.expect("a thread");
    assert!(outlet.wait_for_consumers(DEADLINE_S));

    let start_s = lsl.local_clock_s();
    let stamps: Vec<f64> = (0..1000).map(|i| start_s + f64::from(i) * 0.004).collect();
    let values: Vec<f64> = (0..2000).map(|i| (f64::from(i) * 0.1).cos()).collect();
    for (stamps, values) in stamps.chunks(13).zip(values.chunks(26)) {
        outlet.push(stamps, values).expect("room");
    }
    let mut got = Vec::new();
    wait_until("1000 samples", || {
        thread::park_timeout(Duration::from_millis(50));
        got.extend(drain_rows(&mut to_loop));
        got.len() == 1000
    });
    // The one measurement of the clock takes 0.6 s on its own thread.
    let mut events = Vec::new();
    wait_until("a clock offset", || {
        events.extend(drain(&mut told));
        events.iter().any(|event| matches!(event, Event::ClockOffset(_)))
    });
    stop.store(true, Ordering::Relaxed);
    let counts = thread.join().expect("no error");
    assert!(started.load(Ordering::Relaxed));
    assert_eq!((counts.samples, counts.refused_by_loop, counts.lost), (1000, 0, 0));
    for (i, (head, row)) in got.iter().enumerate() {
        assert_eq!((head.index, head.stamp_s.to_bits()), (i as u64, stamps[i].to_bits()));
        assert_eq!(head.at_ns, timeline::ns_from_s(stamps[i]), "one clock: no correction");
        assert_eq!(row, &[values[2 * i + 1], values[2 * i]]);
    }
    let recorded = drain_rows(&mut to_recorder);
    assert!(recorded.iter().zip(values.chunks(2)).all(|((_, row), sent)| row == sent));
    let total: u32 = events.iter().map(|e| if let Event::Chunk(chunk) = e { chunk.count } else { 0 }).sum();
    assert_eq!(total, 1000);
    let offset = |e: &Event| if let Event::ClockOffset(o) = e { Some(o.offset_ns) } else { None };
    assert_eq!(events.iter().find_map(offset), Some(0), "this host's own clock");
}

#[test]
fn one_stream_of_several_must_be_named_and_a_missing_one_says_what_is_there() {
    let Some(lsl) = library() else { return };
    let _first = SampleOutlet::new(&lsl, &spec("twin-a", "Twins")).expect("an outlet");
    let _second = SampleOutlet::new(&lsl, &spec("twin-b", "Twins")).expect("an outlet");
    wait_until("both", || {
        let all = streams(&lsl, 0.3).expect("a list");
        all.iter().filter(|source| source.stream_type == "Twins").count() == 2
    });
    let error = find(&lsl, &want(None, "Twins", 2.0)).err().expect("two match");
    let AcquisitionError::Ambiguous { candidates, .. } = &error else { panic!("{error}") };
    assert_eq!(candidates.len(), 2);
    assert!(error.to_string().contains("`twin-b`, type `Twins`, 2 channels, 250 Hz, double64"), "{error}");
    assert_eq!(find(&lsl, &want(Some("twin-b"), "twins", DEADLINE_S)).expect("named").info.name, "twin-b");

    let error = find(&lsl, &want(None, "Nothing", 0.5)).err().expect("there is none");
    let text = error.to_string();
    assert!(
        text.starts_with("no LSL stream of type `Nothing` was seen within 0.5 s; visible are:\n"),
        "{text}"
    );
    assert!(text.contains("`twin-a`"), "{text}");
}

#[test]
fn a_source_describes_itself_whole() {
    let Some(lsl) = library() else { return };
    let spec = OutletSpec {
        rate_hz: 2500.0,
        time_scale: 10.0,
        positions_mm: Vec::new(),
        desc: vec![("participant".to_owned(), "p<01>".to_owned())],
        ..spec("played", "EEG")
    };
    let _outlet = SampleOutlet::new(&lsl, &spec).expect("an outlet");
    let info = found(&lsl, "played").info;
    assert_eq!(info.channel_labels, ["Oz", "O1"]);
    assert_eq!(info.units, ["microvolts", "microvolts"]);
    assert_eq!((info.rate_hz, info.time_scale, info.format), (2500.0, 10.0, ChannelFormat::Double64));
    assert!(info.same_host);
    assert!(info.xml.contains("<participant>p&lt;01&gt;</participant>"), "{}", info.xml);
    let expected = Expected { channels: vec!["Oz".to_owned()], rate_hz: 250.0, unit: None };
    assert_eq!(check(&info, &expected).expect("250 Hz ten times as fast").indices(), [0]);

    // A source inside the process says the same of itself, but for what only the network knows.
    let twin = acquisition::SourceInfo::in_process(&spec, 0.0);
    assert_eq!(acquisition::SourceInfo { xml: info.xml.clone(), ..twin }, info);
}

#[test]
fn markers_reach_loop_and_recorder() {
    let Some(lsl) = library() else { return };
    let mut outlet = MarkerOutlet::new(&lsl, "cues", "Markers", "cues-source", &[]).expect("an outlet");
    let found = find(&lsl, &want(Some("cues"), "Markers", DEADLINE_S)).expect("it is there");
    let ((loop_markers, mut to_loop), (events, mut told)) = (ring::<Marker>(64), ring::<Event>(64));
    let (texts, received) = crossbeam_channel::bounded(64);
    let (ports, stop) = thread_ports();
    let codes = BTreeMap::from([("cue_13".to_owned(), 1), ("cue_rest".to_owned(), 0)]);
    let plan = MarkerPlan { source: SourceId(1), name: "cues".to_owned(), codes, discard_backlog: false };
    let thread =
        spawn_markers(found, plan, MarkerPorts { loop_markers, events, texts }, ports).expect("a thread");
    assert!(outlet.wait_for_consumers(DEADLINE_S));
    for (i, text) in ["cue_13", "other", "cue_rest"].iter().enumerate() {
        outlet.push(100.5 + i as f64, text).expect("room");
    }
    let mut markers = Vec::new();
    wait_until("three markers", || {
        markers.extend(drain(&mut to_loop));
        markers.len() == 3
    });
    stop.store(true, Ordering::Relaxed);
    assert_eq!(thread.join().expect("no error").unnamed, 1);
    assert_eq!(markers.iter().map(|m| m.code).collect::<Vec<_>>(), [Some(1), None, Some(0)]);
    assert_eq!(markers[2].at_ns, 102_500_000_000);
    let texts: Vec<_> = received.try_iter().map(|marker| (marker.stamp_s, marker.text)).collect();
    assert_eq!(texts[1], (101.5, "other".to_owned()));
    assert_eq!(drain(&mut told).iter().filter(|event| matches!(event, Event::Marker(_))).count(), 3);
}

#[test]
fn streams_of_the_wrong_kind_are_refused_in_words() {
    let Some(lsl) = library() else { return };
    let _texts = MarkerOutlet::new(&lsl, "words", "EEG", "words-source", &[]).expect("an outlet");
    let _numbers = SampleOutlet::new(&lsl, &spec("wide", "EEG")).expect("an outlet");
    let ports = || SinkPorts { loop_rows: rows(4, 1).0, recorder_rows: rows(4, 1).0, events: ring(4).0 };
    let error = spawn_inlet(found(&lsl, "words"), plan(ChannelMap::identity(1)), ports(), thread_ports().0);
    assert_eq!(
        error.err().expect("texts are no samples").to_string(),
        "stream `words` has the format string; samples are numbers"
    );
    let plan = MarkerPlan {
        source: SourceId(0),
        name: "x".to_owned(),
        codes: BTreeMap::new(),
        discard_backlog: false,
    };
    let ports =
        MarkerPorts { loop_markers: ring(4).0, events: ring(4).0, texts: crossbeam_channel::bounded(4).0 };
    let error =
        spawn_markers(found(&lsl, "wide"), plan, ports, thread_ports().0).err().expect("two channels");
    assert_eq!(error.to_string(), "stream `wide` has 2 channels; a marker stream has 1");
}

/// A source that dies and comes back: its samples go on, the break is told. With a source id liblsl finds it again,
/// without one our thread does.
#[test]
fn a_source_that_dies_is_found_again() {
    let Some(lsl) = library() else { return };
    for (name, source_id) in [("phoenix", "phoenix-source"), ("nameless", "")] {
        let spec = OutletSpec { source_id: source_id.to_owned(), ..spec(name, "EEG") };
        let mut outlet = SampleOutlet::new(&lsl, &spec).expect("an outlet");
        let found = found(&lsl, name);
        let ((loop_rows, mut to_loop), (recorder_rows, _keep)) = (rows(4096, 2), rows(4096, 2));
        let (events, mut told) = ring(4096);
        let (ports, stop) = thread_ports();
        let ports_out = SinkPorts { loop_rows, recorder_rows, events };
        let thread = spawn_inlet(found, plan(ChannelMap::identity(2)), ports_out, ports).expect("a thread");
        let mut got = Vec::new();
        for life in 0..2 {
            assert!(outlet.wait_for_consumers(DEADLINE_S), "life {life} of `{name}`");
            let first_s = 1000.0 + f64::from(life) * 20.0;
            let stamps: Vec<f64> = (0..500).map(|i| first_s + f64::from(i) * 0.004).collect();
            outlet.push(&stamps, &[f64::from(life); 1000]).expect("room");
            let wanted = 500 * (life as usize + 1);
            wait_until("500 samples", || {
                got.extend(drain_rows(&mut to_loop));
                got.len() == wanted
            });
            if life == 0 {
                drop(outlet);
                thread::sleep(Duration::from_millis(300));
                outlet = SampleOutlet::new(&lsl, &spec).expect("a second outlet");
            }
        }
        stop.store(true, Ordering::Relaxed);
        let counts = thread.join().expect("a loss is no error");
        assert_eq!(counts.samples, 1000);
        assert!(got.iter().enumerate().all(|(i, (head, _))| head.index == i as u64));
        assert_eq!((got[499].1[0], got[500].1[0]), (0.0, 1.0));
        let jumps: Vec<i64> = drain(&mut told)
            .iter()
            .filter_map(|event| if let Event::Notice(notice) = event { Some(*notice) } else { None })
            .filter(|notice| notice.kind == NoticeKind::StampJump)
            .map(|notice| notice.count)
            .collect();
        assert_eq!(jumps, [18_004_000_000], "the break of `{name}`");
    }
}

/// Of a source on another machine the clock is measured before its first sample is believed.
#[test]
fn a_source_with_another_clock_is_corrected_from_the_first_sample() {
    let Some(lsl) = library() else { return };
    let mut outlet = SampleOutlet::new(&lsl, &spec("remote", "EEG")).expect("an outlet");
    let mut found = found(&lsl, "remote");
    found.info.same_host = false;
    let ((loop_rows, mut to_loop), (recorder_rows, _keep)) = (rows(64, 2), rows(64, 2));
    let (events, mut told) = ring(64);
    let (ports, stop) = thread_ports();
    let ports_out = SinkPorts { loop_rows, recorder_rows, events };
    let thread = spawn_inlet(found, plan(ChannelMap::identity(2)), ports_out, ports).expect("a thread");
    let Some(Event::ClockOffset(first)) = told.pop() else { panic!("the offset comes before all else") };
    assert_ne!(first.offset_ns, 0, "a measurement, not an assumption");
    assert!(first.offset_ns.abs() < 20_000_000, "{first:?}");
    assert!(outlet.wait_for_consumers(DEADLINE_S));
    outlet.push(&[5.0], &[0.0; 2]).expect("room");
    let mut got = Vec::new();
    wait_until("one sample", || {
        got.extend(drain_rows(&mut to_loop));
        !got.is_empty()
    });
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("no error");
    let events = drain(&mut told);
    let chunk = |event: &Event| if let Event::Chunk(chunk) = event { Some(*chunk) } else { None };
    let offset_ns = events.iter().find_map(chunk).expect("the sample's chunk").offset_ns;
    assert_ne!(offset_ns, 0);
    assert_eq!((got[0].0.stamp_s, got[0].0.at_ns), (5.0, 5_000_000_000 + offset_ns));
}

#[test]
fn a_backlog_is_dropped_where_that_is_asked_for() {
    let Some(lsl) = library() else { return };
    let mut outlet = SampleOutlet::new(&lsl, &spec("backlog", "EEG")).expect("an outlet");
    let found = found(&lsl, "backlog");
    let ((loop_rows, mut to_loop), (recorder_rows, _keep)) = (rows(4096, 2), rows(4096, 2));
    let ((mut ports, stop), go) = (thread_ports(), Arc::new(AtomicBool::new(false)));
    let gate = Arc::clone(&go);
    ports.on_start = Box::new(move || wait_until("the start", || gate.load(Ordering::Relaxed)));
    let plan = InletPlan { discard_backlog: true, ..plan(ChannelMap::identity(2)) };
    let ports_out = SinkPorts { loop_rows, recorder_rows, events: ring(64).0 };
    let thread = spawn_inlet(found, plan, ports_out, ports).expect("a thread");
    assert!(outlet.wait_for_consumers(DEADLINE_S));
    outlet.push(&[1.0, 2.0, 3.0], &[1.0; 6]).expect("room");
    thread::sleep(Duration::from_millis(300));
    go.store(true, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(100));
    outlet.push(&[4.0, 5.0], &[2.0; 4]).expect("room");
    let mut got = Vec::new();
    wait_until("two samples", || {
        got.extend(drain_rows(&mut to_loop));
        got.len() >= 2
    });
    stop.store(true, Ordering::Relaxed);
    assert_eq!(thread.join().expect("no error").samples, 2);
    assert_eq!(got[0].0.stamp_s, 4.0);
}
