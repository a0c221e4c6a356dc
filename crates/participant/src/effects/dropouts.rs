//! Drop-outs: the source is silent for a while, and what was measured then is lost.

use random::Random;
use serde::{Deserialize, Serialize};

use super::OutOfRange;

/// When samples are lost between the amplifier and whoever listens: at random (`per_min`) or at given times (`at_s`).
/// The person goes on meanwhile, and the stamps after a drop-out are those that the samples would have had.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropouts {
    /// Mean number per minute, a Poisson process, 0.01..10; in place of `at_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_min: Option<f64>,
    /// When they begin, in s after the first sample, rising; in place of `per_min`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_s: Vec<f64>,
    /// How long each lasts, 0.01 s .. 600 s.
    pub duration_s: f64,
}

impl Dropouts {
    pub(super) fn check(&self) -> Result<(), OutOfRange> {
        let range = ("duration_s", self.duration_s, 0.01, 600.0);
        OutOfRange::first("effects.dropouts", &[range])?;
        match (self.per_min, &self.at_s[..]) {
            (Some(per_min), []) => OutOfRange::first("effects.dropouts", &[("per_min", per_min, 0.01, 10.0)]),
            (None, [_, ..]) => {
                let rising = self.at_s.windows(2).all(|pair| pair[0] + self.duration_s <= pair[1]);
                let fine = self.at_s.iter().all(|at_s| (0.0..=1e6).contains(at_s)) && rising;
                let allowed = "times from 0 on, each after the end of the one before";
                let refused =
                    || OutOfRange::new("effects.dropouts.at_s", format!("{:?}", self.at_s), allowed);
                if fine { Ok(()) } else { Err(refused()) }
            }
            (per_min, _) => {
                let value = if per_min.is_some() { "both" } else { "neither" };
                Err(OutOfRange::new("effects.dropouts", value, "one of per_min and at_s"))
            }
        }
    }
}

/// Which samples are lost.
#[derive(Debug, Clone)]
pub(super) struct Losing {
    random: Random,
    /// Mean time from the end of one to the start of the next; `None` where the times are given.
    gap_s: Option<f64>,
    duration_s: f64,
    start_s: f64,
    step_s: f64,
    samples: u64,
    next_given: usize,
    lost: bool,
}

impl Losing {
    pub(super) fn new(dropouts: &Dropouts, rate_hz: f64, mut random: Random) -> Self {
        let gap_s = dropouts.per_min.map(|per_min| 60.0 / per_min);
        let start_s = gap_s.map_or(f64::NEG_INFINITY, |gap_s| random.exponential(gap_s));
        Self {
            random,
            gap_s,
            duration_s: dropouts.duration_s,
            start_s,
            step_s: 1.0 / rate_hz,
            samples: 0,
            next_given: 0,
            lost: false,
        }
    }

    /// Moves on by one sample. `at_s`: the given times.
    pub(super) fn step(&mut self, at_s: &[f64]) {
        let now_s = self.samples as f64 * self.step_s;
        self.samples += 1;
        if let Some(gap_s) = self.gap_s {
            while now_s >= self.start_s + self.duration_s {
                self.start_s += self.duration_s + self.random.exponential(gap_s);
            }
        } else {
            while let Some(next_s) = at_s.get(self.next_given).filter(|next_s| now_s >= **next_s) {
                (self.start_s, self.next_given) = (*next_s, self.next_given + 1);
            }
        }
        // Half a sample, so that rounding does not decide.
        let since_s = now_s - self.start_s + 0.5 * self.step_s;
        self.lost = (0.0..self.duration_s).contains(&since_s);
    }

    /// Whether the newest sample is lost.
    pub(super) fn lost(&self) -> bool {
        self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(dropouts: &Dropouts, rate_hz: f64, samples: usize) -> Vec<bool> {
        let mut losing = Losing::new(dropouts, rate_hz, Random::new(4, 6));
        let step = |_| {
            losing.step(&dropouts.at_s);
            losing.lost()
        };
        (0..samples).map(step).collect()
    }

    #[test]
    fn given_times_are_kept_to_the_sample() {
        let dropouts = Dropouts { per_min: None, at_s: vec![0.0, 2.0, 7.5], duration_s: 1.2 };
        let lost = lost(&dropouts, 250.0, 2500);
        for (sample, lost) in lost.iter().enumerate() {
            let s = sample as f64 / 250.0;
            let within = [0.0, 2.0, 7.5].iter().any(|at| s > at - 0.001 && s < at + 1.2 - 0.001);
            assert_eq!(*lost, within, "at {s} s");
        }
    }

    #[test]
    fn random_ones_come_at_their_rate() {
        let dropouts = Dropouts { per_min: Some(2.0), at_s: Vec::new(), duration_s: 3.0 };
        let lost = lost(&dropouts, 20.0, 20 * 60 * 300);
        let begun = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() as f64;
        // A gap of 30 s and 3 s of silence: 300 minutes hold 545 of them, SD 23.
        assert!((begun - 545.0).abs() < 75.0, "{begun}");
        let share = lost.iter().filter(|lost| **lost).count() as f64 / lost.len() as f64;
        assert!((share - 3.0 / 33.0).abs() < 0.015, "{share}");
    }

    #[test]
    fn both_or_neither_is_refused() {
        for (per_min, at_s) in [(Some(1.0), vec![3.0]), (None, vec![]), (None, vec![3.0, 3.5])] {
            assert!(Dropouts { per_min, at_s, duration_s: 1.0 }.check().is_err());
        }
    }
}
