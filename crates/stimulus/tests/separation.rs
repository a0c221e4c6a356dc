//! Targets of one paradigm: what lies how far apart, and what is the same.
#![allow(clippy::unwrap_used, reason = "a test that cannot make its targets should end there")]

use std::f64::consts::PI;

use proptest::prelude::*;
use stimulus::code::{GoldSet, bits_of, m_sequence};
use stimulus::separation::{Pair, Target};
use stimulus::{Code, Flicker, FlickerKind, FlickerRequest, SeparationError, Waveform, separate};

fn flicker(name: &str, flicker: &Flicker) -> Target {
    let levels = (0..flicker.cycles_per_frame().1).map(|frame| flicker.modulation(frame)).collect();
    Target { name: name.into(), levels, frequency_hz: Some(flicker.frequency_hz()) }
}

fn sampled(name: &str, hz: f64, phase_rad: f64) -> Target {
    flicker(name, &Flicker::sampled_sine(FlickerKind::OnOff, hz, phase_rad, 60.0).unwrap())
}

fn code(name: &str, code: &Code) -> Target {
    let levels = (0..code.period_frames()).map(|frame| code.level(frame)).collect();
    Target { name: name.into(), levels, frequency_hz: None }
}

fn names(error: &SeparationError) -> [&str; 2] {
    let SeparationError::Same { first, second, .. } = error else { panic!("{error}") };
    [first, second]
}

#[test]
fn forty_targets_of_a_speller_are_apart() {
    // Chen et al. 2015: 8 to 15.8 Hz by 0.2 Hz, each 0.35 pi further than the last, over half a second.
    let targets: Vec<Target> = (0..40)
        .map(|index| {
            let index = f64::from(index);
            sampled(&format!("{index}"), 8.0 + 0.2 * index, 0.35 * PI * index)
        })
        .collect();
    let pairs = separate(&targets, 30, 0).unwrap();
    assert_eq!(pairs.len(), 40 * 39 / 2);
    assert!(pairs.is_sorted_by_key(|pair| pair.targets));
    let nearest = pairs.iter().filter_map(|pair| pair.frequency_hz).fold(f64::INFINITY, f64::min);
    assert!((nearest - 0.2).abs() < 1e-9, "{nearest}");
    // The phases are what tells neighbours apart in so short a time.
    let neighbours = |pairs: &[Pair]| {
        let size = |pair: &Pair| pair.correlation;
        pairs.iter().filter(|pair| pair.targets[1] == pair.targets[0] + 1).map(size).fold(-1.0, f64::max)
    };
    let flat: Vec<Target> =
        (0..40).map(|index| sampled(&format!("{index}"), 8.0 + 0.2 * f64::from(index), 0.0)).collect();
    let (joint, without) = (neighbours(&pairs), neighbours(&separate(&flat, 30, 0).unwrap()));
    assert!(joint < 0.6 && without > 0.9, "{joint} with phases, {without} without");
}

#[test]
fn the_same_is_never_let_through() {
    let ten = sampled("ten", 10.0, 0.0);
    // The alias of 10 Hz at 60 Hz, turned: 50 Hz as sampled. Nothing of ours makes it; somebody's frames may.
    let alias: Vec<f64> =
        (0..60).map(|frame| 0.5 * (1.0 - (2.0 * PI * 50.0 / 60.0 * f64::from(frame)).sin())).collect();
    let alias = Target { name: "fifty".into(), levels: alias, frequency_hz: Some(50.0) };
    assert_eq!(names(&separate(&[ten.clone(), alias], 120, 0).unwrap_err()), ["ten", "fifty"]);

    // Shifts of a code by its own period, which is shorter than its row.
    let short = Code::new(bits_of("0110 0110 0110").unwrap(), 2).unwrap();
    let shifts: Vec<Target> =
        (0..4).map(|target| code(&format!("t{target}"), &short.target(target, 4).unwrap())).collect();
    // Shifts of 0, 3, 6 and 9 bits, in a period of 4: 0, 3, 2 and 1.
    assert!(separate(&shifts, 24, 0).is_ok());
    let thirds: Vec<Target> =
        (0..3).map(|target| code(&format!("t{target}"), &short.target(target, 3).unwrap())).collect();
    assert_eq!(names(&separate(&thirds, 24, 0).unwrap_err()), ["t0", "t1"]);

    // A code that is a flicker.
    let square = Flicker::square(FlickerKind::OnOff, 6, 3, 0, 60.0).unwrap();
    let bits = Code::new(bits_of("10").unwrap(), 3).unwrap();
    let mixed = [flicker("square", &square), sampled("sine", 10.0, 0.0), code("code", &bits)];
    assert_eq!(names(&separate(&mixed, 60, 0).unwrap_err()), ["square", "code"]);

    // Two frequencies that a repair sends to the same one.
    let repaired =
        |hz| FlickerRequest::new(FlickerKind::OnOff, Waveform::Square, hz).repair(60.0).unwrap().value;
    let both = [flicker("9 Hz", &repaired(9.0)), flicker("10.2 Hz", &repaired(10.2))];
    assert_eq!(names(&separate(&both, 60, 0).unwrap_err()), ["9 Hz", "10.2 Hz"]);

    // What differs only after the window is the same within it.
    let (slow, slower) = (sampled("a", 8.0, 0.0), sampled("b", 8.0001, 0.0));
    assert!(separate(&[slow.clone(), slower.clone()], 30, 0).is_err());
    assert!(separate(&[slow, slower], 60_000, 0).is_ok());
}

