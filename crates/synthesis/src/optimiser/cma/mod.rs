//! CMA-ES: a normal distribution that learns where and along which directions the better points lie.

mod covariance;
mod weights;

use std::collections::VecDeque;

use random::Random;

use super::batch::{AskTell, Batch, Batched, TellError, is_flat};
use super::{Check, Error, State, vector};
use covariance::Covariance;
use weights::Weights;

/// Settings of [`CmaEs`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Standard deviation of the first generation around the start, in the problem's units; the best should lie within
    /// about three. Default 0.3.
    pub sigma: f64,
    /// Points in a generation. Default 4 + 3 ln(dimensions). More for rugged or noisy values.
    pub population: Option<usize>,
    /// The largest number of dimensions with a full covariance; above, only variances are learned, in time and memory
    /// proportional to the dimensions. Default 200.
    pub full_up_to: usize,
    /// How often a distribution that has converged is begun anew near the start, with twice the population (IPOP, Auger
    /// and Hansen, CEC 2005). Default 9.
    pub restarts: usize,
    /// A distribution has converged when its standard deviations are as small, relative to `sigma`, or when its best values
    /// differ by as little, relative to the best. Default 1e-11.
    pub tolerance: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sigma: 0.3, population: None, full_up_to: 200, restarts: 9, tolerance: 1e-11 }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = Check("cma-es");
        check.positive("sigma", self.sigma)?;
        check.count("population", self.population.unwrap_or(4), 4, "at least 4")?;
        check.that(self.restarts <= 9, "restarts", self.restarts as f64, "at most 9")?;
        check.not_negative("tolerance", self.tolerance)
    }
}

/// CMA-ES (Hansen, "The CMA evolution strategy: a tutorial", arXiv:1604.00772, 2016) with negative weights; above
/// `full-up-to` dimensions sep-CMA-ES (Ros and Hansen, PPSN 2008).
///
/// A point outside of the allowed set is repaired by projection before it is evaluated; what is learned is the step as it
/// was drawn, with the value of the repaired point less a penalty for its distance. Values that are not finite have no
/// weight. But for the penalty only the order of values counts.
#[derive(Debug, Clone)]
pub struct CmaEs {
    settings: Settings,
    pub(super) batch: Batch,
    start: Vec<f64>,
    random: Random,
    /// Steps drawn for the points that are asked, in units of sigma, before repair.
    steps: Vec<Vec<f64>>,
    distribution: Distribution,
    restarts: usize,
    converged: bool,
}

#[derive(Debug, Clone)]
struct Distribution {
    weights: Weights,
    mean: Vec<f64>,
    sigma: f64,
    covariance: Covariance,
    path_sigma: Vec<f64>,
    path_c: Vec<f64>,
    generation: i32,
    /// Best values of the last generations.
    values: VecDeque<f64>,
    /// Between the quartiles of the values of the last generation where they differed.
    spread: f64,
}

impl CmaEs {
    pub(super) fn new(settings: Settings, start: &[f64], seed: u64) -> Self {
        let n = start.len();
        let population = settings.population.unwrap_or(4 + (3.0 * libm::log(n as f64)).floor() as usize);
        let separable = n > settings.full_up_to;
        Self {
            distribution: Distribution::new(start.to_vec(), settings.sigma, population, separable),
            settings,
            batch: Batch::new(start),
            start: start.to_vec(),
            random: Random::new(seed, 0),
            steps: Vec::new(),
            restarts: 0,
            converged: false,
        }
    }

    /// Standard deviation of the distribution, apart from its shape.
    pub fn sigma(&self) -> f64 {
        self.distribution.sigma
    }

    /// Points in the next generation.
    pub fn population(&self) -> usize {
        self.distribution.weights.by_rank.len()
    }

