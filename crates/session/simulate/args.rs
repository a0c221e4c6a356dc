//! The command line of `photic simulate`.

use std::path::PathBuf;

use clap::Args;

/// `photic simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// `nominal`, `P01` .. `P60`, or a description (see docs/participants.md).
    #[arg(long, value_name = "NAME|FILE.toml", default_value = "nominal")]
    pub participant: String,
    /// What else happens: adaptation, attention, saccades, blinks, dropouts.
    #[arg(long, value_name = "EFFECT,..", value_delimiter = ',')]
    pub with: Vec<String>,
    /// Another brain than the participant's own: a committed one (`energy-1` ...) or an ONNX file.
    #[arg(long, value_name = "NAME|FILE.onnx")]
    pub brain: Option<String>,
    /// Stimuli that may be shown, channels and rate; without it, those of the thermostat.
    #[arg(long, value_name = "FILE")]
    pub protocol: Option<PathBuf>,
    /// The screen that the participant sees; without it, a simulated one of 320 x 240.
    #[arg(long, value_name = "FILE")]
    pub rig: Option<PathBuf>,
    /// What is shown where nobody publishes it: the first stimulus with this flicker, on and off in turn, as
    /// `counterphase_hz=7.5,waveform=sine,contrast=0.8,on_s=8,off_s=2` (or `on_off_hz`).
    #[arg(long, value_name = "KEY=VALUE,..", conflicts_with = "listen")]
    pub stimulus: Option<String>,
    /// Marker stream that says what is shown: `on CONTRAST [STIMULUS [FRAME]]` and `off`.
    #[arg(long, value_name = "STREAM", default_value = "photic-shown")]
    pub listen: String,
    /// Name of the stream; without it, `photic-participant-NAME`. Gaze and markers have it with `-gaze` and `-markers`.
    #[arg(long, value_name = "STREAM")]
    pub name: Option<String>,
    /// Offer the gaze as a stream of its own, as an eye tracker would.
    #[arg(long)]
    pub gaze: bool,
    /// Offer a marker stream of what was seen and what the eyes did.
    #[arg(long)]
    pub markers: bool,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// End after this time; without it, at Ctrl-C.
    #[arg(long, value_name = "S")]
    pub duration: Option<f64>,
    /// Samples per chunk.
    #[arg(long, value_name = "SAMPLES", default_value_t = 8)]
    pub chunk: usize,
    /// Wait this long for somebody to listen before the first sample; 0 begins at once.
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    pub wait_s: f64,
    /// End with one JSON object on the last line.
    #[arg(long)]
    pub json: bool,
}
