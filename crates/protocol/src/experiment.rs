//! What a protocol file says, as plain data in human units.
//!
//! A name that refers to another table (a stream, a stimulus, a channel) has become an index here, because parsing has
//! already proved that the table exists.

use crate::controller::{Artefacts, Lqg, Mpc, OnOff, Pid, SetPoint};
use crate::onset::{Flash, OnsetState};
use crate::people::{Prompt, Task};
use crate::response::{GazeStream, ResponseSpec};
use crate::steering::{Planner, Steer};
use crate::stimulus::Stimulus;
use crate::trial::Trial;

/// One experiment, as its file states it.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    /// Short name; it becomes the task label of the session folder.
    pub name: String,
    /// What the experiment does, in a sentence for the report.
    pub description: String,
    /// How long the screen takes to or from neutral grey, in s; a jump to grey would itself be a flash.
    pub grey_ramp_s: f64,
    /// Recording refuses to start with less free disk space than this, in MB (10^6 bytes).
    pub min_free_mb: u64,
    /// The order of the blocks; the order of the file where the key is absent.
    pub order: Order,
    /// The streams in the order of the file, at most [`crate::MAX_STREAMS`]; a stream's place here is its source id.
    pub streams: Vec<Stream>,
    /// What can be shown, in the order of the file.
    pub stimuli: Vec<Stimulus>,
    /// What people press, in the order of the file.
    pub responses: Vec<ResponseSpec>,
    /// Where people look, if it is measured.
    pub gaze: Option<GazeStream>,
    /// How samples become a measured state or a class, if anything is decoded.
    pub decoder: Option<Decoder>,
    /// How the error becomes a contrast, if anything is held.
    pub controller: Option<Controller>,
    /// How the state is followed on which an onset may wait, if any does.
    pub onset: Option<OnsetState>,
    /// What freezes the controller while it lies in the decoder's window, if the file says so.
    pub artefacts: Option<Artefacts>,
    /// The bound under which a flagged stimulus may be shown to a person, if the file states one.
    pub safety: Option<Safety>,
    /// What may be shown at all, if the file states limits.
    pub limits: Option<crate::Limits>,
    /// The arms of a blinded trial, if it is one.
    pub arms: Option<crate::Arms>,
    /// How a program outside takes part, if one does.
    pub outside: Option<crate::Outside>,
    /// How pictures are proposed, if any are.
    pub planner: Option<Planner>,
    /// The blocks in the order of the file, at least one.
    pub blocks: Vec<Block>,
}

/// How the blocks follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they stand in the file.
    Fixed,
    /// The blocks with `shuffle = true` change places among themselves, by the seed; the others keep their place.
    Shuffled,
    /// The same by the participant's number: a row of a Williams design.
    Counterbalanced,
}

/// One LSL stream that the protocol reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The name of its table, `eeg` for `[stream.eeg]`.
    pub name: String,
    /// LSL's stream type, for instance `EEG` or `Markers`.
    pub lsl_type: String,
    /// LSL's stream name (key `name`), where the type alone is not enough; the rig file may say it instead.
    pub lsl_name: Option<String>,
    /// What it carries.
    pub kind: StreamKind,
}

/// What a stream carries.
#[derive(Debug, Clone, PartialEq)]
pub enum StreamKind {
    /// Numbers at a regular rate.
    Samples(Samples),
    /// Texts at irregular instants (`type = "Markers"`).
    Markers(Markers),
}

/// A stream of samples at a regular rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Channel labels in the order of the stream, all different.
    pub channels: Vec<String>,
    /// Nominal rate in Hz, above 0.
    pub rate_hz: f64,
    /// The unit of the values.
    pub unit: Unit,
    /// No new sample for longer than this, in s: the loop holds its last command.
    pub stale_after_s: f64,
    /// No new sample for longer than this, in s, at least `stale_after_s`: the screen ramps to neutral grey.
    pub grey_after_s: f64,
    /// Waiting samples older than this, in s, are passed over and counted.
    pub max_lag_s: f64,
}

