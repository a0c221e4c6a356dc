//! What blocks of trials found, and how often values lay above a set point relative to a baseline.

use protocol::{BlockKind, Procedure, Protocol};
use recording::RecordedSession;
use serde::Serialize;
use timeline::{Score, ScoreOutcome, Trial, TrialOutcome};

/// Standard deviations to either side of a normal mean that hold 95 %.
const NORMAL_95: f64 = 1.96;

/// A block of trials in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    /// Its name.
    pub block: String,
    /// `quest_plus`, `staircase` or `bandit`; `None` where the protocol cannot be read.
    pub procedure: Option<&'static str>,
    /// Trials that were shown.
    pub trials: u64,
    /// Those without an answer.
    pub lost: u64,
    /// Those with the answer "detected".
    pub detected: u64,
    /// The threshold that the procedure knew at the end; none for a bandit.
    pub threshold: Option<Threshold>,
    /// What a bandit tried, in the order of the protocol; empty for others.
    pub arms: Vec<Arm>,
}

/// A threshold of contrast.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Threshold {
    /// Michelson contrast: ten to the mean of the log threshold.
    pub contrast: f64,
    /// Standard deviation of the log threshold (decimal); of a staircase, the standard error of its mid-points.
    pub sd_log10: Option<f64>,
    /// Contrasts 1.96 such deviations to either side; none for a staircase, whose standard error supposes mid-points that do not
    /// hang together, and is too small for that where the response wavers over many trials.
    pub interval: Option<[f64; 2]>,
}

/// An arm of a bandit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Arm {
    /// Its stimulus.
    pub stimulus: String,
    /// Its contrast.
    pub contrast: f64,
    /// How often it was tried.
    pub pulls: u64,
    /// Mean reward over the answered trials: uV, or the part of "detected".
    pub mean_reward: Option<f64>,
}

/// A block whose set point was relative to a baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// Its name.
    pub block: String,
    /// Values that were scored.
    pub values: u64,
    /// Those with an artefact in their window, which count for nothing else here.
    pub frozen: u64,
    /// Part of the others that lay above the set point.
    pub success_rate: Option<f64>,
    /// Centre of the baseline in uV.
    pub baseline_uv: f64,
    /// Its standard deviation in uV.
    pub baseline_sd_uv: f64,
    /// Mean of the scores, in standard deviations of the baseline.
    pub mean_sd: Option<f64>,
    /// The set point that the last value met, in the same.
    pub last_set_point_sd: f64,
}

impl Tried {
    /// By block; `None` without trials.
    pub fn of(session: &RecordedSession, protocol: Option<&Protocol>) -> Option<Vec<Self>> {
        let runs = session.trials.chunk_by(|a, b| a.block == b.block);
        let tried: Vec<Self> = runs.map(|run| Self::of_block(run, session, protocol)).collect();
        (!tried.is_empty()).then_some(tried)
    }

    fn of_block(run: &[Trial], session: &RecordedSession, protocol: Option<&Protocol>) -> Self {
        let (block, planned) = planned(run[0].block, session, protocol);
        let procedure = match &planned {
            Some(BlockKind::Trial(trial)) => Some(&trial.procedure),
            _ => None,
        };
        let count = |outcome| run.iter().filter(|trial| trial.outcome == outcome).count() as u64;
        let arms = match (procedure, protocol) {
            (Some(Procedure::Bandit(bandit)), Some(protocol)) => (0_u64..)
                .zip(&bandit.arms)
                .map(|(choice, arm)| {
                    let name = protocol.stimuli[arm.stimulus].name.clone();
                    Arm::of(run.iter().filter(|trial| trial.choice == choice), name, arm.contrast)
                })
                .collect(),
            _ => Vec::new(),
        };
        let last = run.last().filter(|_| arms.is_empty() && procedure.is_some());
        Self {
            block,
            procedure: procedure.map(Procedure::name),
            trials: run.len() as u64,
            lost: count(TrialOutcome::Lost),
            detected: count(TrialOutcome::Yes),
            threshold: last
                .and_then(|trial| Threshold::of(trial, matches!(procedure, Some(Procedure::QuestPlus(_))))),
            arms,
        }
    }

