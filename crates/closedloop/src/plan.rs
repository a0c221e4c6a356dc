//! The plan of a session in machine units: what `session` lowers the protocol to, and what [`crate::Loop`] prepares from.

use thiserror::Error;
use timeline::{MAX_SOURCES, SceneId, SourceId};

use crate::controller::{LqgPlan, MpcPlan, OnOffPlan, PidPlan};
use crate::feed::FeedPlan;
use crate::flash::FlashPlan;
use crate::flow::{FlowPlan, PromptPlan, TaskPlan};
use crate::neurofeedback::ArtefactPlan;
use crate::onset::OnsetPlan;
use crate::outside::OutsidePlan;
use crate::set_point::SetPointPlan;
use crate::steer::SteerPlan;
use crate::trial::TrialsPlan;

/// Everything that the loop has to know before the first turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Nominal refresh rate of the screen; the prior of the screen clock.
    pub refresh_hz: f64,
    /// Time over which the screen goes to grey and comes back.
    pub grey_ramp_ns: i64,
    /// The sources; the position is the [`SourceId`].
    pub sources: Vec<SourcePlan>,
    /// The blocks, in order; they run by time from the first step.
    pub blocks: Vec<BlockPlan>,
    /// How samples become decisions.
    pub decoder: Option<DecoderPlan>,
    /// How decisions become contrast.
    pub controller: Option<ControllerPlan>,
    /// How the state is followed on which an onset may wait.
    pub onset: Option<OnsetPlan>,
    /// What freezes the controller while it lies in the decoder's window.
    pub artefacts: Option<ArtefactPlan>,
    /// A program outside that gives the contrast or the decoded value.
    pub outside: Option<OutsidePlan>,
    /// Somebody else's values for the controller, in a sham or a yoked arm.
    pub feed: Option<FeedPlan>,
    /// What blocks for people need besides.
    pub flow: FlowPlan,
    /// What may be shown at all.
    pub interlock: InterlockPlan,
}

/// What may be shown at all, whatever blocks and controller want.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InterlockPlan {
    /// Whether faults of clock, samples and display lead to grey. Recordings of format version 1 were made without.
    pub faults: bool,
    /// The protocol's limits.
    pub limits: Option<LimitsPlan>,
}

impl InterlockPlan {
    /// Faults are watched for, nothing else is limited.
    pub const FAULTS: Self = Self { faults: true, limits: None };
    /// Nothing is watched: as it was before there was an interlock.
    pub const OFF: Self = Self { faults: false, limits: None };
}

/// Limits of what is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimitsPlan {
    /// The most contrast times time of the whole run, in s of full contrast.
    pub dose_s: f64,
    /// The longest time without a pause.
    pub longest_ns: i64,
    /// How long zero contrast has to last to be a pause.
    pub pause_ns: i64,
    /// The longest time with contrast above zero, over the whole run.
    pub total_ns: i64,
    /// The fastest change of contrast, per s.
    pub slew_per_s: f64,
    /// The longest run.
    pub session_ns: i64,
    /// How long the dead-man key may be up; `None` where there is no such key.
    pub dead_man_ns: Option<i64>,
}

/// One source.
#[derive(Debug, Clone, PartialEq)]
pub struct SourcePlan {
    /// Values per sample, after selection and reordering (markers: ignored).
    pub channels: usize,
    /// Samples per second of data time (markers: ignored).
    pub rate_hz: f64,
    /// Seconds of data per second of stamps: 1 for a live source, the speed for a played recording.
    pub time_scale: f64,
    /// Age of the newest arrival beyond which the loop holds.
    pub stale_after_ns: i64,
    /// Age of the newest arrival beyond which the screen goes to grey.
    pub grey_after_ns: i64,
    /// Markers come when they come: no rate, no staleness.
    pub is_marker: bool,
}

/// One block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockPlan {
    /// How long it lasts (a `Listen` block may end earlier).
    pub duration_ns: i64,
    /// What happens in it.
    pub kind: BlockKind,
}

