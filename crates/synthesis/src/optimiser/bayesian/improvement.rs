//! Where the next point promises most: expected improvement and its highest place.

use std::convert::Infallible;

use random::Random;

use super::gaussian::{Gaussian, climbed};
use crate::problem::Problem;

/// Log of the expected improvement over `best` in the unit cube (Jones, Schonlau and Welch 1998; in logs, which have a
/// slope where the improvement itself rounds to nothing: Ament et al., NeurIPS 2023).
pub(super) struct Improvement<'a> {
    pub process: &'a Gaussian,
    pub best: f64,
}

/// log(phi(z) + z Phi(z)), and the shares Phi / (phi + z Phi) and phi / (phi + z Phi).
fn log_gain(z: f64) -> (f64, f64, f64) {
    let log_density = -0.5 * z * z - 0.5 * libm::log(2.0 * std::f64::consts::PI);
    if z < -25.0 {
        // Asymptotic series of the Mills ratio, exact to rounding here.
        let s = 1.0 / (z * z);
        let gain = s * (1.0 - s * (3.0 - s * (15.0 - s * 105.0)));
        let mills = -(1.0 - gain) / z;
        return (log_density + libm::log(gain), mills / gain, 1.0 / gain);
    }
    let density = libm::exp(log_density);
    let below = 0.5 * libm::erfc(-z / std::f64::consts::SQRT_2);
    let gain = density + z * below;
    (libm::log(gain), below / gain, density / gain)
}

impl Improvement<'_> {
    /// The most promising point: many are tried, the best few of them climbed from.
    pub fn highest(&mut self, candidates: usize, climbs: usize, random: &mut Random) -> Vec<f64> {
        let dimensions = self.dimensions();
        let mut tried: Vec<(f64, Vec<f64>)> = Vec::with_capacity(candidates);
        let near = self.nearest_to_best();
        for i in 0..candidates {
            // Half of them anywhere, half around the best points, at three distances.
            let mut at: Vec<f64> = (0..dimensions).map(|_| random.uniform()).collect();
            if i % 2 == 1 {
                let distance = [0.1, 0.02, 0.004][i / 2 % 3];
                let around = &self.process.data.points[near[i / 6 % near.len()]];
                at.iter_mut().zip(around).for_each(|(x, center)| *x = center + distance * random.normal());
                self.project(&mut at);
            }
            let Ok(value) = self.value(&at);
            tried.push((value, at));
        }
        tried.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut best = tried[0].clone();
        for (_, start) in tried.iter().take(climbs) {
            let climbed = climbed(self, start, 30);
            if climbed.0 > best.0 {
                best = climbed;
            }
        }
        for (x, on_circle) in best.1.iter_mut().zip(&self.process.data.on_circle) {
            *x = if *on_circle { *x - libm::floor(*x) } else { *x };
        }
        best.1
    }

    /// Indices of the five points with the highest mean.
    fn nearest_to_best(&self) -> Vec<usize> {
        let means: Vec<f64> = self.process.data.points.iter().map(|p| self.process.mean(p)).collect();
        let mut order = super::super::vector::ranking(&means);
        order.truncate(5);
        order
    }
}

impl Problem for Improvement<'_> {
    type Error = Infallible;

    fn dimensions(&self) -> usize {
        self.process.data.points[0].len()
    }

    fn value(&mut self, at: &[f64]) -> Result<f64, Infallible> {
        let (mean, deviation) = self.process.predict(at, None);
        Ok(libm::log(deviation) + log_gain((mean - self.best) / deviation).0)
    }

    fn value_and_gradient(&mut self, at: &[f64], gradient: &mut [f64]) -> Result<f64, Infallible> {
        let mut deviation_rise = vec![0.0; at.len()];
        let (mean, deviation) = self.process.predict(at, Some((&mut *gradient, &mut deviation_rise)));
        let (log, of_mean, of_deviation) = log_gain((mean - self.best) / deviation);
        for (slope, other) in gradient.iter_mut().zip(&deviation_rise) {
            *slope = (of_mean * *slope + of_deviation * other) / deviation;
        }
        Ok(libm::log(deviation) + log)
    }

    fn project(&self, at: &mut [f64]) {
        for (x, on_circle) in at.iter_mut().zip(&self.process.data.on_circle) {
            // A circle has no end: what lies beyond one turn is the same again.
            *x = if *on_circle { *x } else { x.clamp(0.0, 1.0) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gaussian::Data;
    use super::*;

    #[test]
    fn the_gain_is_that_of_its_integral_and_has_no_seam() {
        // Expected max(0, z + standard normal), by the trapezium rule.
        for z in [-3.0, -1.0, 0.0, 0.7, 4.0] {
            let h = 1e-3;
            let sum: f64 = (-12_000..12_000)
                .map(|i| f64::from(i) * h)
                .map(|u| (z + u).max(0.0) * libm::exp(-0.5 * u * u) / (2.0 * std::f64::consts::PI).sqrt() * h)
                .sum();
            assert!((log_gain(z).0 - sum.ln()).abs() < 1e-4, "{z}");
        }
        let (low, high) = (log_gain(-25.0 - 1e-9), log_gain(-25.0 + 1e-9));
        assert!((low.0 - high.0).abs() < 1e-6);
        assert!((low.1 / high.1 - 1.0).abs() < 1e-6 && (low.2 / high.2 - 1.0).abs() < 1e-6);
        assert!(log_gain(-1e6).0.is_finite());
    }

    #[test]
    fn gradient_is_the_finite_difference() {
        let mut random = Random::new(2, 0);
        let points: Vec<Vec<f64>> = (0..12).map(|_| vec![random.uniform(), random.uniform()]).collect();
        let values: Vec<f64> = points.iter().map(|p| libm::cos(4.0 * p[0]) * p[1]).collect();
        let data = Data { points, values, counts: vec![1.0; 12], on_circle: vec![false; 2] };
        let process = Gaussian::fitted(data, None, None, 0, &mut random).unwrap();
        for best in [0.5, 3.0] {
            let mut improvement = Improvement { process: &process, best };
            let at = [0.42, 0.77];
            let mut gradient = [0.0; 2];
            improvement.value_and_gradient(&at, &mut gradient).unwrap();
            for k in 0..2 {
                let (mut up, mut down) = (at, at);
                up[k] += 1e-6;
                down[k] -= 1e-6;
                let slope = (improvement.value(&up).unwrap() - improvement.value(&down).unwrap()) / 2e-6;
                assert!((slope - gradient[k]).abs() < 1e-4 * (1.0 + slope.abs()), "{slope} {gradient:?}");
            }
        }
    }
}
