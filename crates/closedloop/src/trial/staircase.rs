//! Staircases: up and down to a percentage of right answers.

use super::within;
use crate::plan::PrepareError;

/// Most reversals that are remembered for the estimate.
pub const MAX_REVERSALS: usize = 64;

/// When a staircase moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaircaseRule {
    /// Harder after `down` right answers in a row, easier after `up` wrong ones in a row (Levitt 1971, J Acoust Soc Am
    /// 49(2), 467-477). With one up it settles where `down` right answers in a row come half the time: 0.707 for 2,
    /// 0.794 for 3.
    UpDown {
        /// Wrong answers in a row that make it easier.
        up: u32,
        /// Right answers in a row that make it harder.
        down: u32,
    },
    /// Moves after each answer, with steps of different size up and down (Kaernbach 1991, Percept Psychophys 49(3),
    /// 227-229): it settles at `step_up / (step_up + step_down)`, any percentage.
    Weighted,
}

/// Plan of a staircase. Harder is lower.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StaircasePlan {
    /// When it moves.
    pub rule: StaircaseRule,
    /// First level.
    pub start: f64,
    /// Lowest and highest level.
    pub limits: [f64; 2],
    /// Step to an easier level at the begin.
    pub step_up: f64,
    /// Step to a harder level at the begin.
    pub step_down: f64,
    /// Factor of both steps at each reversal, above 0 and at most 1.
    pub shrink: f64,
    /// Where the factor stops: part of the first steps, above 0 and at most 1.
    pub least_part: f64,
    /// The staircase is done after this many reversals.
    pub reversals: usize,
    /// How many of them, the last, count for the estimate.
    pub counted: usize,
}

/// A staircase.
#[derive(Debug, Clone)]
pub struct Staircase {
    plan: StaircasePlan,
    level: f64,
    part: f64,
    right_run: u32,
    wrong_run: u32,
    /// 1 for easier, -1 for harder, 0 before the first move.
    direction: i8,
    turns: [f64; MAX_REVERSALS],
    count: usize,
}

impl Staircase {
    /// At its start.
    ///
    /// # Errors
    /// When a number of the plan is outside what is allowed.
    pub fn prepare(plan: StaircasePlan) -> Result<Self, PrepareError> {
        let [low, high] = plan.limits;
        within("start of the staircase", plan.start, [low, high], "within its limits")?;
        within(
            "step_up",
            plan.step_up,
            [f64::MIN_POSITIVE, high - low],
            "above 0, at most the span of the limits",
        )?;
        within(
            "step_down",
            plan.step_down,
            [f64::MIN_POSITIVE, high - low],
            "above 0, at most the span of the limits",
        )?;
        within("shrink", plan.shrink, [f64::MIN_POSITIVE, 1.0], "above 0, up to 1")?;
        within("least_part", plan.least_part, [f64::MIN_POSITIVE, 1.0], "above 0, up to 1")?;
        within("reversals", plan.reversals as f64, [1.0, 1e6], "at least 1")?;
        let most = plan.reversals.min(MAX_REVERSALS) as f64;
        within("reversals that count", plan.counted as f64, [1.0, most], "1 to all reversals, at most 64")?;
        if let StaircaseRule::UpDown { up, down } = plan.rule {
            within("up", f64::from(up), [1.0, 100.0], "1 to 100")?;
            within("down", f64::from(down), [1.0, 100.0], "1 to 100")?;
        }
        Ok(Self {
            plan,
            level: plan.start,
            part: 1.0,
            right_run: 0,
            wrong_run: 0,
            direction: 0,
            turns: [0.0; MAX_REVERSALS],
            count: 0,
        })
    }

    /// At its start again.
    pub fn reset(&mut self) {
        (self.level, self.part) = (self.plan.start, 1.0);
        (self.right_run, self.wrong_run, self.direction, self.count) = (0, 0, 0, 0);
    }

