//! Scores against a baseline block.

/// How centre and spread of the baseline are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// Mean and standard deviation (Welford 1962, Technometrics 4, 419-420).
    Moments,
    /// Median and 1.4826 times the median absolute deviation, which a tenth of artefacts does not move far.
    Robust,
}

/// For normal data 1.4826 times the median absolute deviation is the standard deviation (1 over the quartile of the
/// normal distribution).
const MAD_TO_SD: f64 = 1.482_602_218_505_602;

/// Collects decoded values of a baseline block and scores later ones.
#[derive(Debug, Clone)]
pub struct Baseline {
    spread: Spread,
    count: u64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
    /// The values, for the robust measure; the first `capacity` count.
    values: Vec<f64>,
    deviations: Vec<f64>,
    centre_and_sd: Option<[f64; 2]>,
}

impl Baseline {
    /// `capacity` is how many values a block can bring; more are not taken into a robust measure.
    pub fn prepare(spread: Spread, capacity: usize) -> Self {
        let capacity = if spread == Spread::Robust { capacity } else { 0 };
        Self {
            spread,
            count: 0,
            mean: 0.0,
            squares: 0.0,
            values: Vec::with_capacity(capacity),
            deviations: Vec::with_capacity(capacity),
            centre_and_sd: None,
        }
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        (self.count, self.mean, self.squares) = (0, 0.0, 0.0);
        self.values.clear();
        self.centre_and_sd = None;
    }

    /// Takes a value of the baseline; one that is not a number is left out.
    pub fn step(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
        if self.values.len() < self.values.capacity() {
            self.values.push(value);
        }
    }

    /// Ends the baseline. `None` for fewer than two values or values that do not differ: nothing can be scored then.
    pub fn close(&mut self) -> Option<[f64; 2]> {
        self.centre_and_sd = match self.spread {
            Spread::Moments if self.count >= 2 => {
                Some([self.mean, libm::sqrt(self.squares / (self.count - 1) as f64)])
            }
            Spread::Robust if self.values.len() >= 2 => {
                let centre = median(&mut self.values);
                self.deviations.clear();
                self.deviations.extend(self.values.iter().map(|value| (value - centre).abs()));
                Some([centre, MAD_TO_SD * median(&mut self.deviations)])
            }
            _ => None,
        };
        self.centre_and_sd = self.centre_and_sd.filter(|[_, sd]| *sd > 0.0);
        self.centre_and_sd
    }

    /// Standard deviations above the baseline's centre; `None` before [`Baseline::close`] found one.
    pub fn score(&self, value: f64) -> Option<f64> {
        self.centre_and_sd.map(|[centre, sd]| (value - centre) / sd)
    }
}

/// Sorts in place, without allocation.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    if values.len().is_multiple_of(2) { 0.5 * (values[half - 1] + values[half]) } else { values[half] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_measures_find_centre_and_spread_of_normal_values() {
        let mut random = random::Random::new(4, 1);
        let values: Vec<f64> = (0..20_000).map(|_| 1e6 + 3.0 * random.normal()).collect();
        for spread in [Spread::Moments, Spread::Robust] {
            let mut baseline = Baseline::prepare(spread, values.len());
            assert_eq!(baseline.score(1.0), None);
            values.iter().for_each(|&value| baseline.step(value));
            baseline.step(f64::NAN);
            let [centre, sd] = baseline.close().unwrap();
            assert!((centre - 1e6).abs() < 0.1 && (sd - 3.0).abs() < 0.06, "{spread:?}: {centre} {sd}");
            assert!((baseline.score(1e6 + 6.0).unwrap() - 2.0).abs() < 0.06);
        }
    }

    /// Against the two-pass formulas, to rounding.
    #[test]
    fn welford_is_the_two_pass_variance() {
        let values = [3.0, 4.5, -1.0, 2.25, 1e3];
        let mut baseline = Baseline::prepare(Spread::Moments, 0);
        values.iter().for_each(|&value| baseline.step(value));
        let mean = values.iter().sum::<f64>() / 5.0;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4.0).sqrt();
        let [found, spread] = baseline.close().unwrap();
        assert!((found - mean).abs() < 1e-10 && (spread - sd).abs() < 1e-10);
    }

    #[test]
    fn a_tenth_of_blinks_moves_the_robust_measure_little() {
        let mut random = random::Random::new(4, 2);
        let values: Vec<f64> = (0..5000).map(|n| if n % 10 == 0 { 80.0 } else { random.normal() }).collect();
        let close = |spread| {
            let mut baseline = Baseline::prepare(spread, values.len());
            values.iter().for_each(|&value| baseline.step(value));
            baseline.close().unwrap()
        };
        let ([centre, sd], [_, moments]) = (close(Spread::Robust), close(Spread::Moments));
        assert!(centre < 0.25 && sd < 1.25 && moments > 20.0, "{centre} {sd} {moments}");
    }

    #[test]
    fn nothing_is_scored_against_nothing() {
        let mut baseline = Baseline::prepare(Spread::Robust, 10);
        baseline.step(1.0);
        assert_eq!(baseline.close(), None);
        (0..9).for_each(|_| baseline.step(1.0));
        assert_eq!((baseline.close(), baseline.score(2.0)), (None, None));
    }
}
