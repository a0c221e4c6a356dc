//! Participants that could have been there: the fitted one on the recorded day, and on another.
//!
//! *The same day* is a counterfactual in the strict sense (Pearl 2009, Causality, 7.1): parameters and the course of the
//! gain are drawn from their posterior, and the noise of a draw is what the recorded samples leave once its response is
//! taken out. So each draw explains the recording exactly, and under the recorded controller it gives the recorded samples
//! again. *Another day* has a gain of the same process and, as noise, a surrogate of the residual: the same spectra and
//! cross-spectra with other phases (Prichard and Theiler 1994, Phys Rev Lett 73, 951).

use std::f64::consts::TAU;
use std::sync::Arc;

use participant::{Day, Participant, Person};
use random::Random;
use realfft::RealFftPlanner;

use super::course::{Dynamics, fresh, knots, posterior};
use super::fit::{Fit, PARAMETERS};
use super::observe::Observed;
use crate::error::SessionError;

/// Knots of the gain's course per segment.
const FINE: usize = 8;

/// Streams of random numbers, so that days do not share theirs.
const SAME_DAY: u64 = 1 << 32;
const OTHER_DAY: u64 = 2 << 32;

/// A person and a day.
pub struct Drawn {
    /// The person.
    pub person: Person,
    /// The day.
    pub day: Day,
    /// Slow course of the gain in uV, one per segment.
    pub slow_uv: Vec<f64>,
}

impl Drawn {
    /// The participant, for the counterfactual's screen.
    ///
    /// # Errors
    /// When this person cannot answer to this flicker.
    pub fn participant(&self, observed: &Observed) -> Result<Participant, SessionError> {
        Ok(Participant::on_day(&self.person, &observed.setup, self.day.clone())?)
    }
}

/// A draw of the recorded day. `first_sample` of the recording is the first of the counterfactual session.
///
/// # Errors
/// When this person cannot answer to this flicker.
pub fn same_day(
    fit: &Fit,
    observed: &Observed,
    seed: u64,
    draw: u64,
    first_sample: usize,
) -> Result<Drawn, SessionError> {
    let mut random = Random::new(seed, SAME_DAY + draw);
    let theta = parameters(fit, &mut random);
    let (topography, scale) = topography(fit, observed.report, &mut random);
    let dynamics = fit.dynamics(&theta);
    let drive = fit.drive(&theta);
    let found = posterior(&dynamics, &fit.measured(&drive));
    let course = match found {
        Some(found) => found.draw(&mut random),
        // Parameters far out: the mode's own course will do.
        None => vec![0.0; 2 * drive.len()],
    };
    let silent = Arc::from(vec![0.0; topography.len()]);
    let mut day = day(fit, observed, &dynamics, &course, topography, scale, silent, &mut random);
    let person = fit.person_of(&theta);
    // The answers without noise, by the very code that will answer again, so that what is left fits to the bit.
    let mut quiet = Participant::on_day(&person, &observed.setup, day.clone())?;
    let answers = observed.answers(&mut quiet);
    let left = observed.values_uv.iter().zip(&answers).map(|(uv, answer)| uv - answer);
    let left: Vec<f64> = left.skip(first_sample * observed.channels()).collect();
    day.noise_uv = Arc::from(left);
    let from_knot = first_sample as f64 / day.knot_samples;
    day.ln_gain_uv = Arc::from(&day.ln_gain_uv[(from_knot.round() as usize).min(day.ln_gain_uv.len() - 1)..]);
    Ok(Drawn { person, day, slow_uv: slow(&dynamics, &course, scale) })
}

/// A draw of another day with the same person: mean gain and sizes of its movements as fitted.
pub fn other_day(fit: &Fit, observed: &Observed, residual_uv: &[f64], seed: u64, draw: u64) -> Drawn {
    let mut random = Random::new(seed, OTHER_DAY + draw);
    let theta = parameters(fit, &mut random);
    let (topography, scale) = topography(fit, observed.report, &mut random);
    let dynamics = fit.dynamics(&theta);
    let course = fresh(&dynamics, observed.segments.len(), fit.step_s, &mut random);
    let noise = Arc::from(surrogate(residual_uv, observed.channels(), &mut random));
    let day = day(fit, observed, &dynamics, &course, topography, scale, noise, &mut random);
    Drawn { person: fit.person_of(&theta), day, slow_uv: slow(&dynamics, &course, scale) }
}

#[expect(clippy::too_many_arguments, reason = "the parts of a day, each from another place")]
fn day(
    fit: &Fit,
    observed: &Observed,
    dynamics: &Dynamics,
    course: &[f64],
    topography: Vec<f64>,
    scale: f64,
    noise_uv: Arc<[f64]>,
    random: &mut Random,
) -> Day {
    let shift = libm::log(scale);
    let ln_gain_uv: Vec<f64> =
        knots(dynamics, course, fit.step_s, FINE, random).into_iter().map(|ln_uv| ln_uv + shift).collect();
    let segment = observed.segments.first().map_or(1, |segment| segment.end - segment.first);
    Day {
        topography,
        ln_gain_uv: Arc::from(ln_gain_uv),
        knot_samples: segment as f64 / FINE as f64,
        noise_uv,
    }
}

