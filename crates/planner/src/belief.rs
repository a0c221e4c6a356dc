//! H and its uncertainty, from every presentation so far.
//!
//! `y_t = b + h' phi_t + e_t` with the prior `h ~ N(0, C)`, `b ~ N(b0, s0^2)` and noise of known standard error. The posterior
//! is kept in the dual form (Rasmussen and Williams 2006, 2.1-2.2): with as many unknowns as features and as few
//! presentations as people bear, matrices of presentations are small. It is the posterior that a Kalman filter over h with
//! forgetting has: an old presentation's variance grows by `exp(age / forgetting)`, because the brain has moved on since.
//!
//! A picture may do more or less than any H says. So each has an offset of its own, `N(0, own^2)`, that only showing it again
//! tells: the model proposes, the brain picks.
//!
//! How far neighbours' weights are alike, and how much there is to explain at all, is chosen by the evidence
//! ([`Belief::choose`]; Rasmussen and Williams 2006, 5.4).
//!
//! Where the gain wanders ([`Wandering`]), `y_t = r_t (1 + d_t) + e_t` with an Ornstein-Uhlenbeck process `d`, which to first order
//! adds `r_s r_t Cov(d_s, d_t)` to the covariance of what was measured. So pictures and gain are one posterior: what a window
//! tells is shared out between them, and a common factor of all responses is not mistaken for a gain that will go back to 1.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use crate::covariance::Covariance;

/// What is believed of the response before the first presentation, in the decoder's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offset {
    /// Mean of b.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
}

/// How a gain strays from its mean: stationary standard deviation, relative, and time constant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wandering {
    /// Standard deviation as a part of the gain.
    pub sd: f64,
    /// Time constant.
    pub tau_s: f64,
}

impl Wandering {
    fn covariance(self, apart_s: f64) -> f64 {
        self.sd * self.sd * libm::exp(-apart_s.abs() / self.tau_s)
    }
}

/// One presentation.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    /// Which picture; the same number for the same texels.
    picture: usize,
    features: Vec<f64>,
    /// `C phi`.
    spread: Vec<f64>,
    value: f64,
    variance: f64,
    at_s: f64,
    /// What the picture is believed to do at a gain of 1; only where the gain wanders.
    level: f64,
}

/// The posterior.
#[derive(Debug, Clone)]
pub struct Belief {
    covariance: Covariance,
    offset: Offset,
    own_sd: f64,
    forgetting_s: f64,
    wandering: Option<Wandering>,
    seen: Vec<Seen>,
    /// `phi_s' C phi_t` of each presentation with those before it and itself.
    gram: Vec<Vec<f64>>,
    /// `K^-1 (y - b0)`.
    alpha: Vec<f64>,
    /// Posterior mean of h: `sum_t alpha_t C phi_t`.
    weights: Vec<f64>,
    bias: f64,
    /// Inverse of the matrix of presentations, [n, n].
    inverse: Mat<f64>,
}

/// What is predicted of a picture: without the measurement's own noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
}

impl Belief {
    /// Nothing seen yet.
    pub fn new(covariance: Covariance, offset: Offset, own_sd: f64, forgetting_s: f64) -> Self {
        let weights = vec![0.0; covariance.size()];
        let bias = offset.mean;
        Self {
            covariance,
            offset,
            own_sd,
            forgetting_s,
            wandering: None,
            seen: Vec::new(),
            gram: Vec::new(),
            alpha: Vec::new(),
            weights,
            bias,
            inverse: Mat::zeros(0, 0),
        }
    }

    /// The same of responses whose common gain wanders; set before anything is learnt.
    pub fn wandering(self, wandering: Wandering) -> Self {
        Self { wandering: Some(wandering), ..self }
    }

    /// Takes which picture a presentation showed, its features, what was measured, its standard error, and when it was.
    ///
    /// A value that is not finite is no measurement and changes nothing.
    pub fn learn(&mut self, picture: usize, features: Vec<f64>, value: f64, spread: f64, at_s: f64) {
        if !(value.is_finite() && spread.is_finite() && features.iter().all(|f| f.is_finite())) {
            return;
        }
        let (own, variance) = (self.covariance.apply(&features), (spread * spread).max(1e-12));
        let level = self.wandering.map_or(0.0, |_| self.predict_shown(picture, &features).mean);
        self.seen.push(Seen { picture, spread: own, features, value, variance, at_s, level });
        self.gram.push(self.row(self.seen.len() - 1));
        self.solve();
    }

