//! What is made, out of what, for how long, and how it is written: the sections that need no model.

use std::path::{Path, PathBuf};

use protocol::ProtocolError;
use protocol::reader::{Range, Table};

use crate::synth::picture::{Code, Coding, Depth};

/// `[synth]`.
pub struct Head {
    /// Name of the result.
    pub name: String,
    /// What for.
    pub description: String,
    /// Seed of everything random.
    pub seed: u64,
}

pub fn head(root: &Table<'_>) -> Result<Head, ProtocolError> {
    let table = root.table("synth", &["name", "description", "seed"])?;
    Ok(Head {
        name: table.text("name")?,
        description: table.text("description")?,
        seed: table.integer("seed", 0..=i64::MAX as u64)?,
    })
}

/// `[stimulus]`: the set that is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Stimulus {
    /// Stimuli of the set.
    pub count: usize,
    /// Frames, channels, height, width of each.
    pub shape: [usize; 4],
    /// Width in degrees of visual angle. Pixels are square.
    pub width_deg: f64,
    /// Frames per second of a movie.
    pub rate_hz: Option<f64>,
}

impl Stimulus {
    /// Pixels per degree of visual angle.
    pub fn px_per_deg(&self) -> f64 {
        self.shape[3] as f64 / self.width_deg
    }

    /// Degrees of visual angle as pixels.
    pub fn px(&self, deg: f64) -> f64 {
        deg * self.px_per_deg()
    }

    /// Shorter side in px.
    pub fn side_px(&self) -> f64 {
        self.shape[2].min(self.shape[3]) as f64
    }
}

/// The most that one set may hold; beyond, a size is a slip.
const MOST_VALUES: u64 = 1 << 28;

pub fn stimulus(root: &Table<'_>) -> Result<Stimulus, ProtocolError> {
    let keys = ["count", "width_px", "height_px", "width_deg", "colour", "movie"];
    let table = root.table("stimulus", &keys)?;
    let count = table.integer("count", 1..=4096)?;
    let width = table.integer("width_px", 4..=8192)?;
    let height = table.integer("height_px", 4..=8192)?;
    let channels = table.choice("colour", &[("grey", 1u64), ("rgb", 3)])?;
    let movie = table.optional("movie", |table, key| {
        let movie = table.table(key, &["frames", "rate_hz"])?;
        Ok((movie.integer("frames", 2..=1024)?, movie.number("rate_hz", Range::above(0.0).up_to(1000.0))?))
    })?;
    let frames = movie.map_or(1, |(frames, _)| frames);
    let values = count * frames * channels * width * height;
    if values > MOST_VALUES {
        return Err(table.itself(format!(
            "{count} stimuli of {frames} frames, {channels} channels and {width} x {height} px are {values} numbers; \
             at most {MOST_VALUES} are allowed"
        )));
    }
    Ok(Stimulus {
        count: count as usize,
        shape: [frames, channels, height, width].map(|axis| axis as usize),
        width_deg: table.number("width_deg", Range::above(0.0).up_to(180.0))?,
        rate_hz: movie.map(|(_, rate_hz)| rate_hz),
    })
}

/// `[budget]`: when to stop, whatever comes first. Steps or a deadline must be given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Steps of the optimiser.
    pub steps: Option<usize>,
    /// Wall-clock time.
    pub deadline_ms: Option<f64>,
    /// A value that is good enough to stop.
    pub enough: Option<f64>,
}

pub fn budget(root: &Table<'_>) -> Result<Budget, ProtocolError> {
    let table = root.table("budget", &["steps", "deadline_ms", "enough"])?;
    let steps = table.optional("steps", |t, key| t.integer(key, 1..=10_000_000))?;
    let deadline_ms = table.optional("deadline_ms", |t, key| t.number(key, Range::above(0.0).up_to(1e9)))?;
    if steps.is_none() && deadline_ms.is_none() {
        return Err(
            table.itself("needs `steps`, `deadline_ms` or both: the first that is reached ends the search")
        );
    }
    let enough = table.optional("enough", |t, key| t.number(key, Range::from(-f64::MAX)))?;
    Ok(Budget { steps: steps.map(|steps| steps as usize), deadline_ms, enough })
}

/// `[output]`: the code of the pictures.
pub fn output(root: &Table<'_>) -> Result<Coding, ProtocolError> {
    let table = root.table("output", &["srgb", "display"])?;
    let depth = |table: &Table<'_>| match table.integer("bits", 8..=16)? {
        8 => Ok(Depth::Eight),
        16 => Ok(Depth::Sixteen),
        _ => Err(table.refuse("bits", "8 or 16")),
    };
    Ok(match table.one_of(&["srgb", "display"])? {
        key @ "srgb" => {
            let table = table.table(key, &["bits"])?;
            Coding { code: Code::Srgb, depth: depth(&table)? }
        }
        key => {
            let table = table.table(key, &["gamma", "bits"])?;
            let gamma = table.number("gamma", Range::from(1.0).up_to(5.0))?;
            Coding { code: Code::Gamma(gamma), depth: depth(&table)? }
        }
    })
}

/// A file that the specification names, relative to its own folder.
pub fn file(table: &Table<'_>, key: &str, folder: &Path) -> Result<PathBuf, ProtocolError> {
    let path = folder.join(table.text(key)?);
    if path.is_file() {
        Ok(path)
    } else {
        Err(table.refuse(key, format!("a file; there is none at {}", path.display())))
    }
}
