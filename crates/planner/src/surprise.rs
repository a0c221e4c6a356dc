//! Whether the model predicts: a running judgement of its predictions against what was measured.
//!
//! A presentation's surprise is `(measured - predicted)^2 / expected variance`, 1 on average where model and uncertainty are
//! right. That alone lets a vague model pass, so the judgement asks for more: over the last presentations the predictions
//! must tell more than the mean of what was measured so far does. That in turn nobody can ask of pictures that all do alike, as
//! good ones do: a model that the mean beats is given up only where it is surprised as well. Probes shown all along let it come
//! back.

/// Presentations of the window.
const WINDOW: usize = 12;
/// Mean surprise beyond which a model fails: the 99.9 % point of chi^2 with 12 degrees of freedom over 12, and something for
/// the brain's own wavering, which is no fault of the model.
const MOST: f64 = 3.5;
/// Mean surprise beyond which it counts that the mean predicts better. Pictures that were made to do much do less than was
/// predicted (the ascent finds the model's errors, too), so that a right model is surprised by some 1.5 to 2.
const DOUBTFUL: f64 = 2.5;
/// Presentations that a verdict needs at least.
const FEWEST: usize = 8;

/// One presentation that was predicted.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Judged {
    surprise: f64,
    /// Squared error of the model's prediction, and of the running mean's.
    model: f64,
    plain: f64,
}

/// The judgement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surprise {
    window: Vec<Judged>,
    sum: f64,
    count: f64,
    fails: bool,
}

/// What a presentation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    None,
    /// The model fails from now on.
    Fails,
    /// It predicts again.
    Back,
}

impl Surprise {
    /// Takes a presentation: what the model predicted before it, with the standard deviation of its own uncertainty, what was
    /// measured, and that value's standard error.
    pub fn judge(&mut self, predicted: f64, predicted_sd: f64, value: f64, spread: f64) -> Turn {
        let expected = predicted_sd * predicted_sd + spread * spread;
        if !(predicted.is_finite() && value.is_finite() && expected > 0.0) {
            return Turn::None;
        }
        let mean = if self.count > 0.0 { self.sum / self.count } else { predicted };
        let (off, plain) = (value - predicted, value - mean);
        self.sum += value;
        self.count += 1.0;
        if self.window.len() == WINDOW {
            self.window.remove(0);
        }
        self.window.push(Judged { surprise: off * off / expected, model: off * off, plain: plain * plain });
        let fails = self.window.len() >= FEWEST && self.is_wrong();
        match (std::mem::replace(&mut self.fails, fails), fails) {
            (false, true) => Turn::Fails,
            (true, false) => Turn::Back,
            _ => Turn::None,
        }
    }

    /// Whether the model is given up.
    pub fn fails(&self) -> bool {
        self.fails
    }

    /// Mean surprise of the window; 1 where nothing was judged.
    pub fn mean(&self) -> f64 {
        let count = self.window.len();
        if count == 0 { 1.0 } else { self.window.iter().map(|one| one.surprise).sum::<f64>() / count as f64 }
    }

    /// Presentations in the window.
    pub fn count(&self) -> usize {
        self.window.len()
    }

    fn is_wrong(&self) -> bool {
        let (model, plain) =
            self.window.iter().fold((0.0, 0.0), |(m, p), one| (m + one.model, p + one.plain));
        // Given up later than taken back, or it would flicker at the bound.
        let (most, worse) = if self.fails { (0.7 * MOST, 1.0) } else { (MOST, 1.3) };
        self.mean() > most || (self.mean() > DOUBTFUL && model > worse * plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use random::Random;

    #[test]
    fn a_right_model_is_kept_and_a_wrong_one_noticed() {
        let (mut given_up, mut noticed) = (0, Vec::new());
        for seed in 0..200 {
            let mut random = Random::new(seed, 0);
            let (mut right, mut wrong) = (Surprise::default(), Surprise::default());
            let mut at = None;
            for trial in 0..40 {
                let (truth, other) = (random.normal(), random.normal());
                let value = truth + 0.5 * random.normal();
                given_up += usize::from(right.judge(truth, 0.1, value, 0.5) == Turn::Fails);
                if wrong.judge(other, 0.1, value, 0.5) == Turn::Fails && at.is_none() {
                    at = Some(trial);
                }
            }
            noticed.push(at.unwrap_or(40));
        }
        noticed.sort_unstable();
        println!(
            "given up {given_up} of 200; noticed after {} (median), {} (95 %)",
            noticed[100], noticed[190]
        );
        assert!(given_up <= 4, "{given_up} of 200 right models were given up");
        assert!(noticed[190] < 20, "{}", noticed[190]);
    }
}
