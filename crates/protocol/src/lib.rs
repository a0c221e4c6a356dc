//! The experiment and the rig as they are written: TOML in, checked data in human units out.
//!
//! A protocol file says what is shown, what is measured, how it is decoded and controlled, and in which order the
//! blocks run. A rig file says what this room's screen is. Both are read into plain structs whose field names carry
//! the same units as the keys (`window_s`, `sf_cpd`, `set_point_uv`). Nothing here knows pixels per frame,
//! nanoseconds or an implementation: one later step of `session` lowers these numbers to the machine's.
//!
//! Three rules hold for every key:
//!
//! - an unknown key is an error that lists the valid ones;
//! - a number that a methods section must report has no default;
//! - an error names file, line, column, key, the value found and what is allowed.
//!
//! ```
//! let text = r#"
//! [protocol]
//! name = "example"
//! description = "a grating at a fixed contrast"
//! grey_ramp_s = 0.5
//! min_free_mb = 200
//!
//! [stimulus.target.grating]
//! sf_cpd = 1.0
//! orientation_deg = 45.0
//! phase_deg = 0.0
//! diameter_deg = 10.0
//! edge_deg = 1.0
//! flicker = { counterphase_hz = 7.5, waveform = "sine" }
//!
//! [[block]]
//! name = "look"
//! duration_s = 10.0
//! show = { stimulus = "target", contrast = 0.5 }
//! "#;
//! let protocol = protocol::Protocol::parse(text, "example.toml")?;
//! assert_eq!(protocol.schedule(1).duration_s(), 10.0);
//!
//! let wrong = text.replace("duration_s = 10.0", "duration_ms = 10000");
//! let error = protocol::Protocol::parse(&wrong, "example.toml").unwrap_err();
//! assert_eq!(error.line(), Some(18));
//! assert!(error.to_string().contains("write `duration_s = 10`"));
//! # Ok::<(), protocol::ProtocolError>(())
//! ```

mod arms;
mod check;
mod controller;
mod error;
mod experiment;
mod light;
mod limits;
mod onset;
mod order;
mod outside;
mod parse;
mod people;
pub mod reader;
mod response;
mod rig;
mod schedule;
mod steering;
mod stimulus;
mod suggest;
mod trial;
pub mod variant;

pub use arms::{Arm, ArmKind, Arms};
pub use controller::{Adapt, Artefacts, GainModel, Lqg, Measure, Mpc, OnOff, Pid, Scored, SetPoint};
pub use error::{Fault, Problem, ProtocolError, read_text};
pub use experiment::{
    Block, BlockKind, Calibrate, Cca, Class, Controller, Decoder, Hold, Listen, MarkerText, Markers, Order,
    Pi, Protocol, Response, Safety, Samples, Show, SsvepAmplitude, Stream, StreamKind, Unit,
};
pub use light::{RigLight, RigLut, RigPrimaries, RigPrimary, RigTransfer};
pub use limits::{DeadMan, Key, Limits, OnTime, Worth};
pub use onset::{Eyes, Flash, OnsetRule, OnsetState, Then, WantedPhase};
pub use order::{OrderError, OrderRule, TaskOrder, stream, williams};
pub use outside::{Fallback, Gives, Outside};
pub use people::{Feedback, Fixation, Gate, Prompt, PromptKind, Reject, Shown, Task, TaskCondition};
pub use response::{GazeStream, GazeUnit, KEYS, ResponseKind, ResponseSpec};
pub use rig::{Rig, RigStream, Screen, Stereo, SyncBounds};
pub use schedule::{Schedule, ScheduledBlock, SplitMix64};
pub use steering::{
    Aim, Condition, HoldPictures, Method, ModelFile, Picture, Planner, Population, ResponseModel, Selective,
    Steer, Uncalibrated, read_model,
};
pub use stimulus::{
    Bar, Carrier, CheckRings, Checkerboard, Code, CodeKind, Colour, Course, Declared, Dots, Draw, Eye,
    FilteredNoise, FixationForm, FixationMark, Flicker, FlickerKind, Gabor, Grating, Grid, Image, Look,
    Looming, Multifocal, Noise, Parameters, Plaid, RadialCheckerboard, Rings, Sequence, Shape, ShapeForm,
    Spectrum, Speller, Spokes, Stimulus, StimulusKind, Targets, Text, Transfer, Waveform, Wedge, Wgsl,
    Window, Words,
};
pub use trial::{
    Answer, Arm as TrialArm, Bandit, BanditRule, Context, Form, LogGrid, Procedure, QuestPlus, Staircase,
    StaircaseRule, Trial,
};

/// The most streams that one protocol can read; the turn record of a session has room for this many.
pub const MAX_STREAMS: usize = 4;

/// The most levels of a stepped set point.
pub const MAX_LEVELS: usize = 16;
