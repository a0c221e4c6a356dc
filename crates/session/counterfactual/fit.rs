//! The simulated participant fitted to a session: gain and its course, contrast response, latency, noise.
//!
//! Five numbers are fitted by their posterior mode: mean gain, semisaturation, exponent, and the sizes of drift and
//! fluctuation. The course of the gain is integrated out ([`super::course`]). One session shows few contrasts, so the
//! contrast response has a prior, the spread between people that the committed participants state; how sure the fit is
//! stands beside each number. Time constants and the filters of eye and cortex are the nominal person's.

use std::f64::consts::{PI, TAU};

use participant::{Person, nominal};
use recording::RecordedSession;
use signal::dense::{cholesky, solve_lower, solve_lower_transposed};

use super::course::{Dynamics, Measured, Process, posterior};
use super::observe::Observed;
use super::refuse;
use super::spatial::{Amplitudes, amplitudes};
use crate::error::SessionError;

/// Spread between people of log semisaturation and log exponent (`scripts/make_participants.py`), and how far a session's
/// drift and fluctuation are expected to be from the nominal ones.
const PRIOR_SD: [f64; PARAMETERS] = [f64::INFINITY, 0.25, 0.15, 0.3, 0.25];
/// Fewest seconds of stimulus at a known contrast before the first hold.
const LEAST_CALIBRATION_S: f64 = 6.0;
/// Least evidence for a response; by chance it is reached about once in a thousand sessions (a test in `spatial`).
pub(super) const LEAST_EVIDENCE: f64 = 6.0;
/// Most missing samples.
const MOST_HOLES: f64 = 0.05;

/// Mean gain, semisaturation, exponent, drift, fluctuation; all as logarithms.
pub const PARAMETERS: usize = 5;
/// Their names, as they are reported.
pub const NAMES: [&str; PARAMETERS] = ["gain_uv", "semisaturation", "exponent", "drift_sd", "fluctuation_sd"];

/// A participant fitted to a session.
pub struct Fit {
    /// Logarithms of the five parameters at the posterior mode.
    pub theta: [f64; PARAMETERS],
    /// Lower Cholesky factor of their posterior covariance.
    pub theta_factor: Vec<f64>,
    /// The person: contrast response, latency, filters.
    pub person: Person,
    /// Amplitudes with the filter that found them.
    pub amplitudes: Amplitudes,
    /// Contrast that the response stood for, by segment and sample.
    pub contrast: Vec<Vec<f64>>,
    /// What an amplitude loses in demodulation: amplitude found over drive.
    pub passed: f64,
    /// Time from one segment to the next, in s.
    pub step_s: f64,
    /// SD of what the fit leaves over the SD of the noise; 1 when the model says all.
    pub left_over_noise: f64,
    /// Latencies that differ by this cannot be told apart at one frequency; the one nearest to the nominal is taken.
    pub latency_period_s: f64,
}

impl Fit {
    /// Fits. The session's calibration must have run, and something must have answered.
    ///
    /// # Errors
    /// A session that cannot be fitted, with the numbers that say why.
    pub fn of(session: &RecordedSession, observed: &Observed) -> Result<Self, SessionError> {
        let calibrated_s = calibration_s(observed);
        if calibrated_s < LEAST_CALIBRATION_S {
            return Err(refuse(
                session,
                &format!(
                    "{calibrated_s:.1} s of calibration were shown, at least {LEAST_CALIBRATION_S} s are needed"
                ),
            ));
        }
        if observed.holes > MOST_HOLES {
            let (found, most) = (100.0 * observed.holes, 100.0 * MOST_HOLES);
            return Err(refuse(
                session,
                &format!("{found:.1} % of the samples are missing, at most {most} % may be"),
            ));
        }
        let usable = observed.segments.iter().filter(|segment| segment.usable).count();
        let all = observed.segments.len();
        if usable < 30 {
            return Err(refuse(session, &format!("{usable} of {all} s can be used, at least 30 are needed")));
        }
        let person = in_phase(session, observed)?;
        let (wave, contrast) = observed.drive(&person)?;
        let whole = vec![true; wave.len()];
        // The waveform goes through the same demodulation, so what that takes away is taken from both.
        let modelled = observed.demodulate(&wave, 1, &whole)?;
        let contrast: Vec<Vec<f64>> =
            observed.segments.iter().map(|segment| contrast[segment.first..segment.end].to_vec()).collect();
        let level = drive(&contrast, person.semisaturation, person.exponent);
        let found =
            modelled.iter().map(|segment| libm::hypot(segment.amplitude[0][0], segment.amplitude[0][1]));
        let (top, bottom) = found
            .zip(&level)
            .fold((0.0, 0.0), |(top, bottom), (found, level)| (top + found * level, bottom + level * level));
        let step_s = observed.segments[0].end as f64 * observed.sample_s();
        let mut fit = Self {
            theta: start(&person),
            theta_factor: Vec::new(),
            amplitudes: evidence(session, observed, &level)?,
            person,
            contrast,
            passed: top / bottom,
            step_s,
            left_over_noise: f64::NAN,
            latency_period_s: 1.0 / observed.setup.flicker.response_hz(),
        };
        // The filter weighs segments by their drive, which depends on what is fitted: twice is enough.
        for _ in 0..2 {
            fit.settle(session, observed)?;
        }
        Ok(fit)
    }

