//! From a level to the probability of a right answer.

/// The shape of a psychometric function between its floor and its ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PsychometricForm {
    /// `1 - exp(-10^(slope (x - threshold)))` on levels that are decimal logarithms (Watson 2017, J Vis 17(3):10, whose
    /// levels in dB are 20 times ours): 0.632 at the threshold.
    Weibull,
    /// `1 / (1 + exp(-slope (x - threshold)))`: 0.5 at the threshold.
    Logistic,
}

/// A psychometric function: `guess + (1 - guess - lapse) shape`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Psychometric {
    /// Its shape.
    pub form: PsychometricForm,
    /// The level at which the shape is at its middle (see the form).
    pub threshold: f64,
    /// How fast it rises there, per unit of level.
    pub slope: f64,
    /// Right answers without seeing: 1 over the alternatives, or the rate of false alarms.
    pub guess: f64,
    /// Wrong answers in spite of seeing.
    pub lapse: f64,
}

impl Psychometric {
    /// Probability of a right answer at a level.
    pub fn correct(&self, level: f64) -> f64 {
        let x = self.slope * (level - self.threshold);
        let shape = match self.form {
            PsychometricForm::Weibull => -libm::expm1(-libm::pow(10.0, x)),
            PsychometricForm::Logistic => 1.0 / (1.0 + libm::exp(-x)),
        };
        self.guess + (1.0 - self.guess - self.lapse) * shape
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_their_middle_floor_and_ceiling() {
        let of = |form| Psychometric { form, threshold: -1.0, slope: 3.5, guess: 0.5, lapse: 0.02 };
        let weibull = of(PsychometricForm::Weibull);
        assert!((weibull.correct(-1.0) - (0.5 + 0.48 * (1.0 - (-1.0f64).exp()))).abs() < 1e-12);
        let logistic = of(PsychometricForm::Logistic);
        assert!((logistic.correct(-1.0) - 0.74).abs() < 1e-12);
        for function in [weibull, logistic] {
            assert!(
                (function.correct(-40.0) - 0.5).abs() < 1e-12
                    && (function.correct(20.0) - 0.98).abs() < 1e-12
            );
            assert!(
                (-30..30).all(|x| function.correct(f64::from(x) / 10.0)
                    < function.correct(f64::from(x + 1) / 10.0)
                    || function.correct(f64::from(x) / 10.0) > 0.9799)
            );
        }
    }
}