    /// All that was measured so far counts less: something has changed.
    pub fn doubt(&mut self, factor: f64) {
        self.seen.iter_mut().for_each(|seen| seen.variance *= factor);
        self.solve();
    }

    fn row(&self, i: usize) -> Vec<f64> {
        (0..=i).map(|j| dot(&self.seen[i].features, &self.seen[j].spread)).collect()
    }

    /// Takes that one of `shapes`, times one of `variances`, under which the measurements are most probable; the offset's prior is
    /// set to their mean, the pictures' own offsets to a part of what H explains.
    pub fn choose(&mut self, shapes: &[Covariance], variances: &[f64], own_part: f64) {
        let n = self.seen.len() as f64;
        if self.seen.len() < 4 {
            return;
        }
        let mean = self.seen.iter().map(|seen| seen.value).sum::<f64>() / n;
        let spread = (self.seen.iter().map(|seen| (seen.value - mean).powi(2)).sum::<f64>() / n).sqrt();
        self.offset = Offset { mean, sd: spread.max(1e-9) };
        let mut best = (f64::NEG_INFINITY, None);
        for shape in shapes {
            let gram = self.gram(shape);
            for &variance in variances {
                let own = own_part * variance * self.typical(&gram);
                let evidence = self.evidence(&gram, variance, own);
                if evidence > best.0 {
                    best = (evidence, Some((shape.clone().scaled(variance), own.sqrt())));
                }
            }
        }
        let (_, Some((covariance, own_sd))) = best else { return };
        (self.covariance, self.own_sd) = (covariance, own_sd);
        for seen in &mut self.seen {
            seen.spread = self.covariance.apply(&seen.features);
        }
        self.gram = (0..self.seen.len()).map(|i| self.row(i)).collect();
        self.solve();
    }

    /// `phi_i' C phi_j` of all presentations.
    fn gram(&self, shape: &Covariance) -> Mat<f64> {
        let spread: Vec<Vec<f64>> = self.seen.iter().map(|seen| shape.apply(&seen.features)).collect();
        Mat::from_fn(self.seen.len(), self.seen.len(), |i, j| dot(&self.seen[i].features, &spread[j]))
    }

    fn typical(&self, gram: &Mat<f64>) -> f64 {
        (0..gram.nrows()).map(|i| gram[(i, i)]).sum::<f64>() / gram.nrows().max(1) as f64
    }

    /// Log probability of the measurements, up to a constant.
    fn evidence(&self, gram: &Mat<f64>, variance: f64, own: f64) -> f64 {
        let n = self.seen.len();
        let matrix = self.matrix(|i, j| variance * gram[(i, j)], own);
        let Ok(factor) = matrix.llt(Side::Lower) else { return f64::NEG_INFINITY };
        let surprise = Mat::from_fn(n, 1, |i, _| self.seen[i].value - self.offset.mean);
        let solved = factor.solve(&surprise);
        let fit: f64 = (0..n).map(|i| surprise[(i, 0)] * solved[(i, 0)]).sum();
        let lower = factor.L();
        let half: f64 = (0..n).map(|i| libm::log(lower[(i, i)])).sum();
        -0.5 * fit - half
    }

    fn matrix(&self, explained: impl Fn(usize, usize) -> f64, own: f64) -> Mat<f64> {
        let now_s = self.seen.last().map_or(0.0, |seen| seen.at_s);
        let offset = self.offset.sd * self.offset.sd;
        let noise = |seen: &Seen| {
            // Beyond e^40 it says nothing, and the matrix stays a matrix.
            seen.variance * libm::exp(((now_s - seen.at_s) / self.forgetting_s).clamp(0.0, 40.0))
        };
        Mat::from_fn(self.seen.len(), self.seen.len(), |i, j| {
            let (a, b) = (&self.seen[i], &self.seen[j]);
            let own = if a.picture == b.picture { own } else { 0.0 };
            let gain = self.wandering.map_or(0.0, |w| a.level * b.level * w.covariance(a.at_s - b.at_s));
            explained(i, j) + offset + own + gain + if i == j { noise(a) } else { 0.0 }
        })
    }