#[test]
fn shifts_of_an_m_sequence_hardly_correlate_until_the_onset_is_lost() {
    let sequence = Code::new(m_sequence(6, None, None).unwrap(), 2).unwrap();
    let targets: Vec<Target> =
        (0..31).map(|target| code(&format!("{target}"), &sequence.target(target, 31).unwrap())).collect();
    let period = sequence.period_frames() as usize;
    for pair in separate(&targets, period, 0).unwrap() {
        // Bipolar -1 of 63; less the mean of 1/63: -(1/63 + 1/63^2) / (1 - 1/63^2) = -1/62.
        assert!((pair.correlation + 1.0 / 62.0).abs() < 1e-9, "{pair:?}");
        // Bits differ in 32 of 63 places.
        assert!((pair.distance - (32.0_f64 / 63.0).sqrt()).abs() < 1e-12, "{pair:?}");
        assert_eq!((pair.frequency_hz, pair.shift_frames), (None, 0));
    }
    // Neighbours are 2 bits, 4 frames apart: a decoder that is 4 frames wrong takes one for the other.
    let lost = separate(&targets[..2], period, 4).unwrap()[0];
    assert!((lost.correlation - 1.0).abs() < 1e-9 && lost.shift_frames == 4, "{lost:?}");
    let known = separate(&targets[..2], period, 1).unwrap()[0];
    assert!(known.correlation.abs() < 0.6, "{known:?}");
}

#[test]
fn a_gold_set_is_apart_at_every_shift() {
    let set = GoldSet::new(6).unwrap();
    let targets: Vec<Target> = (0..set.len())
        .step_by(4)
        .map(|index| code(&format!("{index}"), &Code::new(set.code(index).unwrap(), 1).unwrap()))
        .collect();
    for pair in separate(&targets, 63, 31).unwrap() {
        // Bipolar at most 17 of 63 in size; the means that are taken off move it by a little more than a tenth.
        assert!(pair.correlation.abs() < 0.35, "{pair:?}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let one = sampled("one", 10.0, 0.0);
    assert_eq!(separate(std::slice::from_ref(&one), 0, 0), Err(SeparationError::NoWindow));
    let empty = Target { name: "none".into(), levels: Vec::new(), frequency_hz: None };
    assert_eq!(separate(&[one.clone(), empty], 5, 0), Err(SeparationError::Empty { name: "none".into() }));
    let broken = Target { name: "broken".into(), levels: vec![0.0, f64::NAN], frequency_hz: None };
    let refused = separate(&[one, broken], 5, 0);
    assert!(matches!(refused, Err(SeparationError::NotFinite { frame: 1, .. })), "{refused:?}");
    assert_eq!(separate(&[], 5, 0), Ok(Vec::new()));
}

proptest! {
    #[test]
    fn measures_are_symmetric_and_bounded(
        first in prop::collection::vec(0.0_f64..1.0, 1..40), second in prop::collection::vec(0.0_f64..1.0, 1..40),
        window in 1_usize..100, shifts in 0_usize..20
    ) {
        let target = |name: &str, levels: &[f64]| Target { name: name.into(), levels: levels.into(), frequency_hz: None };
        let (a, b) = (target("a", &first), target("b", &second));
        let forth = separate(&[a.clone(), b.clone()], window, shifts);
        let back = separate(&[b.clone(), a.clone()], window, shifts);
        prop_assert_eq!(forth.is_ok(), back.is_ok());
        if let (Ok(forth), Ok(back)) = (forth, back) {
            prop_assert!((forth[0].distance - back[0].distance).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&forth[0].distance) && forth[0].correlation.abs() <= 1.0 + 1e-9);
            prop_assert!(forth[0].shift_frames.unsigned_abs() <= shifts as u64);
        }
        // Beside its own copy, any target is refused.
        let copy = Target { name: "copy".into(), ..a.clone() };
        prop_assert!(separate(&[a, b, copy], window, shifts).is_err());
    }
}
