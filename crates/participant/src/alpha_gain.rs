//! Alpha at the onset of a stimulus as a factor of the response to it.

use crate::Person;

/// Memory of the power in s.
const MEMORY_S: f64 = 0.5;
/// Contrast from which on a stimulus is there.
const THERE: f64 = 0.02;

/// How the power of the alpha rhythm before a stimulus changes the response to it: evoked amplitudes vary with prestimulus
/// alpha (Brandt, Jansen and Carbonari, Electroenceph. Clin. Neurophysiol. 80, 1991), and high alpha gates visual input (Jensen and
/// Mazaheri, Front. Hum. Neurosci. 4, 2010). The factor is `1 + b ln(power over its mean)`, within 0.1 .. 10, at the moment at
/// which the stimulus begins to act, and stays until it is gone: the initial state counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AlphaGain {
    b: f64,
    keep: f64,
    /// Power over its mean.
    power: f64,
    factor: f64,
}

impl AlphaGain {
    /// `None` for a person whose response does not depend on alpha.
    pub(crate) fn new(person: &Person, rate_hz: f64) -> Option<Self> {
        let b = person.alpha_gain;
        (b != 0.0).then(|| Self { b, keep: libm::exp(-1.0 / (MEMORY_S * rate_hz)), power: 1.0, factor: 1.0 })
    }

    /// The factor of the next sample, whose stimulus has that contrast.
    pub(crate) fn factor(&mut self, contrast_seen: f64) -> f64 {
        if contrast_seen < THERE {
            self.factor = (1.0 + self.b * libm::log(self.power)).clamp(0.1, 10.0);
        }
        self.factor
    }

    /// The factor of the last sample.
    pub(crate) fn now(&self) -> f64 {
        self.factor
    }

    /// Takes the rhythm's power of the newest sample, 1 on average.
    pub(crate) fn follow(&mut self, power: f64) {
        self.power = power + self.keep * (self.power - power);
        // A logarithm is taken of it.
        self.power = self.power.max(1e-6);
    }

    /// Back to the first sample.
    pub(crate) fn reset(&mut self) {
        (self.power, self.factor) = (1.0, 1.0);
    }
}
