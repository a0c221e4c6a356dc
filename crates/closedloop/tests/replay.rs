//! The same turns give the same bits, whatever the interleaving of arrivals was.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use closedloop::*;
use common::*;
use proptest::prelude::*;
use timeline::{Flip, NoticeKind, SceneId};

/// One turn as a recording would hold it.
#[derive(Debug, Clone)]
struct Turn {
    now_ns: i64,
    stop: bool,
    first: usize,
    end: usize,
    skipped: u64,
    flips: Vec<Flip>,
}

/// How a turn came about: time since the one before (ms), samples left in the ring, samples passed over.
type Arrival = (u16, u8, u8);

struct Session {
    turns: Vec<Turn>,
    at_ns: Vec<i64>,
    values: Vec<f64>,
}

/// A session of 20 s: 6 s of calibration, then holds; turns come as the arrivals say (repeated).
fn session(arrivals: &[Arrival], seed: u64, stop_at: Option<usize>) -> Session {
    let mut noise = Noise(seed);
    let count = 5200;
    let at_ns: Vec<i64> = (0..count).map(|n| S + n * 4_000_000 + (noise.uniform() * 1e6) as i64).collect();
    let mut values: Vec<f64> = (0..count as usize * CHANNELS)
        .map(|n| {
            let t = (n / CHANNELS) as f64 / RATE_HZ;
            2.0 * (2.0 * std::f64::consts::PI * 15.0 * t).cos() + noise.gauss()
        })
        .collect();
    values[3000 * CHANNELS] = f64::NAN;
    let (mut turns, mut now_ns, mut end, mut frame) = (Vec::new(), S, 0, 0u64);
    for (turn, &(gap_ms, left, skip)) in arrivals.iter().cycle().enumerate() {
        now_ns += i64::from(gap_ms) * 1_000_000;
        let there = at_ns.partition_point(|&t| t <= now_ns).saturating_sub(usize::from(left)).max(end);
        let skipped = usize::from(skip).min(there - end);
        let mut flips = Vec::new();
        while S + (frame as f64 * 1e9 / 60.0) as i64 <= now_ns {
            // Now and then a frame comes late and leaves a gap.
            if !frame.is_multiple_of(61) {
                flips.push(flip(
                    frame,
                    S + (frame as f64 * 1e9 / 60.0) as i64 + (noise.uniform() * 2e5) as i64,
                ));
            }
            frame += 1;
        }
        let stop = stop_at.is_some_and(|at| turn >= at);
        turns.push(Turn { now_ns, stop, first: end + skipped, end: there, skipped: skipped as u64, flips });
        end = there;
        if now_ns > 23 * S {
            return Session { turns, at_ns, values };
        }
    }
    unreachable!("arrivals repeat for ever")
}

fn plan() -> Plan {
    thermostat(pi(6.0), vec![calibrate(12), hold(4, 2.0), hold(4, 4.0)])
}

fn play(looped: &mut Loop, session: &Session) -> Vec<Outputs> {
    let mut outputs = Vec::new();
    for (index, turn) in session.turns.iter().enumerate() {
        let eeg = SourceInput {
            skipped: turn.skipped,
            first_sample: turn.first as u64,
            at_ns: &session.at_ns[turn.first..turn.end],
            values: &session.values[turn.first * CHANNELS..turn.end * CHANNELS],
        };
        let mut out = Outputs::default();
        let inputs = Inputs {
            turn: index as u64,
            now_ns: turn.now_ns,
            stop: turn.stop,
            flips: &turn.flips,
            sources: &[eeg],
            ..Inputs::default()
        };
        looped.step(&inputs, &mut out);
        assert!(out.finished || looped.next_wake_ns() > turn.now_ns);
        outputs.push(out);
    }
    outputs
}

