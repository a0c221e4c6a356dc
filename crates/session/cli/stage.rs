//! Commands that show what a protocol shows.

use std::path::PathBuf;

use clap::Args;

/// `photic render`.
#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// Protocol file.
    pub protocol: PathBuf,
    /// Rig file; without it, a simulated screen of 320 x 240.
    #[arg(long, value_name = "FILE")]
    pub rig: Option<PathBuf>,
    /// Which stimulus, or which block: its stimulus at its contrast.
    #[arg(long, value_name = "NAME")]
    pub trial: String,
    /// Which frame since the onset, counted in refreshes from 0.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub frame: u64,
    /// The contrast that is commanded, 0 to 1; without it, that of the block, or 1.
    #[arg(long, value_name = "C")]
    pub contrast: Option<f64>,
    /// Where it goes: codes as FILE.png, or linear light as FILE.npy, [rows, columns, 3] of 32-bit floats.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Render by the CPU twin in place of the graphics adapter.
    #[arg(long)]
    pub twin: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic gallery`.
#[derive(Debug, Clone, Args)]
pub struct GalleryArgs {
    /// Protocol file; without it, the built-in one that has every kind of stimulus.
    pub protocol: Option<PathBuf>,
    /// Rig file; without it, a simulated screen of 320 x 240.
    #[arg(long, value_name = "FILE")]
    pub rig: Option<PathBuf>,
    /// Folder of the page and its moving pictures; must not exist yet.
    #[arg(long, value_name = "DIR", default_value = "gallery")]
    pub out: PathBuf,
    /// How long each stimulus is shown.
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub seconds: f64,
    /// Write no page: compare the graphics adapter with the CPU twin, print the largest difference of each stimulus, and
    /// fail above the bound.
    #[arg(long)]
    pub compare: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `photic frames`.
#[derive(Debug, Clone, Args)]
pub struct FramesArgs {
    /// Session folder.
    pub session: PathBuf,
    /// Which frame: the index of the refresh at which it became visible.
    #[arg(long, value_name = "N")]
    pub at: u64,
    /// Write it: codes as FILE.png, or linear light as FILE.npy.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}
