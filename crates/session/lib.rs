//! The composition root: lowers a protocol, starts and names the threads, and is behind every command of `photic`.
//!
//! Nothing here decides, decodes, draws or stores by itself; see ARCHITECTURE.md for what lives where. `tests/` and
//! `benches/` at the top of the repository belong to this package.

pub mod arms;
pub mod brain;
pub mod cli;
pub mod conditioned;
pub mod cores;
pub mod counterfactual;
pub mod cycle;
pub mod error;
pub mod events;
pub mod experiment;
pub mod frames;
pub mod gallery;
pub mod gaze;
pub mod image;
pub mod inspect;
pub mod kept;
mod limits;
pub mod missed;
pub mod model;
mod onset;
mod people;
pub mod person;
pub mod phases;
pub mod play;
pub mod prior;
pub mod render;
pub mod replay;
pub mod report;
pub mod resume;
pub mod run;
mod safety;
pub mod selected;
pub mod simulate;
pub mod stage;
pub mod steered;
pub mod steering;
pub mod study;
pub mod summary;
pub mod synth;
mod trial;
pub mod tried;
pub mod turns;
pub mod voice;
pub mod watchdog;
