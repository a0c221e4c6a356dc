//! The command line as data; what each command does lives in the module of its name.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    /// Stream a recording over LSL.
    Play(PlayArgs),
    /// Gradient of an ONNX model with respect to its input.
    Gradient(GradientArgs),
    /// Look into an ONNX model.
    Model {
        /// What to look for.
        #[command(subcommand)]
        command: ModelCommand,
    },
}

/// `photic model`.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List every tensor that can be asked for, with its type, its shape and the node that computes it.
    Taps(ModelArgs),
    /// Load, run and differentiate it: deterministic, finite, layout, shapes, and the gradient against finite differences.
    Check(ModelArgs),
    /// Load it and say nothing: what the other commands run first in a child process, under a memory limit.
    #[command(hide = true)]
    Trial(ModelArgs),
}

/// What all commands on a model take.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// ONNX file.
    pub model: PathBuf,
    /// Shape of an input that the file leaves open, as NAME=1x3x224x224.
    #[arg(long = "shape", value_name = "NAME=SHAPE")]
    pub shapes: Vec<String>,
    /// Tensor whose gradient is taken (see `photic model taps`); without it, all outputs.
    #[arg(long = "tap", value_name = "NAME")]
    pub taps: Vec<String>,
    /// Threads to compute with.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub threads: usize,
    /// Memory that the model may take, for loading and for one step.
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub memory_mib: u64,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic gradient`.
#[derive(Debug, Clone, Args)]
pub struct GradientArgs {
    /// The model and what is asked of it.
    #[command(flatten)]
    pub model: ModelArgs,
    /// Value of an input: FILE.npy where the model has one input, else NAME=FILE.npy for each.
    #[arg(long = "input", value_name = "[NAME=]FILE", required = true)]
    pub inputs: Vec<String>,
    /// Cotangent of each tap, in their order: the gradient of the sum of cotangent times tap is computed.
    #[arg(long = "cotangent", value_name = "FILE", required = true)]
    pub cotangents: Vec<PathBuf>,
    /// Where the gradient goes: FILE.npy where one input is asked for, else NAME=FILE.npy for each.
    #[arg(long = "out", value_name = "[NAME=]FILE", required = true)]
    pub outputs: Vec<String>,
    /// Repeat the step and report its times.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub repeat: usize,
    /// List how long each node took, slowest first, and the method chosen for each convolution.
    #[arg(long)]
    pub profile: bool,
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
    /// Protocol file.
    pub protocol: PathBuf,
    /// Rig file; without it, a simulated screen of 320 x 240.
    #[arg(long, value_name = "FILE")]
    pub rig: Option<PathBuf>,
    /// Simulated participant (`nominal`, `P01` .. `P60`), or `none` for whoever sits there. Without this option:
    /// `nominal` when the protocol has a controller, else `none`.
    #[arg(long, value_name = "NAME|none")]
    pub participant: Option<String>,
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
    /// Leave inlets and loop at normal priority even where real-time priority is allowed.
    #[arg(long)]
    pub no_realtime: bool,
}

/// `photic replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Session folder.
    pub session: PathBuf,
    /// Instead of the recorded turns, feed this many samples per turn and compare what was decided (not when).
    #[arg(long, value_name = "SAMPLES")]
    pub rechunk: Option<usize>,
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
