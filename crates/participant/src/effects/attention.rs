//! Attention: a slow factor of the gain.

use random::Random;
use serde::{Deserialize, Serialize};

use super::OutOfRange;
use crate::gain::Ou;

/// How the gain wavers with attention, which multiplies the steady-state response (Morgan, Hansen and Hillyard 1996).
///
/// The factor is `exp(x - sd^2 / 2) (1 - decline (1 - exp(-t / decline_tau_s)))`: `x` an Ornstein-Uhlenbeck process, for the
/// infraslow waxing and waning (Monto et al. 2008), and the rest the decrement of vigilance over a session (Mackworth 1948).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    /// Stationary SD of the log factor, 0..1.
    pub fluctuation_sd: f64,
    /// Its time constant, 1 s .. 3600 s.
    pub fluctuation_tau_s: f64,
    /// Part of the gain that is lost by the end of a long session, 0..0.9.
    pub decline: f64,
    /// Time constant of that loss, 1 s .. 36000 s.
    pub decline_tau_s: f64,
}

impl Attention {
    pub(super) fn check(&self) -> Result<(), OutOfRange> {
        OutOfRange::first(
            "effects.attention",
            &[
                ("fluctuation_sd", self.fluctuation_sd, 0.0, 1.0),
                ("fluctuation_tau_s", self.fluctuation_tau_s, 1.0, 3600.0),
                ("decline", self.decline, 0.0, 0.9),
                ("decline_tau_s", self.decline_tau_s, 1.0, 36_000.0),
            ],
        )
    }
}

/// The state of a person whose attention wavers.
#[derive(Debug, Clone)]
pub(super) struct Attending {
    random: Random,
    log_factor: Ou,
    bias: f64,
    decline: f64,
    keep: f64,
    /// What is left of the fresh mind, 1..0.
    fresh: f64,
    factor: f64,
}

impl Attending {
    pub(super) fn new(attention: &Attention, rate_hz: f64, mut random: Random) -> Self {
        let sd = attention.fluctuation_sd;
        Self {
            log_factor: Ou::new(sd, attention.fluctuation_tau_s, rate_hz, &mut random),
            random,
            bias: 0.5 * sd * sd,
            decline: attention.decline,
            keep: libm::exp(-1.0 / (attention.decline_tau_s * rate_hz)),
            fresh: 1.0,
            factor: 1.0,
        }
    }

    /// Moves on by one sample; returns the factor.
    pub(super) fn step(&mut self) -> f64 {
        let wavering = libm::exp(self.log_factor.step(&mut self.random) - self.bias);
        self.factor = wavering * (1.0 - self.decline * (1.0 - self.fresh));
        self.fresh *= self.keep;
        self.factor
    }

    /// The factor of the newest sample.
    pub(super) fn factor(&self) -> f64 {
        self.factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_is_one_on_average_and_declines_as_said() {
        let attention =
            Attention { fluctuation_sd: 0.3, fluctuation_tau_s: 4.0, decline: 0.4, decline_tau_s: 600.0 };
        let rate_hz = 20.0;
        let ten_minutes = 12_000;
        let (mut fresh, mut tired) = (0.0, 0.0);
        let people = 60;
        for seed in 0..people {
            let mut attending = Attending::new(&attention, rate_hz, Random::new(seed, 3));
            fresh += (0..200).map(|_| attending.step()).sum::<f64>() / 200.0;
            for _ in 200..ten_minutes {
                attending.step();
            }
            tired += (0..200).map(|_| attending.step()).sum::<f64>() / 200.0;
        }
        let (fresh, tired) = (fresh / people as f64, tired / people as f64);
        // The SD of a mean of 10 s is about 0.3 sqrt(2 x 4 / 10) x 0.8, over 60 people 0.03.
        assert!((fresh - 1.0).abs() < 0.1, "{fresh}");
        let expected = 1.0 - 0.4 * (1.0 - libm::exp(-1.0));
        assert!((tired - expected).abs() < 0.1, "{tired} and {expected}");
    }
}
