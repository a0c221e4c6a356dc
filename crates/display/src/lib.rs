//! Window or offscreen target, wgpu pipelines, pacing, flip records and the retina's read-back.
//!
//! The display draws the newest [`timeline::Command`] and says, for each frame, when light left the screen and how well
//! that is known. It never decides what to show: what a frame looks like is a pure function of the command and of the
//! frame index.
//!
//! - [`Display::prepare`] opens the target and builds every pipeline; [`Display::run`] blocks the calling thread (which
//!   has to be the main thread for a window) until the loop is finished.
//! - [`interlock`]: what the display does by itself when loop or watchdog fall silent.
//! - [`plan`]: the part of a frame that is ours, without a GPU: which refresh, which numbers, which flip. It neither
//!   allocates nor reads a clock.
//! - [`clock`]: the refreshes of the screen as a schedule, and the model that follows a real one.
//! - [`sync`]: the test before the first frame, which may refuse the screen.
//! - [`presenter`]: what a frame asks of a target; [`scripted`]: a target that is a script and says the truth.
//! - [`governor`]: the photosensitivity rule on the GPU, between the encoded frame and the surface.
//! - [`uniform`]: what one buffer write hands to the shaders.
//!
//! One frame: newest command -> contrast at the predicted onset -> one buffer write -> stimulus pass in linear light ->
//! retina reduction -> gamma and photodiode patch -> submit, present -> flip.

mod build;
pub mod clock;
mod config;
mod copied;
mod elements;
mod film;
mod floor;
mod governed;
pub mod governor;
mod gpu;
mod grey;
mod histogram;
pub mod interlock;
mod keys;
mod laid;
mod light;
mod pictures;
pub mod plan;
mod prepare;
mod present;
pub mod presenter;
mod readback;
mod rebuild;
mod renderer;
mod run;
pub mod scenery;
pub mod scripted;
mod sheets;
mod snapshot;
pub mod sync;
mod target;
pub mod uniform;
mod window;

pub use config::{
    Config, Description, DisplayError, GazePort, Mode, Pacing, Ports, Progress, Spread, Summary,
};
pub use film::GovernedFilm;
pub use governed::{Governed, GovernedFrames};
pub use governor::Memory;
pub use grey::GreyWindow;

pub use prepare::Display;
pub use scenery::Scenery;
pub use snapshot::{Race, Shot, Snapshots};
