//! Set points in standard deviations above a baseline, fixed or adapted to a rate of success.

use timeline::{NoticeKind, Score, ScoreOutcome};

use super::{AdaptiveThreshold, Baseline, Spread, ThresholdPlan};
use crate::check::within;
use crate::controller::RESPONSE_LATENCY_NS;
use crate::decoder::Estimate;
use crate::plan::{BlockKind, DecoderPlan, Plan, PrepareError};
use crate::screen::Cause;
use crate::set_point::SetPointPlan;
use crate::turn::Outputs;

/// After the begin of a baseline, when the stimulus is steady: the transient of the response.
const SETTLE_NS: i64 = RESPONSE_LATENCY_NS + 250_000_000;

/// A set point relative to the decoded values of an earlier block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPlan {
    /// Index of that block in the plan.
    pub baseline: u16,
    /// How its centre and spread are found.
    pub spread: Spread,
    /// The set point in standard deviations above the centre; where it adapts, its start.
    pub at_sd: f64,
    /// How it adapts, if it does.
    pub adapt: Option<AdaptPlan>,
}

/// How a set point adapts; see [`AdaptiveThreshold`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptPlan {
    /// Part of the values that shall lie above it.
    pub success_rate: f64,
    /// How far it moves per value, in standard deviations of the baseline.
    pub step_sd: f64,
    /// Lowest and highest place, in the same.
    pub limits_sd: [f64; 2],
}

impl ScoredPlan {
    pub(crate) fn check(&self) -> Result<(), PrepareError> {
        within("set point in standard deviations", self.at_sd, -100.0, 100.0, "-100 to 100")?;
        let Some(AdaptPlan { success_rate, step_sd, limits_sd: [low, high] }) = self.adapt else {
            return Ok(());
        };
        within("success_rate", success_rate, 0.01, 0.99, "0.01 to 0.99")?;
        within("step_sd", step_sd, 1e-6, 10.0, "1e-6 to 10")?;
        within("lowest_sd", low, -100.0, self.at_sd, "-100 to the start")?;
        within("highest_sd", high, self.at_sd, 100.0, "the start to 100")
    }

    fn threshold(&self) -> ThresholdPlan {
        let start = self.at_sd;
        match self.adapt {
            Some(AdaptPlan { success_rate, step_sd, limits_sd }) => {
                ThresholdPlan { start, success_rate, step: step_sd, limits: limits_sd }
            }
            None => ThresholdPlan { start, success_rate: 0.5, step: 0.0, limits: [start, start] },
        }
    }
}

/// The baseline of one block that holds, and its threshold.
#[derive(Debug, Clone)]
struct Against {
    /// The block that holds.
    block: usize,
    plan: ScoredPlan,
    baseline: Baseline,
    taken: u64,
    centre_and_sd: Option<[f64; 2]>,
    threshold: AdaptiveThreshold,
}

/// All baselines of a session.
#[derive(Debug, Clone)]
pub(crate) struct Scores {
    against: Vec<Against>,
    /// The block whose values are a baseline, and from when on they count.
    collecting: Option<(usize, i64)>,
    /// Place of the block that holds now.
    active: Option<usize>,
    next_index: u64,
}

impl Scores {
    /// Finds the blocks that hold a set point relative to another block.
    pub(crate) fn prepare(plan: &Plan) -> Self {
        let update_s = match &plan.decoder {
            Some(DecoderPlan::SsvepAmplitude(ssvep)) => ssvep.update_s,
            _ => f64::INFINITY,
        };
        let scored = plan.blocks.iter().enumerate().filter_map(|(block, held)| match held.kind {
            BlockKind::Hold { set_point: SetPointPlan::Scored(scored), .. } => Some((block, scored)),
            _ => None,
        });
        let against = scored.map(|(block, plan_of)| {
            let length_ns =
                plan.blocks.get(usize::from(plan_of.baseline)).map_or(0, |block| block.duration_ns);
            // Twice what comes in time: a backlog may bring some of the block before.
            let capacity = (2e-9 * length_ns as f64 / update_s) as usize + 8;
            Against {
                block,
                plan: plan_of,
                baseline: Baseline::prepare(plan_of.spread, capacity),
                taken: 0,
                centre_and_sd: None,
                threshold: AdaptiveThreshold::prepare(plan_of.threshold()),
            }
        });
        Self { against: against.collect(), collecting: None, active: None, next_index: 0 }
    }

