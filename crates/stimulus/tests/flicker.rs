//! What the refresh can make, it makes exactly; what it cannot, it refuses with numbers.

use std::f64::consts::TAU;

use proptest::prelude::*;
use stimulus::{Flicker, FlickerError, FlickerKind, Waveform};

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

proptest! {
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