fn bits(outputs: &[Outputs]) -> Vec<u64> {
    let mut all = Vec::new();
    for out in outputs {
        all.push(u64::from(out.finished));
        for d in &out.decisions {
            all.extend([
                d.index,
                d.turn,
                d.first_sample,
                d.end_sample,
                d.value.to_bits(),
                d.spread.to_bits(),
            ]);
        }
        for c in &out.commands {
            let ramp = c.contrast;
            all.extend([c.index, c.turn, u64::from(c.scene.0), ramp.from.to_bits(), ramp.to.to_bits()]);
            all.extend([ramp.start_ns as u64, ramp.end_ns as u64, c.decision.unwrap_or(u64::MAX)]);
        }
        for n in &out.notices {
            all.extend([n.kind as u64, n.at_ns as u64, n.count as u64, n.value.to_bits()]);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn replay_is_equal_to_the_bit(
        arrivals in prop::collection::vec((1u16..400, 0u8..20, 0u8..3), 1..40),
        seed in any::<u64>(),
        stop_at in prop::option::of(0usize..200),
    ) {
        let session = session(&arrivals, seed, stop_at);
        let mut live = Loop::prepare(&plan()).unwrap();
        let first = play(&mut live, &session);
        let again = play(&mut Loop::prepare(&plan()).unwrap(), &session);
        prop_assert_eq!(bits(&first), bits(&again));
        live.reset();
        prop_assert_eq!(bits(&first), bits(&play(&mut live, &session)), "after reset");
        for command in first.iter().flat_map(|out| &out.commands) {
            prop_assert!((0.0..=1.0).contains(&command.contrast.from) && (0.0..=1.0).contains(&command.contrast.to));
            prop_assert!(command.contrast.end_ns >= command.contrast.start_ns);
        }
        prop_assert!(first.last().is_some_and(|out| out.finished));
        let last = first.iter().flat_map(|out| &out.commands).last().unwrap();
        prop_assert_eq!(last.scene, SceneId::GREY);
    }
}

/// The comparison above can fail: one bit of one sample shows.
#[test]
fn one_changed_sample_changes_the_decisions() {
    let mut session = session(&[(20, 0, 0)], 1, None);
    let first = play(&mut Loop::prepare(&plan()).unwrap(), &session);
    assert!(first.iter().map(|out| out.decisions.len()).sum::<usize>() > 30);
    let value = &mut session.values[4100 * CHANNELS + 2];
    *value = f64::from_bits(value.to_bits() ^ 1 << 20);
    let other = play(&mut Loop::prepare(&plan()).unwrap(), &session);
    assert_ne!(bits(&first), bits(&other));
}

#[test]
fn stop_ramps_to_grey() {
    let outputs = play(&mut Loop::prepare(&plan()).unwrap(), &session(&[(20, 0, 0)], 1, Some(650)));
    let finished = outputs.iter().position(|out| out.finished).unwrap();
    assert!((675..=677).contains(&finished), "half a second of ramp from turn 650: {finished}");
    let notices: Vec<_> = outputs.iter().flat_map(|out| &out.notices).map(|n| n.kind).collect();
    assert_eq!(notices.iter().filter(|kind| **kind == NoticeKind::Stop).count(), 1);
    let fade = &outputs[650].commands[0];
    assert!(fade.contrast.from > 0.0 && fade.contrast.to == 0.0 && fade.scene == GRATING);
    assert!(outputs[finished + 1].finished && outputs[finished + 1].commands.is_empty());
}

#[test]
fn plans_that_cannot_run_are_refused_with_their_numbers() {
    let mut other = plan();
    other.controller = None;
    assert!(matches!(Loop::prepare(&other), Err(PrepareError::Block { block: 1, .. })));
    let mut other = plan();
    other.blocks.remove(0);
    assert!(matches!(Loop::prepare(&other), Err(PrepareError::Block { block: 0, .. })));
    let mut other = plan();
    other.sources[0].is_marker = true;
    let text = Loop::prepare(&other).unwrap_err().to_string();
    assert!(text.contains("source 0") && text.contains("samples"), "{text}");
    let mut other = plan();
    other.refresh_hz = f64::NAN;
    assert!(Loop::prepare(&other).unwrap_err().to_string().contains("NaN"));
    let mut other = plan();
    let Some(DecoderPlan::SsvepAmplitude(ssvep)) = &mut other.decoder else { unreachable!() };
    ssvep.report_channel = 8;
    assert!(Loop::prepare(&other).unwrap_err().to_string().contains("report channel is 8"));
}
