//! The course of a person's gain, given amplitudes: what is likely, and draws from it.
//!
//! Amplitude `k` is `gain * exp(drift_k + fluctuation_k - bias) * drive_k` plus white noise of known size; drift and
//! fluctuation are Ornstein-Uhlenbeck processes, as in the simulated participant. The posterior of the course is taken as
//! normal around its mode (Laplace; Rue, Martino and Chopin 2009, J R Stat Soc B 71, 319): a Gauss-Newton iteration on a
//! matrix of five diagonals, because each process only knows its neighbours.

use random::Random;

/// The processes behind the course.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dynamics {
    /// Mean gain in uV.
    pub gain_uv: f64,
    /// Stationary SD and time constant of the slow drift of log gain.
    pub drift: Process,
    /// ... and of the fluctuation over seconds.
    pub fluctuation: Process,
}

/// An Ornstein-Uhlenbeck process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Process {
    /// Stationary standard deviation.
    pub sd: f64,
    /// Time constant in s.
    pub tau_s: f64,
}

/// One measured amplitude per segment.
pub struct Measured<'a> {
    /// Amplitudes in uV; NaN where there is none.
    pub uv: &'a [f64],
    /// Drive of each segment, 0..1.
    pub drive: &'a [f64],
    /// Standard deviation of the noise, in uV.
    pub noise_uv: f64,
    /// Time from one segment to the next.
    pub step_s: f64,
}

/// The posterior of drift and fluctuation.
pub struct Posterior {
    /// Mode: drift and fluctuation of log gain in turn, two per segment.
    pub mode: Vec<f64>,
    /// Log of the marginal likelihood of the amplitudes.
    pub log_likelihood: f64,
    factor: Banded,
}

/// A symmetric matrix of five diagonals, or its lower Cholesky factor: per row the entries left of the diagonal by 2, by
/// 1, and the diagonal itself.
#[derive(Clone)]
struct Banded(Vec<[f64; 3]>);

impl Banded {
    /// Factors in place; `None` when it is not positive definite.
    fn factored(mut self) -> Option<Self> {
        let rows = &mut self.0;
        for i in 0..rows.len() {
            if i >= 2 {
                rows[i][0] /= rows[i - 2][2];
            }
            if i >= 1 {
                let left = if i >= 2 { rows[i][0] * rows[i - 1][1] } else { 0.0 };
                rows[i][1] = (rows[i][1] - left) / rows[i - 1][2];
            }
            let pivot = rows[i][2] - rows[i][0] * rows[i][0] - rows[i][1] * rows[i][1];
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            rows[i][2] = pivot.sqrt();
        }
        Some(self)
    }

    fn log_det(&self) -> f64 {
        2.0 * self.0.iter().map(|row| libm::log(row[2])).sum::<f64>()
    }

    fn solve_lower(&self, b: &mut [f64]) {
        for i in 0..b.len() {
            let row = self.0[i];
            let left =
                if i >= 2 { row[0] * b[i - 2] } else { 0.0 } + if i >= 1 { row[1] * b[i - 1] } else { 0.0 };
            b[i] = (b[i] - left) / row[2];
        }
    }

    fn solve_upper(&self, b: &mut [f64]) {
        for i in (0..b.len()).rev() {
            let below = self.0.get(i + 1).map_or(0.0, |row| row[1] * b[i + 1])
                + self.0.get(i + 2).map_or(0.0, |row| row[0] * b[i + 2]);
            b[i] = (b[i] - below) / self.0[i][2];
        }
    }
}

/// Precision of drift and fluctuation before anything was measured, and its log determinant.
fn prior(dynamics: &Dynamics, count: usize, step_s: f64) -> (Banded, f64) {
    let mut rows = vec![[0.0; 3]; 2 * count];
    let mut log_det = 0.0;
    for (offset, process) in [dynamics.drift, dynamics.fluctuation].into_iter().enumerate() {
        let keep = libm::exp(-step_s / process.tau_s);
        let kick = process.sd * process.sd * (1.0 - keep * keep);
        for k in 0..count {
            let ends = f64::from(u8::from(k == 0) + u8::from(k + 1 == count));
            rows[2 * k + offset][2] = (1.0 + keep * keep * (1.0 - ends).max(0.0)) / kick;
            if k > 0 {
                rows[2 * k + offset][0] = -keep / kick;
            }
        }
        if count == 1 {
            rows[offset][2] = (1.0 - keep * keep) / kick;
        }
        log_det -= 2.0 * libm::log(process.sd) + (count as f64 - 1.0) * libm::log(kick);
    }
    (Banded(rows), log_det)
}

