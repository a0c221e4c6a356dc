//! From the amplitudes of channels to the amplitudes of populations.
//!
//! Pictures in one part of the visual field (localisers) drive one population, and so tell its topography `a_k`: one complex
//! number per channel. A later window is `x = sum_k s_k a_k + e` with real `s_k` and background `e` of covariance `S`; by
//! generalised least squares (Aitken, Proc. R. Soc. Edinb. 55, 1936), `s = G^-1 b` with `G_kl = Re a_k* S^-1 a_l` and
//! `b_k = Re a_k* S^-1 x`. So each `s_k` is blind to the other populations, and its unit is what the localiser did. `S` comes
//! from what differs between windows of one localiser; that a person's gain differs between them does not turn `s`, because
//! adding products of the `a_k` to `S` does not. It is shrunk towards the identity by the oracle approximating estimator
//! (Chen, Wiesel, Eldar and Hero, IEEE Trans. Signal Process. 58, 2010).

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use timeline::Amplitudes;

/// Windows of each localiser that are needed at least.
pub const FEWEST: usize = 3;

/// A response over its standard error, per channel on average, below which a localiser has failed: noise alone has 1, and by
/// chance hardly 1.6.
pub const TRUSTED: f64 = 2.0;

/// The filter.
#[derive(Debug, Clone)]
pub struct Components {
    channels: usize,
    /// `S^-1 a_k`: real part [channels, populations], then imaginary part.
    toward: [Mat<f64>; 2],
    /// `G^-1`, the covariance of `s`.
    inverse: Mat<f64>,
    evidence: Vec<f64>,
}

impl Components {
    /// The filter by the windows of each localiser; `None` where there are too few of them or topographies cannot be told
    /// apart.
    pub fn fit(windows: &[Vec<Amplitudes>], channels: usize) -> Option<Self> {
        if windows.is_empty() || windows.iter().any(|windows| windows.len() < FEWEST) {
            return None;
        }
        let means: Vec<Vec<[f64; 2]>> = windows.iter().map(|windows| mean(windows, channels)).collect();
        let background = background(windows, &means).llt(Side::Lower).ok()?;
        let part = |part: usize| Mat::from_fn(channels, means.len(), |row, k| means[k][row][part]);
        let topographies = [part(0), part(1)];
        let toward = [background.solve(&topographies[0]), background.solve(&topographies[1])];
        let gram = topographies[0].transpose() * &toward[0] + topographies[1].transpose() * &toward[1];
        let inverse = gram.llt(Side::Lower).ok()?.solve(Mat::<f64>::identity(means.len(), means.len()));
        let evidence = windows
            .iter()
            .enumerate()
            .map(|(k, windows)| (windows.len() as f64 * gram[(k, k)] / (2 * channels) as f64).sqrt());
        let evidence = evidence.collect();
        Some(Self { channels, toward, inverse, evidence })
    }

    /// Each localiser's response over its standard error; see [`TRUSTED`].
    pub fn evidence(&self) -> &[f64] {
        &self.evidence
    }

    /// Amplitude of each population in a window; `None` where a channel was not measured.
    pub fn measure(&self, amplitudes: &Amplitudes) -> Option<Vec<f64>> {
        let window = &amplitudes[..self.channels];
        if !window.as_flattened().iter().all(|part| part.is_finite()) {
            return None;
        }
        let toward = |k: usize| -> f64 {
            (0..self.channels)
                .map(|row| {
                    self.toward[0][(row, k)] * window[row][0] + self.toward[1][(row, k)] * window[row][1]
                })
                .sum()
        };
        let count = self.evidence.len();
        let toward: Vec<f64> = (0..count).map(toward).collect();
        Some((0..count).map(|k| (0..count).map(|l| self.inverse[(k, l)] * toward[l]).sum()).collect())
    }

    /// Standard error of each amplitude by the background.
    pub fn spreads(&self) -> Vec<f64> {
        (0..self.evidence.len()).map(|k| self.inverse[(k, k)].max(0.0).sqrt()).collect()
    }
}

fn mean(windows: &[Amplitudes], channels: usize) -> Vec<[f64; 2]> {
    let part = |row: usize, part: usize| {
        windows.iter().map(|window| window[row][part]).sum::<f64>() / windows.len() as f64
    };
    (0..channels).map(|row| [part(row, 0), part(row, 1)]).collect()
}

