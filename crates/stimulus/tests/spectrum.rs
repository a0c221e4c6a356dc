//! The spectrum of the frames, against closed forms.

use std::f64::consts::{PI, TAU};

use stimulus::code::{apa, m_sequence};
use stimulus::{Code, Flicker, FlickerKind, FlickerRequest, Spectrum, SpectrumError, Waveform};

fn levels_of(flicker: &Flicker, frames: u64) -> Vec<f64> {
    (0..frames).map(|frame| flicker.modulation(frame)).collect()
}

fn levels_of_code(code: &Code) -> Vec<f64> {
    (0..code.period_frames()).map(|frame| code.level(frame)).collect()
}

#[test]
fn a_sampled_sine_is_one_line_at_its_phase() {
    for (hz, refresh_hz, phase_rad) in [
        (8.0, 60.0, 0.0),
        (15.8, 60.0, 1.35 * PI),
        (11.3, 59.94, 0.35),
        (9.7, 143.98, -2.0),
        (29.9, 60.0, 1.0),
    ] {
        let flicker = Flicker::sampled_sine(FlickerKind::OnOff, hz, phase_rad, refresh_hz).unwrap();
        let levels = levels_of(&flicker, flicker.cycles_per_frame().1);
        let realised = Spectrum::of(&levels, refresh_hz).unwrap().realised(Some(hz)).unwrap();
        assert!(realised.error_hz().unwrap().abs() < 1e-9, "{hz} Hz: {:?}", realised.error_hz());
        assert!((realised.mean - 0.5).abs() < 1e-12 && (realised.fundamental.amplitude - 0.5).abs() < 1e-12);
        let turned = realised.fundamental.phase_rad - (phase_rad - PI / 2.0);
        assert!((turned - TAU * (turned / TAU).round()).abs() < 1e-9, "{hz} Hz: {turned}");
        for line in realised.harmonics.iter().chain(&realised.strongest_other) {
            assert!(realised.relative_db(line) < -240.0, "{line:?}");
        }
    }
}

#[test]
fn a_square_has_the_lines_of_a_sampled_pulse() {
    // A pulse of m frames in a cycle of N has |X_k| = sin(pi k m / N) / sin(pi k / N).
    for (cycle, on, phase) in [(8, 4, 0), (8, 2, 3), (5, 2, 1), (12, 1, 0), (12, 11, 5), (2, 1, 1)] {
        let flicker = Flicker::square(FlickerKind::OnOff, cycle, on, phase, 120.0).unwrap();
        let levels = levels_of(&flicker, 3 * cycle);
        let spectrum = Spectrum::of(&levels, 120.0).unwrap();
        for line in spectrum.lines() {
            let k = line.cycles as f64 / 3.0;
            let pulse = (PI * k * on as f64 / cycle as f64).sin() / (PI * k / cycle as f64).sin();
            let expected = match line.cycles {
                0 => on as f64 / cycle as f64,
                cycles if cycles % 3 != 0 => 0.0,
                cycles if 2 * cycles as u64 == 3 * cycle => pulse.abs() / cycle as f64,
                _ => 2.0 * pulse.abs() / cycle as f64,
            };
            assert!((line.amplitude - expected).abs() < 1e-12, "{on} of {cycle}: {line:?}, not {expected}");
        }
        let asked_hz = 120.0 / cycle as f64;
        let realised = spectrum.realised(Some(asked_hz)).unwrap();
        assert_eq!(realised.fundamental.cycles, 3);
        assert_eq!(realised.harmonics.len(), cycle as usize / 2 - 1);
        assert!((realised.mean - on as f64 / cycle as f64).abs() < 1e-12);
        assert!(realised.strongest_other_db().is_none_or(|db| db < -240.0));
    }
}

