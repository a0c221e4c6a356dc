//! The command line as data; what each command does lives in the module of its name.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::study::Shard;

mod model;
mod stage;

pub use model::{
    EyeName, FitArgs, FormArgs, GradientArgs, LayoutName, ModelArgs, ModelCommand, ScoreArgs, SynthArgs,
    TransferName, V1Args,
};
pub use stage::{FramesArgs, GalleryArgs, RenderArgs};

/// Closed-loop visual stimulation: shows a stimulus, measures the brain over LSL, corrects itself, records everything.
#[derive(Debug, Parser)]
#[command(name = "photic", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Let LSL reach other machines (without it, streams stay on this one).
    #[arg(long, global = true)]
    pub network: bool,
    /// More on stderr; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a session of a protocol and record it.
    Run(RunArgs),
    /// Run the recorded turns through the same step again and compare every decision and command.
    Replay(ReplayArgs),
    /// Read a protocol, lower it to the rig, report what would happen; nothing runs.
    Check(CheckArgs),
    /// Render one frame of a protocol's stimulus to a file.
    Render(RenderArgs),
    /// Draw a presented frame of a recorded session once more, and compare its checksum with the recorded one.
    Frames(FramesArgs),
    /// Write a page with every stimulus, moving; or compare the graphics adapter with the CPU twin.
    Gallery(GalleryArgs),
    /// Write a session's report page again.
    Report {
        /// Session folder.
        session: PathBuf,
    },
    /// Say what is whole in a recording, and mend it with --repair.
    Verify {
        /// XDF file or session folder.
        path: PathBuf,
        /// Make a torn file openable again; the torn bytes are kept beside it.
        #[arg(long)]
        repair: bool,
        /// Key of a blinded trial: also check the arm's commitment and allocation, without saying the arm.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// List the streams of a recording.
    Info {
        /// XDF file or session folder.
        path: PathBuf,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// List the LSL streams that can be seen now.
    Streams {
        /// How long to look.
        #[arg(long, default_value_t = 1.5)]
        wait_s: f64,
        /// One JSON object instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Run many simulated sessions of a specification (participants x protocols x arms x seeds) and compare the arms.
    Study(StudyArgs),
    /// Make the key of a blinded trial: for the statistician, at set-up.
    TrialKey(TrialKeyArgs),
    /// Open the sealed arms of a trial's sessions, check them, and write the table.
    Unblind(UnblindArgs),
    /// Fit each person's visual field to recorded sessions of pictures: what the next person's planner may believe beforehand.
    Prior(PriorArgs),
    /// Stream a recording over LSL.
    Play(PlayArgs),
    /// Offer a simulated participant over LSL to any other software.
    Simulate(crate::simulate::SimulateArgs),
    /// Gradient of an ONNX model with respect to its input.
    Gradient(GradientArgs),
    /// Make stimuli that drive a model of the visual brain as a specification wants.
    Synth(SynthArgs),
    /// Cover the screen with grey when a session's display falls silent: started by `photic run` itself.
    #[command(hide = true)]
    Watchdog(crate::watchdog::WatchdogArgs),
    /// Fit a model's own parameters (a scotoma, receptive-field size, gains) to a person's recording.
    Fit(FitArgs),
    /// Write the embedded model, look into an ONNX model, compare one with a recording.
    Model {
        /// What to do.
        #[command(subcommand)]
        command: ModelCommand,
    },
}

/// How the screen is driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DisplayMode {
    /// A window of the rig's size.
    Window,
    /// The whole screen.
    Fullscreen,
    /// No window; frames are rendered and paced by a simulated refresh.
    Offscreen,
}

/// What drives time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClockMode {
    /// The machine's clock, threads, LSL.
    Live,
    /// One event queue, as fast as the cores go.
    Virtual,
}

/// `photic run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Protocol file; not needed with --resume.
    #[arg(required_unless_present = "resume")]
    pub protocol: Option<PathBuf>,
    /// Rig file; without it, a simulated screen of 320 x 240.
    #[arg(long, value_name = "FILE")]
    pub rig: Option<PathBuf>,
    /// Simulated participant (`nominal`, `P01` .. `P60`, or a description, see docs/participants.md), or `none` for whoever sits
    /// there. Without this option: `nominal` when the protocol has a controller, else `none`.
    #[arg(long, value_name = "NAME|FILE.toml|none")]
    pub participant: Option<String>,
    /// What else happens to the simulated participant: adaptation, attention, saccades, blinks, dropouts.
    #[arg(long, value_name = "EFFECT,..", value_delimiter = ',')]
    pub with: Vec<String>,
    /// Brain of the simulated participant in place of its own, where pictures are shown: a committed one (`energy-1` ...) or
    /// an ONNX file whose first output is the response, 0 to 1.
    #[arg(long, value_name = "NAME|FILE.onnx")]
    pub brain: Option<String>,
    /// How to show it; without this option a window where there is a desktop, else offscreen.
    #[arg(long, value_enum)]
    pub display: Option<DisplayMode>,
    /// What drives time.
    #[arg(long, value_enum, default_value_t = ClockMode::Live)]
    pub clock: ClockMode,
    /// Where session folders go.
    #[arg(long, value_name = "DIR", default_value = "sessions")]
    pub out: PathBuf,
    /// End after this time, as if the operator had asked for it.
    #[arg(long, value_name = "S")]
    pub seconds: Option<f64>,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// End with one JSON object on the last line.
    #[arg(long)]
    pub json: bool,
    /// How long to look for the streams.
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    pub wait_s: f64,
    /// Keep the simulated participant inside the process instead of sending its EEG over LSL.
    #[arg(long)]
    pub in_process: bool,
    /// Say over LSL what is shown, as the marker stream `photic-shown` (for `photic simulate` and any other listener).
    #[arg(long)]
    pub publish: bool,
    /// Leave inlets and loop at normal priority even where real-time priority is allowed.
    #[arg(long)]
    pub no_realtime: bool,
    /// Key of the blinded trial, where the protocol has `[arms]`.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Number of the participant, from 1: orders are counterbalanced by it, and in a blinded trial it says the arm with the
    /// key.
    #[arg(long, value_name = "N")]
    pub number: Option<u32>,
    /// Earlier session of the same experiment, whose decoder values a sham or a yoked arm is fed. Needed for every arm, so
    /// that the command line says nothing.
    #[arg(long, value_name = "SESSION")]
    pub donor: Option<PathBuf>,
    /// On the virtual clock, what its screen does, as `ppm=40,jitter_ms=1,drops=0.01,doublings=0.001`. For tests.
    #[arg(long, value_name = "FAULTS", hide = true)]
    pub screen: Option<crate::run::ScreenFaults>,
    /// Where there is no window whose key could be held: when the dead-man key is held, in s since the start, as
    /// `0-10,12.5-20`. For tests.
    #[arg(long, value_name = "SPANS", hide = true)]
    pub held: Option<crate::run::HeldSpans>,
    /// What a scripted person presses (TOML, see docs/tasks.md), in place of somebody at the keyboard.
    #[arg(long, value_name = "FILE")]
    pub responses: Option<PathBuf>,
    /// Take the operator's commands from the standard input, one a line: pause, continue, skip, abort.
    #[arg(long)]
    pub operator: bool,
    /// Go on with a session that was interrupted, where it stopped, in a new folder; what ran is taken from its folder.
    #[arg(long, value_name = "SESSION", conflicts_with_all = ["seed", "number", "rig"])]
    pub resume: Option<PathBuf>,
}

