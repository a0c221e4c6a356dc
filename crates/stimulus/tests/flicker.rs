//! What the refresh can make, it makes exactly; what it cannot, it refuses with numbers.

use std::f64::consts::TAU;

use proptest::prelude::*;
use stimulus::{Change, Flicker, FlickerError, FlickerKind, FlickerRequest, Waveform};

const COUNTERPHASE: FlickerKind = FlickerKind::Counterphase;
const ON_OFF: FlickerKind = FlickerKind::OnOff;

#[test]
fn eight_frames_per_cycle_are_seven_and_a_half_hertz() {
    let flicker = Flicker::realise(COUNTERPHASE, 7.5, Waveform::Sine, 60.0).unwrap();
    assert_eq!(flicker.cycles_per_frame(), (1, 8));
    assert_eq!((flicker.frequency_hz(), flicker.response_hz()), (7.5, 15.0));
    for frame in 0..64 {
        let expected = (TAU * frame as f64 / 8.0).sin();
        assert!((flicker.modulation(frame) - expected).abs() < 1e-12, "frame {frame}");
    }
    let on_off = Flicker::realise(ON_OFF, 7.5, Waveform::Sine, 60.0).unwrap();
    assert_eq!(on_off.response_hz(), 7.5);
    assert!((0..8).all(|frame| (0.0..=1.0).contains(&on_off.modulation(frame))));
}

#[test]
fn square_halves_are_equal_and_the_patch_follows_them() {
    for (hz, frames) in [(30.0, 2), (15.0, 4), (10.0, 6), (7.5, 8)] {
        let flicker = Flicker::realise(COUNTERPHASE, hz, Waveform::Square, 60.0).unwrap();
        for frame in 0..3 * frames {
            let first = frame % frames < frames / 2;
            assert_eq!(flicker.is_first_half(frame), first);
            assert_eq!(flicker.modulation(frame), if first { 1.0 } else { -1.0 });
        }
    }
}

#[test]
fn refused_squares_name_their_neighbours() {
    let refused = Flicker::realise(ON_OFF, 8.0, Waveform::Square, 60.0).unwrap_err();
    let FlickerError::SquareFrames { frames_per_cycle, lower_hz, higher_hz, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!((frames_per_cycle, lower_hz, higher_hz), (7.5, 7.5, Some(10.0)));
    // 5 frames are whole but not two equal halves.
    let odd = Flicker::realise(ON_OFF, 12.0, Waveform::Square, 60.0).unwrap_err().to_string();
    assert!(odd.contains("5.0000 frames") && odd.contains("10.0") && odd.contains("15.0"), "{odd}");
    let fast = Flicker::realise(ON_OFF, 40.0, Waveform::Square, 60.0).unwrap_err().to_string();
    assert!(fast.contains("nearest is 30.0"), "{fast}");
    // Neighbours that the error names can be made.
    for hz in [lower_hz, higher_hz.unwrap()] {
        assert!(Flicker::realise(ON_OFF, hz, Waveform::Square, 60.0).is_ok(), "{hz}");
    }
    // A screen that only nearly refreshes at 60 Hz cannot make 7.5 Hz in equal halves.
    assert!(Flicker::realise(ON_OFF, 7.5, Waveform::Square, 59.94).is_err());
    assert!(Flicker::realise(ON_OFF, 59.94 / 8.0, Waveform::Square, 59.94).is_ok());
}

#[test]
fn sines_stop_where_a_cycle_has_four_frames() {
    assert!(Flicker::realise(ON_OFF, 15.0, Waveform::Sine, 60.0).is_ok());
    let too_fast = |kind, hz| Flicker::realise(kind, hz, Waveform::Sine, 60.0).unwrap_err().to_string();
    assert!(too_fast(ON_OFF, 15.1).contains("up to 15 Hz"));
    let counterphase = too_fast(COUNTERPHASE, 15.0);
    assert!(counterphase.contains("below 15 Hz") && counterphase.contains("30 Hz"), "{counterphase}");
    assert!(Flicker::realise(COUNTERPHASE, 14.9, Waveform::Sine, 60.0).is_ok());
}

#[test]
fn awkward_refresh_rates_stay_rational() {
    let flicker = Flicker::realise(ON_OFF, 7.5, Waveform::Sine, 59.94).unwrap();
    assert_eq!(flicker.cycles_per_frame(), (125, 999));
    let flicker = Flicker::realise(ON_OFF, 7.123, Waveform::Sine, 59.9513).unwrap();
    assert!((flicker.frequency_hz() - 7.123).abs() < 1e-9);
    let irrational = Flicker::realise(ON_OFF, 60.0 / std::f64::consts::PI.powi(2), Waveform::Sine, 60.0);
    let Err(FlickerError::NotRational { frequency_hz, lower_hz, higher_hz, .. }) = irrational else {
        panic!("{irrational:?}");
    };
    assert!(lower_hz < frequency_hz && frequency_hz < higher_hz && higher_hz - lower_hz < 1e-4);
    for hz in [lower_hz, higher_hz] {
        assert!(Flicker::realise(ON_OFF, hz, Waveform::Sine, 60.0).is_ok(), "{hz}");
    }
    for hz in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let refused = Flicker::realise(ON_OFF, hz, Waveform::Sine, 60.0);
        assert!(matches!(refused, Err(FlickerError::NotPositive { .. })), "{hz}");
    }
}

