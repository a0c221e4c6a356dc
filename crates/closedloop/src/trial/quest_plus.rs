//! QUEST+: the level whose answer is expected to say most (Watson 2017, J Vis 17(3):10).
//!
//! The posterior stands on a grid of thresholds, slopes and lapse rates. With weights `w` and the prepared table
//! `p(right | level, parameters)`, the expected entropy of the posterior after a trial is that of today less the mutual
//! information `h(sum w p) - sum w h(p)` between answer and parameters, `h` being the entropy of a coin. So the level of
//! least expected entropy costs two sums over two prepared tables.

use super::{Psychometric, PsychometricForm, within};
use crate::plan::PrepareError;

/// When QUEST+ is done; either criterion ends it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuestPlusStop {
    /// After this many answers.
    pub trials: u32,
    /// When the standard deviation of the threshold's posterior is at most this; 0 for never.
    pub threshold_sd: f64,
}

/// Plan of QUEST+.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestPlusPlan {
    /// The shape of the psychometric function.
    pub form: PsychometricForm,
    /// The levels that can be shown.
    pub levels: Vec<f64>,
    /// Possible thresholds.
    pub thresholds: Vec<f64>,
    /// Possible slopes.
    pub slopes: Vec<f64>,
    /// Possible lapse rates.
    pub lapses: Vec<f64>,
    /// The guess rate, which the task sets.
    pub guess: f64,
    /// Mean and standard deviation of a normal prior of the threshold; flat without.
    pub prior: Option<[f64; 2]>,
    /// When it is done.
    pub stop: QuestPlusStop,
}

/// What is known of the psychometric function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuestPosterior {
    /// Mean of the threshold.
    pub threshold: f64,
    /// Its standard deviation.
    pub threshold_sd: f64,
    /// Mean of the slope.
    pub slope: f64,
    /// Mean of the lapse rate.
    pub lapse: f64,
    /// The most probable combination, the first where several are.
    pub mode: [f64; 3],
    /// Entropy in nats.
    pub entropy: f64,
}

/// Most entries of one table: 32 MiB.
const MOST_ENTRIES: f64 = 4_194_304.0;

/// QUEST+ with prepared tables; see the module.
#[derive(Debug, Clone)]
pub struct QuestPlus {
    plan: QuestPlusPlan,
    /// Probability of a right answer and its coin's entropy, one row of parameters per level.
    right: Vec<f64>,
    entropies: Vec<f64>,
    prior: Vec<f64>,
    weights: Vec<f64>,
    answers: u32,
}

impl QuestPlus {
    /// Computes the tables.
    ///
    /// # Errors
    /// When a grid is empty or too large, or a number is outside what is allowed.
    pub fn prepare(plan: &QuestPlusPlan) -> Result<Self, PrepareError> {
        check(plan)?;
        let grid: Vec<Psychometric> = parameters(plan).collect();
        let entries = plan.levels.len() * grid.len();
        let (mut right, mut entropies) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        for &level in &plan.levels {
            for function in &grid {
                let p = function.correct(level);
                right.push(p);
                entropies.push(coin(p));
            }
        }
        let prior = |function: &Psychometric| match plan.prior {
            Some([mean, sd]) => {
                let z = (function.threshold - mean) / sd;
                libm::exp(-0.5 * z * z)
            }
            None => 1.0,
        };
        let mut prior: Vec<f64> = grid.iter().map(prior).collect();
        if !normalise(&mut prior) {
            let value = plan.prior.map_or(f64::NAN, |[mean, _]| mean);
            let allowed = "near the thresholds, where the prior is not all zero";
            return Err(PrepareError::Number { what: "mean of the prior", value, allowed });
        }
        let weights = prior.clone();
        Ok(Self { plan: plan.clone(), right, entropies, prior, weights, answers: 0 })
    }

    /// Back to the prior.
    pub fn reset(&mut self) {
        self.weights.copy_from_slice(&self.prior);
        self.answers = 0;
    }

    /// The levels that can be shown.
    pub fn levels(&self) -> &[f64] {
        &self.plan.levels
    }

    /// Index of the most informative level; the first where several are.
    pub fn propose(&self) -> usize {
        let mut best = (0, f64::NEG_INFINITY);
        for index in 0..self.plan.levels.len() {
            let information = self.information(index);
            if information > best.1 {
                best = (index, information);
            }
        }
        best.0
    }

    /// Expected decrease of the posterior's entropy in nats by a trial at a level.
    pub fn information(&self, index: usize) -> f64 {
        let n = self.weights.len();
        let (mut right, mut noise) = (0.0, 0.0);
        let rows =
            self.right[index * n..(index + 1) * n].iter().zip(&self.entropies[index * n..(index + 1) * n]);
        for (&weight, (&p, &h)) in self.weights.iter().zip(rows) {
            right += weight * p;
            noise += weight * h;
        }
        coin(right) - noise
    }

