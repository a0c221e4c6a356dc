//! Contextual bandits with a linear reward per arm.
//!
//! Each arm has a ridge regression of its rewards on the context (with a constant put before it): precision
//! `A = ridge I + sum x x'`, coefficients `A^-1 sum r x`, kept as the inverse by the rule of Sherman and Morrison (1950,
//! Ann Math Stat 21, 124-127).

use random::Random;
use signal::dense::cholesky;

use super::within;
use crate::plan::PrepareError;

/// How an arm is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BanditRule {
    /// The arm whose coefficients, drawn from their posterior with this standard deviation of the reward, promise most
    /// (Agrawal and Goyal 2013, ICML, PMLR 28(3), 127-135).
    Thompson {
        /// Standard deviation of the reward around its mean.
        noise_sd: f64,
    },
    /// The arm with the highest upper bound, this many standard errors above the mean (Li, Chu, Langford and Schapire
    /// 2010, WWW, 661-670, algorithm 1).
    LinUcb {
        /// Standard errors.
        alpha: f64,
    },
}

/// Plan of a bandit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BanditPlan {
    /// How an arm is chosen.
    pub rule: BanditRule,
    /// Number of arms.
    pub arms: usize,
    /// Numbers in a context; 0 for none.
    pub context: usize,
    /// Ridge of the regressions: the precision of the coefficients before any reward.
    pub ridge: f64,
    /// Seed of the draws.
    pub seed: u64,
}

/// A bandit; see the module.
#[derive(Debug, Clone)]
pub struct Bandit {
    plan: BanditPlan,
    random: Random,
    /// Per arm: the inverse of the precision (row-major), `sum r x`, and the coefficients.
    inverse: Vec<f64>,
    sums: Vec<f64>,
    coefficients: Vec<f64>,
    pulls: Vec<u64>,
    x: Vec<f64>,
    work: Vec<f64>,
    factor: Vec<f64>,
}

impl Bandit {
    /// With nothing known.
    ///
    /// # Errors
    /// When a number of the plan is outside what is allowed.
    pub fn prepare(plan: &BanditPlan) -> Result<Self, PrepareError> {
        within("arms", plan.arms as f64, [1.0, 4096.0], "1 to 4096")?;
        within("numbers in a context", plan.context as f64, [0.0, 63.0], "0 to 63")?;
        within("ridge", plan.ridge, [1e-9, 1e9], "1e-9 to 1e9")?;
        match plan.rule {
            BanditRule::Thompson { noise_sd } => within("noise_sd", noise_sd, [0.0, 1e9], "0 to 1e9")?,
            BanditRule::LinUcb { alpha } => within("alpha", alpha, [0.0, 1e9], "0 to 1e9")?,
        }
        let n = plan.context + 1;
        let mut bandit = Self {
            plan: *plan,
            random: Random::new(plan.seed, 0),
            inverse: vec![0.0; plan.arms * n * n],
            sums: vec![0.0; plan.arms * n],
            coefficients: vec![0.0; plan.arms * n],
            pulls: vec![0; plan.arms],
            x: vec![0.0; n],
            work: vec![0.0; n],
            factor: vec![0.0; n * n],
        };
        bandit.reset();
        Ok(bandit)
    }

    /// With nothing known again, and the draws from their begin.
    pub fn reset(&mut self) {
        self.random = Random::new(self.plan.seed, 0);
        self.inverse.fill(0.0);
        self.sums.fill(0.0);
        self.coefficients.fill(0.0);
        self.pulls.fill(0);
        let n = self.x.len();
        for matrix in self.inverse.chunks_exact_mut(n * n) {
            matrix.iter_mut().step_by(n + 1).for_each(|diagonal| *diagonal = 1.0 / self.plan.ridge);
        }
    }

