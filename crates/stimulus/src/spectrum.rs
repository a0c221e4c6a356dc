//! The spectrum that a temporal course really has on the screen: the discrete Fourier transform of its frames.
//!
//! A course is one level per frame, over its exact period (or as many frames as are asked about). Frames are samples: how
//! long a screen holds each changes the lines above half the refresh, and scales those below alike for every target.

use thiserror::Error;

use crate::fourier::transform;

/// The longest row of frames: a million, the longest period of a flicker.
pub const MAX_FRAMES: usize = 1_000_000;

/// Amplitudes that differ by less than this part of the larger count as equal: rounding.
const SAME_AMPLITUDE: f64 = 1e-9;

/// One line of a spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Cycles in the row of frames.
    pub cycles: usize,
    /// Its frequency.
    pub frequency_hz: f64,
    /// Half the distance from trough to crest, in the units of the levels; the mean for 0 Hz.
    pub amplitude: f64,
    /// Phase at frame 0 of the cosine; a sine that begins upwards has -pi / 2.
    pub phase_rad: f64,
}

/// All lines of a row of frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    lines: Vec<Line>,
    frames: usize,
}

/// What a course makes of the frequency that was asked of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Realised {
    /// The frequency asked for, if one was.
    pub asked_hz: Option<f64>,
    /// Mean level.
    pub mean: f64,
    /// The strongest line but the mean: of those that are equally strong, the one nearest to what was asked, or the
    /// lowest.
    pub fundamental: Line,
    /// Its multiples below or at half the refresh rate, from the second on.
    pub harmonics: Vec<Line>,
    /// The strongest line that is neither mean, fundamental nor harmonic.
    pub strongest_other: Option<Line>,
}

/// Why a row of frames has no spectrum.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SpectrumError {
    /// Too few frames or too many.
    #[error("the spectrum of {frames} frames: allowed are 2 to {MAX_FRAMES}")]
    Frames {
        /// How many there are.
        frames: usize,
    },
    /// A level that is not a number.
    #[error("level {level} of frame {frame}: it must be a finite number")]
    NotFinite {
        /// Which frame.
        frame: usize,
        /// Its level.
        level: f64,
    },
    /// Refresh rate is not a positive number.
    #[error("refresh rate {refresh_hz} Hz: it must be more than 0")]
    Refresh {
        /// The rate.
        refresh_hz: f64,
    },
    /// Nothing changes.
    #[error("all {frames} frames have the same level: there is no line but the mean")]
    Constant {
        /// How many there are.
        frames: usize,
    },
}

impl Spectrum {
    /// The lines of a row of levels, one per frame.
    ///
    /// # Errors
    /// When there are fewer than 2 frames or more than [`MAX_FRAMES`], or a number is none.
    pub fn of(levels: &[f64], refresh_hz: f64) -> Result<Self, SpectrumError> {
        let frames = levels.len();
        if !(2..=MAX_FRAMES).contains(&frames) {
            return Err(SpectrumError::Frames { frames });
        }
        if let Some((frame, level)) = levels.iter().enumerate().find(|(_, level)| !level.is_finite()) {
            return Err(SpectrumError::NotFinite { frame, level: *level });
        }
        if !(refresh_hz.is_finite() && refresh_hz > 0.0) {
            return Err(SpectrumError::Refresh { refresh_hz });
        }
        let line = |(cycles, (re, im)): (usize, (f64, f64))| {
            // A line between 0 and half the refresh has a mirror image above it, which is half of it.
            let share = if cycles == 0 || 2 * cycles == frames { 1.0 } else { 2.0 };
            Line {
                cycles,
                frequency_hz: cycles as f64 / frames as f64 * refresh_hz,
                amplitude: share / frames as f64 * libm::hypot(re, im),
                phase_rad: libm::atan2(im, re),
            }
        };
        let lines = transform(levels).into_iter().take(frames / 2 + 1).enumerate().map(line).collect();
        Ok(Self { lines, frames })
    }

    /// The lines from 0 Hz (the mean) to half the refresh rate.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// How many frames it is of.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Fundamental, harmonics and the rest, beside the frequency that was asked for (a code asks for none).
    ///
    /// # Errors
    /// When nothing changes over the row.
    pub fn realised(&self, asked_hz: Option<f64>) -> Result<Realised, SpectrumError> {
        let (mean, changing) = (self.lines[0], &self.lines[1..]);
        let strongest = changing.iter().map(|line| line.amplitude).fold(0.0, f64::max);
        // What a constant level leaves in the other lines is rounding.
        if strongest <= 1e-12 * mean.amplitude.max(f64::MIN_POSITIVE) {
            return Err(SpectrumError::Constant { frames: self.frames });
        }
        let distance = |line: &Line| asked_hz.map_or(line.frequency_hz, |hz| (line.frequency_hz - hz).abs());
        let as_strong = changing.iter().filter(|line| line.amplitude >= strongest * (1.0 - SAME_AMPLITUDE));
        let fundamental = *as_strong
            .min_by(|one, other| distance(one).total_cmp(&distance(other)))
            .ok_or(SpectrumError::Constant { frames: self.frames })?;
        let is_harmonic = |line: &&Line| line.cycles.is_multiple_of(fundamental.cycles);
        let harmonics = changing.iter().filter(is_harmonic).skip(1).copied().collect();
        let strongest_other = changing
            .iter()
            .filter(|line| !is_harmonic(line))
            .max_by(|one, other| one.amplitude.total_cmp(&other.amplitude))
            .copied();
        Ok(Realised {
            asked_hz,
            mean: libm::copysign(mean.amplitude, libm::cos(mean.phase_rad)),
            fundamental,
            harmonics,
            strongest_other,
        })
    }
}

impl Realised {
    /// Realised minus asked frequency, where one was asked for.
    pub fn error_hz(&self) -> Option<f64> {
        self.asked_hz.map(|asked_hz| self.fundamental.frequency_hz - asked_hz)
    }

    /// A line's amplitude relative to the fundamental in dB; minus infinity for one without any.
    pub fn relative_db(&self, line: &Line) -> f64 {
        20.0 * libm::log10(line.amplitude / self.fundamental.amplitude)
    }

    /// [`Realised::relative_db`] of the strongest other line.
    pub fn strongest_other_db(&self) -> Option<f64> {
        self.strongest_other.as_ref().map(|line| self.relative_db(line))
    }
}