    fn solve(&mut self) {
        self.factorise();
        if self.wandering.is_some() {
            // Levels at a gain of 1 by what is believed now, and what follows from them.
            let levels: Vec<f64> = (0..self.seen.len()).map(|i| self.level(i).max(0.0)).collect();
            self.seen.iter_mut().zip(levels).for_each(|(seen, level)| seen.level = level);
            self.factorise();
        }
        let offset = self.offset.sd * self.offset.sd;
        self.weights.fill(0.0);
        for (alpha, seen) in self.alpha.iter().zip(&self.seen) {
            self.weights.iter_mut().zip(&seen.spread).for_each(|(w, s)| *w += alpha * s);
        }
        self.bias = self.offset.mean + offset * self.alpha.iter().sum::<f64>();
    }

    fn factorise(&mut self) {
        let n = self.seen.len();
        let matrix = self.matrix(|i, j| self.explained(i, j), self.own_sd * self.own_sd);
        // Positive definite: its diagonal has the noise of each presentation.
        let Ok(factor) = matrix.llt(Side::Lower) else { return };
        self.inverse = factor.solve(Mat::<f64>::identity(n, n));
        let surprise = Mat::from_fn(n, 1, |i, _| self.seen[i].value - self.offset.mean);
        let alpha = &self.inverse * surprise;
        self.alpha = (0..n).map(|i| alpha[(i, 0)]).collect();
    }

    fn explained(&self, i: usize, j: usize) -> f64 {
        self.gram[i.max(j)][i.min(j)]
    }

    /// What a presentation's picture does at a gain of 1.
    fn level(&self, i: usize) -> f64 {
        let (own, offset) = (self.own_sd * self.own_sd, self.offset.sd * self.offset.sd);
        let toward = |(j, alpha): (usize, &f64)| {
            let own = if self.seen[i].picture == self.seen[j].picture { own } else { 0.0 };
            alpha * (self.explained(i, j) + offset + own)
        };
        self.offset.mean + self.alpha.iter().enumerate().map(toward).sum::<f64>()
    }

    /// The gain that is expected at a time; 1 where it does not wander.
    pub fn gain(&self, at_s: f64) -> f64 {
        let Some(wandering) = self.wandering else { return 1.0 };
        let toward =
            |(alpha, seen): (&f64, &Seen)| alpha * seen.level * wandering.covariance(at_s - seen.at_s);
        1.0 + self.alpha.iter().zip(&self.seen).map(toward).sum::<f64>()
    }

    /// What a new picture with these features will do by H; its own offset is not in it.
    pub fn predict(&self, features: &[f64]) -> Prediction {
        let (mean, variance, _) = self.reach(features);
        Prediction { mean, sd: variance.max(0.0).sqrt() }
    }

    /// Standard deviation of what a picture does beside what H says.
    pub fn own_sd(&self) -> f64 {
        self.own_sd
    }

    /// What a picture that was shown before will do, its own offset included, at a gain of 1.
    pub fn predict_shown(&self, picture: usize, features: &[f64]) -> Prediction {
        self.predict_with(picture, features, |_| 0.0, 0.0)
    }

    /// The same at a time, with the gain as it will be then.
    pub fn predict_at(&self, picture: usize, features: &[f64], at_s: f64) -> Prediction {
        let plain = self.predict_shown(picture, features);
        let Some(wandering) = self.wandering else { return plain };
        let level = plain.mean.max(0.0);
        let gain = |seen: &Seen| level * seen.level * wandering.covariance(at_s - seen.at_s);
        self.predict_with(picture, features, gain, level * level * wandering.covariance(0.0))
    }