    /// The level of the next trial.
    pub fn propose(&self) -> f64 {
        self.level
    }

    /// Takes the answer to it.
    pub fn answer(&mut self, correct: bool) {
        if correct {
            (self.right_run, self.wrong_run) = (self.right_run + 1, 0);
        } else {
            (self.right_run, self.wrong_run) = (0, self.wrong_run + 1);
        }
        let (up, down) = match self.plan.rule {
            StaircaseRule::UpDown { up, down } => (up, down),
            StaircaseRule::Weighted => (1, 1),
        };
        if self.right_run >= down {
            self.move_to(-1);
        } else if self.wrong_run >= up {
            self.move_to(1);
        }
    }

    /// Reversals so far.
    pub fn reversals(&self) -> usize {
        self.count
    }

    /// Whether all reversals of the plan have come.
    pub fn is_done(&self) -> bool {
        self.count >= self.plan.reversals
    }

    /// Mean of the last reversals' levels, as many as the plan counts; `None` while there are fewer.
    pub fn estimate(&self) -> Option<f64> {
        let counted = self.plan.counted;
        let from = self.count.checked_sub(counted)?;
        let sum: f64 = (from..self.count).map(|n| self.turns[n % MAX_REVERSALS]).sum();
        Some(sum / counted as f64)
    }

    /// Standard error of [`Staircase::estimate`]: of the mid-points between successive reversals among the counted ones
    /// (Wetherill and Levitt 1965, Br J Math Stat Psychol 18, 1-10), over the root of their number. `None` for fewer than two
    /// mid-points.
    pub fn standard_error(&self) -> Option<f64> {
        let from = self.count.checked_sub(self.plan.counted)?;
        let middles = self.plan.counted / 2;
        if middles < 2 {
            return None;
        }
        let middle = |n: usize| {
            let at = |n: usize| self.turns[n % MAX_REVERSALS];
            0.5 * (at(from + 2 * n) + at(from + 2 * n + 1))
        };
        let mean = (0..middles).map(middle).sum::<f64>() / middles as f64;
        let squares: f64 = (0..middles).map(|n| (middle(n) - mean) * (middle(n) - mean)).sum();
        Some(libm::sqrt(squares / (middles - 1) as f64 / middles as f64))
    }

    /// The probability of a right answer at which it settles: exact for a weighted one and for one up, by bisection of
    /// the balance of moves otherwise.
    pub fn target(plan: &StaircasePlan) -> f64 {
        match plan.rule {
            StaircaseRule::Weighted => plan.step_up / (plan.step_up + plan.step_down),
            StaircaseRule::UpDown { up, down } => {
                // From a fresh run, right comes `down` times in a row before wrong comes `up` times in a row with the
                // probability below (success runs: Feller 1968, vol. 1, XIII.8); steps weigh it.
                let harder_first = |p: f64| {
                    let (q, right, wrong) = (1.0 - p, f64::from(down), f64::from(up));
                    let all_right = libm::pow(p, right - 1.0) * (1.0 - libm::pow(q, wrong));
                    let all_wrong = libm::pow(q, wrong - 1.0) * (1.0 - libm::pow(p, right));
                    all_right / (all_right + all_wrong)
                };
                let balance = plan.step_up / (plan.step_up + plan.step_down);
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..60 {
                    let middle = 0.5 * (low + high);
                    if harder_first(middle) < balance { low = middle } else { high = middle }
                }
                0.5 * (low + high)
            }
        }
    }