    /// The arm to play in a context; the first where several are as good.
    pub fn propose(&mut self, context: &[f64]) -> usize {
        self.take(context);
        let mut best = (0, f64::NEG_INFINITY);
        for arm in 0..self.plan.arms {
            let promise = match self.plan.rule {
                BanditRule::LinUcb { alpha } => {
                    let (mean, variance) = self.predict(arm);
                    mean + alpha * libm::sqrt(variance)
                }
                BanditRule::Thompson { noise_sd } => self.draw(arm, noise_sd),
            };
            if promise > best.1 {
                best = (arm, promise);
            }
        }
        best.0
    }

    /// Takes the reward of an arm in a context. A reward or a context that is not finite is left out.
    pub fn answer(&mut self, arm: usize, context: &[f64], reward: f64) {
        let n = self.x.len();
        self.take(context);
        if arm >= self.plan.arms || !(reward.is_finite() && self.x.iter().all(|x| x.is_finite())) {
            return;
        }
        let inverse = &mut self.inverse[arm * n * n..(arm + 1) * n * n];
        times(inverse, &self.x, &mut self.work);
        let scale = 1.0 / (1.0 + dot(&self.x, &self.work));
        for i in 0..n {
            for j in 0..n {
                inverse[i * n + j] -= scale * self.work[i] * self.work[j];
            }
        }
        let sums = &mut self.sums[arm * n..(arm + 1) * n];
        sums.iter_mut().zip(&self.x).for_each(|(sum, x)| *sum += reward * x);
        times(inverse, sums, &mut self.coefficients[arm * n..(arm + 1) * n]);
        self.pulls[arm] += 1;
    }

    /// Expected reward of an arm in a context, and the variance of that expectation for rewards of unit variance.
    pub fn expect(&mut self, arm: usize, context: &[f64]) -> (f64, f64) {
        self.take(context);
        self.predict(arm)
    }

    /// How an arm is chosen.
    pub fn rule(&self) -> BanditRule {
        self.plan.rule
    }

    /// How often each arm was answered.
    pub fn pulls(&self) -> &[u64] {
        &self.pulls
    }

    /// A constant, then the context; what is missing in it is zero.
    fn take(&mut self, context: &[f64]) {
        self.x.fill(0.0);
        self.x[0] = 1.0;
        self.x[1..].iter_mut().zip(context).for_each(|(x, &value)| *x = value);
    }

    fn predict(&mut self, arm: usize) -> (f64, f64) {
        let n = self.x.len();
        times(&self.inverse[arm * n * n..(arm + 1) * n * n], &self.x, &mut self.work);
        (dot(&self.x, &self.coefficients[arm * n..(arm + 1) * n]), dot(&self.x, &self.work).max(0.0))
    }

