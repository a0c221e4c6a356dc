//! What blocks of trials, and set points relative to a baseline, need of the rest of the plan.

use super::plan::{AnswerPlan, MAX_GRID, ProcedurePlan, QuestPlan, TrialsPlan};
use crate::check::{duration, within};
use crate::plan::{BlockKind, ControllerPlan, DecoderPlan, Plan, PrepareError};
use crate::set_point::SetPointPlan;

/// Numbers of all blocks, and that what they need comes before them.
pub(crate) fn check(plan: &Plan) -> Result<(), PrepareError> {
    let mut calibrated = false;
    for (index, block) in plan.blocks.iter().enumerate() {
        let needs = |needs| Err(PrepareError::Block { block: index, needs });
        match &block.kind {
            BlockKind::Calibrate { .. } => calibrated = true,
            BlockKind::Trial(trials) => {
                check_numbers(trials)?;
                check_answer(plan, trials)?;
                if trials.answer.is_decoded() && !calibrated {
                    return needs("a calibration block before it");
                }
                if trials.answer == AnswerPlan::Amplitude
                    && !matches!(trials.procedure, ProcedurePlan::Bandit(_))
                {
                    return needs("a bandit, the one procedure that learns from amplitudes");
                }
            }
            BlockKind::Hold { set_point: SetPointPlan::Scored(scored), .. } => {
                let before = plan.blocks[..index].get(usize::from(scored.baseline));
                if !matches!(before.map(|block| &block.kind), Some(BlockKind::Show { .. } | BlockKind::Rest))
                {
                    return needs("a baseline before it: a block that shows or rests");
                }
                if scored.adapt.is_some() && !matches!(plan.controller, Some(ControllerPlan::OnOff(_))) {
                    return needs("the controller on_off: others would follow their own set point");
                }
                if plan.outside.is_some() || plan.feed.is_some() {
                    return Err(PrepareError::Feedback("it has no baseline to score against"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_numbers(trials: &TrialsPlan) -> Result<(), PrepareError> {
    duration("on time in ns", trials.on_ns)?;
    duration("gap in ns", trials.gap_ns)?;
    within("trials", f64::from(trials.trials), 1.0, 1e6, "1 to 1e6")?;
    let contrast = |value| within("contrast of a trial", value, f64::MIN_POSITIVE, 1.0, "above 0, up to 1");
    match &trials.procedure {
        ProcedurePlan::QuestPlus(quest) => check_quest(quest),
        ProcedurePlan::Staircase(staircase) => {
            within("contrast of a trial", libm::pow(10.0, staircase.limits[1]), 0.0, 1.0 + 1e-9, "up to 1")
        }
        ProcedurePlan::Bandit(arms) => arms.arms().iter().try_for_each(|arm| contrast(arm.contrast)),
    }
}

fn check_quest(quest: &QuestPlan) -> Result<(), PrepareError> {
    for grid in [quest.contrasts, quest.thresholds] {
        within("points of a grid", grid.count as f64, 2.0, MAX_GRID as f64, "2 to 512")?;
        within("lowest contrast of a grid", grid.from, 1e-6, 1.0, "1e-6 to 1")?;
        within("highest contrast of a grid", grid.to, grid.from, 100.0, "the lowest to 100")?;
    }
    within("highest contrast that is shown", quest.contrasts.to, 0.0, 1.0, "up to 1")?;
    within("threshold_sd", quest.threshold_sd, 0.0, 10.0, "0 to 10")
}

/// A window must fit into a trial, or there is never an answer; markers need a source of them.
fn check_answer(plan: &Plan, trials: &TrialsPlan) -> Result<(), PrepareError> {
    if let AnswerPlan::Marker { source, within_ns, .. } = trials.answer {
        duration("time for an answer in ns", within_ns)?;
        let is_marker = plan.sources.get(usize::from(source.0)).is_some_and(|markers| markers.is_marker);
        let (source_id, sources) = (source.0, plan.sources.len());
        return if is_marker {
            Ok(())
        } else {
            Err(PrepareError::Source { source_id, wanted: "markers", sources })
        };
    }
    let Some(DecoderPlan::SsvepAmplitude(ssvep)) = &plan.decoder else {
        return Err(PrepareError::Feedback("trials with decoded answers need the decoder ssvep_amplitude"));
    };
    if let AnswerPlan::Decoded { criterion_sd } = trials.answer {
        within("criterion_sd", criterion_sd, 0.0, 100.0, "0 to 100")?;
    }
    let on_s = trials.on_ns as f64 / 1e9;
    within(
        "on time in s",
        on_s,
        ssvep.window_s + ssvep.update_s,
        f64::INFINITY,
        "the decoder's window and one update",
    )
}