    /// Takes the answer to a trial at a level. An answer that all parameters call impossible changes nothing.
    pub fn answer(&mut self, index: usize, correct: bool) {
        let n = self.weights.len();
        let row = &self.right[index * n..(index + 1) * n];
        let likelihood = |p: f64| if correct { p } else { 1.0 - p };
        let total: f64 = self.weights.iter().zip(row).map(|(&weight, &p)| weight * likelihood(p)).sum();
        if total > 0.0 && total.is_finite() {
            for (weight, &p) in self.weights.iter_mut().zip(row) {
                *weight *= likelihood(p) / total;
            }
        }
        self.answers += 1;
    }

    /// Answers so far.
    pub fn answers(&self) -> u32 {
        self.answers
    }

    /// Whether a criterion of the plan is met.
    pub fn is_done(&self) -> bool {
        self.answers >= self.plan.stop.trials || self.posterior().threshold_sd <= self.plan.stop.threshold_sd
    }

    /// The posterior's weights, thresholds slowest, lapse rates fastest.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// What is known now.
    pub fn posterior(&self) -> QuestPosterior {
        let (mut threshold, mut square, mut slope, mut lapse, mut entropy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let (mut mode, mut highest) = ([f64::NAN; 3], 0.0);
        for (&weight, function) in self.weights.iter().zip(parameters(&self.plan)) {
            threshold += weight * function.threshold;
            square += weight * function.threshold * function.threshold;
            slope += weight * function.slope;
            lapse += weight * function.lapse;
            if weight > 0.0 {
                entropy -= weight * libm::log(weight);
            }
            if weight > highest {
                (mode, highest) = ([function.threshold, function.slope, function.lapse], weight);
            }
        }
        let threshold_sd = libm::sqrt((square - threshold * threshold).max(0.0));
        QuestPosterior { threshold, threshold_sd, slope, lapse, mode, entropy }
    }
}

/// The grid: thresholds slowest, lapse rates fastest.
fn parameters(plan: &QuestPlusPlan) -> impl Iterator<Item = Psychometric> + '_ {
    plan.thresholds.iter().flat_map(move |&threshold| {
        plan.slopes.iter().flat_map(move |&slope| {
            plan.lapses.iter().map(move |&lapse| Psychometric {
                form: plan.form,
                threshold,
                slope,
                guess: plan.guess,
                lapse,
            })
        })
    })
}

fn check(plan: &QuestPlusPlan) -> Result<(), PrepareError> {
    let grids = [
        ("levels", &plan.levels),
        ("thresholds", &plan.thresholds),
        ("slopes", &plan.slopes),
        ("lapse rates", &plan.lapses),
    ];
    for (what, grid) in grids {
        within(what, grid.len() as f64, [1.0, 1e6], "at least one")?;
        if let Some(&value) = grid.iter().find(|value| !value.is_finite()) {
            return Err(PrepareError::Number { what, value, allowed: "finite numbers" });
        }
    }
    let entries = grids.iter().map(|(_, grid)| grid.len() as f64).product();
    within("levels times parameters of QUEST+", entries, [1.0, MOST_ENTRIES], "at most 4194304")?;
    within("guess rate", plan.guess, [0.0, 0.99], "0 to 0.99")?;
    for &lapse in &plan.lapses {
        within("lapse rate", lapse, [0.0, 1.0 - plan.guess], "0 to 1 less the guess rate")?;
    }
    for &slope in &plan.slopes {
        within("slope", slope, [f64::MIN_POSITIVE, 1e6], "above 0")?;
    }
    if let Some([mean, sd]) = plan.prior {
        within("mean of the prior", mean, [-1e9, 1e9], "a finite number")?;
        within("standard deviation of the prior", sd, [f64::MIN_POSITIVE, 1e9], "above 0")?;
    }
    within("trials of QUEST+", f64::from(plan.stop.trials), [1.0, f64::from(u32::MAX)], "at least 1")
}

/// Entropy of a coin in nats.
fn coin(p: f64) -> f64 {
    let part = |p: f64| if p > 0.0 { -p * libm::log(p) } else { 0.0 };
    part(p) + part(1.0 - p)
}

