//! Commands on models of the visual system.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::model::Loader;

/// `photic model`.
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// List every tensor that can be asked for, with its type, its shape and the node that computes it.
    Taps(ModelArgs),
    /// Load, run and differentiate it: deterministic, finite, layout, shapes, and the gradient against finite differences.
    Check(ModelArgs),
    /// Write the embedded primary visual cortex as an ONNX file.
    V1(V1Args),
    /// Compare its taps with a recording: cross-validated R2 with the noise ceiling, RSA, CKA, Procrustes.
    Score(ScoreArgs),
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
    /// Under which limits models are loaded and run.
    #[command(flatten)]
    pub loader: Loader,
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

/// `photic synth`.
#[derive(Debug, Clone, Args)]
pub struct SynthArgs {
    /// Specification (TOML).
    pub spec: PathBuf,
    /// Folder of the result, which must not exist yet or be empty; without it, one below `synthesis/`.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Instead of the specification's.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Read, lower and check everything; make nothing.
    #[arg(long)]
    pub check: bool,
    /// Under which limits models are loaded and run.
    #[command(flatten)]
    pub loader: Loader,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic model v1`.
#[derive(Debug, Clone, Args)]
pub struct V1Args {
    /// Where the model goes.
    #[arg(short, long, value_name = "FILE")]
    pub out: PathBuf,
    /// Width of the image in degrees of visual angle.
    #[arg(long, value_name = "DEG", default_value_t = 8.0)]
    pub field_deg: f64,
    /// Size of the image in px: one number, or WIDTHxHEIGHT.
    #[arg(long, value_name = "PX", default_value = "128")]
    pub size_px: String,
    /// Where the person looks, in degrees right of and above the image's centre.
    #[arg(long, value_name = "X,Y", default_value = "0,0", allow_hyphen_values = true)]
    pub fovea_deg: String,
    /// Preferred orientations.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub orientations: usize,
    /// Preferred spatial frequencies in cycles per degree, falling.
    #[arg(long, value_name = "CPD,..", value_delimiter = ',')]
    pub scales_cpd: Vec<f64>,
    /// A region that does not see: its centre and radius in degrees, and, if given, the scale of its edge in degrees (0.25)
    /// and its depth (1). May be given several times.
    #[arg(long, value_name = "X,Y,R[,SOFTNESS[,DEPTH]]", allow_hyphen_values = true)]
    pub scotoma: Vec<String>,
    /// Multiplies the answers of some cells: `orientation=3,scale=0,cell=complex,gain=0`. May be given several times.
    #[arg(long, value_name = "WHICH,gain=G")]
    pub lesion: Vec<String>,
    /// Which eyes are open; one alone has its blind spot.
    #[arg(long, value_enum, default_value_t = EyeName::Both)]
    pub eye: EyeName,
    /// Factor of all answers.
    #[arg(long, value_name = "G", default_value_t = 1.0)]
    pub gain: f64,
    /// Factor of all receptive-field sizes.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub rf_scale: f64,
    /// An input of normal numbers that becomes noise: variance over mean, and variance of a silent cell.
    #[arg(long, value_name = "FANO,FLOOR")]
    pub noise: Option<String>,
    /// A time axis with direction-selective cells: frames of a movie, and their rate.
    #[arg(long, value_name = "FRAMES,HZ")]
    pub temporal: Option<String>,
    /// Parameters become inputs, so that `photic fit` can fit them to a person.
    #[arg(long)]
    pub fittable: bool,
    /// Leave the number of images of a batch open.
    #[arg(long)]
    pub open_batch: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Open eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EyeName {
    /// The left one.
    Left,
    /// The right one.
    Right,
    /// Both.
    Both,
}

/// What a model file's input means, where the file does not say it.
#[derive(Debug, Clone, Args)]
pub struct FormArgs {
    /// Order of the input's axes; without it, as the shape says.
    #[arg(long, value_enum)]
    pub layout: Option<LayoutName>,
    /// Code of the values before mean and sd.
    #[arg(long, value_enum)]
    pub transfer: Option<TransferName>,
    /// Subtracted, for each channel of the model or one for all.
    #[arg(long, value_name = "M,..", value_delimiter = ',', allow_hyphen_values = true)]
    pub mean: Vec<f32>,
    /// Divided by, for each channel of the model or one for all.
    #[arg(long, value_name = "S,..", value_delimiter = ',')]
    pub sd: Vec<f32>,
    /// The model wants blue, green, red.
    #[arg(long)]
    pub bgr: bool,
}

/// Order of a model's input axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LayoutName {
    /// Images, channels first.
    Nchw,
    /// Images, channels last.
    Nhwc,
    /// Movies, channels before frames.
    Ncthw,
    /// Movies, frames before channels.
    Ntchw,
}

/// Code of a model's input values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TransferName {
    /// Linear light, 0 to 1.
    Linear,
    /// sRGB code values, 0 to 1.
    Srgb,
}

/// A model, a recording, and how one is read off the other.
#[derive(Debug, Clone, Args)]
pub struct ScoreArgs {
    /// ONNX file.
    pub model: PathBuf,
    /// NumPy archive (.npz) with `stimuli` [N, (T,) C, H, W], linear light 0 to 1, and `responses` [N, (repeats,) R].
    pub recording: PathBuf,
    /// Tap to score; may be given several times. Without it, the model's outputs.
    #[arg(long = "tap", value_name = "NAME")]
    pub taps: Vec<String>,
    /// What the model's numbers mean, where its file does not say it.
    #[command(flatten)]
    pub form: FormArgs,
    /// Average each map over a grid of ROWSxCOLUMNS cells before the readout.
    #[arg(long, value_name = "ROWSxCOLUMNS")]
    pub pool: Option<String>,
    /// Folds of the cross-validation.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub folds: usize,
    /// Seed of the folds and of the intervals.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write the readout H of the best tap (JSON).
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Under which limits models are loaded and run.
    #[command(flatten)]
    pub loader: Loader,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic fit`.
#[derive(Debug, Clone, Args)]
pub struct FitArgs {
    /// ONNX file whose parameters are inputs (`photic model v1 --fittable`).
    pub model: PathBuf,
    /// NumPy archive (.npz) with `stimuli` [N, (T,) C, H, W], linear light 0 to 1, and `responses` [N, (repeats,) R].
    pub recording: PathBuf,
    /// Parameter to fit, with its lowest and highest value where the file does not say them, as NAME or NAME=LOW,HIGH; may
    /// be given several times.
    #[arg(long = "parameter", value_name = "NAME[=LOW,HIGH]", required = true)]
    pub parameters: Vec<String>,
    /// What is known of a parameter before: mean and standard deviation over people.
    #[arg(long = "prior", value_name = "NAME=MEAN,SD")]
    pub priors: Vec<String>,
    /// Readout of the population (`photic model score --out`), up to a gain and an offset of each response; without it, a
    /// ridge regression is solved along with the parameters.
    #[arg(long, value_name = "FILE", conflicts_with = "penalty")]
    pub readout: Option<PathBuf>,
    /// Penalty of that regression, in squared units of the features.
    #[arg(long, value_name = "P", default_value_t = 1.0)]
    pub penalty: f64,
    /// Tap from which the responses are read.
    #[arg(long, value_name = "NAME")]
    pub tap: String,
    /// What the model's numbers mean, where its file does not say it.
    #[command(flatten)]
    pub form: FormArgs,
    /// Average each map over a grid of ROWSxCOLUMNS cells before the readout.
    #[arg(long, value_name = "ROWSxCOLUMNS")]
    pub pool: Option<String>,
    /// Places of the allowed box at which the fit is looked at first.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub screened: usize,
    /// How many of the best of them are followed down.
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub starts: usize,
    /// Most steps of one descent.
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub steps: usize,
    /// Folds of the cross-validation; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub folds: usize,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write the fitted parameters (JSON).
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Under which limits models are loaded and run.
    #[command(flatten)]
    pub loader: Loader,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}
