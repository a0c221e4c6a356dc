//! The record of a run.

use serde::{Deserialize, Serialize};

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Steps done, 0 for the start.
    pub step: u64,
    /// What the optimiser reached in this step, under its views.
    pub value: f64,
    /// The best plain value so far: of what is shown, without views.
    pub best: f64,
    /// Evaluations so far: values and gradients, dead starts and plain values included.
    pub evaluations: u64,
    /// Since the search began; only where a clock was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub elapsed_ns: Option<u64>,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trajectory {
    /// Seed of the starts, views and optimiser.
    pub seed: u64,
    /// Name of the optimiser.
    pub optimiser: String,
    /// Starts without a gradient or any response that were given up before this one.
    pub dead_starts: usize,
    /// Start and steps in order.
    pub records: Vec<Record>,
}

impl Trajectory {
    /// Evaluations after which the best value had come so far on the way from the start's to the last best: 0.9 for nine
    /// tenths of the whole rise. `None` for an empty record.
    pub fn evaluations_to(&self, fraction: f64) -> Option<u64> {
        let (first, last) = (self.records.first()?, self.records.last()?);
        self.evaluations_to_value(first.best + fraction * (last.best - first.best))
    }

    /// Evaluations after which the best value was at least this; `None` where it never was. Compares optimisers by a
    /// common mark.
    pub fn evaluations_to_value(&self, value: f64) -> Option<u64> {
        self.records.iter().find(|record| record.best >= value).map(|record| record.evaluations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_counts_from_the_start() {
        let records = [(1.0, 1), (2.0, 4), (4.5, 9), (5.0, 12)];
        let records = records.iter().zip(0..).map(|(&(best, evaluations), step)| Record {
            step,
            value: best,
            best,
            evaluations,
            elapsed_ns: None,
        });
        let trajectory =
            Trajectory { seed: 1, optimiser: "adam".into(), dead_starts: 0, records: records.collect() };
        assert_eq!(trajectory.evaluations_to(0.0), Some(1));
        assert_eq!(trajectory.evaluations_to(0.5), Some(9));
        assert_eq!(trajectory.evaluations_to(1.0), Some(12));
        assert_eq!(trajectory.evaluations_to_value(5.1), None);
        let text = serde_json::to_string(&trajectory).unwrap();
        assert!(!text.contains("elapsed_ns"), "no clock, no time: {text}");
        assert_eq!(serde_json::from_str::<Trajectory>(&text).unwrap(), trajectory);
    }
}
