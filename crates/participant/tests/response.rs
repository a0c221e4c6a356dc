//! What the person answers to, and how: frequency, contrast, latency, latent truth.
#![allow(clippy::unwrap_used, reason = "a test that cannot set up has failed")]

mod common;

use common::*;
use participant::{Brain, Drive, Flicker, FlickerKind, Participant, Waveform, nominal, people};

/// Amplitudes at Oz at 3.75, 7.5, 15, 30 and 45 Hz for the given frames, without background, after settling.
fn spectrum(light: impl FnMut(u64) -> Vec<f64>) -> [f64; 5] {
    let mut p = Participant::prepare(&silent(nominal()), &setup(COUNTERPHASE, 1)).unwrap();
    let (eeg, _) = run(&mut p, 12.0, light);
    let oz = channel(&eeg, 8, OZ);
    [3.75, 7.5, 15.0, 30.0, 45.0].map(|hz| amplitude(&oz[500..], hz))
}

#[test]
fn counterphase_answers_at_twice_the_frequency() {
    let [sub, f, f2, f4, f6] = spectrum(flickering(COUNTERPHASE, 0.9));
    let expected = nominal().gain_uv * nominal().contrast_response(0.9);
    assert!((f2 / expected - 1.0).abs() < 0.05, "{f2} uV at 2f, {expected} expected");
    assert!(f < 1e-3 * f2 && sub < 1e-3 * f2, "f {f}, f/2 {sub}, 2f {f2}");
    // The harmonics come out of rectification: present, and falling.
    assert!(f4 / f2 > 0.02 && f4 / f2 < 0.5 && f6 < f4, "2f {f2}, 4f {f4}, 6f {f6}");
}

#[test]
fn on_off_answers_at_the_frequency() {
    let on_off = Flicker { kind: FlickerKind::OnOff, ..COUNTERPHASE };
    let mut p = Participant::prepare(&silent(nominal()), &setup(on_off, 1)).unwrap();
    let (eeg, _) = run(&mut p, 12.0, flickering(on_off, 0.9));
    let oz = channel(&eeg, 8, OZ);
    let (f, f2) = (amplitude(&oz[500..], 7.5), amplitude(&oz[500..], 15.0));
    let expected = nominal().gain_uv * nominal().contrast_response(0.9);
    assert!((f / expected - 1.0).abs() < 0.05, "{f} uV at f, {expected} expected");
    assert!(f2 < 0.5 * f, "f {f}, 2f {f2}");
}

#[test]
fn square_reversal_answers_at_twice_the_frequency() {
    let square = Flicker { waveform: Waveform::Square, ..COUNTERPHASE };
    let mut p = Participant::prepare(&silent(nominal()), &setup(square, 1)).unwrap();
    let (eeg, _) = run(&mut p, 12.0, flickering(square, 0.5));
    let oz = channel(&eeg, 8, OZ);
    let expected = nominal().gain_uv * nominal().contrast_response(0.5);
    let f2 = amplitude(&oz[500..], 15.0);
    assert!((f2 / expected - 1.0).abs() < 0.06, "{f2} uV, {expected} expected");
    assert!(amplitude(&oz[500..], 7.5) < 1e-3 * f2);
}

#[test]
fn uniform_flicker_and_grey_answer_nothing() {
    let flicker = spectrum(|frame| uniform(0.5 + 0.45 * COUNTERPHASE.contrast_at(frame as f64 / 8.0)));
    let grey = spectrum(|_| uniform(0.5));
    for (a, b) in flicker.iter().zip(&grey) {
        assert!(*a < 1e-9 && *b < 1e-9, "{flicker:?} {grey:?}");
    }
    // A grating that stands still drives nothing at the response frequency either.
    let still = spectrum(|_| grating(0.9));
    assert!(still[2] < 1e-3, "{still:?}");
}

#[test]
fn latency_is_the_slope_of_phase_over_frequency() {
    for person in people().iter().step_by(7) {
        let mut points = Vec::new();
        for hz in [6.0, 7.5, 60.0 / 7.0, 10.0] {
            let flicker = Flicker { hz, ..COUNTERPHASE };
            // Set up for one flicker, shown several: the latency is the person's, not the declaration's.
            let mut p = Participant::prepare(&silent(person), &setup(COUNTERPHASE, 1)).unwrap();
            let (eeg, _) = run(&mut p, 16.0, flickering(flicker, 0.9));
            let oz = channel(&eeg, 8, OZ);
            let (re, im) = component(&oz[500..], 500, 2.0 * hz);
            // The first harmonic of |sin(w t)| is -cos(2 w t); delayed by L its phase is pi - 2 w L. Each frame is
            // held, which delays the light by half a frame more.
            points.push((2.0 * hz, im.atan2(-re) / std::f64::consts::TAU));
        }
        let mut lag = Vec::new();
        for pair in points.windows(2) {
            let turn = pair[1].1 - pair[0].1;
            let df = pair[1].0 - pair[0].0;
            let expected = person.latency_s * df;
            lag.push(((turn - (turn - expected).round()) / df, df));
        }
        let slope = lag.iter().map(|(l, df)| l * df).sum::<f64>() / lag.iter().map(|(_, df)| df).sum::<f64>();
        let latency = slope - 0.5 / 60.0;
        assert!(
            (latency - person.latency_s).abs() < 0.006,
            "{}: {latency} for {}",
            person.name,
            person.latency_s
        );
    }
}