    /// For the text summary.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let Self { block, trials, lost, detected, .. } = self;
        let detected = if self.arms.is_empty() { format!(", {detected} detected") } else { String::new() };
        let mut lines = vec![("trials", format!("{block}: {trials}{detected}, {lost} lost"))];
        lines.extend(self.threshold.map(|threshold| ("threshold", format!("{block}: {threshold}"))));
        for arm in &self.arms {
            let reward = arm.mean_reward.map_or("-".into(), |reward| format!("{reward:.3}"));
            let text = format!(
                "{block}: {} at contrast {}, tried {}, mean reward {reward}",
                arm.stimulus, arm.contrast, arm.pulls
            );
            lines.push(("arm", text));
        }
        lines
    }
}

impl Arm {
    fn of<'a>(trials: impl Iterator<Item = &'a Trial>, stimulus: String, contrast: f64) -> Self {
        let (mut pulls, mut answered, mut sum) = (0, 0_u64, 0.0);
        for trial in trials {
            pulls += 1;
            let reward = match trial.outcome {
                TrialOutcome::Lost => continue,
                TrialOutcome::No => 0.0,
                TrialOutcome::Yes => 1.0,
                TrialOutcome::Reward => trial.value,
            };
            answered += 1;
            sum += reward;
        }
        let mean_reward = (answered > 0).then(|| sum / answered as f64);
        Self { stimulus, contrast, pulls, mean_reward }
    }
}

impl Threshold {
    /// As it was known after a trial; `None` while nothing was. `is_posterior` says that the deviation is one of a posterior.
    pub fn of(trial: &Trial, is_posterior: bool) -> Option<Self> {
        let (log10, sd) = (trial.estimate, trial.estimate_sd);
        let at = |sds: f64| 10_f64.powf(log10 + sds * sd);
        let sd_log10 = Some(sd).filter(|sd| sd.is_finite());
        let interval = sd_log10.filter(|_| is_posterior).map(|_| [at(-NORMAL_95), at(NORMAL_95)]);
        log10.is_finite().then(|| Self { contrast: 10_f64.powf(log10), sd_log10, interval })
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "contrast {:.4}", self.contrast)?;
        match (self.interval, self.sd_log10) {
            (Some([low, high]), _) => write!(f, " (95 % {low:.4} to {high:.4})"),
            (None, Some(error)) => write!(f, " (standard error {error:.3} log10)"),
            (None, None) => Ok(()),
        }
    }
}

impl Scored {
    /// By block; `None` without such blocks.
    pub fn of(session: &RecordedSession, protocol: Option<&Protocol>) -> Option<Vec<Self>> {
        let runs = session.scores.chunk_by(|a, b| a.block == b.block);
        let scored: Vec<Self> = runs.map(|run| Self::of_block(run, session, protocol)).collect();
        (!scored.is_empty()).then_some(scored)
    }

    fn of_block(run: &[Score], session: &RecordedSession, protocol: Option<&Protocol>) -> Self {
        let last = run[run.len() - 1];
        let counts: Vec<&Score> = run.iter().filter(|score| score.outcome != ScoreOutcome::Frozen).collect();
        let successes = counts.iter().filter(|score| score.outcome == ScoreOutcome::Success).count();
        let n = counts.len() as f64;
        Self {
            block: planned(last.block, session, protocol).0,
            values: run.len() as u64,
            frozen: (run.len() - counts.len()) as u64,
            success_rate: (n > 0.0).then(|| successes as f64 / n),
            baseline_uv: last.baseline_uv,
            baseline_sd_uv: last.baseline_sd_uv,
            mean_sd: (n > 0.0).then(|| counts.iter().map(|score| score.score).sum::<f64>() / n),
            last_set_point_sd: last.threshold,
        }
    }

    /// For the text summary.
    pub(crate) fn line(&self) -> (&'static str, String) {
        let Self { block, values, frozen, baseline_uv, baseline_sd_uv, .. } = self;
        let rate = self.success_rate.map_or("-".into(), |rate| format!("{:.1} %", 100.0 * rate));
        let text = format!(
            "{block}: {rate} of {values} above the set point ({frozen} frozen); baseline {baseline_uv:.3} uV, SD \
             {baseline_sd_uv:.3} uV"
        );
        ("scored", text)
    }
}

/// Name and kind of a block by its place in the schedule.
fn planned(
    place: u64,
    session: &RecordedSession,
    protocol: Option<&Protocol>,
) -> (String, Option<BlockKind>) {
    let schedule = protocol.map(|protocol| crate::experiment::schedule_of(&session.meta, protocol));
    let block = schedule.and_then(|schedule| schedule.blocks.into_iter().nth(place as usize));
    block.map_or_else(
        || (format!("block {place}"), None),
        |planned| (planned.block.name, Some(planned.block.kind)),
    )
}
