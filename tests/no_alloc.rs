//! The loop's turn, rings and records included, and our part of a frame allocate nothing. A violation aborts this binary.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up should end there")]

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use display::Pacing;
use display::clock::RefreshClock;
use display::plan::FramePlan;
use photic::experiment::{Experiment, Lowered};
use photic::gaze::GazeFeed;
use photic::turns::{LoopDriver, Port, TurnEnd};
use timeline::latest::{LatestReader, latest};
use timeline::ring::{Reader, RowHead, RowWriter, Writer, ring, rows};
use timeline::{Command, Event, Flip, Gaze, Marker, SourceId};

#[global_allocator]
static WATCH: AllocDisabler = AllocDisabler;

const START_NS: i64 = 1_000_000_000;
const CHUNK: usize = 8;

/// A protocol with every carrier of a session, and nobody at their other ends but us.
struct Room {
    lowered: Lowered,
    driver: LoopDriver,
    samples: RowWriter,
    markers: Option<Writer<Marker>>,
    flips: Writer<Flip>,
    commands: LatestReader<Option<Command>>,
    gaze: LatestReader<Option<Gaze>>,
    events: Reader<Event>,
    rate_hz: f64,
    max_lag: usize,
}

fn furnish(protocol: &str) -> Room {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("protocols").join(protocol);
    let lowered = Experiment::load(&path, None).unwrap().lower(1).unwrap();
    let step = closedloop::Loop::prepare(&lowered.plan).unwrap();
    let eeg = &lowered.plan.sources[0];
    let (rate_hz, max_lag) = (eeg.rate_hz, (0.5 * eeg.rate_hz) as usize);
    let (samples, reader) = rows(4 * max_lag, eeg.channels);
    let mut ports = vec![Port::Samples { rows: reader, max_lag }];
    let markers = lowered.plan.sources.get(1).map(|_| {
        let (writer, reader) = ring(64);
        ports.push(Port::Markers(reader));
        writer
    });
    let (flips, flip_reader) = ring(512);
    let (publish, commands) = latest(&None);
    let (loop_events, events) = ring(4096);
    let mut driver = LoopDriver::new(step, ports, flip_reader, publish, loop_events);
    let (newest, gaze) = latest(&None);
    if let Some(way) = lowered.gaze {
        driver.show_gaze(GazeFeed::new(way, newest));
    }
    Room { lowered, driver, samples, markers, flips, commands, gaze, events, rate_hz, max_lag }
}

/// What happened under watch.
#[derive(Debug, Default)]
struct Seen {
    frames: u64,
    followed: u64,
    stepped: u64,
    idle: u64,
    held: u64,
    decisions: u64,
    commands: u64,
    skipped: u64,
    finished: bool,
}

impl Seen {
    fn note(&mut self, events: &mut Reader<Event>) {
        while let Some(event) = events.pop() {
            match event {
                Event::Decision(_) => self.decisions += 1,
                Event::Command(_) => self.commands += 1,
                Event::Turn(turn) => self.skipped += turn.takes[0].skipped,
                _ => {}
            }
        }
    }
}