#[test]
fn contrast_response_comes_back_from_the_eeg() {
    // With the background on: amplitude at Oz by projection over 60 s, in phase with the strongest.
    let person = participant::Person { drift_sd: 0.0, fluctuation_sd: 0.0, ..nominal().clone() };
    let mut strongest = None;
    for contrast in [0.9, 0.6, 0.3, 0.15, 0.08] {
        let frames = eight_frames(contrast);
        let mut p = Participant::prepare(&person, &setup(COUNTERPHASE, 11)).unwrap();
        let (eeg, latent) = run(&mut p, 62.0, |frame| frames[(frame % 8) as usize].clone());
        let oz = channel(&eeg, 8, OZ);
        let (re, im) = component(&oz[500..], 500, 15.0);
        let (c, s) = *strongest.get_or_insert((re / re.hypot(im), im / re.hypot(im)));
        let measured = re * c + im * s;
        let expected = person.gain_uv * person.contrast_response(contrast);
        assert!(
            (measured - expected).abs() < 0.35,
            "contrast {contrast}: {measured} uV, {expected} expected"
        );
        let last = latent[latent.len() - 1];
        assert!((last.response_uv / expected - 1.0).abs() < 0.04, "latent {last:?}, {expected} expected");
        assert!((last.contrast_seen / contrast - 1.0).abs() < 0.04, "{last:?}");
    }
}

#[test]
fn latent_is_the_amplitude_in_the_eeg_while_gain_moves() {
    let mut p = Participant::prepare(&noise_free(nominal()), &setup(COUNTERPHASE, 5)).unwrap();
    let frames = eight_frames(0.6);
    let (eeg, latent) = run(&mut p, 60.0, |frame| frames[(frame % 8) as usize].clone());
    let oz = channel(&eeg, 8, OZ);
    for start in (500..14_000).step_by(250) {
        let span = start..start + 250;
        // The Hann-weighted mean of the latent over the same window.
        let weights: Vec<f64> =
            (0..250).map(|i| 1.0 - (std::f64::consts::TAU * f64::from(i) / 250.0).cos()).collect();
        let truth = span.clone().zip(&weights).map(|(i, w)| w * latent[i].response_uv).sum::<f64>() / 250.0;
        let seen = amplitude(&oz[span], 15.0);
        assert!((seen / truth - 1.0).abs() < 0.05, "at {start}: {seen} uV, latent {truth}");
    }
}

#[test]
fn a_contrast_step_shows_after_the_latency_and_not_before() {
    let mut p = Participant::prepare(&silent(nominal()), &setup(COUNTERPHASE, 5)).unwrap();
    let delay_s = p.delay_ns() as f64 / 1e9;
    let on = eight_frames(0.8);
    let (eeg, latent) =
        run(&mut p, 4.0, |frame| if frame < 120 { uniform(0.5) } else { on[(frame % 8) as usize].clone() });
    let oz = channel(&eeg, 8, OZ);
    let first = oz.iter().position(|v| v.abs() > 1e-9).unwrap() as f64 / RATE_HZ;
    assert!(
        first >= 2.0 + delay_s && first < 2.0 + delay_s + 0.06,
        "first answer at {first} s, delay {delay_s} s"
    );
    let settled = latent.iter().position(|l| l.contrast_seen > 0.95 * 0.8).unwrap() as f64 / RATE_HZ;
    assert!(settled < 2.0 + delay_s + 0.45, "settled at {settled} s");
    assert!(latent.windows(2).all(|w| (w[1].response_uv - w[0].response_uv).abs() < 0.4), "the latent jumps");
}

