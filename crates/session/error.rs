//! Everything that can end a command, with the numbers that say why.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a command ended early.
#[derive(Debug, Error)]
pub enum SessionError {
    /// A file or folder.
    #[error("cannot {what} {path}: {error}")]
    Io {
        /// "read", "write" ...
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// Protocol or rig file.
    #[error(transparent)]
    Protocol(#[from] protocol::ProtocolError),
    /// The rig's screen.
    #[error("rig {file}: {error}")]
    Screen {
        /// The rig's file.
        file: String,
        /// Why.
        error: stimulus::ScreenError,
    },
    /// What stands somewhere in a file.
    #[error("{place}: {error}")]
    At {
        /// `FILE:LINE`.
        place: String,
        /// What is wrong with it.
        error: Box<SessionError>,
    },
    /// Flicker that the refresh cannot make.
    #[error("stimulus `{stimulus}`: {error}")]
    Flicker {
        /// Name in the protocol.
        stimulus: String,
        /// Why, with the nearest that can be made.
        error: stimulus::FlickerError,
    },
    /// A stimulus that the screen cannot show.
    #[error("stimulus `{stimulus}`: {reason}")]
    Stimulus {
        /// Name in the protocol.
        stimulus: String,
        /// Why, with what is possible.
        reason: String,
    },
    /// The rig's light.
    #[error("rig {file}: {reason}")]
    Rig {
        /// The rig's file.
        file: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// The planner.
    #[error("planner: {0}")]
    Planner(#[from] planner::PlannerError),
    /// A grating finer than the screen.
    #[error(
        "stimulus `{stimulus}`: sf_cpd = {sf_cpd} has {px_per_cycle:.2} px per cycle on this screen, at least 4 are \
         needed: at most {most_cpd:.2} cpd"
    )]
    TooFine {
        /// Name in the protocol.
        stimulus: String,
        /// What was asked for.
        sf_cpd: f64,
        /// What it would be.
        px_per_cycle: f64,
        /// What is possible.
        most_cpd: f64,
    },
    /// A stimulus larger than the screen.
    #[error(
        "stimulus `{stimulus}`: diameter_deg = {diameter_deg} is {diameter_px:.0} px, the screen's shorter side has \
         {shorter_px:.0} px"
    )]
    TooLarge {
        /// Name in the protocol.
        stimulus: String,
        /// What was asked for.
        diameter_deg: f64,
        /// What it would be.
        diameter_px: f64,
        /// What is possible.
        shorter_px: f64,
    },
    /// The decoder follows a stimulus that does not flicker.
    #[error("decoder: stimulus {stimulus} does not flicker, so it has no response frequency")]
    NoFlicker {
        /// Index of the stimulus.
        stimulus: usize,
    },
    /// The photosensitivity rule refuses.
    #[error("refused by the photosensitivity rule: {0}")]
    Unsafe(String),
    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),
    /// The loop cannot be prepared.
    #[error("the protocol cannot be run: {0}")]
    Prepare(#[from] closedloop::PrepareError),
    /// The participant.
    #[error(transparent)]
    Person(#[from] participant::UnknownPerson),
    /// The participant's description.
    #[error(transparent)]
    Description(#[from] participant::DescriptionError),
    /// The participant cannot be prepared.
    #[error("participant: {0}")]
    Participant(#[from] participant::PrepareError),
    /// LSL is not there.
    #[error(transparent)]
    LslLoad(#[from] lsl::LoadError),
    /// LSL refuses its configuration.
    #[error(transparent)]
    LslConfigure(#[from] lsl::ConfigureError),
    /// A stream.
    #[error(transparent)]
    Acquisition(#[from] acquisition::AcquisitionError),
    /// A stream that does not fit the protocol.
    #[error(transparent)]
    Check(#[from] acquisition::CheckError),
    /// The display.
    #[error("display: {0}")]
    Display(#[from] display::DisplayError),
    /// The session folder.
    #[error(transparent)]
    Folder(#[from] recording::FolderError),
    /// Its manifest.
    #[error(transparent)]
    Manifest(#[from] recording::ManifestError),
    /// The disk.
    #[error(transparent)]
    FreeSpace(#[from] recording::FreeSpaceError),
    /// The recorder.
    #[error(transparent)]
    Record(#[from] recording::RecordError),
    /// A session that cannot be read back.
    #[error(transparent)]
    Open(#[from] recording::OpenError),
    /// A recording that cannot be mended.
    #[error(transparent)]
    Repair(#[from] recording::RepairError),
    /// A recording that cannot be read.
    #[error("{}{error}", of_file(path, error))]
    Recording {
        /// The file.
        path: PathBuf,
        /// Why.
        error: recording::xdf::ReadError,
    },
    /// A thread that should run did not.
    #[error("thread `{name}` could not be started: {error}")]
    Thread {
        /// Its name.
        name: String,
        /// The system's reason.
        error: io::Error,
    },
    /// A thread ended by a panic: a fault of ours, to be reported.
    #[error("thread `{0}` failed")]
    ThreadFailed(String),
    /// A thread that did not end: a fault of ours, too, but the record is closed without it.
    #[error("thread `{name}` was stuck: it did not end within {within_s} s")]
    ThreadStuck {
        /// Its name.
        name: String,
        /// How long it was waited for.
        within_s: f64,
    },
    /// A picture that could not be searched for at all.
    #[error(
        "[planner] deadline_s: found {deadline_s}, allowed: at least one step of the planner's model, which takes {step_s:.4} s \
         on this machine"
    )]
    Deadline {
        /// The protocol's.
        deadline_s: f64,
        /// One step, measured.
        step_s: f64,
    },
    /// A model file, or a question to it.
    #[error(transparent)]
    Model(#[from] adjoint::ModelError),
    /// A model file.
    #[error(transparent)]
    Load(#[from] adjoint::LoadError),
    /// One step of a model's gradient.
    #[error("{model}: {error}")]
    Step {
        /// The model's file.
        model: PathBuf,
        /// Why.
        error: adjoint::StepError,
    },
    /// A search of stimuli.
    #[error("the search cannot go on: {0}")]
    Search(Box<synthesis::search::SearchError>),
    /// A picture that cannot be written.
    #[error("a stimulus cannot be written as PNG: {0}")]
    Picture(String),
    /// A model that cannot serve as an encoder, or a question to it.
    #[error(transparent)]
    Encoder(#[from] encoding::encoder::EncoderError),
    /// A readout.
    #[error("{path}: {error}")]
    Readout {
        /// The recording.
        path: PathBuf,
        /// Why there is none.
        error: encoding::readout::ReadoutError,
    },
    /// A score.
    #[error("{path}: {error}")]
    Score {
        /// The recording.
        path: PathBuf,
        /// Why there is none.
        error: encoding::score::ScoreError,
    },
    /// A fit of a model's parameters.
    #[error("{path}: {error}")]
    Fit {
        /// The recording.
        path: PathBuf,
        /// Why there is none.
        error: Box<encoding::fit::FitError>,
    },
    /// An array file.
    #[error("{path}: {reason}")]
    Array {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// An argument that does not fit the others.
    #[error("{argument}: {reason}")]
    Argument {
        /// As it was given.
        argument: String,
        /// What is wrong, and what is allowed.
        reason: String,
    },
    /// A study's folder, journal or table.
    #[error("{path}: {reason}")]
    Study {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// A sealed arm.
    #[error("{path}: {reason}")]
    Sealed {
        /// The sealed file.
        path: PathBuf,
        /// Why it does not open.
        reason: String,
    },
    /// A session that cannot be replayed.
    #[error("{path}: cannot be replayed: {reason}")]
    NotReplayable {
        /// The session.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl SessionError {
    /// The same with its place, where it does not say it itself.
    #[must_use]
    pub fn at(self, place: &str) -> Self {
        match self {
            Self::Protocol(_) | Self::At { .. } => self,
            error => Self::At { place: place.to_owned(), error: Box::new(error) },
        }
    }

    /// A file error with its path.
    pub fn io(what: &'static str, path: &Path, error: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), error }
    }
}

/// The file's name, where the error does not give it itself.
fn of_file(path: &Path, error: &recording::xdf::ReadError) -> String {
    match error {
        recording::xdf::ReadError::Io { .. } => String::new(),
        recording::xdf::ReadError::NotXdf { .. } => format!("{}: ", path.display()),
    }
}
