//! Rhythms whose truth is known: what is found, how well it is forecast, and what the forecasts say of themselves.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking, in its helpers too")]

use core::f64::consts::{FRAC_PI_2, TAU};

use signal::{RhythmFit, RhythmFound, RhythmModel, RhythmSpectrum, RhythmTracker, expected_resultant};

const RATE_HZ: f64 = 250.0;
const BAND_HZ: [f64; 2] = [8.0, 13.0];
/// Background of the simulation; other corners than the model's, as in `participant`.
const SIMULATED_HZ: [f64; 6] = [0.15, 0.45, 1.35, 4.05, 12.15, 36.45];

fn kept(hz: f64) -> f64 {
    (-TAU * hz / RATE_HZ).exp()
}

/// One-sided power density of the real part of a complex AR(1) of unit variance.
fn oscillator_density(hz: f64, centre_hz: f64, half_width_hz: f64) -> f64 {
    let keep = kept(half_width_hz);
    let pole = |from_hz: f64| {
        (1.0 - keep * keep) / (1.0 - 2.0 * keep * (TAU * (hz - from_hz) / RATE_HZ).cos() + keep * keep)
    };
    (pole(centre_hz) + pole(-centre_hz)) / RATE_HZ
}

/// A plain linear congruential generator: tests must not depend on a crate's stream of numbers.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (TAU * self.uniform()).cos()
    }
}

/// A rhythm of unit power in a 1/f background; samples and the rhythm's true complex value.
fn simulate(seconds: f64, half_width_hz: f64, snr_db: f64, seed: u64) -> (Vec<f64>, Vec<[f64; 2]>) {
    let mut noise = Noise(seed.wrapping_mul(977) + 1);
    (0..9).for_each(|_| _ = noise.uniform());
    let centre_hz = 10.2;
    let shares = SIMULATED_HZ.map(|hz| hz.powf(-0.2));
    let step = |hz: f64| BAND_HZ[0] + hz * (BAND_HZ[1] - BAND_HZ[0]) / 200.0;
    let (mut of_rhythm, mut of_rest) = (0.0, 0.0);
    for at in 0..200 {
        let hz = step(at as f64 + 0.5);
        of_rhythm += oscillator_density(hz, centre_hz, half_width_hz);
        for (share, corner_hz) in shares.iter().zip(SIMULATED_HZ) {
            of_rest += share * oscillator_density(hz, 0.0, corner_hz);
        }
    }
    let gain = of_rhythm / of_rest / 10f64.powf(snr_db / 10.0);
    let keep = kept(half_width_hz);
    let (cos, sin) = ((TAU * centre_hz / RATE_HZ).cos(), (TAU * centre_hz / RATE_HZ).sin());
    let mut z = [noise.normal(), noise.normal()];
    let mut slow = shares.map(|share| (gain * share).sqrt() * noise.normal());
    let kick = (1.0 - keep * keep).sqrt();
    (0..(seconds * RATE_HZ) as usize)
        .map(|_| {
            z = [
                keep * (cos * z[0] - sin * z[1]) + kick * noise.normal(),
                keep * (sin * z[0] + cos * z[1]) + kick * noise.normal(),
            ];
            let mut value = 4000.0 + z[0];
            for ((slow, share), hz) in slow.iter_mut().zip(shares).zip(SIMULATED_HZ) {
                let keep = kept(hz);
                *slow = keep * *slow + (gain * share * (1.0 - keep * keep)).sqrt() * noise.normal();
                value += *slow;
            }
            (value, z)
        })
        .unzip()
}

fn fitted(samples: &[f64]) -> RhythmFound {
    let mut spectrum = RhythmSpectrum::new(RATE_HZ, 55.0);
    samples.iter().for_each(|&value| spectrum.step(value));
    let mut fit = RhythmFit::new(&spectrum, RATE_HZ, BAND_HZ, Some(50.0));
    assert!(fit.start(&spectrum));
    let steps = fit.candidates();
    let mut found = None;
    for step in 0..steps {
        assert!(found.is_none(), "step {step}");
        found = fit.step();
    }
    found.unwrap()
}

/// Resultant length of forecast against truth: at all samples, and at those whose forecast says at least `least`.
struct Hit {
    all: f64,
    promised: f64,
    sure: f64,
    share: f64,
}