/// A minute and a half of session: chunks, lags, silence, NaN, cues, a recorder that stands still, the end.
fn drive(room: &mut Room, seconds: f64) -> Seen {
    let mut plan = FramePlan::prepare(
        room.lowered.scenery.scenes.clone(),
        RefreshClock::new(START_NS, room.lowered.scenery.screen.refresh_period_ns()),
        Pacing::Simulated,
    );
    plan.hold_gaze(100_000_000);
    let mut seen = Seen::default();
    let (mut dice, mut sent, mut cues) = (1u64, 0u64, 0u64);
    let mut row = vec![0.0; room.lowered.plan.sources[0].channels];
    let turn = |room: &mut Room, now_ns: i64, stop: bool, seen: &mut Seen| match assert_no_alloc(|| {
        room.driver.turn(now_ns, stop, || now_ns)
    }) {
        TurnEnd::Idle => seen.idle += 1,
        TurnEnd::Stepped => seen.stepped += 1,
        TurnEnd::Held => seen.held += 1,
        TurnEnd::Finished => seen.finished = true,
    };
    while !seen.finished && (seen.frames as f64) < 60.0 * (seconds + 5.0) {
        let now_ns = plan.begin_ns().max(START_NS);
        let flip = assert_no_alloc(|| {
            let command = *room.commands.read();
            plan.look(*room.gaze.read());
            let planned = plan.step(now_ns, command.as_ref(), false);
            plan.worked(1_000_000);
            let flip = plan.handed(&planned, now_ns);
            let _ = flip.is_some_and(|flip| room.flips.push(flip));
            flip
        });
        let Some(flip) = flip else { continue };
        seen.frames += 1;
        seen.followed += u64::from(flip.gaze.is_some());
        let second = seen.frames / 60;
        let is_silent = second % 20 == 7 || second % 20 == 8;
        let burst = if seen.frames % 1200 == 900 { 2 * room.max_lag } else { CHUNK };
        while !is_silent && (sent as f64 / room.rate_hz) < (flip.onset_ns - START_NS) as f64 / 1e9 {
            for _ in 0..burst {
                for value in &mut row {
                    dice =
                        dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    *value = (dice >> 40) as f64 / 1e6 - 8.0;
                }
                if sent % 3000 == 1500 {
                    row[1] = f64::NAN;
                }
                let at_ns = START_NS + (sent as f64 * 1e9 / room.rate_hz) as i64;
                let head = RowHead { index: sent, stamp_s: at_ns as f64 / 1e9, at_ns };
                // What a full ring refuses is a gap for the loop, as after a stall.
                let _ = room.samples.push(head, row.iter().copied());
                sent += 1;
            }
        }
        if let Some(markers) = room.markers.as_mut().filter(|_| seen.frames.is_multiple_of(600)) {
            let at_ns = now_ns;
            let code = Some((cues % 4) as u32);
            assert!(markers.push(Marker {
                source: SourceId(1),
                index: cues,
                at_ns,
                arrival_ns: at_ns,
                code
            }));
            cues += 1;
        }
        let stop = (now_ns - START_NS) as f64 / 1e9 > seconds;
        turn(room, now_ns, stop, &mut seen);
        turn(room, now_ns + 3_000_000, stop, &mut seen); // mostly nothing is new
        // The recorder stands still for a second now and then; the ring is too small for more than that.
        if second % 31 != 30 || room.events.waiting() > 4090 {
            seen.note(&mut room.events);
        }
    }
    seen.note(&mut room.events);
    seen
}

#[test]
fn no_turn_and_no_frame_allocates() {
    for (protocol, decisions, commands) in [("thermostat.toml", 100, 20), ("ssvep-listen.toml", 2, 0)] {
        let mut room = furnish(protocol);
        let seen = drive(&mut room, 90.0);
        eprintln!("{protocol}: {seen:?}");
        // What the watch must have seen, or it proves nothing.
        assert!(seen.finished && seen.stepped > 4000 && seen.idle > 100, "{seen:?}");
        assert!(seen.decisions >= decisions && seen.commands >= commands && seen.skipped > 50, "{seen:?}");
    }
}

#[test]
fn a_gaze_on_its_way_to_a_frame_allocates_nothing() {
    let seen = drive(&mut furnish("scotoma.toml"), 90.0);
    assert!(seen.finished && seen.followed > 1000, "{seen:?}");
    assert!(seen.frames - seen.followed > 100, "silence loses the gaze: {seen:?}");
}

#[test]
fn a_loop_that_is_held_allocates_nothing_either() {
    let mut room = furnish("thermostat.toml");
    let (loop_events, mut events) = ring(100); // one turn's records and a little
    let (publish, _commands) = latest(&None);
    let (_flips, flip_reader) = ring(8);
    let eeg = &room.lowered.plan.sources[0];
    let (mut samples, reader) = rows(64, eeg.channels);
    let step = closedloop::Loop::prepare(&room.lowered.plan).unwrap();
    room.driver = LoopDriver::new(
        step,
        vec![Port::Samples { rows: reader, max_lag: 32 }],
        flip_reader,
        publish,
        loop_events,
    );
    let mut held = 0;
    for turn in 0..1000i64 {
        let now_ns = START_NS + turn * 4_000_000;
        let head = RowHead { index: turn as u64, stamp_s: now_ns as f64 / 1e9, at_ns: now_ns };
        let _ = samples.push(head, std::iter::repeat_n(turn as f64, eeg.channels));
        held += u64::from(assert_no_alloc(|| room.driver.turn(now_ns, false, || now_ns)) == TurnEnd::Held);
        if turn % 50 == 49 {
            while events.pop().is_some() {}
        }
    }
    assert!(held > 300, "{held} turns were held");
}
