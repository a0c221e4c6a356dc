//! Controllers of discrete trials: propose a level, hear the answer, learn.
//!
//! A trial block calls [`TrialController::propose`] when it prepares a trial and [`TrialController::answer`] when the
//! answer is there, behavioural or decoded. A trial that was lost (no answer, an artefact) is simply not answered: the
//! next proposal stands on what is known. All are pure: the same plan, seed, contexts and answers give the same
//! proposals to the bit, and nothing is allocated after [`TrialController::prepare`].

mod bandit;
mod block;
mod check;
mod plan;
mod psychometric;
mod quest_plus;
mod staircase;

pub use bandit::{Bandit, BanditPlan, BanditRule};
pub(crate) use block::{TrialWish, Trials};
pub(crate) use check::check;
pub use plan::{
    AnswerPlan, Arm, ArmsPlan, ContextPlan, Few, LogGrid, MAX_CHOICES, MAX_GRID, ProcedurePlan, QuestPlan,
    TrialsPlan,
};
pub use psychometric::{Psychometric, PsychometricForm};
pub use quest_plus::{QuestPlus, QuestPlusPlan, QuestPlusStop, QuestPosterior};
pub use staircase::{MAX_REVERSALS, Staircase, StaircasePlan, StaircaseRule};

use crate::plan::PrepareError;

/// What a trial shall show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// Which arm (bandit) or level (QUEST+); 0 for a staircase, whose levels have no index.
    pub index: usize,
    /// The level, in the unit of the plan; the arm's index for a bandit.
    pub level: f64,
}

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    /// Right or wrong, seen or not, above the criterion or below.
    Correct(bool),
    /// How good it was; larger is better.
    Reward(f64),
}

impl Answer {
    /// For controllers of two outcomes: a reward counts as right when it is positive.
    fn is_correct(self) -> bool {
        match self {
            Self::Correct(correct) => correct,
            Self::Reward(reward) => reward > 0.0,
        }
    }

    fn reward(self) -> f64 {
        match self {
            Self::Correct(correct) => f64::from(u8::from(correct)),
            Self::Reward(reward) => reward,
        }
    }
}

/// Plan of a controller of discrete trials.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialPlan {
    /// Which of several arms is best in a context.
    Bandit(BanditPlan),
    /// Up and down to a percentage of right answers.
    Staircase(StaircasePlan),
    /// The most informative level for a psychometric function.
    QuestPlus(QuestPlusPlan),
}

/// A controller of discrete trials. An enum: the set is closed.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "one value per block; boxing it would only add a hop")]
pub enum TrialController {
    /// See [`Bandit`].
    Bandit(Bandit),
    /// See [`Staircase`].
    Staircase(Staircase),
    /// See [`QuestPlus`].
    QuestPlus(QuestPlus),
}

impl TrialController {
    /// Checks the plan, and computes all tables.
    ///
    /// # Errors
    /// When a number of the plan is outside what is allowed, with the number.
    pub fn prepare(plan: &TrialPlan) -> Result<Self, PrepareError> {
        Ok(match plan {
            TrialPlan::Bandit(bandit) => Self::Bandit(Bandit::prepare(bandit)?),
            TrialPlan::Staircase(staircase) => Self::Staircase(Staircase::prepare(*staircase)?),
            TrialPlan::QuestPlus(quest) => Self::QuestPlus(QuestPlus::prepare(quest)?),
        })
    }

    /// Back to the state before the first trial.
    pub fn reset(&mut self) {
        match self {
            Self::Bandit(bandit) => bandit.reset(),
            Self::Staircase(staircase) => staircase.reset(),
            Self::QuestPlus(quest) => quest.reset(),
        }
    }

    /// What the next trial shall show. `context` is the state before it, as many numbers as a bandit's plan says; the
    /// others do not look at it.
    pub fn propose(&mut self, context: &[f64]) -> Proposal {
        match self {
            Self::Bandit(bandit) => {
                let index = bandit.propose(context);
                Proposal { index, level: index as f64 }
            }
            Self::Staircase(staircase) => Proposal { index: 0, level: staircase.propose() },
            Self::QuestPlus(quest) => {
                let index = quest.propose();
                Proposal { index, level: quest.levels()[index] }
            }
        }
    }

    /// Takes the answer to a proposal; `context` is the one that the proposal was made for.
    pub fn answer(&mut self, proposal: Proposal, context: &[f64], answer: Answer) {
        match self {
            Self::Bandit(bandit) => bandit.answer(proposal.index, context, answer.reward()),
            Self::Staircase(staircase) => staircase.answer(answer.is_correct()),
            Self::QuestPlus(quest) => quest.answer(proposal.index, answer.is_correct()),
        }
    }

    /// Whether the plan's criterion to stop is met; a bandit never stops by itself.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Bandit(_) => false,
            Self::Staircase(staircase) => staircase.is_done(),
            Self::QuestPlus(quest) => quest.is_done(),
        }
    }

    /// The level that was looked for, and its standard error where the controller knows one: a staircase's mean of
    /// reversals, the threshold of QUEST+. `None` for a bandit and before there is one.
    pub fn estimate(&self) -> Option<(f64, Option<f64>)> {
        match self {
            Self::Bandit(_) => None,
            Self::Staircase(staircase) => {
                staircase.estimate().map(|level| (level, staircase.standard_error()))
            }
            Self::QuestPlus(quest) => {
                let posterior = quest.posterior();
                Some((posterior.threshold, Some(posterior.threshold_sd)))
            }
        }
    }
}

fn within(
    what: &'static str,
    value: f64,
    [low, high]: [f64; 2],
    allowed: &'static str,
) -> Result<(), PrepareError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(PrepareError::Number { what, value, allowed }) }
}