    /// The reward in this context under coefficients drawn from the posterior.
    fn draw(&mut self, arm: usize, noise_sd: f64) -> f64 {
        let n = self.x.len();
        self.factor.copy_from_slice(&self.inverse[arm * n * n..(arm + 1) * n * n]);
        self.work.iter_mut().for_each(|value| *value = self.random.normal());
        let mean = dot(&self.x, &self.coefficients[arm * n..(arm + 1) * n]);
        if !cholesky(&mut self.factor, n) {
            // Rounding took the last of the variance: the mean is known.
            return mean;
        }
        let mut deviation = 0.0;
        for i in 0..n {
            deviation += self.x[i] * dot(&self.factor[i * n..=i * n + i], &self.work[..=i]);
        }
        mean + noise_sd * deviation
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn times(matrix: &[f64], x: &[f64], out: &mut [f64]) {
    for (out, row) in out.iter_mut().zip(matrix.chunks_exact(x.len())) {
        *out = dot(row, x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(rule: BanditRule) -> BanditPlan {
        BanditPlan { rule, arms: 5, context: 3, ridge: 1.0, seed: 8 }
    }

    /// Regret over `trials`, in a world of linear rewards with noise of 0.5; also that of choosing at random.
    fn regret(rule: BanditRule, trials: usize, seed: u64) -> [f64; 2] {
        let mut random = Random::new(seed, 1);
        let truth: Vec<[f64; 4]> = (0..5).map(|_| core::array::from_fn(|_| random.normal() * 0.5)).collect();
        let mut bandit = Bandit::prepare(&BanditPlan { seed, ..plan(rule) }).unwrap();
        let (mut lost, mut by_chance) = (0.0, 0.0);
        for _ in 0..trials {
            let context: [f64; 3] = core::array::from_fn(|_| 2.0 * random.uniform() - 1.0);
            let mean = |arm: usize| truth[arm][0] + dot(&truth[arm][1..], &context);
            let best = (0..5).map(mean).fold(f64::NEG_INFINITY, f64::max);
            let arm = bandit.propose(&context);
            lost += best - mean(arm);
            by_chance += best - (0..5).map(mean).sum::<f64>() / 5.0;
            bandit.answer(arm, &context, mean(arm) + 0.5 * random.normal());
        }
        assert_eq!(bandit.pulls().iter().sum::<u64>(), trials as u64);
        [lost, by_chance]
    }

    #[test]
    fn regret_grows_far_slower_than_trials() {
        for rule in [BanditRule::Thompson { noise_sd: 0.5 }, BanditRule::LinUcb { alpha: 1.0 }] {
            let (mut short, mut long, mut chance) = (0.0, 0.0, 0.0);
            for seed in 0..20 {
                short += regret(rule, 500, seed)[0] / 20.0;
                let [lost, by_chance] = regret(rule, 4000, seed);
                long += lost / 20.0;
                chance += by_chance / 20.0;
            }
            println!("{rule:?}: regret {short:.1} after 500, {long:.1} after 4000, by chance {chance:.0}");
            // d sqrt(T) with the noise's scale; and the square root of eight, not eight.
            assert!(long < 0.5 * 4.0 * 4000f64.sqrt() && long < 0.05 * chance && long < 2.9 * short);
        }
    }

    /// The updated inverse gives the ridge regression that is solved at once.
    #[test]
    fn coefficients_are_the_ridge_regression() {
        let mut random = Random::new(6, 2);
        let mut bandit = Bandit::prepare(&BanditPlan {
            arms: 1,
            context: 2,
            ridge: 0.7,
            ..plan(BanditRule::LinUcb { alpha: 0.0 })
        })
        .unwrap();
        let mut a = [0.7, 0.0, 0.0, 0.0, 0.7, 0.0, 0.0, 0.0, 0.7];
        let mut b = [0.0; 3];
        for _ in 0..500 {
            let context = [random.normal(), 3.0 * random.normal()];
            let reward = 1.0 + context[0] - 0.5 * context[1] + random.normal();
            bandit.answer(0, &context, reward);
            let x = [1.0, context[0], context[1]];
            for i in 0..3 {
                b[i] += reward * x[i];
                for j in 0..3 {
                    a[i * 3 + j] += x[i] * x[j];
                }
            }
        }
        assert!(cholesky(&mut a, 3));
        signal::dense::solve_lower(&a, 3, &mut b, 1);
        signal::dense::solve_lower_transposed(&a, 3, &mut b, 1);
        for (found, expected) in bandit.coefficients.iter().zip(b) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    /// Draws have the posterior's mean and spread.
    #[test]
    fn thompson_draws_from_the_posterior() {
        let rule = BanditRule::Thompson { noise_sd: 0.4 };
        let mut bandit = Bandit::prepare(&BanditPlan { arms: 1, ..plan(rule) }).unwrap();
        let contexts = [[1.0, 0.5, -0.2], [0.3, -1.0, 0.8], [0.0, 0.2, 1.0]];
        contexts.iter().for_each(|context| bandit.answer(0, context, 1.5));
        let (mean, variance) = bandit.expect(0, &[0.5, 0.5, 0.5]);
        let draws: Vec<f64> = (0..40_000).map(|_| bandit.draw(0, 0.4)).collect();
        let found = draws.iter().sum::<f64>() / 40_000.0;
        let spread = draws.iter().map(|d| (d - found).powi(2)).sum::<f64>() / 40_000.0;
        assert!((found - mean).abs() < 0.01 && (spread / (0.16 * variance) - 1.0).abs() < 0.03);
    }
}
