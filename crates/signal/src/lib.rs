//! What is measured: from rows of samples to numbers that a decoder can use.
//!
//! - [`Cascade`]: causal Butterworth and notch filters, streamed sample by sample.
//! - [`History`]: the last rows, by sample index.
//! - [`StampModel`]: jittery stamps to a straight line, index to nanoseconds.
//! - [`Reference`]: common average or none. - [`Quality`]: per channel rms, flatness, non-finite values, mains.
//! - [`dense`]: Cholesky, triangular solves, symmetric eigenvalues. - [`cca`]: canonical correlation with harmonics.
//! - [`Demodulator`]: complex amplitudes over a sliding window.
//! - [`RhythmTracker`]: phase of a rhythm, now and ahead; [`RhythmFit`]: what it is like; [`BandPower`]: how strong it is.
//!
//! Everything has three verbs: a constructor that may allocate and fail, `reset`, and a step that does neither. Results
//! do not depend on how samples were cut into chunks, and only `libm` computes transcendental functions, so that the
//! bits are the same on every machine.

mod band_power;
pub mod cca;
mod demodulate;
pub mod dense;
mod filter;
mod history;
mod quality;
mod reference;
mod rhythm;
mod stamps;

pub use band_power::BandPower;
pub use demodulate::{BINS, Demodulator};
pub use filter::{Cascade, DesignError};
pub use history::History;
pub use quality::{Quality, QualityReport};
pub use reference::{Reference, common_average};
pub use rhythm::{
    Forecast, RhythmFit, RhythmFound, RhythmModel, RhythmSpectrum, RhythmTracker, expected_resultant,
};
pub use stamps::{StampEvent, StampModel, StampPlan};