    /// Drive of each segment for this contrast response.
    pub fn drive(&self, theta: &[f64; PARAMETERS]) -> Vec<f64> {
        let levels = drive(&self.contrast, libm::exp(theta[1]), libm::exp(theta[2]));
        levels.into_iter().map(|level| level * self.passed).collect()
    }

    /// The processes that these parameters stand for.
    pub fn dynamics(&self, theta: &[f64; PARAMETERS]) -> Dynamics {
        Dynamics {
            gain_uv: libm::exp(theta[0]),
            drift: Process { sd: libm::exp(theta[3]), tau_s: self.person.drift_tau_s },
            fluctuation: Process { sd: libm::exp(theta[4]), tau_s: self.person.fluctuation_tau_s },
        }
    }

    /// Amplitudes against the drive of these parameters.
    pub fn measured<'a>(&'a self, drive: &'a [f64]) -> Measured<'a> {
        Measured {
            uv: &self.amplitudes.measured_uv,
            drive,
            noise_uv: self.amplitudes.noise_uv,
            step_s: self.step_s,
        }
    }

    /// The person with other parameters.
    pub fn person_of(&self, theta: &[f64; PARAMETERS]) -> Person {
        Person {
            gain_uv: libm::exp(theta[0]),
            semisaturation: libm::exp(theta[1]),
            exponent: libm::exp(theta[2]),
            drift_sd: libm::exp(theta[3]),
            fluctuation_sd: libm::exp(theta[4]),
            ..self.person.clone()
        }
    }

    /// Standard deviations of the logarithms of the parameters: about their relative errors.
    pub fn spread(&self) -> [f64; PARAMETERS] {
        std::array::from_fn(|i| {
            let row = &self.theta_factor[i * PARAMETERS..][..=i];
            row.iter().map(|value| value * value).sum::<f64>().sqrt()
        })
    }

    /// Log of the posterior density of parameters, up to a constant.
    fn log_posterior(&self, theta: &[f64; PARAMETERS]) -> f64 {
        let drive = self.drive(theta);
        let Some(found) = posterior(&self.dynamics(theta), &self.measured(&drive)) else {
            return f64::NEG_INFINITY;
        };
        let prior = theta.iter().zip(start(nominal())).zip(PRIOR_SD).map(|((theta, mean), sd)| {
            let z = (theta - mean) / sd;
            -0.5 * z * z
        });
        found.log_likelihood + prior.sum::<f64>()
    }