    /// Ends the search, or begins anew near the start with twice the population.
    fn end(&mut self) -> State {
        if self.restarts == self.settings.restarts {
            self.converged = true;
            return State::Converged;
        }
        self.restarts += 1;
        let sigma = self.settings.sigma;
        let mean = self.start.iter().map(|x| x + sigma * self.random.normal()).collect();
        let separable = matches!(self.distribution.covariance, Covariance::Diagonal(_));
        self.distribution = Distribution::new(mean, sigma, 2 * self.population(), separable);
        State::Moved
    }
}

impl AskTell for CmaEs {
    fn ask(&mut self, project: &dyn Fn(&mut [f64])) -> &[Vec<f64>] {
        if self.batch.points.is_empty() {
            self.steps.clear();
            for _ in 0..self.population() {
                let z: Vec<f64> = self.start.iter().map(|_| self.random.normal()).collect();
                let step = self.distribution.covariance.shaped(&z);
                let mut point = vector::along(&self.distribution.mean, self.distribution.sigma, &step);
                project(&mut point);
                self.batch.points.push(point);
                self.steps.push(step);
            }
        }
        &self.batch.points
    }

    fn tell(&mut self, values: &[f64]) -> Result<State, TellError> {
        let points = self.batch.answered(values)?;
        if values.iter().all(|v| !v.is_finite()) {
            // Nothing to be learned but that it is somewhere else.
            self.distribution.sigma *= 1.5;
            return Ok(State::Held);
        }
        let distribution = &mut self.distribution;
        let penalised = distribution.penalised(&points, &self.steps, values);
        let sound = distribution.learn(&self.steps, &penalised);
        if !sound || distribution.has_converged(values, self.settings.sigma, self.settings.tolerance) {
            return Ok(self.end());
        }
        Ok(State::Moved)
    }

    fn recommended(&self) -> Vec<f64> {
        self.distribution.mean.clone()
    }
}

impl Batched for CmaEs {
    fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    fn has_converged(&self) -> bool {
        self.converged
    }
}

impl Distribution {
    fn new(mean: Vec<f64>, sigma: f64, population: usize, separable: bool) -> Self {
        let n = mean.len();
        Self {
            weights: Weights::new(n, population, separable),
            sigma,
            covariance: Covariance::new(n, separable),
            path_sigma: vec![0.0; n],
            path_c: vec![0.0; n],
            generation: 0,
            values: VecDeque::new(),
            spread: 0.0,
            mean,
        }
    }

    /// Values with what a point's distance from the allowed set costs: with the distribution's mean length outside, twice
    /// the spread of the values (as for bounds in Hansen et al., IEEE Trans. Evol. Comput. 13, 2009, but measured in standard
    /// deviations of the distribution, whatever the set).
    fn penalised(&mut self, points: &[Vec<f64>], steps: &[Vec<f64>], values: &[f64]) -> Vec<f64> {
        let mut finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        finite.sort_by(f64::total_cmp);
        let spread = finite[3 * finite.len() / 4] - finite[finite.len() / 4];
        if spread > 0.0 {
            self.spread = spread;
        }
        let n = self.mean.len() as f64;
        let cost = |((point, step), value): ((&Vec<f64>, &Vec<f64>), &f64)| {
            let outside: Vec<f64> = step
                .iter()
                .zip(point.iter().zip(&self.mean))
                .map(|(y, (x, m))| y - (x - m) / self.sigma)
                .collect();
            if vector::largest(&outside) <= 1e-12 * vector::largest(step) {
                return *value;
            }
            value - 2.0 * self.spread * squared_length(&self.covariance.whitened(&outside)) / n
        };
        points.iter().zip(steps).zip(values).map(cost).collect()
    }