/// A stream of markers.
#[derive(Debug, Clone, PartialEq)]
pub struct Markers {
    /// The texts that have a meaning, in the order of the file; at least one.
    pub markers: Vec<MarkerText>,
}

/// A marker's text and the number that stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerText {
    /// The text exactly as the stream sends it.
    pub text: String,
    /// The code; several texts may share one.
    pub code: u32,
}

/// The unit of a stream's values. Photic converts none, so the list is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `"uV"`: microvolts; an outlet that declares another unit is refused.
    Microvolt,
    /// `"any"`: unknown or unscaled values; only decoders that do not depend on scale take them.
    Any,
}

/// How samples become a measured state or a class.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoder {
    /// `ssvep_amplitude`: the in-phase amplitude of the steady-state response.
    SsvepAmplitude(SsvepAmplitude),
    /// `cca`: which of several flickers is attended.
    Cca(Cca),
}

/// The signed in-phase amplitude at the response frequency, in uV at one reported channel.
#[derive(Debug, Clone, PartialEq)]
pub struct SsvepAmplitude {
    /// Index into [`Protocol::streams`]: a sample stream in uV.
    pub stream: usize,
    /// Index into [`Protocol::stimuli`]: the stimulus whose response is measured.
    pub stimulus: usize,
    /// Index into the stream's channels: the amplitude is given as it appears there.
    pub report_channel: usize,
    /// Length of the sliding window in s; at least one cycle of the response.
    pub window_s: f64,
    /// Time between two decisions in s, at most `window_s`.
    pub update_s: f64,
    /// Corner of the high-pass in Hz, above 0 and below the response frequency.
    pub highpass_hz: f64,
}

/// Canonical correlation with sines and cosines of each class's frequency and its harmonics (Lin et al. 2006,
/// IEEE Trans. Biomed. Eng. 53, 2610).
#[derive(Debug, Clone, PartialEq)]
pub struct Cca {
    /// Index into [`Protocol::streams`]: a sample stream.
    pub stream: usize,
    /// Index into [`Protocol::streams`]: the marker stream whose markers start an epoch.
    pub cues: usize,
    /// The classes in the order of the file; codes and labels all different, at least one with a frequency.
    pub classes: Vec<Class>,
    /// Harmonics of each frequency, the fundamental included; at least 1.
    pub harmonics: u32,
    /// Length of the epoch in s.
    pub window_s: f64,
    /// From the cue to the begin of the epoch, in s.
    pub delay_s: f64,
    /// Pass band in Hz, low and high.
    pub band_hz: [f64; 2],
    /// Probability, between 0 and 1, with which a resting person is called attending.
    pub rest_false_alarm: f64,
}

/// One class of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// How reports call it.
    pub label: String,
    /// Its code, as markers and decisions carry it; rest is 0 and only rest is.
    pub code: u32,
    /// The flicker attended, in Hz; `None` is rest.
    pub frequency_hz: Option<f64>,
}

/// How the error becomes a contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Controller {
    /// `pi`: proportional and integral, with anti-windup.
    Pi(Pi),
    /// `on_off`: a thermostat's switch with hysteresis.
    OnOff(OnOff),
    /// `pid`: proportional, integral and derivative.
    Pid(Pid),
    /// `lqg`: Kalman estimate and linear-quadratic action.
    Lqg(Lqg),
    /// `mpc`: the best sequence of contrasts over a horizon.
    Mpc(Mpc),
    /// `open_loop_nominal`: the contrast that the nominal response needs for the set point.
    OpenLoopNominal(Response),
    /// `open_loop_calibrated`: the same, with the gain that the calibration block found.
    OpenLoopCalibrated(Response),
}

impl Controller {
    /// The response model that the controller inverts, whichever controller it is.
    pub fn response(&self) -> &Response {
        match self {
            Self::Pi(pi) => &pi.response,
            Self::OnOff(on_off) => &on_off.response,
            Self::Pid(pid) => &pid.response,
            Self::Lqg(lqg) => &lqg.response,
            Self::Mpc(mpc) => &mpc.response,
            Self::OpenLoopNominal(response) | Self::OpenLoopCalibrated(response) => response,
        }
    }
}

