//! Blocks of trials, and set points relative to a baseline, from the protocol's units to the loop's.

use closedloop::{
    AdaptPlan, AnswerPlan, Arm, ArmsPlan, BanditRule, ContextPlan, Few, LogGrid, ProcedurePlan,
    PsychometricForm, QuestPlan, ScoredPlan, Spread, StaircasePlan, StaircaseRule, TrialsPlan,
};
use protocol::{Answer, Form, Measure, Procedure, Schedule, Scored, Trial};
use timeline::{SceneId, SourceId, ns_from_s};

use crate::experiment::scene_id;

/// Lowers a block of trials.
pub(crate) fn lower(trial: &Trial) -> TrialsPlan {
    TrialsPlan {
        scene: scene_id(trial.stimulus),
        on_ns: ns_from_s(trial.on_s),
        gap_ns: ns_from_s(trial.gap_s),
        trials: trial.trials,
        answer: match trial.answer {
            Answer::Decoded { criterion_sd } => AnswerPlan::Decoded { criterion_sd },
            Answer::Amplitude => AnswerPlan::Amplitude,
            Answer::Marker { stream, yes, no, within_s } => AnswerPlan::Marker {
                source: SourceId(stream as u16),
                yes,
                no,
                within_ns: ns_from_s(within_s),
            },
        },
        procedure: match &trial.procedure {
            Procedure::QuestPlus(quest) => ProcedurePlan::QuestPlus(lower_quest(quest)),
            Procedure::Staircase(staircase) => ProcedurePlan::Staircase(lower_staircase(staircase)),
            Procedure::Bandit(bandit) => ProcedurePlan::Bandit(lower_bandit(bandit)),
        },
    }
}

/// Every scene that a block of trials can show, with the highest contrast at which it can.
pub(crate) fn highest_contrasts(trials: &TrialsPlan) -> Vec<(SceneId, f64)> {
    match &trials.procedure {
        ProcedurePlan::Bandit(arms) => arms.arms().iter().map(|arm| (arm.scene, arm.contrast)).collect(),
        other => vec![(trials.scene, other.highest_contrast())],
    }
}

/// Lowers a set point relative to a baseline, which the schedule may have moved.
pub(crate) fn lower_scored(scored: &Scored, schedule: &Schedule) -> ScoredPlan {
    let place = schedule.blocks.iter().position(|block| block.index == scored.baseline);
    ScoredPlan {
        // A schedule has every block of its protocol.
        baseline: place.unwrap_or(usize::from(u16::MAX)) as u16,
        spread: match scored.measure {
            Measure::Moments => Spread::Moments,
            Measure::Robust => Spread::Robust,
        },
        at_sd: scored.at_sd,
        adapt: scored.adapt.map(|adapt| AdaptPlan {
            success_rate: adapt.success_rate,
            step_sd: adapt.step_sd,
            limits_sd: [adapt.lowest_sd, adapt.highest_sd],
        }),
    }
}

fn lower_grid(grid: &protocol::LogGrid) -> LogGrid {
    LogGrid { from: grid.from, to: grid.to, count: grid.count as usize }
}

fn lower_quest(quest: &protocol::QuestPlus) -> QuestPlan {
    QuestPlan {
        form: match quest.form {
            Form::Weibull => PsychometricForm::Weibull,
            Form::Logistic => PsychometricForm::Logistic,
        },
        contrasts: lower_grid(&quest.contrasts),
        thresholds: lower_grid(&quest.thresholds),
        slopes: Few::new(&quest.slopes_per_log10),
        lapses: Few::new(&quest.lapse_rates),
        guess: quest.guess_rate,
        prior: quest.prior,
        threshold_sd: quest.until_sd_log10,
    }
}

/// Decibels of contrast are `20 log10` of a ratio.
fn lower_staircase(staircase: &protocol::Staircase) -> StaircasePlan {
    StaircasePlan {
        rule: match staircase.rule {
            protocol::StaircaseRule::UpDown { up, down } => StaircaseRule::UpDown { up, down },
            protocol::StaircaseRule::Weighted => StaircaseRule::Weighted,
        },
        start: staircase.start_contrast.log10(),
        limits: [staircase.lowest_contrast.log10(), staircase.highest_contrast.log10()],
        step_up: staircase.step_up_db / 20.0,
        step_down: staircase.step_down_db / 20.0,
        shrink: staircase.shrink,
        least_part: staircase.least_part,
        reversals: staircase.reversals as usize,
        counted: staircase.counted as usize,
    }
}

fn lower_bandit(bandit: &protocol::Bandit) -> ArmsPlan {
    let arms: Vec<Arm> =
        bandit.arms.iter().map(|arm| Arm { scene: scene_id(arm.stimulus), contrast: arm.contrast }).collect();
    let rule = match bandit.rule {
        protocol::BanditRule::Thompson { noise_sd } => BanditRule::Thompson { noise_sd },
        protocol::BanditRule::LinUcb { alpha } => BanditRule::LinUcb { alpha },
    };
    let context = ContextPlan { previous_sd: bandit.context.previous_sd, minutes: bandit.context.minutes };
    ArmsPlan::new(&arms, rule, context, bandit.ridge, bandit.seed)
}