/// `x' P x`, and `P x` into `out`.
fn times(matrix: &Banded, x: &[f64], out: &mut [f64]) -> f64 {
    out.fill(0.0);
    for (i, row) in matrix.0.iter().enumerate() {
        out[i] += row[2] * x[i];
        for (left, value) in [(2, row[0]), (1, row[1])] {
            if i >= left {
                out[i] += value * x[i - left];
                out[i - left] += value * x[i];
            }
        }
    }
    out.iter().zip(x).map(|(a, b)| a * b).sum()
}

/// The posterior of the course. `None` when it cannot be found (numbers that are none).
pub fn posterior(dynamics: &Dynamics, measured: &Measured<'_>) -> Option<Posterior> {
    const STEPS: usize = 30;
    let count = measured.uv.len();
    let (prior, prior_log_det) = prior(dynamics, count, measured.step_s);
    let bias = 0.5 * dynamics.fluctuation.sd * dynamics.fluctuation.sd;
    let precision = 1.0 / (measured.noise_uv * measured.noise_uv);
    let expected = |x: &[f64], k: usize| {
        dynamics.gain_uv * libm::exp(x[2 * k] + x[2 * k + 1] - bias) * measured.drive[k]
    };
    let mut product = vec![0.0; 2 * count];
    let cost = |x: &[f64], product: &mut [f64]| {
        let misfit = (0..count).filter(|&k| measured.uv[k].is_finite()).map(|k| {
            let residual = measured.uv[k] - expected(x, k);
            precision * residual * residual
        });
        let misfit: f64 = misfit.sum();
        0.5 * (misfit + times(&prior, x, product))
    };
    let mut x = vec![0.0; 2 * count];
    let mut now = cost(&x, &mut product);
    for _ in 0..STEPS {
        times(&prior, &x, &mut product);
        let mut curvature = prior.clone();
        let mut step = product.clone();
        for k in (0..count).filter(|&k| measured.uv[k].is_finite()) {
            let slope = expected(&x, k);
            let push = precision * slope * (measured.uv[k] - slope);
            step[2 * k] -= push;
            step[2 * k + 1] -= push;
            let bend = precision * slope * slope;
            curvature.0[2 * k][2] += bend;
            curvature.0[2 * k + 1][2] += bend;
            curvature.0[2 * k + 1][1] += bend;
        }
        let factor = curvature.factored()?;
        factor.solve_lower(&mut step);
        factor.solve_upper(&mut step);
        let mut part = 1.0;
        let gained = loop {
            let next: Vec<f64> = x.iter().zip(&step).map(|(x, step)| x - part * step).collect();
            let then = cost(&next, &mut product);
            if then <= now {
                let gained = now - then;
                (x, now) = (next, then);
                break gained;
            }
            part *= 0.5;
            if part < 1e-4 {
                break 0.0;
            }
        };
        if gained < 1e-6 {
            let used = measured.uv.iter().filter(|uv| uv.is_finite()).count() as f64;
            let log_likelihood =
                -now + 0.5 * (prior_log_det - factor.log_det()) - used * libm::log(measured.noise_uv);
            return log_likelihood.is_finite().then_some(Posterior { mode: x, log_likelihood, factor });
        }
    }
    None
}

impl Posterior {
    /// A course that could have been.
    pub fn draw(&self, random: &mut Random) -> Vec<f64> {
        let mut step: Vec<f64> = (0..self.mode.len()).map(|_| random.normal()).collect();
        self.factor.solve_upper(&mut step);
        self.mode.iter().zip(&step).map(|(mode, step)| mode + step).collect()
    }