    /// One update from a generation with at least one finite value. False where the covariance has degenerated.
    fn learn(&mut self, steps: &[Vec<f64>], values: &[f64]) -> bool {
        let n = self.mean.len();
        let ranked = ranked_weights(&self.weights, values);
        let mut shift = vec![0.0; n];
        for &(i, weight) in ranked.iter().filter(|(_, weight)| *weight > 0.0) {
            vector::add_scaled(&mut shift, weight, &steps[i]);
        }
        vector::add_scaled(&mut self.mean, self.sigma, &shift);
        self.generation = self.generation.saturating_add(1);
        let w = &self.weights;

        let gain = (w.c_sigma * (2.0 - w.c_sigma) * w.mu_eff).sqrt();
        let whitened = self.covariance.whitened(&shift);
        self.path_sigma.iter_mut().zip(&whitened).for_each(|(p, y)| *p = (1.0 - w.c_sigma) * *p + gain * y);
        let length = vector::norm(&self.path_sigma);
        let memory = 1.0 - libm::pow(1.0 - w.c_sigma, 2.0 * f64::from(self.generation));
        // While sigma still grows, its path is stalled, or the matrix would grow as well.
        let stalled = length / memory.sqrt() >= (1.4 + 2.0 / (n as f64 + 1.0)) * w.chi;
        let kept = if stalled { 0.0 } else { (w.c_c * (2.0 - w.c_c) * w.mu_eff).sqrt() };
        self.path_c.iter_mut().zip(&shift).for_each(|(p, y)| *p = (1.0 - w.c_c) * *p + kept * y);

        let lost = if stalled { w.c_c * (2.0 - w.c_c) } else { 0.0 };
        let total: f64 = ranked.iter().map(|(_, weight)| weight).sum();
        let keep = 1.0 + w.c_1 * lost - w.c_1 - w.c_mu * total;
        let mut terms: Vec<(f64, &[f64])> = vec![(w.c_1, &self.path_c)];
        for &(i, weight) in &ranked {
            // Negative weights take away one standard deviation each, however long the step.
            let scale = match weight < 0.0 {
                true => {
                    n as f64 / squared_length(&self.covariance.whitened(&steps[i])).max(f64::MIN_POSITIVE)
                }
                false => 1.0,
            };
            terms.push((w.c_mu * weight * scale, &steps[i]));
        }
        self.covariance.learn(keep, &terms);
        let growth = (w.c_sigma / w.d_sigma * (length / w.chi - 1.0)).min(1.0);
        // On a plateau only larger steps can find a slope.
        let growth = if is_flat(values) { growth.max(0.2 + w.c_sigma / w.d_sigma) } else { growth };
        self.sigma *= libm::exp(growth);
        let patience = 1.0 / (10.0 * n as f64 * (w.c_1 + w.c_mu));
        self.covariance.renew(patience as usize) && self.sigma.is_finite() && vector::is_finite(&self.mean)
    }

    fn has_converged(&mut self, values: &[f64], first_sigma: f64, tolerance: f64) -> bool {
        let n = self.mean.len();
        let best = values.iter().copied().filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max);
        let history = 10 + (30 * n).div_ceil(values.len());
        self.values.push_back(best);
        if self.values.len() > history {
            self.values.pop_front();
        }
        let is_point = (0..n).all(|i| {
            let deviation = self.covariance.deviation(i).max(self.path_c[i].abs());
            self.sigma * deviation < tolerance * first_sigma
        });
        let worst = self.values.iter().chain(values).copied().fold(f64::INFINITY, f64::min);
        let most = self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let is_level =
            self.values.len() >= history && most - worst <= tolerance * most.abs().max(f64::MIN_POSITIVE);
        is_point || is_level
    }
}

/// Index and weight of each point with a finite value, the best first. Where some of the better half are missing, the
/// positive weights that are left are raised to a sum of one.
fn ranked_weights(weights: &Weights, values: &[f64]) -> Vec<(usize, f64)> {
    let order = vector::ranking(values);
    let mut ranked: Vec<(usize, f64)> = order
        .into_iter()
        .zip(weights.by_rank.iter().copied())
        .filter(|&(i, _)| values[i].is_finite())
        .collect();
    let positive: f64 = ranked.iter().map(|(_, weight)| weight.max(0.0)).sum();
    ranked.iter_mut().filter(|(_, weight)| *weight > 0.0).for_each(|(_, weight)| *weight /= positive);
    ranked
}

fn squared_length(y: &[f64]) -> f64 {
    vector::dot(y, y)
}