/// A proportional-integral controller around the response model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pi {
    /// Part of a relative error that is answered at once, at least 0; not 0 together with `ki_per_s`.
    pub kp: f64,
    /// Change of the learnt gain per relative error and second once it is well known, at least 0.
    pub ki_per_s: f64,
    /// The response model and the limits of the contrast.
    pub response: Response,
}

/// The response that a controller reckons with, `nominal_gain_uv * c^n / (c^n + semisaturation^n)` at contrast `c`
/// (Naka and Rushton 1966; Albrecht and Hamilton 1982, J. Neurophysiol. 48, 217), and the limits of the contrast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response {
    /// Amplitude in uV that the nominal person would reach at unlimited contrast, above 0.
    pub nominal_gain_uv: f64,
    /// Contrast of half that amplitude, above 0.
    pub semisaturation: f64,
    /// Exponent `n`, above 0.
    pub exponent: f64,
    /// Least contrast commanded, 0..=1.
    pub contrast_min: f64,
    /// Greatest contrast commanded, above `contrast_min`, at most 1.
    pub contrast_max: f64,
    /// Fastest change of contrast per s, above 0.
    pub slew_per_s: f64,
}

/// The bound under which a stimulus that the photosensitivity rule flags may be shown to a person.
#[derive(Debug, Clone, PartialEq)]
pub struct Safety {
    /// The most flashes per second that the schedule may contain, above 0. It binds too.
    pub max_flashes_per_s: f64,
    /// Where it is written that the participant was screened for photosensitivity.
    pub screening_reference: String,
    /// Whether the governor lowers the contrast of what would break the bound, in place of ending the run (key `attenuate`,
    /// absent means not). A lower contrast is written into the response: each change of it is a sideband of a tag.
    pub attenuate: bool,
}

/// A stretch of the run with one purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its name, different from all other blocks'.
    pub name: String,
    /// How long it lasts at most, in s; only `listen` can end earlier.
    pub duration_s: f64,
    /// Whether it changes places with the other such blocks where the order is shuffled.
    pub shuffle: bool,
    /// What happens in it.
    pub kind: BlockKind,
}

/// What happens in a block.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockKind {
    /// The stimulus goes on and off at one contrast, and the decoder learns its filter, phase and gain.
    Calibrate(Calibrate),
    /// The controller holds the measured response at a set point.
    Hold(Hold),
    /// The screen stays grey and cued epochs of a stream are decoded.
    Listen(Listen),
    /// The stimulus is shown at a constant contrast.
    Show(Show),
    /// The stimulus is shown briefly again and again, each time at an onset that may wait for a state of the brain.
    Flash(Flash),
    /// The planner's pictures are shown one after the other.
    Steer(Steer),
    /// Trials, each at what a procedure chose.
    Trial(Box<Trial>),
    /// Something is shown, or nothing, until a button is pressed.
    Prompt(Prompt),
    /// Trials that a person answers.
    Task(Box<Task>),
    /// The screen stays grey.
    Rest,
}

/// See [`BlockKind::Calibrate`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrate {
    /// Index into [`Protocol::stimuli`], the decoder's own.
    pub stimulus: usize,
    /// Contrast while on, above 0, at most 1.
    pub contrast: f64,
    /// Time on in s, above 0.
    pub on_s: f64,
    /// Time off in s, above 0; on and off together fit the block.
    pub off_s: f64,
}

/// See [`BlockKind::Hold`].
#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    /// Index into [`Protocol::stimuli`], the decoder's own.
    pub stimulus: usize,
    /// The amplitude wanted at the decoder's reported channel, above 0 and within the nominal response's reach.
    pub set_point: SetPoint,
}

/// See [`BlockKind::Listen`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The block ends when this many cues have been decoded, or at its `duration_s`.
    pub until_cues: u32,
}

/// See [`BlockKind::Show`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Show {
    /// Index into [`Protocol::stimuli`].
    pub stimulus: usize,
    /// Michelson contrast, 0..=1.
    pub contrast: f64,
}
