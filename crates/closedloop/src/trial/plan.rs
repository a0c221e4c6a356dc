//! Plan of a block of trials, in machine units: small enough to be copied, so that a block is.

use timeline::{SceneId, SourceId};

use super::{
    BanditPlan, BanditRule, PsychometricForm, QuestPlusPlan, QuestPlusStop, StaircasePlan, TrialPlan,
};

/// Most arms of a bandit in a block, and most slopes or lapse rates of QUEST+.
pub const MAX_CHOICES: usize = 16;

/// Most points of a [`LogGrid`].
pub const MAX_GRID: usize = 512;

/// A block of trials: a stimulus at the contrast that a procedure chose, an answer, the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialsPlan {
    /// The stimulus; a bandit's arms have their own.
    pub scene: SceneId,
    /// From the command that begins a trial to the one that ends it.
    pub on_ns: i64,
    /// From that one to the earliest begin of the next.
    pub gap_ns: i64,
    /// How many at most; those that are lost count.
    pub trials: u32,
    /// Where the answer comes from.
    pub answer: AnswerPlan,
    /// What chooses.
    pub procedure: ProcedurePlan,
}

/// Where the answer to a trial comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AnswerPlan {
    /// The amplitude of the first window within the trial: detected when it is this many of its standard errors above zero.
    Decoded {
        /// Standard errors.
        criterion_sd: f64,
    },
    /// That amplitude itself, in uV.
    Amplitude,
    /// The first of two markers after the trial began, by the instant that it names.
    Marker {
        /// The source of the markers.
        source: SourceId,
        /// Code for "detected".
        yes: u32,
        /// Code for "not detected".
        no: u32,
        /// How long after the stimulus went off it may come.
        within_ns: i64,
    },
}

impl AnswerPlan {
    /// Whether the decoder gives it.
    pub fn is_decoded(&self) -> bool {
        !matches!(self, Self::Marker { .. })
    }
}

/// Contrasts evenly spaced in their logarithm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogGrid {
    /// The lowest.
    pub from: f64,
    /// The highest.
    pub to: f64,
    /// How many, 2 to [`MAX_GRID`].
    pub count: usize,
}

impl LogGrid {
    /// Decimal logarithms of the contrasts.
    fn levels(&self) -> Vec<f64> {
        let (from, to) = (libm::log10(self.from), libm::log10(self.to));
        let step = (to - from) / (self.count.max(2) - 1) as f64;
        (0..self.count).map(|n| from + n as f64 * step).collect()
    }
}

/// A short list of numbers that can be copied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Few {
    values: [f64; MAX_CHOICES],
    count: usize,
}

impl Few {
    /// The first [`MAX_CHOICES`] numbers.
    pub fn new(numbers: &[f64]) -> Self {
        let mut values = [0.0; MAX_CHOICES];
        values.iter_mut().zip(numbers).for_each(|(value, number)| *value = *number);
        Self { values, count: numbers.len().min(MAX_CHOICES) }
    }

    /// The numbers.
    pub fn values(&self) -> &[f64] {
        &self.values[..self.count]
    }
}

/// QUEST+ over contrasts; all logarithms are decimal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuestPlan {
    /// Shape of the psychometric function over log contrast.
    pub form: PsychometricForm,
    /// Contrasts that can be shown.
    pub contrasts: LogGrid,
    /// Possible thresholds.
    pub thresholds: LogGrid,
    /// Possible slopes, per unit of log contrast.
    pub slopes: Few,
    /// Possible lapse rates.
    pub lapses: Few,
    /// The guess rate.
    pub guess: f64,
    /// Contrast at the middle of the threshold's prior, and its standard deviation in log contrast; flat without.
    pub prior: Option<[f64; 2]>,
    /// It is done when the standard deviation of the log threshold is at most this; 0 for never.
    pub threshold_sd: f64,
}

/// What a bandit knows of the state before a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContextPlan {
    /// The answer before, in standard errors of its amplitude (0 before the first): what the stimulus before has left.
    pub previous_sd: bool,
    /// Minutes since the block began: what drifts.
    pub minutes: bool,
}

impl ContextPlan {
    /// Numbers in a context.
    pub fn count(&self) -> usize {
        usize::from(self.previous_sd) + usize::from(self.minutes)
    }
}

/// One arm of a bandit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arm {
    /// What is shown.
    pub scene: SceneId,
    /// At which contrast.
    pub contrast: f64,
}

/// A bandit over stimuli and contrasts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArmsPlan {
    arms: [Arm; MAX_CHOICES],
    count: usize,
    /// How one is chosen.
    pub rule: BanditRule,
    /// What is known before a choice.
    pub context: ContextPlan,
    /// Ridge of the regressions.
    pub ridge: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl ArmsPlan {
    /// The first [`MAX_CHOICES`] arms.
    pub fn new(arms: &[Arm], rule: BanditRule, context: ContextPlan, ridge: f64, seed: u64) -> Self {
        let mut all = [Arm { scene: SceneId::GREY, contrast: 0.0 }; MAX_CHOICES];
        all.iter_mut().zip(arms).for_each(|(place, arm)| *place = *arm);
        Self { arms: all, count: arms.len().min(MAX_CHOICES), rule, context, ridge, seed }
    }

    /// The arms.
    pub fn arms(&self) -> &[Arm] {
        &self.arms[..self.count]
    }
}

/// What chooses a trial's contrast or stimulus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ProcedurePlan {
    /// The most informative contrast.
    QuestPlus(QuestPlan),
    /// Up and down; levels and steps are decimal logarithms of contrast.
    Staircase(StaircasePlan),
    /// The best of several stimuli.
    Bandit(ArmsPlan),
}

impl ProcedurePlan {
    /// With all its numbers written out.
    pub fn expand(&self, trials: u32) -> TrialPlan {
        match self {
            Self::QuestPlus(quest) => TrialPlan::QuestPlus(QuestPlusPlan {
                form: quest.form,
                levels: quest.contrasts.levels(),
                thresholds: quest.thresholds.levels(),
                slopes: quest.slopes.values().to_vec(),
                lapses: quest.lapses.values().to_vec(),
                guess: quest.guess,
                prior: quest.prior.map(|[contrast, sd]| [libm::log10(contrast), sd]),
                stop: QuestPlusStop { trials, threshold_sd: quest.threshold_sd },
            }),
            Self::Staircase(staircase) => TrialPlan::Staircase(*staircase),
            Self::Bandit(arms) => TrialPlan::Bandit(BanditPlan {
                rule: arms.rule,
                arms: arms.count,
                context: arms.context.count(),
                ridge: arms.ridge,
                seed: arms.seed,
            }),
        }
    }

    /// The highest contrast that it can choose.
    pub fn highest_contrast(&self) -> f64 {
        match self {
            Self::QuestPlus(quest) => quest.contrasts.to,
            Self::Staircase(staircase) => libm::pow(10.0, staircase.limits[1]).min(1.0),
            Self::Bandit(arms) => arms.arms().iter().map(|arm| arm.contrast).fold(0.0, f64::max),
        }
    }
}