    /// Standard deviations of drift and fluctuation in turn, from draws.
    #[cfg(test)]
    fn spread(&self, random: &mut Random) -> Vec<f64> {
        const DRAWS: usize = 200;
        let mut squares = vec![0.0; self.mode.len()];
        for _ in 0..DRAWS {
            for ((square, drawn), mode) in squares.iter_mut().zip(self.draw(random)).zip(&self.mode) {
                *square += (drawn - mode) * (drawn - mode);
            }
        }
        squares.into_iter().map(|square| (square / DRAWS as f64).sqrt()).collect()
    }
}

/// Log gain at `fine` knots per segment, the first at the first sample: drift along straight lines, fluctuation with what
/// happens between two segments (the process tied down at both ends).
pub fn knots(dynamics: &Dynamics, course: &[f64], step_s: f64, fine: usize, random: &mut Random) -> Vec<f64> {
    let count = course.len() / 2;
    let h_s = step_s / fine as f64;
    let Process { sd, tau_s } = dynamics.fluctuation;
    let keep = libm::exp(-h_s / tau_s);
    let kick = sd * (1.0 - keep * keep).sqrt();
    let base = libm::log(dynamics.gain_uv) - 0.5 * sd * sd;
    // A course stands at the middle of its segment; before the first and after the last the process runs free.
    let (mut drifts, mut fluctuations) = (Vec::new(), Vec::new());
    let half = fine / 2;
    let mut before = vec![course[1]];
    for _ in 0..half {
        let last = before[before.len() - 1];
        before.push(keep * last + kick * random.normal());
    }
    fluctuations.extend(before.into_iter().skip(1).rev());
    drifts.extend(std::iter::repeat_n(course[0], half));
    for k in 0..count {
        fluctuations.push(course[2 * k + 1]);
        drifts.push(course[2 * k]);
        if k + 1 == count {
            break;
        }
        for j in 1..fine {
            let here = fluctuations[fluctuations.len() - 1];
            let left_keep = libm::exp(-((fine - j) as f64) * h_s / tau_s);
            let (a, b) = (1.0 - keep * keep, 1.0 - left_keep * left_keep);
            let precision = 1.0 / a + left_keep * left_keep / b;
            let mean = (keep * here / a + left_keep * course[2 * k + 3] / b) / precision;
            fluctuations.push(mean + sd / precision.sqrt() * random.normal());
            let part = j as f64 / fine as f64;
            drifts.push(course[2 * k] + part * (course[2 * k + 2] - course[2 * k]));
        }
    }
    for _ in 0..fine {
        let last = fluctuations[fluctuations.len() - 1];
        fluctuations.push(keep * last + kick * random.normal());
        drifts.push(drifts[drifts.len() - 1]);
    }
    drifts.iter().zip(&fluctuations).map(|(drift, fluctuation)| base + drift + fluctuation).collect()
}

/// Drift and fluctuation of another day, `count` segments long.
pub fn fresh(dynamics: &Dynamics, count: usize, step_s: f64, random: &mut Random) -> Vec<f64> {
    let mut course = vec![0.0; 2 * count];
    for (offset, process) in [dynamics.drift, dynamics.fluctuation].into_iter().enumerate() {
        let keep = libm::exp(-step_s / process.tau_s);
        let kick = process.sd * (1.0 - keep * keep).sqrt();
        let mut value = process.sd * random.normal();
        for k in 0..count {
            course[2 * k + offset] = value;
            value = keep * value + kick * random.normal();
        }
    }
    course
}

#[cfg(test)]
mod tests {
    use super::*;

    const DYNAMICS: Dynamics = Dynamics {
        gain_uv: 3.0,
        drift: Process { sd: 0.2, tau_s: 200.0 },
        fluctuation: Process { sd: 0.3, tau_s: 3.5 },
    };