#[test]
fn sampled_sines_have_frequency_and_phase_together() {
    // 15.8 Hz at 60 Hz is the fastest of Chen's speller: fewer than 4 frames per cycle.
    for (hz, phase_rad) in [(8.0, 0.0), (10.2, 3.85 * TAU), (15.8, 1.35), (29.0, -0.2)] {
        let flicker = Flicker::sampled_sine(ON_OFF, hz, phase_rad, 60.0).unwrap();
        assert!((flicker.frequency_hz() - hz).abs() < 1e-12);
        assert!((0.0..TAU).contains(&flicker.phase_rad()));
        for frame in 0..600 {
            let expected = 0.5 * (1.0 + (TAU * hz * frame as f64 / 60.0 + phase_rad).sin());
            assert!((flicker.modulation(frame) - expected).abs() < 1e-11, "{hz} Hz, frame {frame}");
            let margin = flicker.modulation(frame) - 0.5;
            assert!(
                margin.abs() < 1e-12 || flicker.is_first_half(frame) == (margin > 0.0),
                "{hz} Hz, frame {frame}"
            );
        }
    }
    let refused = Flicker::sampled_sine(ON_OFF, 30.0, 0.0, 60.0).unwrap_err();
    assert_eq!(
        refused,
        FlickerError::AboveHalfRefresh { frequency_hz: 30.0, refresh_hz: 60.0, response_hz: 30.0 }
    );
    assert!(Flicker::sampled_sine(COUNTERPHASE, 15.0, 0.0, 60.0).is_err());
    assert!(matches!(
        Flicker::sampled_sine(ON_OFF, 10.0, f64::NAN, 60.0),
        Err(FlickerError::PhaseNotFinite { .. })
    ));
}

