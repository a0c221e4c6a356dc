//! Plan of the blocks in which people look and press, in machine units.

use timeline::{Device, SceneId, SourceId};

/// Most buttons of a response.
pub const MAX_BUTTONS: usize = 16;

/// Most trials of one task, repeats not counted.
pub const MAX_TASK_TRIALS: usize = 100_000;

/// What tasks need besides their blocks, which are small and copied.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FlowPlan {
    /// Conditions and order of each task; [`TaskPlan::table`] is a place in it.
    pub tables: Vec<TaskTable>,
    /// Where the person looks.
    pub gaze: Option<GazePlan>,
    /// Blocks that are not run, because an earlier run of the same session did; by their place, the rest run.
    pub done: Vec<bool>,
}

/// Codes of a response's buttons, in the order of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    codes: [u32; MAX_BUTTONS],
    count: usize,
}

impl Codes {
    /// The first [`MAX_BUTTONS`] codes.
    pub fn new(codes: &[u32]) -> Self {
        let mut all = [0; MAX_BUTTONS];
        all.iter_mut().zip(codes).for_each(|(place, code)| *place = *code);
        Self { codes: all, count: codes.len().min(MAX_BUTTONS) }
    }

    /// The codes.
    pub fn codes(&self) -> &[u32] {
        &self.codes[..self.count]
    }

    /// Which button a code is.
    pub(crate) fn button(&self, code: u32) -> Option<u64> {
        self.codes().iter().position(|own| *own == code).map(|place| place as u64)
    }
}

/// A response: which buttons there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ButtonsPlan {
    /// Keys or buttons of a device.
    Keys {
        /// The device.
        device: Device,
        /// Their codes.
        codes: Codes,
    },
    /// Markers of a source.
    Markers {
        /// The source.
        source: SourceId,
        /// Their codes.
        codes: Codes,
    },
}

impl ButtonsPlan {
    /// The codes of the buttons.
    pub fn codes(&self) -> &Codes {
        match self {
            Self::Keys { codes, .. } | Self::Markers { codes, .. } => codes,
        }
    }
}

/// Something is shown, or nothing, until a button is pressed: an instruction, a rating, a break, a wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PromptPlan {
    /// The stimulus and its contrast; grey without.
    pub shown: Option<(SceneId, f64)>,
    /// What ends it.
    pub buttons: ButtonsPlan,
    /// Presses before this time since the block's begin do not count.
    pub least_ns: i64,
}

/// A block of trials that a person answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskPlan {
    /// Place in [`FlowPlan::tables`].
    pub table: usize,
    /// Shown before each stimulus, and after it while an answer is waited for; grey without.
    pub fixation: Option<(SceneId, f64)>,
    /// Time in which contrast rises and falls; 0 for a step, which no `[limits]` allow.
    pub ramp_ns: i64,
    /// From the onset of the stimulus to the refresh at which it goes off.
    pub on_ns: i64,
    /// Whether it goes off at the answer, if that comes before.
    pub until_response: bool,
    /// What answers.
    pub buttons: ButtonsPlan,
    /// An answer sooner after the onset than this is none to the stimulus.
    pub earliest_ns: i64,
    /// How long after the onset an answer counts.
    pub timeout_ns: i64,
    /// What is shown after the answer.
    pub feedback: FeedbackPlan,
    /// What a trial waits for, and is broken by.
    pub gate: Option<GatePlan>,
    /// Which attempts do not count.
    pub reject: RejectPlan,
    /// How often a trial is attempted again at most.
    pub repeats: u32,
    /// Whether it is for practice.
    pub practice: bool,
}

/// What is shown after an answer; nothing where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FeedbackPlan {
    /// After a right one.
    pub correct: Option<(SceneId, f64)>,
    /// After a wrong one.
    pub wrong: Option<(SceneId, f64)>,
    /// After none, or one that came too early.
    pub none: Option<(SceneId, f64)>,
    /// For how long.
    pub on_ns: i64,
}

/// Fixation: a trial begins only when gaze has stayed near the mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GatePlan {
    /// How near.
    pub radius_deg: f64,
    /// For how long without a break.
    pub stay_ns: i64,
    /// Given up after this time.
    pub timeout_ns: i64,
    /// Broken when gaze is away for longer than this while the stimulus is on.
    pub away_ns: i64,
}

/// Which attempts do not count, besides those whose fixation failed and those that were interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RejectPlan {
    /// Answered before anybody can have seen the stimulus, or before it came.
    pub early: bool,
    /// Not answered in time.
    pub no_response: bool,
    /// An artefact lay between onset and end.
    pub artefact: bool,
    /// Frames were missed between onset and end.
    pub missed_frames: bool,
}

/// Where gaze comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GazePlan {
    /// The source.
    pub source: SourceId,
    /// Places of x and y in its rows.
    pub channels: [usize; 2],
    /// The values at the fixation mark.
    pub origin: [f64; 2],
    /// Degrees per unit of the values.
    pub deg_per_unit: f64,
}

/// Conditions and order of a task.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskTable {
    /// What can be shown.
    pub conditions: Vec<ConditionPlan>,
    /// The trials in their order.
    pub trials: Vec<TaskTrial>,
    /// Fixation time and gap of each attempt in ns, in turn.
    pub waits_ns: Vec<[i64; 2]>,
}

/// One condition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConditionPlan {
    /// What is shown.
    pub scene: SceneId,
    /// At which contrast.
    pub contrast: f64,
    /// Which button is right, if one is.
    pub correct: Option<u64>,
}

/// A trial that is to be attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskTrial {
    /// Its place in the whole order.
    pub number: u64,
    /// Its condition.
    pub condition: usize,
    /// Attempts at it before.
    pub repeat: u64,
    /// How many of them were rejected for what they were, not for what happened outside.
    pub rejected: u32,
}

impl TaskTrial {
    /// Not attempted yet.
    pub fn new(number: u64, condition: usize) -> Self {
        Self { number, condition, repeat: 0, rejected: 0 }
    }
}