/// Covariance of a real part of the background, shrunk.
fn background(windows: &[Vec<Amplitudes>], means: &[Vec<[f64; 2]>]) -> Mat<f64> {
    let channels = means.first().map_or(0, Vec::len);
    let mut sum = Mat::<f64>::zeros(channels, channels);
    // Real and imaginary part are two snapshots of the real covariance.
    let mut count = 0.0;
    for (windows, mean) in windows.iter().zip(means) {
        for window in windows {
            for part in 0..2 {
                let off = |row: usize| window[row][part] - mean[row][part];
                for i in 0..channels {
                    (0..channels).for_each(|j| sum[(i, j)] += off(i) * off(j));
                }
            }
        }
        count += 2.0 * (windows.len() - 1) as f64;
    }
    let (p, matrix) = (channels as f64, Mat::from_fn(channels, channels, |i, j| sum[(i, j)] / count));
    let trace: f64 = (0..channels).map(|i| matrix[(i, i)]).sum();
    let square: f64 = (0..channels).map(|i| (0..channels).map(|j| matrix[(i, j)].powi(2)).sum::<f64>()).sum();
    let below = (count + 1.0 - 2.0 / p) * (square - trace * trace / p);
    let above = (1.0 - 2.0 / p) * square + trace * trace;
    let shrink = if below > 0.0 { (above / below).clamp(1e-6, 1.0) } else { 1.0 };
    let target = shrink * trace / p;
    Mat::from_fn(channels, channels, |i, j| {
        (1.0 - shrink) * matrix[(i, j)] + if i == j { target.max(1e-12) } else { 0.0 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;
    use timeline::NOT_MEASURED;

    /// Two populations with topographies and phases of their own, background that channels share, and a gain that fluctuates.
    fn window(random: &mut Random, amplitudes: [f64; 2]) -> Amplitudes {
        let shared = [random.normal(), random.normal()];
        let gain = (0.25 * random.normal()).exp();
        core::array::from_fn(|c| {
            let share = [1.0 / (1.0 + c as f64), 1.0 / (8.0 - c as f64)];
            let phase = [0.4f64, 0.9];
            let part =
                |k: usize, turn: fn(f64) -> f64| 3.0 * gain * amplitudes[k] * share[k] * turn(phase[k]);
            [
                part(0, f64::cos) + part(1, f64::cos) + shared[0] + 0.3 * random.normal(),
                part(0, f64::sin) + part(1, f64::sin) + shared[1] + 0.3 * random.normal(),
            ]
        })
    }

    #[test]
    fn populations_are_told_apart() {
        let mut random = Random::new(6, 0);
        let mut sums = [[0.0; 2]; 3];
        let (trials, wanted) = (200, [[1.0, 0.0], [0.3, 0.9], [0.6, 0.2]]);
        for _ in 0..trials {
            let localised: Vec<Vec<Amplitudes>> = [[1.0, 0.0], [0.0, 1.0]]
                .map(|amplitudes| (0..10).map(|_| window(&mut random, amplitudes)).collect())
                .into();
            let components = Components::fit(&localised, 8).unwrap();
            assert!(components.evidence().iter().all(|e| *e > TRUSTED), "{:?}", components.evidence());
            for (sum, amplitudes) in sums.iter_mut().zip(wanted) {
                let found = components.measure(&window(&mut random, amplitudes)).unwrap();
                sum.iter_mut().zip(found).for_each(|(sum, found)| *sum += found / f64::from(trials));
            }
        }
        for (found, wanted) in sums.as_flattened().iter().zip(wanted.as_flattened()) {
            assert!((found - wanted).abs() < 0.1, "{sums:?}");
        }
    }

    #[test]
    fn noise_is_no_localiser_and_no_window_no_amplitude() {
        let mut random = Random::new(7, 0);
        let mut trusted = 0;
        for _ in 0..200 {
            let noise: Vec<Vec<Amplitudes>> =
                (0..3).map(|_| (0..8).map(|_| window(&mut random, [0.0; 2])).collect()).collect();
            let components = Components::fit(&noise, 8).unwrap();
            trusted += components.evidence().iter().filter(|e| **e >= TRUSTED).count();
            assert_eq!(components.measure(&NOT_MEASURED), None);
        }
        assert!(trusted <= 6, "{trusted} of 600");
        assert!(Components::fit(&[vec![NOT_MEASURED; 2]], 8).is_none(), "too few windows");
    }
}