    /// Amplitudes of a course from the prior.
    fn world(seed: u64, count: usize, noise_uv: f64) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let mut random = Random::new(seed, 0);
        let course = fresh(&DYNAMICS, count, 1.0, &mut random);
        let drive: Vec<f64> =
            (0..count).map(|k| if k % 9 == 8 { 0.0 } else { 0.2 + 0.05 * (k % 13) as f64 }).collect();
        let uv: Vec<f64> = (0..count)
            .map(|k| {
                let gain = DYNAMICS.gain_uv * (course[2 * k] + course[2 * k + 1] - 0.045).exp();
                gain * drive[k] + noise_uv * random.normal()
            })
            .collect();
        (course, drive, uv)
    }

    #[test]
    fn the_prior_is_that_of_the_processes() {
        // The precision of five diagonals against the covariance sd^2 exp(-|i-j| / tau), by their product.
        let (prior, log_det) = prior(&DYNAMICS, 12, 1.0);
        for (offset, process) in [DYNAMICS.drift, DYNAMICS.fluctuation].into_iter().enumerate() {
            for column in 0..12 {
                let mut x = vec![0.0; 24];
                for k in 0..12_usize {
                    x[2 * k + offset] =
                        process.sd.powi(2) * (-(k.abs_diff(column) as f64) / process.tau_s).exp();
                }
                let mut out = vec![0.0; 24];
                times(&prior, &x, &mut out);
                for (at, value) in out.iter().enumerate() {
                    let wanted = f64::from(u8::from(at == 2 * column + offset));
                    assert!((value - wanted).abs() < 1e-9, "{at} {column}: {value}");
                }
            }
        }
        assert!((prior.clone().factored().unwrap().log_det() - log_det).abs() < 1e-9);
    }

    #[test]
    fn draws_cover_the_truth() {
        // With the right model, the truth lies within 1.96 SD of the mode in about 95 % of all places.
        let (mut inside, mut all) = (0.0, 0.0);
        for seed in 0..40 {
            let (course, drive, uv) = world(seed, 120, 0.3);
            let measured = Measured { uv: &uv, drive: &drive, noise_uv: 0.3, step_s: 1.0 };
            let posterior = posterior(&DYNAMICS, &measured).unwrap();
            let spread = posterior.spread(&mut Random::new(seed, 1));
            for k in 0..120 {
                // Only the sum of both moves the amplitude, but each must be honest.
                for at in [2 * k, 2 * k + 1] {
                    let z = (course[at] - posterior.mode[at]) / spread[at];
                    inside += f64::from(u8::from(z.abs() < 1.96));
                    all += 1.0;
                }
            }
        }
        let covered: f64 = inside / all;
        assert!((covered - 0.95).abs() < 0.025, "{covered}");
    }

    #[test]
    fn the_likelihood_finds_gain_and_fluctuation() {
        let of = |gain_uv: f64, sd: f64| {
            (0..8)
                .map(|seed| {
                    let (_, drive, uv) = world(seed, 200, 0.2);
                    let measured = Measured { uv: &uv, drive: &drive, noise_uv: 0.2, step_s: 1.0 };
                    let dynamics = Dynamics { gain_uv, fluctuation: Process { sd, tau_s: 3.5 }, ..DYNAMICS };
                    posterior(&dynamics, &measured).unwrap().log_likelihood
                })
                .sum::<f64>()
        };
        let best = of(3.0, 0.3);
        for (gain_uv, sd) in [(2.0, 0.3), (4.5, 0.3), (3.0, 0.12), (3.0, 0.6)] {
            assert!(of(gain_uv, sd) < best - 4.0, "{gain_uv} {sd}: {} {best}", of(gain_uv, sd));
        }
    }

    #[test]
    fn knots_have_the_variance_of_the_process_between_segments() {
        let mut random = Random::new(1, 0);
        let (mut square, mut n) = (0.0, 0.0);
        for _ in 0..400 {
            let course = fresh(&DYNAMICS, 30, 1.0, &mut random);
            let knots = knots(&DYNAMICS, &course, 1.0, 8, &mut random);
            assert_eq!(knots.len(), 4 + 8 * 29 + 1 + 8);
            for k in 0..29 {
                let middle = knots[4 + 8 * k + 4] - 3.0_f64.ln() + 0.045;
                square += middle * middle;
                n += 1.0;
            }
        }
        let (found, wanted): (f64, f64) = (square / n, 0.3 * 0.3 + 0.2 * 0.2);
        assert!((found / wanted - 1.0).abs() < 0.06, "{found} {wanted}");
    }
}
