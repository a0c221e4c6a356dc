//! H: the linear map from model features to recorded responses.
//!
//! [`fit`] takes features [trials, features] of the stimuli that were shown and the recorded responses [trials, channels]
//! and returns a [`Readout`], how well it predicts stimuli it has not seen, and how far its weights can be trusted.
//! [`choose_tap`] does so for several places of a model and takes the best.
//!
//! - The regression is ridge in closed form ([`ridge`]), towards zero or towards other people ([`Prior`]).
//! - Penalties are chosen by cross-validation within the training set of an outer cross-validation ([`Plan`]); repeats
//!   of one stimulus never stand on both sides ([`folds`]).
//! - The same input, plan and seed give the same bits on one machine.

mod error;
pub mod folds;
mod layer;
mod map;
mod posterior;
mod prior;
mod recorded;
pub mod ridge;
pub(crate) mod spectrum;
mod validate;

pub use error::ReadoutError;
pub use layer::{TapChoice, TapScore, choose_tap};
pub use map::{Fit, Origin, Readout, fit};
pub use posterior::Posterior;
pub use prior::{Prior, Spread};
pub use recorded::Recorded;
pub use ridge::{Penalty, Ridge, Scaling};
pub use spectrum::NoConvergence;
pub use validate::{CrossValidated, Plan, Tap};