    fn settle(&mut self, session: &RecordedSession, observed: &Observed) -> Result<(), SessionError> {
        let drive = self.drive(&self.theta);
        self.amplitudes = evidence(session, observed, &drive)?;
        let found = ascend(|theta| self.log_posterior(theta), self.theta);
        let (theta, factor) =
            found.ok_or_else(|| refuse(session, "the likelihood has no maximum: no number fits"))?;
        (self.theta, self.theta_factor) = (theta, factor);
        self.person = self.person_of(&theta);
        let drive = self.drive(&theta);
        let dynamics = self.dynamics(&theta);
        let course = posterior(&dynamics, &self.measured(&drive));
        let course = course.ok_or_else(|| refuse(session, "the course of its gain cannot be found"))?;
        let bias = 0.5 * dynamics.fluctuation.sd * dynamics.fluctuation.sd;
        let (mut sum, mut n) = (0.0_f64, 0.0);
        for (k, (uv, drive)) in self.amplitudes.measured_uv.iter().zip(&drive).enumerate() {
            if uv.is_finite() {
                let left = uv
                    - dynamics.gain_uv
                        * libm::exp(course.mode[2 * k] + course.mode[2 * k + 1] - bias)
                        * drive;
                (sum, n) = (sum + left * left, n + 1.0);
            }
        }
        self.left_over_noise = (sum / n).sqrt() / self.amplitudes.noise_uv;
        Ok(())
    }
}

fn start(person: &Person) -> [f64; PARAMETERS] {
    [person.gain_uv, person.semisaturation, person.exponent, person.drift_sd, person.fluctuation_sd]
        .map(libm::log)
}

/// Mean of the contrast response over each segment.
fn drive(contrast: &[Vec<f64>], semisaturation: f64, exponent: f64) -> Vec<f64> {
    // Contrast moves slowly against a sample: each eighth one does.
    const EVERY: usize = 8;
    let response = |c: f64| if c > 0.0 { 1.0 / (1.0 + libm::pow(semisaturation / c, exponent)) } else { 0.0 };
    let mean = |segment: &Vec<f64>| {
        let n = segment.len().div_ceil(EVERY) as f64;
        segment.iter().step_by(EVERY).map(|c| response(*c)).sum::<f64>() / n
    };
    contrast.iter().map(mean).collect()
}

/// The nominal person with the latency at which its response has the phase of the recorded one.
fn in_phase(session: &RecordedSession, observed: &Observed) -> Result<Person, SessionError> {
    let person = nominal();
    let (wave, contrast) = observed.drive(person)?;
    let modelled = observed.demodulate(&wave, 1, &vec![true; wave.len()])?;
    let contrast: Vec<Vec<f64>> =
        observed.segments.iter().map(|segment| contrast[segment.first..segment.end].to_vec()).collect();
    let level = drive(&contrast, person.semisaturation, person.exponent);
    let recorded = evidence(session, observed, &level)?;
    let own = amplitudes(&modelled, &level, 0).map(|own| own.phase);
    let own = own.ok_or_else(|| refuse(session, "its frames would have moved nobody"))?;
    let turn = (own - recorded.phase + PI).rem_euclid(TAU) - PI;
    let later_s = turn / (TAU * observed.setup.flicker.response_hz());
    Ok(Person { name: "fitted".into(), latency_s: person.latency_s + later_s, ..person.clone() })
}

/// Amplitudes, or what is wrong with them.
fn evidence(
    session: &RecordedSession,
    observed: &Observed,
    drive: &[f64],
) -> Result<Amplitudes, SessionError> {
    let found = amplitudes(&observed.segments, drive, observed.report);
    let found = found.ok_or_else(|| refuse(session, "no stimulus was shown, or all channels are flat"))?;
    let at_report = found.topography_uv[observed.report];
    // Not `<`, so that evidence that is no number is refused too.
    if !(found.evidence >= LEAST_EVIDENCE && at_report > 0.0) {
        let (evidence, hz) = (found.evidence, observed.setup.flicker.response_hz());
        return Err(refuse(
            session,
            &format!(
                "no response: {at_report:.2} uV at {hz} Hz in the report channel for a drive of 1, with evidence \
                 {evidence:.1}; at least {LEAST_EVIDENCE} is needed"
            ),
        ));
    }
    Ok(found)
}

/// Seconds of stimulus in calibrate blocks of the protocol for which there are samples.
fn calibration_s(observed: &Observed) -> f64 {
    let recorded_s = observed.at_ns.len() as f64 * observed.sample_s();
    let mut at_s = 0.0;
    let mut on_s = 0.0;
    for scheduled in &observed.lowered.schedule.blocks {
        let block = &scheduled.block;
        if let protocol::BlockKind::Calibrate(calibrate) = block.kind {
            let there_s = (recorded_s - at_s).clamp(0.0, block.duration_s);
            let cycle_s = calibrate.on_s + calibrate.off_s;
            let cycles = (there_s / cycle_s).floor();
            on_s += cycles * calibrate.on_s + (there_s - cycles * cycle_s).min(calibrate.on_s);
        }
        at_s += block.duration_s;
    }
    on_s
}