/// What happens in a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BlockKind {
    /// The stimulus alternates between `contrast` for `on_ns` and zero for `off_ns`; at the end the decoder calibrates.
    Calibrate {
        /// The stimulus.
        scene: SceneId,
        /// Contrast while on, 0..=1.
        contrast: f64,
        /// Time on.
        on_ns: i64,
        /// Time off.
        off_ns: i64,
    },
    /// The controller keeps the response at a set point.
    Hold {
        /// The stimulus.
        scene: SceneId,
        /// Wanted response at the report channel.
        set_point: SetPointPlan,
    },
    /// Grey screen; ends early when that many cues have been answered.
    Listen {
        /// Number of cues.
        until_cues: u32,
    },
    /// A constant stimulus, no controller.
    Show {
        /// The stimulus.
        scene: SceneId,
        /// Contrast, 0..=1.
        contrast: f64,
    },
    /// Brief presentations, each at an onset of its own; ends early when all are over.
    Flash(FlashPlan),
    /// Pictures that the planner proposes, one after the other.
    Steer(SteerPlan),
    /// Trials, each at what a procedure chose; ends early when all are over or the procedure knows enough.
    Trial(TrialsPlan),
    /// Something is shown, or nothing, until a button is pressed.
    Prompt(PromptPlan),
    /// Trials that a person answers; ends early when all are over.
    Task(TaskPlan),
    /// Grey screen.
    Rest,
}

/// The decoders.
#[derive(Debug, Clone, PartialEq)]
pub enum DecoderPlan {
    /// Signed in-phase amplitude of the steady-state response.
    SsvepAmplitude(SsvepPlan),
    /// Attended frequency by canonical correlation, cued by markers.
    Cca(CcaPlan),
}

/// How the stimulus runs with the frames, and at which multiple of its frequency the brain answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StimulusClock {
    /// Realised stimulus cycles per refresh: `realised_hz / refresh_hz`. Phase is `frame * cycles_per_frame`.
    pub cycles_per_frame: f64,
    /// 1 for on/off flicker, 2 for counterphase (both reversals of one cycle excite alike).
    pub response_multiple: u32,
}

/// Plan of the amplitude decoder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SsvepPlan {
    /// The EEG.
    pub source: SourceId,
    /// The stimulus whose response is measured.
    pub clock: StimulusClock,
    /// Channel (position in the source's rows) in whose microvolts the amplitude is given.
    pub report_channel: usize,
    /// Length of the sliding window.
    pub window_s: f64,
    /// Time between decisions, counted in samples.
    pub update_s: f64,
    /// Corner of the high-pass before demodulation (Butterworth, second order).
    pub highpass_hz: f64,
}

/// Plan of the cued listener.
#[derive(Debug, Clone, PartialEq)]
pub struct CcaPlan {
    /// The EEG.
    pub source: SourceId,
    /// The markers.
    pub cues: SourceId,
    /// The classes; at most one without a frequency (rest).
    pub classes: Vec<ClassPlan>,
    /// Harmonics in the reference, the fundamental included.
    pub harmonics: usize,
    /// Length of the epoch, in seconds of data.
    pub window_s: f64,
    /// Start of the epoch after the cue, in seconds of data.
    pub delay_s: f64,
    /// Pass band.
    pub band_hz: [f64; 2],
    /// Probability that a rest epoch is called a frequency, over all classes together.
    pub rest_false_alarm: f64,
}

/// One class of the cued listener.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassPlan {
    /// Marker code that cues it; also the label of the decision.
    pub code: u32,
    /// Attended frequency; `None` is rest.
    pub frequency_hz: Option<f64>,
}

/// The controllers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ControllerPlan {
    /// Feed-forward by calibrated gain plus proportional-integral feedback with anti-windup.
    Pi(PiPlan),
    /// Two contrasts, switched by the measured amplitude; no model.
    OnOff(OnOffPlan),
    /// Feed-forward by calibrated gain plus textbook PID in drive, with or without a Smith predictor.
    Pid(PidPlan),
    /// Kalman estimate of the log gain and linear-quadratic action.
    Lqg(LqgPlan),
    /// Kalman estimate of the log gain and the best sequence of contrasts over a horizon.
    Mpc(MpcPlan),
    /// Feed-forward by the nominal gain of the protocol; no feedback.
    OpenLoopNominal(ResponsePlan),
    /// Feed-forward by the gain that the calibration found; no feedback.
    OpenLoopCalibrated(ResponsePlan),
    /// Yardstick for benches: feed-forward by the gain given to [`crate::Loop::set_known_gain`]. Never in a protocol.
    KnownGain(ResponsePlan),
}