fn judge(model: RhythmModel, samples: &[f64], truth: &[[f64; 2]], ahead_s: f64, least: f64) -> Hit {
    let mut tracker = RhythmTracker::new(model, RATE_HZ);
    let ahead = (ahead_s * RATE_HZ).round() as usize;
    let (mut all, mut sure, mut promised) = ([0.0; 3], [0.0; 3], 0.0);
    for (n, &value) in samples.iter().enumerate() {
        tracker.step(Some(value));
        let Some(z) = truth.get(n + ahead).filter(|_| n > 500) else { continue };
        let forecast = tracker.forecast(ahead as f64 / RATE_HZ);
        let off = forecast.phase_rad - z[1].atan2(z[0]);
        promised += forecast.resultant;
        for (sums, counts) in [(&mut all, true), (&mut sure, forecast.resultant >= least)] {
            if counts {
                *sums = [sums[0] + off.cos(), sums[1] + off.sin(), sums[2] + 1.0];
            }
        }
    }
    let length = |s: [f64; 3]| s[0].hypot(s[1]) / s[2].max(1.0);
    Hit { all: length(all), promised: promised / all[2], sure: length(sure), share: sure[2] / all[2] }
}

/// The promise is kept: forecasts that say how sure they are are right about it, at every noise and horizon.
#[test]
fn forecasts_reach_what_they_promise() {
    println!("half width  SNR    ahead   fitted  promised   sure (share of time)");
    for half_width_hz in [0.65, 1.0] {
        for snr_db in [0.0, 5.0, 10.0, 15.0] {
            let (samples, truth) = simulate(400.0, half_width_hz, snr_db, 7);
            let rest = (60.0 * RATE_HZ) as usize;
            let found = fitted(&samples[..rest]);
            if snr_db >= 5.0 {
                assert!(found.is_rhythm, "{found:?}");
                assert!((found.model.centre_hz - 10.2).abs() < 0.5, "{found:?}");
            }
            for ahead_s in [0.0, 0.02, 0.036, 0.052, 0.068, 0.1] {
                let hit = judge(found.model, &samples[rest..], &truth[rest..], ahead_s, 0.75);
                println!(
                    "{half_width_hz:8.2} Hz {snr_db:4.0} dB {:4.0} ms {:8.2} {:8.2} {:8.2} ({:.0} %)",
                    1e3 * ahead_s,
                    hit.all,
                    hit.promised,
                    hit.sure,
                    100.0 * hit.share
                );
                assert!((hit.all - hit.promised).abs() < 0.1, "{:.3} {:.3}", hit.all, hit.promised);
                if hit.share > 0.02 {
                    assert!(hit.sure > 0.7, "{:.3}", hit.sure);
                }
            }
        }
    }
}

/// With nothing but the rhythm, the filter knows it, and what is left is the rhythm's own unrest: the coherence
/// `e^(-2 pi w t)` of a rotation that forgets itself, of whose phase the resultant is known in closed form.
#[test]
fn without_noise_only_the_future_is_unknown() {
    let (samples, truth) = simulate(400.0, 1.0, 60.0, 3);
    let found = fitted(&samples);
    let hit = judge(found.model, &samples, &truth, 0.052, 2.0);
    let coherence = (-TAU * 1.0 * 0.052f64).exp();
    // Resultant of the phase difference of two complex Gaussians (Goodman 1985, Statistical Optics, 2.9).
    let square = coherence * coherence;
    let closed =
        core::f64::consts::FRAC_PI_4 * coherence * (1.0 + square / 8.0 + 3.0 / 64.0 * square * square);
    assert!((hit.all - closed).abs() < 0.04, "{:.3}, closed form {closed:.3}", hit.all);
}

#[test]
fn a_background_alone_is_no_rhythm() {
    for seed in 0..12 {
        let (samples, _) = simulate(60.0, 1.0, -60.0, seed);
        let found = fitted(&samples);
        assert!(!found.is_rhythm, "{found:?}");
    }
}

