//! A line search to the strong Wolfe conditions.

use super::super::ledger::{Ledger, Point};
use super::super::vector;
use super::Settings;
use crate::problem::Problem;

/// From `here` along `direction`, of which step 1 is the natural length.
pub(super) struct Line<'a> {
    pub settings: &'a Settings,
    pub here: &'a Point,
    pub direction: &'a [f64],
    /// The largest step that may be tried.
    pub longest: f64,
}

/// Value and slope upwards at a step.
#[derive(Debug, Clone, Copy)]
struct Trial {
    step: f64,
    value: f64,
    slope: f64,
}

/// Rounding of a sum of some thousand numbers, relative to the value: smaller falls are not seen as falls.
const ROUNDING: f64 = 1e-14;

impl Line<'_> {
    /// Nocedal and Wright, 3.5: a step is good when the value has risen by a share of what the slope promised, and the
    /// slope left is small. A bracket is kept whose lower end still rises and whose upper end is too far. Where the
    /// evaluations run out first, the best point that rose enough; `None` if there was none.
    pub fn search<P: Problem>(
        &self,
        problem: &mut P,
        ledger: &mut Ledger,
    ) -> Result<Option<Point>, P::Error> {
        let promised = vector::dot(&self.here.gradient, self.direction);
        if !(promised > 0.0 && promised.is_finite()) {
            return Ok(None);
        }
        let mut low = Trial { step: 0.0, value: self.here.value, slope: promised };
        let mut high: Option<Trial> = None;
        let mut best: Option<Point> = None;
        let mut step = self.longest.min(1.0);
        for _ in 0..self.settings.evaluations {
            if best.is_none() && step < 1.0 && step * promised < 0.1 * f64::EPSILON * self.here.value.abs() {
                // No rise along so short a step could be seen.
                break;
            }
            let (trial, point) = self.at(step, problem, ledger)?;
            let is_flat = trial.slope.abs() <= self.settings.curvature * promised;
            let wanted = self.here.value + self.settings.sufficient * step * promised;
            let blurred = self.here.value - ROUNDING * self.here.value.abs();
            // Close to the top rounding hides the rise, but the slope still tells (Hager and Zhang, SIAM J. Optim. 16, 2005).
            if !(trial.value >= wanted || (is_flat && trial.value >= blurred))
                || trial.value < low.value - ROUNDING * low.value.abs()
            {
                high = Some(trial);
            } else {
                if best.as_ref().is_none_or(|best| trial.value >= best.value) {
                    best = Some(point);
                }
                if is_flat || (trial.slope > 0.0 && step >= self.longest) {
                    break;
                }
                if trial.slope > 0.0 {
                    let last = std::mem::replace(&mut low, trial);
                    if high.is_none() {
                        step = beyond(last, trial).min(self.longest);
                        continue;
                    }
                } else {
                    high = Some(trial);
                }
            }
            let Some(high) = high else { break };
            if !high.value.is_finite() && best.is_some() {
                // A cliff: to search for a flat place before it would end at its very edge.
                break;
            }
            step = between(low, high);
            if step <= low.step || step >= high.step {
                break;
            }
        }
        Ok(best.filter(|best| best.at != self.here.at))
    }

    fn at<P: Problem>(
        &self,
        step: f64,
        problem: &mut P,
        ledger: &mut Ledger,
    ) -> Result<(Trial, Point), P::Error> {
        let mut at = vector::along(&self.here.at, step, self.direction);
        problem.project(&mut at);
        let point = ledger.gradient(problem, at)?;
        let trial = match point.is_sound() {
            true => Trial { step, value: point.value, slope: vector::dot(&point.gradient, self.direction) },
            false => Trial { step, value: f64::NEG_INFINITY, slope: f64::NAN },
        };
        Ok((trial, point))
    }
}

/// A longer step: where the slope would vanish if it went on as between the last two, within 1.5 and 10 times.
fn beyond(last: Trial, trial: Trial) -> f64 {
    let fall = last.slope - trial.slope;
    let vanishes =
        if fall > 0.0 { trial.step + trial.slope * (trial.step - last.step) / fall } else { f64::INFINITY };
    vanishes.clamp(1.5 * trial.step, 10.0 * trial.step)
}

/// The top of the cubic through both ends' values and slopes (Nocedal and Wright, 3.59), away from the ends by a tenth.
fn between(low: Trial, high: Trial) -> f64 {
    let width = high.step - low.step;
    if !high.value.is_finite() {
        return low.step + 0.3 * width;
    }
    // Written for the negative value, which is lowered.
    let (at_low, at_high) = (-low.slope, -high.slope);
    let d1 = at_low + at_high - 3.0 * (low.value - high.value) / width;
    let root = (d1 * d1 - at_low * at_high).max(0.0).sqrt();
    let share = 1.0 - (at_high + root - d1) / (at_high - at_low + 2.0 * root);
    let share = if share.is_finite() { share.clamp(0.1, 0.9) } else { 0.5 };
    low.step + share * width
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(step: f64, f: impl Fn(f64) -> (f64, f64)) -> Trial {
        let (value, slope) = f(step);
        Trial { step, value, slope }
    }

    #[test]
    fn the_cubic_finds_the_top_of_parabola_and_cubic() {
        let parabola = |x: f64| (-(x - 0.7) * (x - 0.7), -2.0 * (x - 0.7));
        assert!((between(trial(0.2, parabola), trial(1.5, parabola)) - 0.7).abs() < 1e-12);
        assert!((beyond(trial(0.0, parabola), trial(0.2, parabola)) - 0.7).abs() < 1e-12);
        let cubic = |x: f64| (3.0 * x - x * x * x, 3.0 - 3.0 * x * x);
        assert!((between(trial(0.0, cubic), trial(1.8, cubic)) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn an_end_without_a_value_is_backed_away_from() {
        let rising = |x: f64| (x, 1.0);
        let nowhere = Trial { step: 1.0, value: f64::NEG_INFINITY, slope: f64::NAN };
        assert_eq!(between(trial(0.0, rising), nowhere), 0.3);
    }
}
