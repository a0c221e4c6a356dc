//! Cued listening: what is decided does not depend on how samples and markers came.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

mod common;

use closedloop::*;
use common::*;
use proptest::prelude::*;
use timeline::{Decision, Marker, NoticeKind};

fn plan(time_scale: f64, until_cues: u32) -> Plan {
    let mut plan = listening(600, until_cues, &[13.0, 17.0, 21.0]);
    plan.sources[0].time_scale = time_scale;
    plan
}

const CUES: [u32; 8] = [1, 0, 3, 2, 0, 2, 1, 3];
const TRIAL: usize = 2000;

/// Eight trials of 8 s; stamps run `time_scale` times as fast as data.
struct Recording {
    at_ns: Vec<i64>,
    values: Vec<f64>,
    markers: Vec<Marker>,
}

fn record(seed: u64, time_scale: f64, strength: f64) -> Recording {
    let mut noise = Noise(seed);
    let (mut at_ns, mut values, mut markers) = (Vec::new(), Vec::new(), Vec::new());
    for (trial, &cue) in CUES.iter().enumerate() {
        for n in 0..TRIAL {
            let index = trial * TRIAL + n;
            let t = index as f64 / RATE_HZ;
            let jitter = (noise.uniform() - 0.5) * 1e6;
            let stamp = S + (t / time_scale * 1e9 + jitter) as i64;
            if n == 250 {
                markers.push(marker(trial as u64, stamp, cue));
            }
            let hz = [0.0, 13.0, 17.0, 21.0][cue as usize];
            let tone = if cue > 0 { strength * (2.0 * std::f64::consts::PI * hz * t).sin() } else { 0.0 };
            let common = noise.gauss();
            for c in 0..CHANNELS {
                values.push(tone * (0.5 + 0.1 * c as f64) + common + noise.gauss());
            }
            at_ns.push(stamp);
        }
    }
    Recording { at_ns, values, markers }
}

/// Plays a recording in chunks of the given sizes (repeated); markers come `late` samples after their instant.
fn play(
    plan: &Plan,
    recording: &Recording,
    chunks: &[usize],
    late: usize,
) -> (Vec<Decision>, Vec<NoticeKind>, bool) {
    let mut looped = Loop::prepare(plan).unwrap();
    let mut out = Outputs::default();
    let (mut decisions, mut notices) = (Vec::new(), Vec::new());
    let (mut at, mut marker) = (0, 0);
    for (turn, &chunk) in chunks.iter().cycle().enumerate() {
        let end = (at + chunk).min(recording.at_ns.len());
        let now_ns = recording.at_ns[end - 1] + 3_000_000;
        let first_marker = marker;
        while recording
            .markers
            .get(marker)
            .is_some_and(|m| recording.at_ns.partition_point(|&t| t < m.at_ns) + late < end)
        {
            marker += 1;
        }
        let eeg = SourceInput {
            skipped: 0,
            first_sample: at as u64,
            at_ns: &recording.at_ns[at..end],
            values: &recording.values[at * CHANNELS..end * CHANNELS],
        };
        let inputs = Inputs {
            turn: turn as u64,
            now_ns,
            markers: &recording.markers[first_marker..marker],
            sources: &[eeg, SourceInput::default()],
            ..Inputs::default()
        };
        looped.step(&inputs, &mut out);
        decisions.extend(out.decisions.iter());
        notices.extend(out.notices.iter().map(|notice| notice.kind));
        at = end;
        if out.finished || at == recording.at_ns.len() {
            return (decisions, notices, out.finished);
        }
    }
    unreachable!("chunks repeat for ever")
}

/// All of a decision that the samples determine.
fn content(decisions: &[Decision]) -> Vec<([u64; 5], [Option<u32>; 2])> {
    let part = |d: &Decision| {
        let numbers = [d.index, d.first_sample, d.end_sample, d.value.to_bits(), d.spread.to_bits()];
        (numbers, [d.label, d.cue])
    };
    decisions.iter().map(part).collect()
}

#[test]
fn a_clear_tone_and_rest_are_told_apart() {
    let (decisions, _, _) = play(&plan(1.0, 100), &record(5, 1.0, 0.8), &[10], 0);
    assert_eq!(decisions.len(), CUES.len());
    for decision in &decisions {
        assert_eq!(decision.label, decision.cue, "{decision:?}");
        assert_eq!(decision.end_sample - decision.first_sample, 1000);
        let since_cue = decision.first_sample % TRIAL as u64;
        assert!((499..=501).contains(&since_cue), "{decision:?}");
    }
}

#[test]
fn rest_is_called_a_frequency_as_rarely_as_stated() {
    let mut wrong = 0;
    for seed in 0..60 {
        let (decisions, _, _) = play(&plan(1.0, 100), &record(1000 + seed, 1.0, 0.0), &[50], 0);
        wrong += decisions.iter().filter(|d| d.label != Some(0)).count();
    }
    println!("{wrong} false alarms in 480 epochs of noise, stated 4.8");
    // Binomial(480, 0.01): above 13 has p < 0.001.
    assert!(wrong <= 13, "{wrong} of 480");
}

#[test]
fn a_played_recording_decides_as_a_live_one() {
    let (fast, _, _) = play(&plan(8.0, 100), &record(5, 8.0, 0.8), &[40], 0);
    assert_eq!(fast.iter().map(|d| d.label).collect::<Vec<_>>(), CUES.map(Some));
    assert!(fast.iter().all(|d| (498..=502).contains(&(d.first_sample % TRIAL as u64))));
}

#[test]
fn the_block_ends_with_the_last_cue_and_holes_are_not_answered() {
    let mut recording = record(5, 1.0, 0.8);
    let hole = (2 * TRIAL + 900) * CHANNELS + 3;
    recording.values[hole] = f64::NAN;
    let (decisions, notices, finished) = play(&plan(1.0, 4), &recording, &[10], 0);
    assert!(finished);
    assert_eq!(decisions.iter().map(|d| d.cue).collect::<Vec<_>>(), [Some(1), Some(0), Some(2)]);
    assert!(notices.contains(&NoticeKind::NotFinite) && notices.contains(&NoticeKind::Skipped));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn decisions_do_not_depend_on_chunks(
        chunks in prop::collection::vec(1usize..400, 1..12), late in 0usize..400, seed in 0u64..4
    ) {
        let recording = record(seed, 1.0, 0.3);
        let plan = plan(1.0, 100);
        let (one, _, _) = play(&plan, &recording, &[1], 0);
        let (other, _, _) = play(&plan, &recording, &chunks, late);
        prop_assert_eq!(one.len(), CUES.len());
        prop_assert_eq!(content(&one), content(&other));
    }
}
