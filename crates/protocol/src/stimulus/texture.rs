//! Dots and noise: what is drawn by a seed.

use super::{direction, frequency, pair, seed, size};
use crate::error::ProtocolError;
use crate::reader::{Range, Table};

/// A random-dot kinematogram in a round field. Its `colour` is that of the dots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dots {
    /// Dots in the square around the field.
    pub count: u32,
    /// Diameter of a dot in degrees.
    pub dot_deg: f64,
    /// Diameter of the field in degrees.
    pub field_deg: f64,
    /// Speed of all dots in degrees per second.
    pub speed_deg_s: f64,
    /// Where dots that move together go.
    pub direction_deg: f64,
    /// The part of dots that move together, 0..=1.
    pub coherence: f64,
    /// How long a dot lives in s; 0 is for ever.
    pub lifetime_s: f64,
    /// Seed of everything drawn.
    pub seed: u32,
}

impl Dots {
    pub(super) const KEYS: &[&str] =
        &["count", "dot_deg", "field_deg", "speed_deg_s", "direction_deg", "coherence", "lifetime_s", "seed"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            count: table.integer("count", 1..=65_536)? as u32,
            dot_deg: size(table, "dot_deg")?,
            field_deg: size(table, "field_deg")?,
            speed_deg_s: table.number("speed_deg_s", Range::from(0.0).up_to(1_000.0))?,
            direction_deg: direction(table, "direction_deg")?,
            coherence: table.number("coherence", Range::from(0.0).up_to(1.0))?,
            lifetime_s: table.number("lifetime_s", Range::from(0.0).up_to(super::LONGEST_S))?,
            seed: seed(table)?,
        })
    }
}

/// Independent cells of noise about the neutral grey.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// Side of a cell in degrees; whole pixels are shown.
    pub cell_deg: f64,
    /// Width and height in degrees.
    pub size_deg: [f64; 2],
    /// How a cell's contrast is drawn.
    pub draw: Draw,
    /// New noise so often per second; 0 is never.
    pub renew_hz: f64,
    /// Seed.
    pub seed: u32,
}

/// How the contrast of a cell is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw {
    /// `"uniform"`: evenly between -1 and 1.
    Uniform,
    /// `"binary"`: -1 or 1.
    Binary,
    /// `{ gaussian_sd = .. }`: normal, cut at -1 and 1.
    Gaussian(f64),
    /// `{ sparse_density = .. }`: this part of cells is -1 or 1, the others 0.
    Sparse(f64),
}

impl Noise {
    pub(super) const KEYS: &[&str] =
        &["cell_deg", "size_deg", "draw", "gaussian_sd", "sparse_density", "renew_hz", "seed"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let draw = match table.one_of(&["draw", "gaussian_sd", "sparse_density"])? {
            key @ "gaussian_sd" => Draw::Gaussian(table.number(key, Range::above(0.0).up_to(1.0))?),
            key @ "sparse_density" => Draw::Sparse(table.number(key, Range::above(0.0).below(1.0))?),
            key => table.choice(key, &[("uniform", Draw::Uniform), ("binary", Draw::Binary)])?,
        };
        Ok(Self {
            cell_deg: size(table, "cell_deg")?,
            size_deg: pair(table, "size_deg", Range::above(0.0).up_to(super::WIDEST_DEG))?,
            draw,
            renew_hz: table.number("renew_hz", Range::from(0.0).up_to(1_000.0))?,
            seed: seed(table)?,
        })
    }
}

/// Gaussian noise with a spectrum, made before the run; it is scaled so that its root-mean-square contrast is the stated one
/// at a contrast of 1, and cut at -1 and 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilteredNoise {
    /// Width and height in degrees.
    pub size_deg: f64,
    /// Its spectrum.
    pub spectrum: Spectrum,
    /// Root-mean-square contrast at a contrast of 1.
    pub contrast_rms: f64,
    /// How many different ones are made; they follow each other, then the first comes again.
    pub frames: u32,
    /// The next one so often per second.
    pub renew_hz: f64,
    /// Seed.
    pub seed: u32,
}

/// Amplitudes over spatial frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Spectrum {
    /// `band_cpd = [low, high]`: alike within the band, nothing outside.
    Band([f64; 2]),
    /// `exponent`: amplitude `1 / f^exponent`; 1 is that of natural images.
    Power(f64),
}

impl FilteredNoise {
    pub(super) const KEYS: &[&str] =
        &["size_deg", "band_cpd", "exponent", "contrast_rms", "frames", "renew_hz", "seed"];

    pub(super) fn read(table: &Table<'_>) -> Result<Self, ProtocolError> {
        let spectrum = match table.one_of(&["band_cpd", "exponent"])? {
            key @ "band_cpd" => Spectrum::Band(table.span_of_numbers(key, Range::from(0.0).up_to(60.0))?),
            key => Spectrum::Power(table.number(key, Range::from(0.0).up_to(4.0))?),
        };
        Ok(Self {
            size_deg: size(table, "size_deg")?,
            spectrum,
            contrast_rms: table.number("contrast_rms", Range::above(0.0).up_to(1.0))?,
            frames: table.integer("frames", 1..=256)? as u32,
            renew_hz: frequency(table, "renew_hz")?,
            seed: seed(table)?,
        })
    }
}
