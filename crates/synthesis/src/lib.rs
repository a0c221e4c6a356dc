//! Stimuli found by optimisation through models of the visual system.
//!
//! ```text
//! parameters --Parametrisation--> stimuli --Constraints--> what can be shown --Robustness--> views of it
//!      ^                                                        |                              |
//!      |                                                    priors: penalty          Form, Encoder: taps
//!      |                                                        |                              |
//!      +------ Optimiser <-- gradient of the parameters <-- value, cotangents <-- Objective <--+
//! ```
//!
//! A stimulus is an array [B, T, C, H, W] of linear light, as in [`encoding::form`].
//!
//! - [`parametrisation`]: what the numbers that are searched mean (pixels, Fourier coefficients, Gabors, a latent ...).
//! - [`constraint`]: what the display can show and the rules allow, as projections.
//! - [`robustness`]: random small changes of the view, so that a stimulus does not hang on one pixel grid or one gaze.
//! - [`prior`]: penalties for unlikely images.
//! - [`objective`]: the scalar to raise.
//! - [`problem`]: what an optimiser sees of all this.
//! - [`assembly`]: the pieces put together.
//! - [`optimiser`]: gradient and gradient-free ways up.
//! - [`search`]: one run of an optimiser: anytime, under a deadline in time or in steps, cancellable.

pub mod assembly;
pub mod constraint;
pub mod objective;
pub mod optimiser;
pub mod parametrisation;
pub mod prior;
pub mod problem;
pub mod robustness;
pub mod search;
