//! The list of sessions of a study, and what one of them came to.

use std::fmt;

use super::Spec;

/// Which of the specification's seeds run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seeds {
    /// Those on which settings may be tuned.
    Tuning,
    /// Those for the one look at the end; only when asked for.
    HeldOut,
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tuning => "tuning",
            Self::HeldOut => "held-out",
        })
    }
}

/// One session: places in the specification's lists, and the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Which of [`Spec::conditions`]: a protocol in an arm.
    pub condition: usize,
    /// Which of [`Spec::participants`].
    pub participant: usize,
    /// Which of [`Spec::brains`]; 0 where there are none.
    pub brain: usize,
    /// Seed of everything random in it.
    pub seed: u64,
}

/// What a session came to.
#[derive(Debug, Clone)]
pub struct Row {
    /// In the order of [`super::METRICS`]; what the session does not have is NaN.
    pub values: Vec<f64>,
    /// Why it did not run to its end, if so.
    pub error: Option<String>,
}

/// All sessions in the order of the table: by protocol, arm, participant, brain, seed, each as the specification lists them.
pub fn jobs(spec: &Spec, seeds: Seeds) -> Vec<Job> {
    let mut jobs = Vec::new();
    for condition in 0..spec.conditions.len() {
        let brains = spec.brains[spec.conditions[condition].protocol].of(seeds).len().max(1);
        for participant in 0..spec.participants.len() {
            for brain in 0..brains {
                jobs.extend(spec.seeds(seeds).iter().map(|&seed| Job {
                    condition,
                    participant,
                    brain,
                    seed,
                }));
            }
        }
    }
    jobs
}