/// `photic replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Session folder.
    pub session: PathBuf,
    /// Instead of the recorded turns, feed this many samples per turn and compare what was decided (not when).
    #[arg(long, value_name = "SAMPLES", conflicts_with_all = ["controller", "participant"])]
    pub rechunk: Option<usize>,
    /// Key of a blinded trial: repeat the controller too, whose feedback is sealed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["controller", "participant", "rechunk"])]
    pub key: Option<PathBuf>,
    /// Try another controller or decoder: a protocol file, or one with a [controller.*] or [decoder.*] table alone. A
    /// decoder decides again on the recorded samples; a controller needs --participant fitted.
    #[arg(long, value_name = "FILE")]
    pub controller: Option<PathBuf>,
    /// Fit the simulated participant to the session and close the loop through it, with the recorded controller and with
    /// the other one.
    #[arg(long, value_name = "fitted")]
    pub participant: Option<String>,
    /// Draws from the fit: of the recorded day, and as many other days.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub draws: usize,
    /// Seed of the draws.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub draw_seed: u64,
    /// Loops closed at a time; 0 for as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Folder of page and JSON of a counterfactual; without it, one in the session's folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic trial-key`.
#[derive(Debug, Clone, Args)]
pub struct TrialKeyArgs {
    /// The key file, which must not exist yet.
    pub file: PathBuf,
    /// Name of the trial.
    #[arg(long, value_name = "NAME")]
    pub trial: String,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic prior`.
#[derive(Debug, Clone, Args)]
pub struct PriorArgs {
    /// Session folders, one per person.
    #[arg(required = true)]
    pub sessions: Vec<PathBuf>,
    /// Where the file goes (TOML); a protocol's `[planner] prior` names it.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// `photic unblind`.
#[derive(Debug, Clone, Args)]
pub struct UnblindArgs {
    /// Session folders.
    #[arg(required = true)]
    pub sessions: Vec<PathBuf>,
    /// Key of the trial.
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where the table goes (CSV); without it, to the standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic study`.
#[derive(Debug, Clone, Args)]
pub struct StudyArgs {
    /// Specification (TOML).
    pub spec: PathBuf,
    /// Folder of journal, table and page; without it, one below `studies/`. A study that was interrupted goes on there.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Run only part i of n of the sessions (from 1), as one of many processes; the last one writes the table.
    #[arg(long, value_name = "I/N", conflicts_with = "merge")]
    pub shard: Option<Shard>,
    /// Run nothing: write table and page from the journals that are there, which must be whole.
    #[arg(long)]
    pub merge: bool,
    /// Run the held-out seeds instead of the tuning seeds: once, at the end.
    #[arg(long)]
    pub held_out: bool,
    /// Sessions at a time; 0 for as many as there are cores.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
    /// Read and check everything; run nothing.
    #[arg(long)]
    pub check: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Protocol file.
    pub protocol: PathBuf,
    /// Rig file; without it, a simulated screen of 320 x 240.
    #[arg(long, value_name = "FILE")]
    pub rig: Option<PathBuf>,
    /// Seed of the schedule.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Number of the participant, by which orders are counterbalanced; without it, the order of the file.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub number: Option<u32>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic play`.
#[derive(Debug, Clone, Args)]
pub struct PlayArgs {
    /// XDF file.
    pub file: PathBuf,
    /// Times real time. Stamps are scaled with it, and the outlet's description says so.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub speed: f64,
    /// Samples per chunk.
    #[arg(long, value_name = "SAMPLES", default_value_t = 8)]
    pub chunk: usize,
    /// Wait this long for somebody to listen before the first sample.
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    pub wait_s: f64,
    /// Play only the first S seconds of the recording.
    #[arg(long, value_name = "S")]
    pub seconds: Option<f64>,
}