    pub(crate) fn reset(&mut self) {
        for against in &mut self.against {
            against.baseline.reset();
            against.threshold.reset();
            (against.taken, against.centre_and_sd) = (0, None);
        }
        (self.collecting, self.active, self.next_index) = (None, None, 0);
    }

    /// A block begins whose stimulus is at its contrast at `steady_ns`.
    pub(crate) fn begin(&mut self, block: usize, steady_ns: i64) {
        if self.against.iter().any(|against| usize::from(against.plan.baseline) == block) {
            self.collecting = Some((block, steady_ns + SETTLE_NS));
        }
        self.active = self.against.iter().position(|against| against.block == block);
        if let Some(active) = self.active {
            self.against[active].threshold.reset();
        }
    }

    /// A block ends; if it was a baseline, that is closed.
    pub(crate) fn end(&mut self, block: usize, now_ns: i64, out: &mut Outputs) {
        self.active = None;
        if self.collecting.take_if(|(collecting, _)| *collecting == block).is_none() {
            return;
        }
        let mine = |against: &&mut Against| usize::from(against.plan.baseline) == block;
        for against in self.against.iter_mut().filter(mine) {
            against.centre_and_sd = against.baseline.close();
            let (kind, sd) = match against.centre_and_sd {
                Some([_, sd]) => (NoticeKind::BaselineTaken, sd),
                None => (NoticeKind::BaselineFailed, 0.0),
            };
            out.notice(now_ns, kind, None, against.taken as i64, sd);
        }
    }

    /// Takes a decoded value of a baseline.
    pub(crate) fn take(&mut self, estimate: &Estimate) {
        let Some((block, from_ns)) = self.collecting else { return };
        if estimate.start_ns < from_ns {
            return;
        }
        let mine = |against: &&mut Against| usize::from(against.plan.baseline) == block;
        for against in self.against.iter_mut().filter(mine) {
            against.baseline.step(estimate.value);
            against.taken += 1;
        }
    }

    /// The set point in uV of the decoder; `None` where none is relative to a baseline, or the baseline failed.
    pub(crate) fn set_point_uv(&self) -> Option<f64> {
        let against = &self.against[self.active?];
        let [centre_uv, sd_uv] = against.centre_and_sd?;
        Some((centre_uv + sd_uv * against.threshold.place()).max(0.0))
    }

    /// Scores a decoded value, after which the set point may be another. A frozen one moves nothing.
    pub(crate) fn score(
        &mut self,
        estimate: &Estimate,
        decision: u64,
        is_frozen: bool,
        cause: Cause,
        out: &mut Outputs,
    ) {
        let Some(against) = self.active.map(|active| &mut self.against[active]) else { return };
        let (Some(score), Some([baseline_uv, baseline_sd_uv])) =
            (against.baseline.score(estimate.value), against.centre_and_sd)
        else {
            return;
        };
        let threshold = against.threshold.place();
        let outcome = match is_frozen {
            true => ScoreOutcome::Frozen,
            false if against.threshold.step(score) => ScoreOutcome::Success,
            false => ScoreOutcome::Miss,
        };
        // As many as decisions, of which a turn has no more.
        let _ = out.scores.try_push(Score {
            index: self.next_index,
            turn: cause.turn,
            at_ns: cause.now_ns,
            decision,
            block: against.block as u64,
            score,
            threshold,
            baseline_uv,
            baseline_sd_uv,
            outcome,
        });
        self.next_index += 1;
    }
}