    fn predict_with(
        &self,
        picture: usize,
        features: &[f64],
        gain: impl Fn(&Seen) -> f64,
        gain_variance: f64,
    ) -> Prediction {
        let own = self.own_sd * self.own_sd;
        let mut toward = self.toward(features);
        for (seen, toward) in self.seen.iter().zip(&mut toward) {
            *toward += gain(seen) + if seen.picture == picture { own } else { 0.0 };
        }
        let told = self.told(&toward);
        let mean: f64 =
            self.seen.iter().zip(&told).map(|(s, told)| told * (s.value - self.offset.mean)).sum();
        let offset = self.offset.sd * self.offset.sd;
        let prior = dot(features, &self.covariance.apply(features)) + offset + own + gain_variance;
        let known: f64 = told.iter().zip(&toward).map(|(a, b)| a * b).sum();
        Prediction { mean: self.offset.mean + mean, sd: (prior - known).max(0.0).sqrt() }
    }

    /// `sign * mean + kappa * sd` and its gradient with respect to the features.
    pub fn bound(&self, features: &[f64], sign: f64, kappa: f64) -> (f64, Vec<f64>) {
        let (mean, variance, own) = self.reach(features);
        let mut gradient: Vec<f64> = self.weights.iter().map(|w| sign * w).collect();
        if kappa == 0.0 {
            return (sign * mean, gradient);
        }
        let sd = variance.max(1e-12).sqrt();
        // d variance / d phi = 2 (C phi - sum_t (K^-1 k)_t C phi_t).
        let toward = self.toward(features);
        let told = self.told(&toward);
        let mut rise = own;
        for (seen, told) in self.seen.iter().zip(&told) {
            rise.iter_mut().zip(&seen.spread).for_each(|(r, s)| *r -= told * s);
        }
        gradient.iter_mut().zip(&rise).for_each(|(g, r)| *g += kappa * r / sd);
        (sign * mean + kappa * sd, gradient)
    }

    /// Mean, variance, and `C phi`.
    fn reach(&self, features: &[f64]) -> (f64, f64, Vec<f64>) {
        let own = self.covariance.apply(features);
        let toward = self.toward(features);
        let told: f64 = self.told(&toward).iter().zip(&toward).map(|(a, b)| a * b).sum();
        let prior = dot(features, &own) + self.offset.sd * self.offset.sd;
        (self.bias + dot(&self.weights, features), prior - told, own)
    }

    fn toward(&self, features: &[f64]) -> Vec<f64> {
        let offset = self.offset.sd * self.offset.sd;
        self.seen.iter().map(|seen| dot(&seen.spread, features) + offset).collect()
    }

