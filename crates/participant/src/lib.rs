//! The simulated person: sees the frames that were really presented and answers with occipital EEG.
//!
//! ```text
//! retina cells --see--> eye: local contrast --> Brain: contrast response, latency --+
//!                                                                                   v
//!                     slow drift, fluctuation --> gain --> topography --> EEG channels <-- background
//! ```
//!
//! Its input is the retina (linear-light luminance of each presented frame), never the command that asked for it, and
//! never an average grey: a uniform flicker gives no answer. Its output is microvolts at the wanted labels, plus what
//! the loop may not see, [`Latent`], for the judge.
//!
//! - [`Participant`]: one person in one session; `prepare`, `see`, `sample`, `reset`.
//! - [`Person`]: the parameters of a person; sixty of them and `nominal` are part of the crate ([`people`]).
//! - [`Effects`]: adaptation, attention, saccades, blinks, drop-outs, each off unless a description switches it on;
//!   [`Person::describe`] writes a description and [`Person::read`] reads one.
//! - [`Day`]: the gain course and the noise of a recorded session, for a person fitted to it.
//! - [`Brain`]: the part that a caller may replace; [`ContrastResponse`] is built in.
//!
//! After `prepare` nothing here allocates, locks, reads a clock or fails. All randomness comes from one seed through
//! [`random::Random`]; the same person, set-up, seed, frames and sample instants give the same bits on every machine.

mod alpha_gain;
mod background;
mod brain;
mod describe;
mod effects;
mod eye;
mod fitted;
mod gain;
mod leadfield;
mod montage;
mod participant;
mod person;
mod temporal;

pub use brain::{Brain, ContrastResponse, Drive, Population, PopulationResponse};
pub use describe::DescriptionError;
pub use effects::{Adaptation, Attention, Blinks, Dropouts, Effects, Gaze, Saccades};
pub use eye::LocalContrast;
pub use fitted::Day;
pub use montage::{OCCIPITAL, position};
pub use participant::{Participant, PrepareError, Setup};
pub use person::{Person, Tercile, UnknownPerson, nominal, people};
pub use temporal::Flicker;
pub use temporal::{FlickerKind, Waveform};
pub use timeline::Latent;
