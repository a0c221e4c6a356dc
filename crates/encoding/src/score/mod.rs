//! How well a model predicts a recording.
//!
//! - [`predict`]: R2 and Pearson correlation per channel.
//! - [`ceiling`]: the score of a perfect model, given how much the responses to repeats differ; scores relative to it.
//! - [`rsa`]: representational dissimilarity matrices and their comparison; [`mod@crossnobis`]: an unbiased distance for them.
//! - [`mod@cka`]: centred kernel alignment.
//! - [`procrustes`]: angle between two representations after the best rotation, a metric.
//!
//! Cross-validation itself is [`crate::readout`]'s. All representations are [conditions, features]: rows are stimuli, the
//! same ones in the same order on both sides. Everything is computed in f64.

pub mod ceiling;
pub mod cka;
pub mod crossnobis;
mod error;
pub mod predict;
pub mod procrustes;
mod rank;
pub mod rsa;

pub use ceiling::{Ceiling, Explained, Interval, explained, noise_ceiling, stimulus_means};
pub use cka::{Estimator, Kernel, cka};
pub use crossnobis::{Noise, crossnobis};
pub use error::ScoreError;
pub(crate) use predict::correlation;
pub use predict::{pearson, r2};
pub use procrustes::{procrustes_distance, whitened_procrustes_distance};
pub use rsa::{Bounds, Comparison, Dissimilarity, Rdm, noise_ceiling as rdm_noise_ceiling};