    fn told(&self, toward: &[f64]) -> Vec<f64> {
        let n = toward.len();
        (0..n).map(|i| (0..n).map(|j| self.inverse[(j, i)] * toward[j]).sum()).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::covariance::Axis;
    use random::Random;

    fn world() -> (Belief, Vec<f64>, Random) {
        let mut random = Random::new(3, 0);
        let axes = vec![Axis::smooth(&[0.0, 1.0, 2.0, 3.0], 1.0), Axis::independent(3)];
        let belief = Belief::new(Covariance::new(axes), Offset { mean: 0.2, sd: 0.5 }, 0.0, 1e9);
        let truth: Vec<f64> = (0..12).map(|_| random.normal()).collect();
        (belief, truth, random)
    }

    /// The primal solution `(Phi' W Phi + P^-1)^-1`, with the bias as one more feature.
    #[test]
    fn the_dual_form_is_the_posterior_of_bayesian_regression() {
        let (mut belief, truth, mut random) = world();
        let covariance = belief.covariance.clone();
        let mut rows = Vec::new();
        for at in 0..9 {
            let features: Vec<f64> = (0..12).map(|_| random.normal()).collect();
            let spread = 0.1 + 0.05 * at as f64;
            let value = 0.4 + dot(&truth, &features) + spread * random.normal();
            rows.push((features.clone(), value, spread));
            belief.learn(at, features, value, spread, at as f64);
        }
        let p = 13;
        let mut prior = Mat::<f64>::zeros(p, p);
        for at in 0..12 {
            let mut unit = vec![0.0; 12];
            unit[at] = 1.0;
            covariance.apply(&unit).into_iter().enumerate().for_each(|(row, value)| prior[(row, at)] = value);
        }
        prior[(12, 12)] = 0.25;
        let mut precision = prior.llt(Side::Lower).unwrap().solve(Mat::<f64>::identity(p, p));
        let mut target = Mat::<f64>::zeros(p, 1);
        for (features, value, spread) in &rows {
            let x: Vec<f64> = features.iter().copied().chain([1.0]).collect();
            for i in 0..p {
                target[(i, 0)] += x[i] * (value - 0.2) / (spread * spread);
                for j in 0..p {
                    precision[(i, j)] += x[i] * x[j] / (spread * spread);
                }
            }
        }
        let posterior = precision.llt(Side::Lower).unwrap().solve(Mat::<f64>::identity(p, p));
        let mean = &posterior * target;
        let features: Vec<f64> = (0..12).map(|_| random.normal()).collect();
        let x: Vec<f64> = features.iter().copied().chain([1.0]).collect();
        let expected: f64 = (0..p).map(|i| x[i] * mean[(i, 0)]).sum::<f64>() + 0.2;
        let variance: f64 =
            (0..p).map(|i| (0..p).map(|j| x[i] * posterior[(i, j)] * x[j]).sum::<f64>()).sum();
        let found = belief.predict(&features);
        assert!((found.mean - expected).abs() < 1e-9, "{} {expected}", found.mean);
        assert!((found.sd - variance.sqrt()).abs() < 1e-9, "{} {}", found.sd, variance.sqrt());
    }

    #[test]
    fn the_bound_has_the_slope_of_its_differences() {
        let (mut belief, truth, mut random) = world();
        for at in 0..6 {
            let features: Vec<f64> = (0..12).map(|_| random.normal()).collect();
            let value = dot(&truth, &features);
            belief.learn(at, features, value, 0.3, at as f64);
        }
        let at: Vec<f64> = (0..12).map(|_| random.normal()).collect();
        for (sign, kappa) in [(1.0, 0.0), (1.0, 1.5), (-1.0, 0.7)] {
            let (_, gradient) = belief.bound(&at, sign, kappa);
            for k in 0..12 {
                let moved = |by: f64| {
                    let mut there = at.clone();
                    there[k] += by;
                    belief.bound(&there, sign, kappa).0
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!(
                    (slope - gradient[k]).abs() < 1e-6 * (1.0 + slope.abs()),
                    "{k}: {slope} {}",
                    gradient[k]
                );
            }
        }
    }

    #[test]
    fn showing_a_picture_again_tells_its_own_offset() {
        let (belief, truth, mut random) = world();
        let mut belief = Belief { own_sd: 1.0, ..belief };
        let features: Vec<f64> = (0..12).map(|_| random.normal()).collect();
        let extra = 2.0;
        for at in 0..20 {
            let other: Vec<f64> = (0..12).map(|_| random.normal()).collect();
            belief.learn(1 + at, other.clone(), dot(&truth, &other), 0.1, at as f64);
            belief.learn(0, features.clone(), dot(&truth, &features) + extra, 0.1, at as f64);
        }
        let (by_h, shown) = (belief.predict(&features), belief.predict_shown(0, &features));
        assert!((shown.mean - dot(&truth, &features) - extra).abs() < 0.1, "{shown:?}");
        assert!(by_h.mean < shown.mean - 0.3 && by_h.sd > shown.sd, "{by_h:?} {shown:?}");
        assert!(
            belief.predict_shown(999, &features).sd > by_h.sd,
            "a picture that was never shown has an offset, too"
        );
    }

    #[test]
    fn old_presentations_lose_their_worth() {
        let (belief, ..) = world();
        let mut belief = Belief { forgetting_s: 10.0, ..belief };
        let features = vec![1.0; 12];
        belief.learn(0, features.clone(), 5.0, 0.1, 0.0);
        belief.learn(0, features.clone(), 1.0, 0.1, 100.0);
        assert!((belief.predict(&features).mean - 1.0).abs() < 0.05);
        belief.learn(0, features.clone(), f64::NAN, 0.1, 101.0);
        assert_eq!(belief.seen.len(), 2, "no measurement");
    }
}
