//! From complex amplitudes in many channels to one signed amplitude per segment, in uV at the report channel.
//!
//! The model is that of the loop's own calibration (`closedloop::decoder::calibration`): a response of one topography and
//! one phase on a background of covariance `S`. The filter `S^-1 a` has the best signal-to-noise ratio (Capon). Its
//! topography is the regression of all segments on the drive, so a segment would find its own noise in the filter; each
//! segment is therefore projected by a filter of the *other* segments, and the scale counts products of different
//! segments only.

use signal::dense::{cholesky, solve_lower};

use super::observe::Segment;

/// What the filter found.
pub struct Amplitudes {
    /// Phase of the response against the frames, in radians.
    pub phase: f64,
    /// Response for a drive of 1 by channel, in uV.
    pub topography_uv: Vec<f64>,
    /// Lower Cholesky factor of the covariance of `topography_uv`, channels x channels.
    pub topography_factor: Vec<f64>,
    /// Signed amplitude of each segment in uV at the report channel; NaN for a segment that does not count.
    pub measured_uv: Vec<f64>,
    /// Standard deviation of its noise, in uV.
    pub noise_uv: f64,
    /// Products of different segments, summed, over the standard deviation of that sum when there is no response.
    pub evidence: f64,
}

/// Relative weight of the identity in the noise covariance: flat channels must not make it singular.
const RIDGE: f64 = 1e-3;

/// `drive` is the expected amplitude of each segment for a gain of 1. `None` without any usable segment or drive.
pub fn amplitudes(segments: &[Segment], drive: &[f64], report: usize) -> Option<Amplitudes> {
    let channels = segments.first()?.amplitude.len();
    let used: Vec<usize> = (0..segments.len()).filter(|&k| segments[k].usable).collect();
    let factor = noise_factor(segments, &used, channels)?;
    let phase = phase(segments, drive, &used, &factor, channels)?;
    let (sin, cos) = (libm::sin(phase), libm::cos(phase));
    // The part of each segment that is in phase with the response.
    let real = |amplitude: &[[f64; 2]]| -> Vec<f64> {
        amplitude.iter().map(|[re, im]| re * cos + im * sin).collect()
    };
    // A quarter of a cycle away there is no response: what is found there is noise of the very same frequency.
    let quadrature = |amplitude: &[[f64; 2]]| -> Vec<f64> {
        amplitude.iter().map(|[re, im]| im * cos - re * sin).collect()
    };
    let rows: Vec<Vec<f64>> = used.iter().map(|&k| real(&segments[k].amplitude)).collect();
    let weight: Vec<f64> = used.iter().map(|&k| drive[k]).collect();
    let squares: f64 = weight.iter().map(|r| r * r).sum();
    let fourths: f64 = weight.iter().map(|r| r * r * r * r).sum();
    if squares <= 0.0 {
        return None;
    }
    let topography_uv: Vec<f64> = (0..channels)
        .map(|c| rows.iter().zip(&weight).map(|(row, r)| row[c] * r).sum::<f64>() / squares)
        .collect();
    let white: Vec<Vec<f64>> = rows.iter().map(|row| whitened(row, &factor, channels)).collect();
    let mut sum = vec![0.0; channels];
    for (row, r) in white.iter().zip(&weight) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += r * value);
    }
    let own: f64 = white.iter().zip(&weight).map(|(row, r)| r * r * dot(row, row)).sum();
    let power = (dot(&sum, &sum) - own) / (squares * squares - fourths);
    let (mut measured_uv, mut evidence) = (vec![f64::NAN; segments.len()], (0.0, 0.0));
    let mut noise = 0.0;
    let mut projections = Vec::new();
    for ((&k, row), &r) in used.iter().zip(&white).zip(&weight) {
        let others: Vec<f64> =
            sum.iter().zip(row).map(|(sum, value)| (sum - r * value) / (squares - r * r)).collect();
        let projected = dot(&others, row);
        // In white channels the noise of a projection has the filter's own power.
        let variance = dot(&others, &others);
        let beside = dot(&others, &whitened(&quadrature(&segments[k].amplitude), &factor, channels));
        noise += beside * beside / used.len() as f64;
        // Twice, because each pair of segments stands in the sum twice.
        evidence = (evidence.0 + r * projected, evidence.1 + 2.0 * r * r * variance);
        projections.push((k, projected));
    }
    let scale = topography_uv[report] / power;
    for (k, projected) in projections {
        measured_uv[k] = scale * projected;
    }
    let topography_factor = factor.iter().map(|value| value / squares.sqrt()).collect();
    Some(Amplitudes {
        phase,
        topography_uv,
        topography_factor,
        measured_uv,
        noise_uv: scale.abs() * noise.sqrt(),
        evidence: evidence.0 / evidence.1.sqrt(),
    })
}