    fn move_to(&mut self, direction: i8) {
        (self.right_run, self.wrong_run) = (0, 0);
        if self.direction != 0 && self.direction != direction {
            self.turns[self.count % MAX_REVERSALS] = self.level;
            self.count += 1;
            self.part = (self.part * self.plan.shrink).max(self.plan.least_part);
        }
        self.direction = direction;
        let step = if direction > 0 { self.plan.step_up } else { -self.plan.step_down };
        let [low, high] = self.plan.limits;
        self.level = (self.level + self.part * step).clamp(low, high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{Psychometric, PsychometricForm};

    fn plan(rule: StaircaseRule, step_up: f64, step_down: f64) -> StaircasePlan {
        StaircasePlan {
            rule,
            start: 3.0,
            limits: [-20.0, 20.0],
            step_up,
            step_down,
            shrink: 0.5,
            least_part: 0.1,
            reversals: 300,
            counted: 60,
        }
    }

    /// A person with a logistic function, from 0 to 1, whose percentage at the mean level of long staircases is compared
    /// with the known one.
    #[test]
    fn staircases_settle_at_their_percentages() {
        let up_down = |up, down| StaircaseRule::UpDown { up, down };
        let cases = [
            (plan(up_down(1, 1), 1.0, 1.0), 0.5),
            (plan(up_down(1, 2), 1.0, 1.0), 0.5f64.sqrt()),
            (plan(up_down(1, 3), 1.0, 1.0), 0.5f64.cbrt()),
            (plan(up_down(2, 1), 1.0, 1.0), 1.0 - 0.5f64.sqrt()),
            (plan(StaircaseRule::Weighted, 1.5, 0.5), 0.75),
            (plan(StaircaseRule::Weighted, 0.9, 0.1), 0.9),
        ];
        let person = Psychometric {
            form: PsychometricForm::Logistic,
            threshold: 0.4,
            slope: 1.0,
            guess: 0.0,
            lapse: 0.0,
        };
        for (plan, percentage) in cases {
            assert!((Staircase::target(&plan) - percentage).abs() < 1e-9, "{plan:?}");
            let mut random = random::Random::new(11, 1);
            let (mut sum, mut count) = (0.0, 0.0);
            let mut staircase = Staircase::prepare(plan).unwrap();
            for trial in 0..40_000 {
                let level = staircase.propose();
                staircase.answer(random.uniform() < person.correct(level));
                if trial > 2000 {
                    sum += level;
                    count += 1.0;
                }
            }
            let reached = person.correct(sum / count);
            assert!((reached - percentage).abs() < 0.012, "{reached} for {percentage}: {plan:?}");
        }
    }

    #[test]
    fn moves_reversals_and_the_estimate_are_those_of_the_rule() {
        let plan = StaircasePlan {
            start: 10.0,
            reversals: 3,
            counted: 2,
            shrink: 0.5,
            least_part: 0.25,
            ..plan(StaircaseRule::UpDown { up: 1, down: 2 }, 2.0, 4.0)
        };
        let mut staircase = Staircase::prepare(plan).unwrap();
        let mut levels = Vec::new();
        for correct in [true, true, true, false, true, true, false, false] {
            levels.push(staircase.propose());
            staircase.answer(correct);
        }
        // Down 4; then (a reversal) up 1; (a reversal) down 1; (a reversal) up 0.5, up 0.5.
        assert_eq!(levels, [10.0, 10.0, 6.0, 6.0, 7.0, 7.0, 6.0, 6.5]);
        assert!(staircase.is_done() && staircase.reversals() == 3);
        assert_eq!(staircase.estimate(), Some(6.5));
        staircase.reset();
        assert_eq!((staircase.propose(), staircase.estimate(), staircase.is_done()), (10.0, None, false));
    }

    #[test]
    fn impossible_plans_are_refused_with_the_number() {
        let good = plan(StaircaseRule::Weighted, 1.0, 1.0);
        for (bad, text) in [
            (StaircasePlan { start: 30.0, ..good }, "30"),
            (StaircasePlan { step_up: f64::NAN, ..good }, "NaN"),
            (StaircasePlan { counted: 65, ..good }, "65"),
            (StaircasePlan { shrink: 1.5, ..good }, "1.5"),
        ] {
            assert!(Staircase::prepare(bad).unwrap_err().to_string().contains(text));
        }
    }
}
