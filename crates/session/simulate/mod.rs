//! `photic simulate`: a simulated participant whom any other software can record over LSL, in real time.
//!
//! The participant sits in the same chair as in `photic run` and sees the frames of a simulated screen. What is on that screen is
//! told by a marker stream, or by a fixed schedule where nobody tells it. All happens in time of its own ([`Stage`]), so the same
//! seed gives the same samples however it is paced; `live` ties that time to the machine's clock.

mod args;
mod live;
mod outlets;
mod pace;
mod shown;
mod stage;

use std::fmt;

use participant::{Participant, Person, PopulationResponse};
use planner::Canvas;
use serde::Serialize;

use crate::brain::ModelPopulation;
use crate::error::SessionError;
use crate::experiment::{Experiment, Lowered, SIMULATED_RIG};
use crate::person;
use crate::run::{participant::setup, sources};
pub use args::SimulateArgs;
use shown::Fixed;
pub use stage::Stage;

/// Where stimuli, channels and rate come from when no protocol is named.
const PROTOCOL: &str = include_str!("../../../protocols/thermostat.toml");

/// What a simulation came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Simulated {
    /// Name of the stream.
    pub stream: String,
    /// Samples that were sent.
    pub samples_sent: u64,
    /// Samples that the participant's drop-outs took.
    pub samples_lost: u64,
    /// Time that was left out because the machine stood still for longer than is made up for.
    pub skipped_s: f64,
    /// Longest time from a chunk's last sample to its sending.
    pub latest_s: f64,
    /// Markers that said what is shown.
    pub markers_heard: u64,
    /// Markers that said something else.
    pub markers_unknown: u64,
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, samples_sent, samples_lost, skipped_s, latest_s, markers_heard, markers_unknown } =
            self;
        write!(
            f,
            "{stream}: {samples_sent} samples sent, {samples_lost} lost in drop-outs, {skipped_s:.3} s left out; at most \
             {:.1} ms late; {markers_heard} markers heard, {markers_unknown} not understood",
            latest_s * 1e3
        )
    }
}

/// Everything that is known before the first frame.
pub(crate) struct Room {
    pub(crate) experiment: Experiment,
    pub(crate) lowered: Lowered,
    pub(crate) person: Person,
    pub(crate) fixed: Option<Fixed>,
    pub(crate) seed: u64,
    pub(crate) chunk: usize,
    brain: Option<String>,
}

impl Room {
    /// Reads and checks everything; nothing is opened yet.
    pub(crate) fn furnish(args: &SimulateArgs) -> Result<Self, SessionError> {
        let usage = |text: String| Err(SessionError::Usage(text));
        if let Some(s) = args.duration.filter(|s| !(s.is_finite() && *s > 0.0)) {
            return usage(format!("--duration {s}: more than 0 s is allowed"));
        }
        if !(1..=4096).contains(&args.chunk) {
            return usage(format!("--chunk {}: 1 to 4096 samples are allowed", args.chunk));
        }
        if !(0.0..=86_400.0).contains(&args.wait_s) {
            return usage(format!("--wait-s {}: 0 to 86400 s are allowed", args.wait_s));
        }
        let person = person::choose(&args.participant, &args.with)?;
        let mut experiment = match &args.protocol {
            Some(protocol) => Experiment::load(protocol, args.rig.as_deref())?,
            None => {
                let rig = match &args.rig {
                    Some(path) => {
                        let read = std::fs::read_to_string(path);
                        read.map_err(|error| SessionError::io("read", path, error))?
                    }
                    None => SIMULATED_RIG.to_owned(),
                };
                let name =
                    args.rig.as_ref().map_or("the simulated rig".into(), |path| path.display().to_string());
                Experiment::parse(PROTOCOL.to_owned(), "thermostat", rig, &name)?
            }
        };
        if experiment.protocol.stimuli.is_empty() {
            return usage("the protocol has no stimulus that could be shown".into());
        }
        let fixed = args.stimulus.as_deref().map(Fixed::parse).transpose()?;
        if let Some(fixed) = &fixed {
            fixed.put_into(&mut experiment.protocol.stimuli[0]);
        }
        let lowered = experiment.lower(args.seed)?;
        let (seed, chunk, brain) = (args.seed, args.chunk, args.brain.clone());
        Ok(Self { experiment, lowered, person, fixed, seed, chunk, brain })
    }

    /// The participant in front of this screen.
    pub(crate) fn seat(&self) -> Result<Participant, SessionError> {
        let samples = sources::participant_stream(&self.experiment.protocol)?.samples;
        let setup = setup(&self.lowered, samples, self.seed);
        let Some(name) = &self.brain else { return Ok(Participant::prepare(&self.person, &setup)?) };
        let grid = &self.lowered.retina;
        if grid.columns != grid.rows {
            let (columns, rows) = (grid.columns, grid.rows);
            let text = format!(
                "--brain {name}: it wants a square retina; that of these stimuli has {columns} x {rows} cells"
            );
            return Err(SessionError::Usage(text));
        }
        let width_deg = f64::from(grid.columns) / setup.cells_per_deg;
        let canvas = Canvas {
            texels: setup.retina_width,
            texels_per_deg: setup.cells_per_deg,
            // Of pictures that are searched; here none is.
            contrast_rms: 0.2,
            aperture_deg: width_deg,
            edge_deg: 0.1 * width_deg,
        };
        let population = Box::new(ModelPopulation::open(name, &canvas)?);
        let brain = PopulationResponse::prepare(&self.person, &setup, population)?;
        Ok(Participant::with_brain(&self.person, &setup, Box::new(brain))?)
    }
}

/// Offers the participant over LSL until the duration is over or Ctrl-C.
///
/// # Errors
/// An option that is refused, with what is allowed; no LSL; nobody who listens within `--wait-s`.
pub fn simulate(args: &SimulateArgs, network: bool) -> Result<Simulated, SessionError> {
    live::run(&Room::furnish(args)?, args, network)
}

/// The samples of the first seconds as `photic simulate` sends them for a fixed stimulus: times in s since the first sample
/// without those that are lost, and values one sample after the other.
///
/// # Errors
/// As [`simulate`], but for LSL.
pub fn in_memory(args: &SimulateArgs, seconds: f64) -> Result<(Vec<f64>, Vec<f64>), SessionError> {
    let room = Room::furnish(args)?;
    let (kept, taker) = stage::Kept::new();
    let mut stage = Stage::set(&room, Box::new(taker))?;
    stage.advance(stage.start_ns() + timeline::ns_from_s(seconds))?;
    drop(stage);
    Ok(kept.take())
}