/// Factor of the covariance of the real part of an amplitude, from the frequencies beside the response.
fn noise_factor(segments: &[Segment], used: &[usize], channels: usize) -> Option<Vec<f64>> {
    let mut factor = vec![0.0; channels * channels];
    let mut count = 0.0;
    for side in used.iter().flat_map(|&k| &segments[k].sides) {
        for i in 0..channels {
            for j in 0..=i {
                factor[i * channels + j] += 0.5 * (side[i][0] * side[j][0] + side[i][1] * side[j][1]);
            }
        }
        count += 1.0;
    }
    let trace: f64 = (0..channels).map(|i| factor[i * channels + i]).sum::<f64>() / count;
    for i in 0..channels {
        for j in 0..=i {
            factor[i * channels + j] *= (1.0 - RIDGE) / count;
        }
        factor[i * channels + i] += RIDGE * trace / channels as f64;
    }
    (trace > 0.0 && trace.is_finite() && cholesky(&mut factor, channels)).then_some(factor)
}

/// The phase in which the whitened response is strongest, turned so that the strongest channels are positive.
fn phase(
    segments: &[Segment],
    drive: &[f64],
    used: &[usize],
    factor: &[f64],
    channels: usize,
) -> Option<f64> {
    let mut sum = vec![[0.0; 2]; channels];
    for &k in used {
        for (sum, value) in sum.iter_mut().zip(&segments[k].amplitude) {
            sum[0] += drive[k] * value[0];
            sum[1] += drive[k] * value[1];
        }
    }
    let mut white: Vec<f64> = sum.iter().flatten().copied().collect();
    solve_lower(factor, channels, &mut white, 2);
    let (re, im) = white
        .chunks_exact(2)
        .fold((0.0, 0.0), |(re, im), z| (re + z[0] * z[0] - z[1] * z[1], im + 2.0 * z[0] * z[1]));
    let half = 0.5 * libm::atan2(im, re);
    let total = sum.iter().fold(0.0, |total, z| total + z[0] * libm::cos(half) + z[1] * libm::sin(half));
    let phase = if total < 0.0 { half + std::f64::consts::PI } else { half };
    phase.is_finite().then_some(phase)
}

fn whitened(row: &[f64], factor: &[f64], channels: usize) -> Vec<f64> {
    let mut white = row.to_vec();
    solve_lower(factor, channels, &mut white, 1);
    white
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use random::Random;

    use super::*;
    use crate::counterfactual::fit::LEAST_EVIDENCE;

    const CHANNELS: usize = 4;

    /// Segments of a response of `gain_uv` and phase 0.7 on noise that the channels share.
    fn world(random: &mut Random, count: usize, gain_uv: f64) -> (Vec<Segment>, Vec<f64>) {
        let drive: Vec<f64> = (0..count).map(|k| 0.3 + 0.2 * ((k / 20) % 3) as f64).collect();
        let mut noise = || {
            let mut shared = [random.normal(), random.normal()];
            shared.iter_mut().for_each(|value| *value *= 2.0);
            (0..CHANNELS)
                .map(|_| shared.map(|shared| shared + 0.5 * random.normal()))
                .collect::<Vec<[f64; 2]>>()
        };
        let segments = drive.iter().map(|drive| {
            let mut amplitude = noise();
            for (c, value) in amplitude.iter_mut().enumerate() {
                let uv = gain_uv * drive * [0.4, 0.6, 0.8, 1.0][c];
                *value = [value[0] + uv * libm::cos(0.7), value[1] + uv * libm::sin(0.7)];
            }
            Segment { first: 0, end: 1, amplitude, sides: (0..4).map(|_| noise()).collect(), usable: true }
        });
        (segments.collect(), drive)
    }

    #[test]
    fn the_amplitude_is_unbiased_and_its_noise_is_stated() {
        let mut random = Random::new(11, 0);
        let (mut slope, mut left, mut stated) = (0.0, 0.0, 0.0);
        const WORLDS: f64 = 60.0;
        for _ in 0..60 {
            let (segments, drive) = world(&mut random, 150, 2.0);
            let found = amplitudes(&segments, &drive, 3).unwrap();
            assert!((found.phase - 0.7).abs() < 0.4, "{}", found.phase);
            let squares: f64 = drive.iter().map(|r| r * r).sum();
            slope +=
                found.measured_uv.iter().zip(&drive).map(|(uv, r)| uv * r).sum::<f64>() / squares / WORLDS;
            let error =
                found.measured_uv.iter().zip(&drive).map(|(uv, r)| (uv - 2.0 * r).powi(2)).sum::<f64>();
            left += error / 150.0 / WORLDS;
            stated += found.noise_uv.powi(2) / WORLDS;
        }
        assert!((slope - 2.0).abs() < 0.15, "{slope}");
        assert!((stated / left - 1.0).abs() < 0.12, "{stated} {left}");
    }

    #[test]
    fn noise_alone_is_hardly_ever_evidence() {
        let mut random = Random::new(12, 0);
        let found = (0..3000).filter(|_| {
            let (segments, drive) = world(&mut random, 60, 0.0);
            amplitudes(&segments, &drive, 3).is_some_and(|found| found.evidence >= LEAST_EVIDENCE)
        });
        let found = found.count();
        assert!(found <= 6, "{found} of 3000");
    }
}
