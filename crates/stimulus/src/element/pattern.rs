//! What is in an element: a value -1..=1 at each point.

use std::f64::consts::TAU;

use super::course::Now;
use crate::hash::{below, hash, part};
use crate::own::{Here, Own};
use crate::sheet::{Content, Sheet};

/// A pattern in an element's own coordinates (px, `u` to its right, `v` down from its centre).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pattern {
    /// 1 everywhere.
    Uniform,
    /// A wave along one direction.
    Grating {
        /// Wave vector in cycles per px.
        cycles_per_px: [f64; 2],
        /// Phase at the centre, in cycles; what drifts is added to it.
        phase: f64,
        /// Its profile.
        wave: Wave,
    },
    /// A wave of the distance from the centre and of the angle around it: rings, spokes, or a spiral of both.
    Polar {
        /// Cycles per px outwards.
        rings_per_px: f64,
        /// Cycles around the centre; whole.
        spokes: f64,
        /// Phase in cycles; what drifts is added to it.
        phase: f64,
        /// Its profile.
        wave: Wave,
    },
    /// Squares of alternating sign, a corner of four in the centre.
    Checkerboard {
        /// Width and height of a check.
        check_px: [f64; 2],
    },
    /// The same in polar coordinates.
    RadialCheckerboard {
        /// Rings of checks per px outwards.
        rings_per_px: f64,
        /// Where the first of those rings begins, in px from the centre.
        from_px: f64,
        /// Where more than 0, in place of it: rings of checks per e-fold of the distance from the centre. Checks then grow
        /// with eccentricity, as the cortex magnifies.
        rings_per_fold: f64,
        /// Checks around the centre, even.
        checks_around: f64,
    },
    /// Independent cells.
    Noise {
        /// Left edge on the screen: cells lie on whole pixels.
        left_px: i32,
        /// Upper edge on the screen.
        top_px: i32,
        /// Side of a cell.
        cell_px: u32,
        /// Distribution of a cell's value.
        draw: Draw,
        /// Seed.
        seed: u32,
    },
    /// Values of a sheet (see [`crate::sheet`]), or of the picture that a command names.
    Values(Sheet),
    /// Colours of a sheet; the element's paint is not used.
    Image(Sheet),
    /// What a user wrote (see [`crate::own`]).
    Own(Own),
}

/// The profile of a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wave {
    /// A cosine.
    Sine,
    /// Its sign. A pixel that an edge crosses takes the mean over it.
    Square,
}

/// How the value of a noise cell is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw {
    /// Evenly from -1..1.
    Uniform,
    /// -1 or 1.
    Binary,
    /// Normal with this standard deviation, cut at -1 and 1 (Box and Muller 1958).
    Gaussian {
        /// Standard deviation.
        sd: f64,
    },
    /// 0, but with this probability -1 or 1.
    Sparse {
        /// Probability.
        density: f64,
    },
}

/// Where a point lies, as patterns want to know it.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// To the right of the element's centre, in its own px.
    pub u: f64,
    /// Below it.
    pub v: f64,
    /// Column and row of the pixel on the screen.
    pub pixel: [i32; 2],
}