#[test]
fn holes_blinks_and_hum_are_survived() {
    let (mut samples, truth) = simulate(200.0, 0.65, 10.0, 11);
    let clean = fitted(&samples[..15_000]);
    let before = judge(clean.model, &samples[15_000..], &truth[15_000..], 0.02, 2.0).all;
    for (n, value) in samples.iter_mut().enumerate() {
        *value += 3.0 * (TAU * 50.02 * n as f64 / RATE_HZ).sin();
        if n % 1000 < 60 && n >= 15_000 {
            *value += 60.0 * (core::f64::consts::PI * (n % 1000) as f64 / 60.0).sin().powi(2);
        }
    }
    let found = fitted(&samples[..15_000]);
    assert!((found.model.mains_power - 4.5).abs() < 1.0, "{found:?}");
    let after = judge(found.model, &samples[15_000..], &truth[15_000..], 0.02, 2.0).all;
    assert!(after > before - 0.06, "{before:.3} without, {after:.3} with blinks and hum");
    let mut tracker = RhythmTracker::new(found.model, RATE_HZ);
    samples[..2000].iter().for_each(|&value| tracker.step(Some(value)));
    let sure = tracker.forecast(0.0).resultant;
    (0..250).for_each(|_| tracker.step(None));
    let unsure = tracker.forecast(0.0);
    assert!(unsure.resultant < 0.2 * sure.max(0.2) && unsure.phase_rad.is_finite(), "{unsure:?}");
    tracker.step(Some(f64::NAN));
    assert!(tracker.forecast(0.1).phase_rad.is_finite());
}

#[test]
fn expected_resultants_are_those_of_the_tables() {
    // By integration of the projected normal density.
    for ratio in [0.01f64, 1.0, 4.0] {
        let mut sum = 0.0;
        let steps = 400;
        for i in 0..steps {
            for j in 0..steps {
                let (x, y) = ((i as f64 + 0.5) / 40.0 - 5.0, (j as f64 + 0.5) / 40.0 - 5.0);
                let weight = (-0.5 * (x * x + y * y)).exp() / TAU / 1600.0;
                let re = f64::sqrt(2.0 * ratio) + x;
                sum += weight * re / re.hypot(y).max(1e-12);
            }
        }
        assert!((expected_resultant(ratio) - sum).abs() < 2e-3, "{ratio}: {sum}");
    }
    assert_eq!(expected_resultant(0.0), 0.0);
    assert_eq!(expected_resultant(f64::NAN), 0.0);
    assert!(expected_resultant(1e9) == 1.0 && expected_resultant(f64::INFINITY) == 1.0);
    // Continuous where the two series meet.
    assert!((expected_resultant(7.499_999) - expected_resultant(7.500_001)).abs() < 1e-6);
}

#[test]
fn densities_hold_their_power() {
    let model = RhythmModel {
        centre_hz: 10.0,
        half_width_hz: 1.0,
        rhythm_power: 2.0,
        background_power: [0.0, 3.0, 1.0, 0.5],
        white_power: 0.25,
        mains_hz: None,
        mains_power: 0.0,
    };
    let (mut rhythm, mut background) = (0.0, 0.0);
    for at in 0..12_500 {
        let densities = model.densities((f64::from(at) + 0.5) * 0.01, RATE_HZ);
        rhythm += densities[0] * 0.01;
        background += densities[1] * 0.01;
    }
    assert!((rhythm - 2.0).abs() < 2e-3 && (background - 4.75).abs() < 2e-3, "{rhythm} {background}");
    // Half the peak at the half width.
    let half = model.densities(11.0, RATE_HZ)[0] / model.densities(10.0, RATE_HZ)[0];
    assert!((half - 0.5).abs() < 0.02, "{half}");
    let snr = model.band_snr(BAND_HZ, RATE_HZ);
    let louder = RhythmModel { rhythm_power: 20.0, ..model };
    assert!((louder.band_snr(BAND_HZ, RATE_HZ) / snr - 10.0).abs() < 1e-9);
}

#[test]
fn a_spectrum_has_the_power_of_its_sine_whatever_the_cut() {
    let mut spectrum = RhythmSpectrum::new(RATE_HZ, 55.0);
    let sine = |n: usize| 500.0 + 2.0 * (TAU * 10.0 * n as f64 / RATE_HZ + FRAC_PI_2).sin();
    (0..4000).for_each(|n| spectrum.step(sine(n)));
    assert_eq!(spectrum.segments(), 7);
    let power: f64 = (0..spectrum.bins()).map(|bin| spectrum.density(bin) * spectrum.bin_hz()).sum();
    assert!((power - 2.0).abs() < 0.02, "{power}");
    // A cut throws away the segments that it goes through, nothing else.
    spectrum.cut();
    (0..999).for_each(|n| spectrum.step(sine(n)));
    assert_eq!(spectrum.segments(), 7);
    spectrum.step(sine(999));
    assert_eq!(spectrum.segments(), 8);
}