fn normalise(weights: &mut [f64]) -> bool {
    let total: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= total);
    total > 0.0 && total.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(low: f64, high: f64, count: usize) -> Vec<f64> {
        (0..count).map(|n| low + (high - low) * n as f64 / (count - 1) as f64).collect()
    }

    /// Watson's first example: contrast threshold in dB from -40 to 0, slope 3.5, two alternatives, lapses of 2 %.
    fn watson() -> QuestPlusPlan {
        let log10 = |decibels: Vec<f64>| decibels.into_iter().map(|d| d / 20.0).collect::<Vec<_>>();
        QuestPlusPlan {
            form: PsychometricForm::Weibull,
            levels: log10(spaced(-40.0, 0.0, 41)),
            thresholds: log10(spaced(-40.0, 0.0, 41)),
            slopes: vec![3.5],
            lapses: vec![0.02],
            guess: 0.5,
            prior: None,
            stop: QuestPlusStop { trials: 32, threshold_sd: 0.0 },
        }
    }

    /// The definition, by the posteriors themselves: expected entropy over both answers.
    #[test]
    fn the_information_is_the_expected_loss_of_entropy() {
        let plan = QuestPlusPlan { slopes: vec![2.0, 5.0], lapses: vec![0.0, 0.05], ..watson() };
        let mut quest = QuestPlus::prepare(&plan).unwrap();
        for (index, correct) in [(20, true), (10, false), (15, true)] {
            for level in [0, 8, 14, 40] {
                let p: f64 = quest.weights.iter().zip(&quest.right[level * 164..]).map(|(w, p)| w * p).sum();
                let after = |correct| {
                    let mut other = quest.clone();
                    other.answer(level, correct);
                    other.posterior().entropy
                };
                let expected = quest.posterior().entropy - p * after(true) - (1.0 - p) * after(false);
                assert!((quest.information(level) - expected).abs() < 1e-12, "{expected}");
            }
            quest.answer(index, correct);
        }
    }

    /// Fisher information on the threshold of one trial at the best level, per dB^2.
    fn most_information(truth: &Psychometric) -> f64 {
        let at = |level: f64| {
            let shifted = |by: f64| Psychometric { threshold: truth.threshold + by, ..*truth }.correct(level);
            let (p, change) = (truth.correct(level), (shifted(1e-5) - shifted(-1e-5)) / (2e-5 * 20.0));
            change * change / (p * (1.0 - p))
        };
        (-100..100).map(|n| at(truth.threshold + f64::from(n) / 200.0)).fold(0.0, f64::max)
    }

    /// Threshold error by trial. Once the place is found, an ideal procedure's variance is that of trials at the most
    /// informative level (the ideal sweat factor of Watson and Pelli 1983, Percept Psychophys 33(2), 113-120); QUEST+
    /// comes within a quarter of that error.
    #[test]
    fn the_threshold_error_falls_to_the_ideal() {
        let plan = watson();
        let mut random = random::Random::new(3, 1);
        let marks = [16, 32, 64, 128, 256];
        let (mut squares, mut stated, mut ideal) = ([0.0; 5], [0.0; 5], 0.0);
        let mut quest = QuestPlus::prepare(&plan).unwrap();
        let people = 200;
        for _ in 0..people {
            let truth = Psychometric {
                form: plan.form,
                threshold: (-30.0 + 20.0 * random.uniform()) / 20.0,
                slope: 3.5,
                guess: 0.5,
                lapse: 0.02,
            };
            ideal += 1.0 / most_information(&truth) / f64::from(people);
            quest.reset();
            for trial in 1..=256 {
                let index = quest.propose();
                quest.answer(index, random.uniform() < truth.correct(plan.levels[index]));
                assert_eq!(quest.is_done(), trial >= 32);
                if let Some(mark) = marks.iter().position(|&mark| mark == trial) {
                    let posterior = quest.posterior();
                    squares[mark] += (20.0 * (posterior.threshold - truth.threshold)).powi(2);
                    stated[mark] += (20.0 * posterior.threshold_sd).powi(2);
                }
            }
        }
        let root = |sums: [f64; 5]| sums.map(|sum| (sum / f64::from(people)).sqrt());
        let (errors, stated) = (root(squares), root(stated));
        let ideals = marks.map(|trials| (ideal / f64::from(trials)).sqrt());
        println!("at {marks:?} trials, dB: error {errors:.2?}, stated {stated:.2?}, ideal {ideals:.2?}");
        for mark in 0..5 {
            assert!((errors[mark] / stated[mark] - 1.0).abs() < 0.25, "{errors:?} {stated:?}");
        }
        assert!(errors.windows(2).all(|pair| pair[1] < pair[0]), "{errors:?}");
        assert!(errors[4] / ideals[4] < 1.25 && errors[3] / ideals[3] < 1.35, "{errors:?} {ideals:?}");
    }

    #[test]
    fn the_prior_counts_and_impossible_plans_are_refused() {
        let quest = QuestPlus::prepare(&QuestPlusPlan { prior: Some([-1.0, 0.05]), ..watson() }).unwrap();
        let posterior = quest.posterior();
        assert!((posterior.threshold + 1.0).abs() < 1e-9 && (posterior.threshold_sd - 0.05).abs() < 2e-3);
        for (bad, text) in [
            (QuestPlusPlan { prior: Some([900.0, 0.05]), ..watson() }, "900"),
            (QuestPlusPlan { levels: Vec::new(), ..watson() }, "levels is 0"),
            (QuestPlusPlan { slopes: vec![-1.0], ..watson() }, "-1"),
            (QuestPlusPlan { lapses: vec![0.6], ..watson() }, "0.6"),
            (QuestPlusPlan { slopes: vec![1.0; 5000], ..watson() }, "4194304"),
        ] {
            assert!(QuestPlus::prepare(&bad).unwrap_err().to_string().contains(text), "{text}");
        }
    }
}
