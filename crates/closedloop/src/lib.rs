//! Decoders and controllers composed as one pure step.
//!
//! [`Loop::prepare`] takes a [`Plan`] in machine units and allocates all that is needed; [`Loop::step`] takes the
//! instant, the flips, markers and samples of one turn and writes decisions, commands and notices. It reads no clock,
//! does no IO, allocates nothing, and uses `libm` and a fixed order of every sum, so that the same turns give the same
//! bits on every machine: that is what replay rests on.

mod attenuation;
mod check;
mod controller;
mod decoder;
mod feed;
mod flash;
mod flow;
pub mod interlock;
mod latch;
mod neurofeedback;
mod onset;
mod outside;
mod plan;
mod run;
mod schedule;
mod screen;
mod screen_clock;
mod set_point;
mod steer;
mod trial;
mod turn;

pub use controller::{
    Candidate, GainFilter, GainModel, Horizon, LqGain, LqgPlan, MAX_CANDIDATES, MAX_HORIZON, Margins,
    MpcPlan, OnOff, OnOffPlan, Pid, PidGains, PidPlan, margins, weighted, window_weights,
};
pub use feed::FeedPlan;
pub use flash::FlashPlan;
pub use flow::{
    ButtonsPlan, Codes, ConditionPlan, FeedbackPlan, FlowPlan, GatePlan, GazePlan, MAX_BUTTONS,
    MAX_TASK_TRIALS, PromptPlan, RejectPlan, TaskPlan, TaskTable, TaskTrial,
};
pub use neurofeedback::{
    AdaptPlan, AdaptiveThreshold, Artefact, ArtefactKind, ArtefactPlan, ArtefactWatch, Baseline, ScoredPlan,
    Spread, ThresholdPlan,
};
pub use onset::{EyesPlan, OnsetGate, OnsetPlan, OnsetRule, OnsetState, Otherwise, PhaseRule};
pub use outside::{Fallback, Gives, HIGHEST_VALUE_UV, MAX_OPEN, OutsidePlan};
pub use plan::{
    BlockKind, BlockPlan, CcaPlan, ClassPlan, ControllerPlan, DecoderPlan, InterlockPlan, LimitsPlan, PiPlan,
    Plan, PrepareError, ResponsePlan, SourcePlan, SsvepPlan, StimulusClock,
};
pub use run::Loop;
pub use set_point::{Levels, MAX_LEVELS, SET_POINT_STEP_NS, SetPointPlan};
pub use steer::SteerPlan;
pub use trial::{
    Answer, AnswerPlan, Arm, ArmsPlan, Bandit, BanditPlan, BanditRule, ContextPlan, Few, LogGrid,
    MAX_CHOICES, MAX_GRID, MAX_REVERSALS, ProcedurePlan, Proposal, Psychometric, PsychometricForm, QuestPlan,
    QuestPlus, QuestPlusPlan, QuestPlusStop, QuestPosterior, Staircase, StaircasePlan, StaircaseRule,
    TrialController, TrialPlan, TrialsPlan,
};
pub use turn::{Inputs, Outputs, SourceInput};