#[test]
fn late_frames_are_counted_and_early_ones_wait() {
    let frames = eight_frames(0.8);
    let show = |ahead: i64, behind_ns: i64| {
        let mut p = Participant::prepare(&silent(nominal()), &setup(COUNTERPHASE, 5)).unwrap();
        let mut out = [0.0; 8];
        let (mut frame, mut latent) = (0u64, Vec::new());
        for i in 0..1000 {
            let at_ns = sample_ns(i);
            while frame_ns(frame) + behind_ns <= at_ns + ahead {
                p.see(frame_ns(frame), &frames[(frame % 8) as usize]);
                frame += 1;
            }
            latent.push(p.sample(at_ns, &mut out));
        }
        (p.late_count(), p.delay_ns(), latent)
    };
    let (late, delay_ns, at_once) = show(0, 0);
    assert_eq!(late, 0);
    let (late, _, ahead) = show(50_000_000, 0);
    assert_eq!(late, 0);
    assert_eq!(at_once, ahead, "frames that are handed in early change nothing");
    let (late, _, behind) = show(0, delay_ns - 10_000_000);
    assert_eq!((late, &at_once), (0, &behind), "a read-back within the delay changes nothing");
    let (late, ..) = show(0, delay_ns + 30_000_000);
    assert!(late > 200, "{late} late frames");
}

#[test]
fn frames_that_are_none_are_refused_and_change_nothing() {
    let frames = eight_frames(0.8);
    let show = |bad: &[f64]| {
        let mut p = Participant::prepare(&silent(nominal()), &setup(COUNTERPHASE, 5)).unwrap();
        let mut out = [0.0; 8];
        let (mut frame, mut latent) = (0u64, Vec::new());
        for i in 0..500 {
            while frame_ns(frame) <= sample_ns(i) {
                p.see(frame_ns(frame), &frames[(frame % 8) as usize]);
                if !bad.is_empty() {
                    p.see(frame_ns(frame) + 1_000_000, bad);
                }
                frame += 1;
            }
            latent.push(p.sample(sample_ns(i), &mut out));
        }
        (p.refused_count(), latent)
    };
    let (none, expected) = show(&[]);
    assert_eq!(none, 0);
    for bad in [vec![0.5; 17], vec![f64::NAN; CELLS * CELLS]] {
        let (refused, latent) = show(&bad);
        assert_eq!((refused, &latent), (120, &expected));
    }
}

/// A brain that follows the mean light: a caller's own, as a trait object.
struct LightMeter(f64);

impl Brain for LightMeter {
    fn see(&mut self, _onset_ns: i64, cells: &[f64]) -> bool {
        self.0 = mean(cells);
        true
    }

    fn drive(&mut self, _at_ns: i64) -> Drive {
        Drive { response: self.0, level: self.0, contrast_seen: 0.0 }
    }

    fn delay_ns(&self) -> i64 {
        0
    }

    fn reset(&mut self) {
        self.0 = 0.0;
    }
}

#[test]
fn a_caller_may_hand_in_a_brain() {
    let person = silent(nominal());
    let mut p = Participant::with_brain(&person, &setup(COUNTERPHASE, 1), Box::new(LightMeter(0.0))).unwrap();
    let (eeg, latent) = run(&mut p, 0.1, |_| uniform(0.25));
    assert_eq!(latent[10].response_uv, 0.25 * person.gain_uv);
    assert_eq!(eeg[10 * 8 + OZ], 0.25 * person.gain_uv);
}

#[test]
fn channels_follow_the_topography() {
    let person = &people()[3];
    let mut p = Participant::prepare(&silent(person), &setup(COUNTERPHASE, 1)).unwrap();
    let (eeg, _) = run(&mut p, 6.0, flickering(COUNTERPHASE, 0.9));
    let amplitudes: Vec<f64> = (0..8).map(|c| amplitude(&channel(&eeg, 8, c)[500..], 15.0)).collect();
    let t = person.topography;
    for (k, share) in [t.PO7, t.PO3, t.POz, t.PO4, t.PO8, t.O1, t.Oz, t.O2].into_iter().enumerate() {
        assert!((amplitudes[k] / amplitudes[OZ] - share).abs() < 1e-9);
    }
}

#[test]
fn set_ups_that_cannot_be_are_refused_with_numbers() {
    let refuse = |change: &dyn Fn(&mut participant::Setup)| {
        let mut s = setup(COUNTERPHASE, 1);
        change(&mut s);
        Participant::prepare(nominal(), &s).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert!(refuse(&|s| s.channels.push("Fz".into())).contains("`Fz`"));
    assert!(refuse(&|s| s.channels.clear()).contains("PO7"));
    assert!(refuse(&|s| s.rate_hz = f64::NAN).contains("sample rate"));
    assert!(refuse(&|s| s.flicker.hz = 31.0).contains("31"));
    assert!(refuse(&|s| s.cells_per_cycle = 2.5).contains("2.5"));
    assert!(refuse(&|s| s.retina_width = 0).contains("0 x 36"));
}
