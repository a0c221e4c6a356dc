//! What neurofeedback needs around a decoder: a baseline to score against, a threshold that keeps success at a rate,
//! and a watch for artefacts that freezes what would otherwise train the blink.

mod artefact;
mod baseline;
mod freeze;
mod scored;
mod threshold;

pub use artefact::{Artefact, ArtefactKind, ArtefactPlan, ArtefactWatch};
pub use baseline::{Baseline, Spread};
pub(crate) use freeze::Freeze;
pub(crate) use scored::Scores;
pub use scored::{AdaptPlan, ScoredPlan};
pub use threshold::{AdaptiveThreshold, ThresholdPlan};
