//! Contrast adaptation: under lasting stimulation the contrast response moves to the right and shrinks.

use serde::{Deserialize, Serialize};

use super::OutOfRange;
use crate::{Drive, Person};

/// How the response adapts to what it answers to.
///
/// The state `a`, 0..1, follows the level `l` that the response would have without adaptation:
/// `da/dt = (l - a) / tau`, with `onset_tau_s` while it rises and `recovery_tau_s` while it falls. It multiplies the
/// semisaturation by `1 + semisaturation_shift a` (contrast gain: Ohzawa, Sclar and Freeman 1985; in human VEPs by 2 to 4,
/// Victor, Conte and Purpura 1997) and the response by `1 - response_loss a` (response gain: Albrecht, Farrar and Hamilton
/// 1984). In the steady-state VEP the amplitude declines exponentially over a stimulation (Heinrich and Bach 2001).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adaptation {
    /// Relative rise of the semisaturation in full adaptation, 0..10.
    pub semisaturation_shift: f64,
    /// Part of the response that is lost in full adaptation, 0..0.9.
    pub response_loss: f64,
    /// Time constant of its rise, 0.1 s .. 600 s.
    pub onset_tau_s: f64,
    /// Time constant of its fall, 0.1 s .. 3600 s.
    pub recovery_tau_s: f64,
}

impl Adaptation {
    pub(super) fn check(&self) -> Result<(), OutOfRange> {
        OutOfRange::first(
            "effects.adaptation",
            &[
                ("semisaturation_shift", self.semisaturation_shift, 0.0, 10.0),
                ("response_loss", self.response_loss, 0.0, 0.9),
                ("onset_tau_s", self.onset_tau_s, 0.1, 600.0),
                ("recovery_tau_s", self.recovery_tau_s, 0.1, 3600.0),
            ],
        )
    }
}

/// The state of a person that adapts.
#[derive(Debug, Clone)]
pub(super) struct Adapting {
    shift: f64,
    loss: f64,
    exponent: f64,
    rise: f64,
    fall: f64,
    state: f64,
}

impl Adapting {
    pub(super) fn new(adaptation: &Adaptation, person: &Person, rate_hz: f64) -> Self {
        let part = |tau_s: f64| -libm::expm1(-1.0 / (tau_s * rate_hz));
        Self {
            shift: adaptation.semisaturation_shift,
            loss: adaptation.response_loss,
            exponent: person.exponent,
            rise: part(adaptation.onset_tau_s),
            fall: part(adaptation.recovery_tau_s),
            state: 0.0,
        }
    }

    /// Adapts a drive; consecutive calls are one sample apart.
    ///
    /// With odds `l / (1 - l) = (c / s)^n`, a semisaturation that is larger by `k` divides the odds by `k^n`. So a brain whose
    /// level does not come from a contrast adapts by the same rule.
    pub(super) fn step(&mut self, drive: Drive) -> Drive {
        let level = drive.level.clamp(0.0, 1.0);
        let weaker = libm::pow(1.0 + self.shift * self.state, -self.exponent);
        let factor = weaker / (1.0 - level + weaker * level) * (1.0 - self.loss * self.state);
        let part = if level > self.state { self.rise } else { self.fall };
        self.state += part * (level - self.state);
        Drive { response: drive.response * factor, level: drive.level * factor, ..drive }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nominal;

    #[test]
    fn the_semisaturation_is_moved_and_the_response_scaled() {
        let adaptation = Adaptation {
            semisaturation_shift: 0.8,
            response_loss: 0.1,
            onset_tau_s: 5.0,
            recovery_tau_s: 20.0,
        };
        let person = nominal();
        let mut adapting = Adapting::new(&adaptation, person, 250.0);
        let drive = |contrast: f64| Drive {
            response: 0.0,
            level: person.contrast_response(contrast),
            contrast_seen: contrast,
        };
        let held = drive(0.6);
        for sample in 0..250 * 60 {
            let now = adapting.step(held);
            let expected = held.level * -libm::expm1(-f64::from(sample) / (5.0 * 250.0));
            // The state that this sample was adapted by, before the step.
            let semisaturation = person.semisaturation * (1.0 + 0.8 * expected);
            let moved = Person { semisaturation, ..person.clone() };
            let wanted = moved.contrast_response(0.6) * (1.0 - 0.1 * expected);
            assert!((now.level - wanted).abs() < 1e-9, "{sample}: {} and {wanted}", now.level);
        }
        let adapted = adapting.state;
        for _ in 0..250 * 20 {
            assert_eq!(adapting.step(drive(0.0)).level, 0.0, "no stimulus, no response");
        }
        assert!((adapting.state / adapted - libm::exp(-1.0)).abs() < 1e-9, "recovers with its own constant");
    }
}