fn slow(dynamics: &Dynamics, course: &[f64], scale: f64) -> Vec<f64> {
    course.chunks_exact(2).map(|pair| scale * dynamics.gain_uv * libm::exp(pair[0])).collect()
}

/// Parameters from their posterior.
fn parameters(fit: &Fit, random: &mut Random) -> [f64; PARAMETERS] {
    let kick: Vec<f64> = (0..PARAMETERS).map(|_| random.normal()).collect();
    std::array::from_fn(|i| {
        let row = &fit.theta_factor[i * PARAMETERS..];
        fit.theta[i] + (0..=i).map(|j| row[j] * kick[j]).sum::<f64>()
    })
}

/// Topography relative to the report channel, and how much larger that channel's response is than fitted.
fn topography(fit: &Fit, report: usize, random: &mut Random) -> (Vec<f64>, f64) {
    let found = &fit.amplitudes;
    let channels = found.topography_uv.len();
    let kick: Vec<f64> = (0..channels).map(|_| random.normal()).collect();
    let drawn: Vec<f64> = (0..channels)
        .map(|i| {
            let row = &found.topography_factor[i * channels..];
            found.topography_uv[i] + (0..=i).map(|j| row[j] * kick[j]).sum::<f64>()
        })
        .collect();
    // A draw in which the report channel answers the other way round would be another model.
    let own = drawn[report].max(0.1 * found.topography_uv[report]);
    (drawn.iter().map(|uv| uv / own).collect(), own / found.topography_uv[report])
}

/// Rows with the same spectra and cross-spectra and other phases.
pub fn surrogate(rows_uv: &[f64], channels: usize, random: &mut Random) -> Vec<f64> {
    let rows = rows_uv.len() / channels.max(1);
    if rows < 4 {
        return rows_uv.to_vec();
    }
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, back) = (planner.plan_fft_forward(rows), planner.plan_fft_inverse(rows));
    let mut spectrum = forward.make_output_vec();
    let turns: Vec<f64> = spectrum.iter().map(|_| TAU * random.uniform()).collect();
    let mut out = vec![0.0; rows * channels];
    let mut column = vec![0.0; rows];
    for channel in 0..channels {
        for (value, row) in column.iter_mut().zip(rows_uv.chunks_exact(channels)) {
            *value = row[channel];
        }
        // Lengths are the plans' own, so these cannot fail; a channel that did would stay silent.
        if forward.process(&mut column, &mut spectrum).is_err() {
            continue;
        }
        let last = spectrum.len() - 1;
        for (at, (value, turn)) in spectrum.iter_mut().zip(&turns).enumerate() {
            // The mean and, with an even number of rows, the highest frequency are real.
            if at > 0 && (at < last || rows % 2 == 1) {
                *value *= realfft::num_complex::Complex::from_polar(1.0, *turn);
            }
        }
        if back.process(&mut spectrum, &mut column).is_ok() {
            for (value, row) in column.iter().zip(out.chunks_exact_mut(channels)) {
                row[channel] = value / rows as f64;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_surrogate_keeps_covariance_and_spectrum_and_nothing_else() {
        let mut random = Random::new(5, 0);
        let (mut slow, mut rows) = (0.0, Vec::new());
        for _ in 0..4001 {
            slow = 0.95 * slow + random.normal();
            rows.extend([slow, 0.5 * slow + random.normal()]);
        }
        let made = surrogate(&rows, 2, &mut random);
        let covariance = |rows: &[f64], lag: usize| -> [f64; 4] {
            let n = rows.len() / 2;
            let mean = [0, 1].map(|c| rows.iter().skip(c).step_by(2).sum::<f64>() / n as f64);
            let at = |row: usize, c: usize| rows[2 * (row % n) + c] - mean[c];
            std::array::from_fn(|k| {
                (0..n).map(|row| at(row, k / 2) * at(row + lag, k % 2)).sum::<f64>() / n as f64
            })
        };
        for lag in [0, 1, 7] {
            for (a, b) in covariance(&rows, lag).iter().zip(covariance(&made, lag)) {
                assert!((a - b).abs() < 1e-6 * a.abs().max(1.0), "{lag}: {a} {b}");
            }
        }
        let alike: f64 = rows.iter().zip(&made).map(|(a, b)| a * b).sum::<f64>() / rows.len() as f64;
        assert!(alike.abs() < 0.35 * covariance(&rows, 0)[0], "{alike}");
    }
}
