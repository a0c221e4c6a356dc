//! How a person's gain moves: slow drift over minutes, fluctuation over seconds.

use std::sync::Arc;

use random::Random;

use crate::Person;

/// An Ornstein-Uhlenbeck process sampled at a fixed rate, by its exact transition; it starts stationary.
#[derive(Debug, Clone)]
pub(crate) struct Ou {
    keep: f64,
    kick: f64,
    sd: f64,
    value: f64,
}

impl Ou {
    pub(crate) fn new(sd: f64, tau_s: f64, rate_hz: f64, random: &mut Random) -> Self {
        let keep = libm::exp(-1.0 / (tau_s * rate_hz));
        let mut ou = Self { keep, kick: sd * (1.0 - keep * keep).sqrt(), sd, value: 0.0 };
        ou.restart(random);
        ou
    }

    pub(crate) fn restart(&mut self, random: &mut Random) {
        self.value = self.sd * random.normal();
    }

    pub(crate) fn step(&mut self, random: &mut Random) -> f64 {
        let now = self.value;
        self.value = self.keep * self.value + self.kick * random.normal();
        now
    }
}

/// Gain in microvolts at Oz for full drive.
#[derive(Debug, Clone)]
pub(crate) struct Gain {
    random: Random,
    centre_uv: f64,
    drift: Ou,
    fluctuation: Ou,
    /// Half the variance of the log fluctuation, taken off so that the fluctuation multiplies by 1 on average.
    fluctuation_bias: f64,
    slow_uv: f64,
    /// A course that is given, in place of all that.
    course: Option<Course>,
}

/// A course of log gain through knots.
#[derive(Debug, Clone)]
struct Course {
    ln_uv: Arc<[f64]>,
    knot_samples: f64,
    next: u64,
}

impl Course {
    fn step(&mut self) -> f64 {
        let at = self.next as f64 / self.knot_samples;
        self.next += 1;
        let left = (libm::floor(at) as usize).min(self.ln_uv.len().saturating_sub(1));
        let right = (left + 1).min(self.ln_uv.len().saturating_sub(1));
        let part = (at - left as f64).min(1.0);
        let (from, to) = (self.ln_uv[left], self.ln_uv[right]);
        libm::exp(from + part * (to - from))
    }
}

impl Gain {
    pub(crate) fn new(person: &Person, rate_hz: f64, mut random: Random) -> Self {
        let drift = Ou::new(person.drift_sd, person.drift_tau_s, rate_hz, &mut random);
        let fluctuation = Ou::new(person.fluctuation_sd, person.fluctuation_tau_s, rate_hz, &mut random);
        let slow_uv = person.gain_uv * libm::exp(drift.value);
        let fluctuation_bias = 0.5 * person.fluctuation_sd * person.fluctuation_sd;
        Self {
            random,
            centre_uv: person.gain_uv,
            drift,
            fluctuation,
            fluctuation_bias,
            slow_uv,
            course: None,
        }
    }

    /// The same person with a given course: natural logarithm of uV at knots, of which there is at least one.
    pub(crate) fn along(mut self, ln_uv: Arc<[f64]>, knot_samples: f64) -> Self {
        self.course = (!ln_uv.is_empty()).then_some(Course { ln_uv, knot_samples, next: 0 });
        self
    }

    /// Moves on by one sample; returns the gain with drift and fluctuation.
    pub(crate) fn step(&mut self) -> f64 {
        if let Some(course) = &mut self.course {
            self.slow_uv = course.step();
            return self.slow_uv;
        }
        let drift = self.drift.step(&mut self.random);
        let fluctuation = self.fluctuation.step(&mut self.random);
        self.slow_uv = self.centre_uv * libm::exp(drift);
        self.slow_uv * libm::exp(fluctuation - self.fluctuation_bias)
    }

    /// The gain with drift, without fluctuation, at the last sample.
    pub(crate) fn slow_uv(&self) -> f64 {
        self.slow_uv
    }
}