#[test]
fn squares_have_phase_and_duty_in_whole_frames() {
    let flicker = Flicker::square(ON_OFF, 5, 2, 3, 60.0).unwrap();
    let shown: Vec<f64> = (0..10).map(|frame| flicker.modulation(frame)).collect();
    assert_eq!(shown, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
    assert_eq!((flicker.frequency_hz(), flicker.duty()), (12.0, 0.4));
    // As a protocol says it: a part of the cycle, and an angle.
    let request = FlickerRequest::new(ON_OFF, Waveform::Square, 12.0).with_duty(0.4).with_phase(0.6 * TAU);
    assert_eq!(request.realise(60.0).unwrap(), flicker);
    for phase_frames in 0..2_000 {
        // Edges stand where they should for any length and phase, whatever 1/den is in binary.
        let long = Flicker::square(COUNTERPHASE, 1_999, 1_000, phase_frames, 60.0).unwrap();
        for frame in [0, 1, 998, 999, 1_000, 1_001, 1_998] {
            let on = (frame + phase_frames) % 1_999 < 1_000;
            assert_eq!(long.is_first_half(frame), on, "phase {phase_frames}, frame {frame}");
        }
    }
    for (cycle, on) in [(1, 1), (0, 0), (8, 0), (8, 8), (1_000_001, 5)] {
        assert!(matches!(Flicker::square(ON_OFF, cycle, on, 0, 60.0), Err(FlickerError::Frames { .. })));
    }
    assert!(matches!(Flicker::square(ON_OFF, 4, 2, 0, 0.0), Err(FlickerError::NotPositive { .. })));
}

#[test]
fn a_request_without_phase_is_the_flicker_as_ever() {
    for kind in [ON_OFF, COUNTERPHASE] {
        for (waveform, hz) in [(Waveform::Square, 7.5), (Waveform::Sine, 7.1)] {
            let plain = Flicker::realise(kind, hz, waveform, 60.0).unwrap();
            let request = FlickerRequest::new(kind, waveform, hz);
            assert_eq!(request.realise(60.0).unwrap(), plain);
            let repaired = request.repair(60.0).unwrap();
            assert_eq!((repaired.value, repaired.changes), (plain, Vec::new()));
        }
    }
}

#[test]
fn repairs_take_the_nearest_and_say_so() {
    let square = |hz| FlickerRequest::new(ON_OFF, Waveform::Square, hz);
    let changes = |request: FlickerRequest| request.repair(60.0).unwrap().changes;
    assert_eq!(changes(square(8.0)), [Change { key: "frequency_hz", asked: 8.0, made: 7.5 }]);
    // Halves stay halves; another duty may have an odd cycle.
    assert_eq!(changes(square(12.6))[0].made, 15.0);
    // Of two that are equally near, the lower one.
    assert_eq!(changes(square(12.5))[0].made, 10.0);
    let repaired = square(12.5).with_duty(0.3).with_phase(1.0).repair(60.0).unwrap();
    let made: Vec<_> = repaired.changes.iter().map(|change| (change.key, change.made)).collect();
    assert_eq!(made, [("frequency_hz", 12.0), ("duty", 0.2), ("phase_rad", TAU / 5.0)]);
    assert_eq!(repaired.value, Flicker::square(ON_OFF, 5, 1, 1, 60.0).unwrap());
    assert_eq!(repaired.changes[0].to_string(), "frequency_hz 12.5 -> 12.000000");
    // Too short to be made becomes one frame.
    assert_eq!(square(7.5).with_duty(0.01).repair(60.0).unwrap().value.duty(), 0.125);
    // 30 Hz on a screen that was measured.
    assert_eq!(square(30.0).repair(59.94).unwrap().value.cycles_per_frame(), (1, 2));
    let irrational = FlickerRequest::new(ON_OFF, Waveform::Sine, 60.0 / std::f64::consts::PI.powi(2));
    let near = irrational.repair(60.0).unwrap();
    assert!((near.value.frequency_hz() - irrational.frequency_hz).abs() < 4e-5 && near.changes.len() == 1);
    // What nothing is near to stays refused.
    let sine = |hz| FlickerRequest::new(ON_OFF, Waveform::Sine, hz);
    for refused in
        [sine(40.0), sine(f64::NAN), sine(10.0).with_duty(0.3), square(10.0).with_duty(1.0), square(0.0)]
    {
        assert!(refused.repair(60.0).is_err(), "{refused:?}");
    }
    assert!(square(10.0).with_phase(f64::INFINITY).repair(60.0).is_err());
}

proptest! {
    #[test]
    fn what_is_repaired_can_be_made_and_is_near(
        hz in 0.5_f64..29.0, duty in 0.05_f64..0.95, phase_rad in -20.0_f64..20.0, refresh_hz in 59.0_f64..241.0,
        square in any::<bool>(), halves in any::<bool>()
    ) {
        let waveform = if square { Waveform::Square } else { Waveform::Sine };
        let duty = if square && !halves { duty } else { 0.5 };
        let request = FlickerRequest::new(ON_OFF, waveform, hz).with_phase(phase_rad).with_duty(duty);
        let repaired = request.repair(refresh_hz).unwrap();
        // Made again by what was changed, it is the same and needs no repair.
        let mut made = request;
        for change in &repaired.changes {
            match change.key {
                "frequency_hz" => made.frequency_hz = change.made,
                "duty" => made.duty = change.made,
                _ => made.phase_rad = change.made,
            }
        }
        prop_assert_eq!(made.realise(refresh_hz).unwrap(), repaired.value);
        // No frequency that the screen can make lies nearer.
        let found = (repaired.value.frequency_hz() - hz).abs();
        if square {
            let step = if duty == 0.5 { 2 } else { 1 };
            let best = (1..300).map(|count| (refresh_hz / f64::from(count * step) - hz).abs());
            let best = best.skip(if step == 1 { 1 } else { 0 }).fold(f64::INFINITY, f64::min);
            prop_assert!(found <= best + 1e-9, "{} off, {} possible", found, best);
            prop_assert!((repaired.value.duty() - duty).abs() <= repaired.value.frequency_hz() / refresh_hz);
        } else {
            prop_assert!(found <= refresh_hz * 1e-6);
        }
    }

    #[test]
    fn phase_does_not_drift(tenths in 1_u32..150, cycle in 0_u64..10_000_000_000) {
        // A whole number of patterns later the phase is the same to the bit, and one frame on it has moved by num/den.
        let flicker = Flicker::realise(ON_OFF, f64::from(tenths) / 10.0, Waveform::Sine, 60.0).unwrap();
        let (num, den) = flicker.cycles_per_frame();
        let frame = cycle * den;
        prop_assert_eq!(flicker.cycles_at(frame), 0.0);
        prop_assert_eq!(flicker.cycles_at(frame + 1), num as f64 / den as f64);
        for offset in 0..den.min(50) {
            prop_assert_eq!(flicker.modulation(frame + offset), flicker.modulation(offset));
        }
    }

    #[test]
    fn realised_spectrum_is_one_line(den in 5_u64..200, num in 1_u64..50) {
        prop_assume!(4 * num < den);
        let flicker = Flicker::realise(COUNTERPHASE, num as f64, Waveform::Sine, den as f64).unwrap();
        let (num, den) = flicker.cycles_per_frame();
        // Fourier sum over one whole pattern: amplitude 1 at its own line, 0 at the others.
        for line in 0..=den / 2 {
            let (mut re, mut im) = (0.0, 0.0);
            for frame in 0..den {
                let angle = TAU * (line * frame % den) as f64 / den as f64;
                re += flicker.modulation(frame) * angle.cos();
                im += flicker.modulation(frame) * angle.sin();
            }
            let amplitude = 2.0 / den as f64 * (re * re + im * im).sqrt();
            let expected = if line == num { 1.0 } else { 0.0 };
            prop_assert!((amplitude - expected).abs() < 1e-9, "line {} of {}: {}", line, den, amplitude);
        }
    }
}