#[test]
fn codes_are_as_flat_as_their_autocorrelation_says() {
    // The power spectrum is the transform of the periodic autocorrelation. Of an m-sequence of L bits (levels 0 and 1, a
    // quarter of the bipolar power) each line has |X|^2 = (L + 1) / 4.
    for order in [2, 5, 9, 13] {
        let code = Code::new(m_sequence(order, None, None).unwrap(), 1).unwrap();
        let length = code.period_frames() as f64;
        let spectrum = Spectrum::of(&levels_of_code(&code), 60.0).unwrap();
        for line in &spectrum.lines()[1..] {
            let expected = 2.0 / length * ((length + 1.0) / 4.0).sqrt();
            assert!((line.amplitude / expected - 1.0).abs() < 1e-9, "order {order}: {line:?}");
        }
        // All lines are equally strong, so what is asked decides; without it, the lowest.
        let realised = spectrum.realised(None).unwrap();
        assert_eq!(realised.fundamental.cycles, 1);
        assert_eq!(realised.asked_hz, None);
    }
    // An APA sequence has N in its autocorrelation at 0 and 4 - N at half a period: odd lines (2 N - 4) / 4, even ones 1.
    let code = Code::new(apa(64).unwrap(), 1).unwrap();
    for line in &Spectrum::of(&levels_of_code(&code), 60.0).unwrap().lines()[1..32] {
        let power: f64 = if line.cycles % 2 == 1 { (2.0 * 64.0 - 4.0) / 4.0 } else { 1.0 };
        assert!((line.amplitude - 2.0 / 64.0 * power.sqrt()).abs() < 1e-12, "{line:?}");
    }
}

#[test]
fn a_frequency_that_the_frames_do_not_have_is_found_out() {
    // 8 Hz in squares of 60 Hz by the rule "nearest frame": 7.5 frames per cycle come out as 8 and 7 by turns.
    let levels: Vec<f64> =
        (0..60).map(|frame| if (f64::from(frame) * 8.0 / 60.0).fract() < 0.5 { 1.0 } else { 0.0 }).collect();
    let realised = Spectrum::of(&levels, 60.0).unwrap().realised(Some(8.0)).unwrap();
    assert_eq!(realised.fundamental.frequency_hz, 8.0);
    assert!(realised.strongest_other_db().unwrap() > -20.0, "{:?}", realised.strongest_other);
    // Asked for 70 Hz at 60 Hz, one sees 10.
    let levels: Vec<f64> = (0..60).map(|frame| (TAU * 70.0 / 60.0 * f64::from(frame)).sin()).collect();
    let alias = Spectrum::of(&levels, 60.0).unwrap().realised(Some(70.0)).unwrap();
    assert!((alias.fundamental.frequency_hz - 10.0).abs() < 1e-12);
    assert!((alias.error_hz().unwrap() + 60.0).abs() < 1e-12);
    assert!(alias.mean.abs() < 1e-12);
}

#[test]
fn long_and_prime_periods_stay_exact() {
    let request = FlickerRequest::new(FlickerKind::OnOff, Waveform::Sine, 7.123).with_phase(0.5);
    let flicker = request.realise(59.9513).unwrap();
    let (num, den) = flicker.cycles_per_frame();
    assert_eq!((num, den), (71_230, 599_513));
    let spectrum = Spectrum::of(&levels_of(&flicker, den), 59.9513).unwrap();
    let realised = spectrum.realised(Some(7.123)).unwrap();
    assert_eq!(realised.fundamental.cycles as u64, num);
    assert!(realised.strongest_other_db().unwrap() < -200.0, "{:?}", realised.strongest_other_db());
    // A constant level leaves nothing that would pass for a line, whatever the length.
    for frames in [2, 97, 999_983] {
        let constant = Spectrum::of(&vec![0.3; frames], 60.0).unwrap();
        assert_eq!(constant.realised(None), Err(SpectrumError::Constant { frames }));
    }
}

#[test]
fn rows_without_a_spectrum_are_refused() {
    assert_eq!(Spectrum::of(&[1.0], 60.0), Err(SpectrumError::Frames { frames: 1 }));
    assert_eq!(
        Spectrum::of(&[1.0, f64::INFINITY], 60.0),
        Err(SpectrumError::NotFinite { frame: 1, level: f64::INFINITY })
    );
    assert_eq!(Spectrum::of(&[1.0, 0.0], 0.0), Err(SpectrumError::Refresh { refresh_hz: 0.0 }));
}