/// The maximum of a log density by damped Newton steps with differences, and the lower Cholesky factor of the covariance
/// of the normal density that fits there.
fn ascend(
    of: impl Fn(&[f64; PARAMETERS]) -> f64,
    start: [f64; PARAMETERS],
) -> Option<([f64; PARAMETERS], Vec<f64>)> {
    const STEPS: usize = 25;
    const LONGEST: f64 = 0.5;
    let (mut theta, mut now) = (start, of(&start));
    for _ in 0..STEPS {
        let (slope, curvature) = derivatives(&of, &theta, now);
        let factor = factored(&curvature)?;
        let mut change = slope.to_vec();
        solve_lower(&factor, PARAMETERS, &mut change, 1);
        solve_lower_transposed(&factor, PARAMETERS, &mut change, 1);
        let longest = change.iter().fold(0.0, |longest: f64, c| longest.max(c.abs()));
        let mut part = f64::min(1.0, LONGEST / longest);
        let mut gained = 0.0;
        while part > 1e-3 && gained == 0.0 {
            let next: [f64; PARAMETERS] = std::array::from_fn(|i| theta[i] + part * change[i]);
            let then = of(&next);
            if then > now {
                gained = then - now;
                (theta, now) = (next, then);
            }
            part *= 0.5;
        }
        if gained < 1e-3 {
            break;
        }
    }
    let (_, curvature) = derivatives(&of, &theta, now);
    let factor = factored(&curvature)?;
    let mut covariance = vec![0.0; PARAMETERS * PARAMETERS];
    for i in 0..PARAMETERS {
        covariance[i * PARAMETERS + i] = 1.0;
    }
    solve_lower(&factor, PARAMETERS, &mut covariance, PARAMETERS);
    solve_lower_transposed(&factor, PARAMETERS, &mut covariance, PARAMETERS);
    (cholesky(&mut covariance, PARAMETERS) && now.is_finite()).then_some((theta, covariance))
}

/// Gradient and negative Hessian by central differences.
fn derivatives(
    of: &impl Fn(&[f64; PARAMETERS]) -> f64,
    theta: &[f64; PARAMETERS],
    now: f64,
) -> ([f64; PARAMETERS], Vec<f64>) {
    // Logarithms of parameters: two per cent.
    const H: f64 = 0.02;
    let at = |moves: &[(usize, f64)]| {
        let mut moved = *theta;
        moves.iter().for_each(|&(i, by)| moved[i] += by * H);
        of(&moved)
    };
    let (mut slope, mut curvature) = ([0.0; PARAMETERS], vec![0.0; PARAMETERS * PARAMETERS]);
    for i in 0..PARAMETERS {
        let (up, down) = (at(&[(i, 1.0)]), at(&[(i, -1.0)]));
        slope[i] = (up - down) / (2.0 * H);
        curvature[i * PARAMETERS + i] = (2.0 * now - up - down) / (H * H);
        for j in 0..i {
            let mixed = at(&[(i, 1.0), (j, 1.0)]) - at(&[(i, 1.0), (j, -1.0)]) - at(&[(i, -1.0), (j, 1.0)])
                + at(&[(i, -1.0), (j, -1.0)]);
            curvature[i * PARAMETERS + j] = -mixed / (4.0 * H * H);
        }
    }
    (slope, curvature)
}

/// Cholesky factor of a curvature, with as much added to its diagonal as it takes to be positive definite.
fn factored(curvature: &[f64]) -> Option<Vec<f64>> {
    (0..12).find_map(|tries| {
        let mut factor = curvature.to_vec();
        let ridge = if tries == 0 { 0.0 } else { libm::pow(4.0, f64::from(tries) - 2.0) };
        for i in 0..PARAMETERS {
            factor[i * PARAMETERS + i] += ridge;
        }
        cholesky(&mut factor, PARAMETERS).then_some(factor)
    })
}