impl ControllerPlan {
    /// The contrast response and the limits, whichever controller it is.
    pub fn response(&self) -> &ResponsePlan {
        match self {
            Self::Pi(plan) => &plan.response,
            Self::OnOff(plan) => &plan.response,
            Self::Pid(plan) => &plan.response,
            Self::Lqg(plan) => &plan.response,
            Self::Mpc(plan) => &plan.response,
            Self::OpenLoopNominal(response)
            | Self::OpenLoopCalibrated(response)
            | Self::KnownGain(response) => response,
        }
    }
}

/// The contrast response `r = gain * c^n / (c^n + s^n)` (Naka and Rushton 1966; for the human visual evoked potential
/// see Norcia et al. 2015, J Vis 15(6):4) and the limits of the contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResponsePlan {
    /// Gain of the nominal person: the response in uV towards which high contrast saturates.
    pub nominal_gain_uv: f64,
    /// Contrast `s` at which the response is half the gain.
    pub semisaturation: f64,
    /// Exponent `n`.
    pub exponent: f64,
    /// Lowest contrast.
    pub contrast_min: f64,
    /// Highest contrast.
    pub contrast_max: f64,
    /// Fastest change of contrast.
    pub slew_per_s: f64,
}

/// Plan of the PI controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PiPlan {
    /// Contrast response and limits.
    pub response: ResponsePlan,
    /// Proportional gain, 0..1: the part of a relative error that is taken to last and is answered at once. For a
    /// measurement without noise; with noise it counts less.
    pub kp: f64,
    /// Integral gain: relative change of drive per relative error and second, when the gain has been learnt and the
    /// measurement has no noise. It is higher as long as calibration leaves the gain in doubt, and lower with noise.
    pub ki_per_s: f64,
}

/// Why a plan cannot be prepared.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum PrepareError {
    /// A number is outside what is allowed.
    #[error("{what} is {value}, allowed is {allowed}")]
    Number {
        /// Which number.
        what: &'static str,
        /// Its value.
        value: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// More sources than the turn record can hold.
    #[error("{found} sources, at most {MAX_SOURCES} are possible")]
    Sources {
        /// Sources in the plan.
        found: usize,
    },
    /// A decoder names a source that does not exist or has the wrong kind.
    #[error(
        "the decoder wants source {source_id} as {wanted}, but the plan has {sources} sources and that is not one"
    )]
    Source {
        /// The number asked for.
        source_id: u16,
        /// "samples" or "markers".
        wanted: &'static str,
        /// Sources in the plan.
        sources: usize,
    },
    /// A block needs a decoder or controller that the plan does not have.
    #[error("block {block} needs {needs}, which the plan does not have")]
    Block {
        /// Index of the block.
        block: usize,
        /// What it needs.
        needs: &'static str,
    },
    /// The feedback would not settle at any gain near the believed one.
    #[error(
        "the pid loop is unstable: kp {kp}, ki {ki_per_s} per s, kd {kd_s} s with a window of {window_s} s and an update \
         every {update_s} s; lower gains, or predictor = \"smith\", are needed"
    )]
    Unstable {
        /// Proportional gain.
        kp: f64,
        /// Integral gain.
        ki_per_s: f64,
        /// Derivative gain.
        kd_s: f64,
        /// The decoder's window.
        window_s: f64,
        /// Time between decisions.
        update_s: f64,
    },
    /// Feedback from elsewhere cannot be used.
    #[error("feedback from elsewhere: {0}")]
    Feedback(&'static str),
    /// The classes of the listener are not usable.
    #[error("classes: {0}")]
    Classes(&'static str),
    /// A filter cannot be designed.
    #[error(transparent)]
    Filter(#[from] signal::DesignError),
}