impl Pattern {
    /// The value at a point as the course has it now.
    pub fn at(&self, point: &Point, now: &Now, content: &Content<'_>) -> f64 {
        let Point { u, v, pixel } = *point;
        let (phase, scale) = (now.phase, now.scale);
        let radius = libm::sqrt(u * u + v * v);
        match *self {
            Self::Uniform | Self::Image(_) => 1.0,
            Self::Values(sheet) => content.value(&sheet, now.layer, u, v),
            Self::Own(own) => {
                let px = [u as f32, -v as f32];
                let (scale, cycles) = (scale as f32, phase as f32);
                content.own(&own, &Here { px, scale, frame: now.since_onset, cycles })
            }
            Self::Grating { cycles_per_px: [ku, kv], phase: own, wave } => {
                let width = libm::sqrt(ku * ku + kv * kv) / scale;
                wave.at(ku * u + kv * v + own + phase, width)
            }
            Self::Polar { rings_per_px, spokes, phase: own, wave } => {
                let across = spokes / (TAU * radius.max(1e-6));
                let width = libm::sqrt(rings_per_px * rings_per_px + across * across) / scale;
                let around = spokes * libm::atan2(-v, u) / TAU;
                wave.at(rings_per_px * radius + around + own + phase, width) * resolved(width)
            }
            Self::Checkerboard { check_px: [cu, cv] } => {
                let square = |at: f64, check: f64| {
                    Wave::Square.at(at / (2.0 * check) - 0.25, 1.0 / (2.0 * check * scale))
                };
                square(u, cu) * square(v, cv)
            }
            Self::RadialCheckerboard { rings_per_px, from_px, rings_per_fold, checks_around } => {
                let far = radius.max(1e-6);
                let (ring, per_px) = if rings_per_fold > 0.0 {
                    (rings_per_fold * libm::log(far), rings_per_fold / far)
                } else {
                    (rings_per_px * (far - from_px), rings_per_px)
                };
                let around = checks_around * libm::atan2(-v, u) / TAU;
                let (wide, narrow) = (per_px / 2.0 / scale, checks_around / (2.0 * TAU * far) / scale);
                Wave::Square.at(ring / 2.0 - 0.25, wide)
                    * resolved(wide)
                    * Wave::Square.at(around / 2.0 - 0.25, narrow)
                    * resolved(narrow)
            }
            Self::Noise { left_px, top_px, cell_px, draw, seed } => {
                let cell = |at: i32, from: i32| (at - from).div_euclid(cell_px as i32) as u32;
                draw.at(seed, cell(pixel[0], left_px), cell(pixel[1], top_px), now.step)
            }
        }
    }

    /// Whether nothing says how one place of it follows from another.
    pub(crate) fn is_irregular(&self) -> bool {
        matches!(self, Self::Noise { .. } | Self::Values(_) | Self::Image(_))
    }

    /// The highest spatial frequency in cycles per px that the pattern has where it is resolved; `None` where it has none.
    pub fn highest_frequency_per_px(&self) -> Option<f64> {
        match *self {
            Self::Uniform => None,
            Self::Grating { cycles_per_px: [ku, kv], .. } => Some(libm::sqrt(ku * ku + kv * kv)),
            Self::Polar { rings_per_px, .. } => Some(rings_per_px.max(1.0 / 16.0)),
            Self::Checkerboard { check_px: [cu, cv] } => Some(1.0 / (2.0 * cu.min(cv))),
            Self::RadialCheckerboard { rings_per_px, .. } => Some((rings_per_px / 2.0).max(1.0 / 16.0)),
            Self::Noise { cell_px, .. } => Some(1.0 / (4.0 * f64::from(cell_px))),
            Self::Values(sheet) | Self::Image(sheet) => Some(1.0 / (4.0 * sheet.texel_px)),
            Self::Own(own) => Some(own.finest_per_px),
        }
    }
}

impl Wave {
    /// The profile at a phase in cycles; `width` is what a pixel covers of a cycle.
    pub fn at(self, cycles: f64, width: f64) -> f64 {
        match self {
            Self::Sine => libm::cos(TAU * cycles),
            Self::Square => {
                let off = cycles - libm::floor(cycles + 0.5);
                ((0.25 - off.abs()) / (0.5 * width.clamp(1e-6, 0.5))).clamp(-1.0, 1.0)
            }
        }
    }
}

/// How much is left of a pattern where a pixel covers this part of a cycle: all up to a half, nothing from one on.
fn resolved(width: f64) -> f64 {
    (1.0 / width.max(1e-9) - 1.0).clamp(0.0, 1.0)
}

impl Draw {
    fn at(self, seed: u32, column: u32, row: u32, step: u32) -> f64 {
        let first = hash(seed, column, row, step);
        match self {
            Self::Uniform => 2.0 * part(first) - 1.0,
            Self::Binary => {
                if first >> 31 == 1 {
                    1.0
                } else {
                    -1.0
                }
            }
            Self::Gaussian { sd } => {
                let second = hash(seed ^ 0x5bd1_e995, column, row, step);
                let length = libm::sqrt(-2.0 * libm::log(part(first).max(1.0 / 4_294_967_296.0)));
                (sd * length * libm::cos(TAU * part(second))).clamp(-1.0, 1.0)
            }
            Self::Sparse { density } => {
                if !below(first, density) {
                    0.0
                } else if hash(seed ^ 0x5bd1_e995, column, row, step) >> 31 == 1 {
                    1.0
                } else {
                    -1.0
                }
            }
        }
    }
}
