//! The inception loop's planner: which picture is shown next.
//!
//! ```text
//! Request (what the last picture did) --> response: H and its uncertainty --> Surprise: does the model predict?
//!                                                                               | yes            | no
//!   probes: natural, Gabor --> Answer <-- pictures that may do much, by gradient through the model, or variations
//!                                          of what did best
//! ```
//!
//! The response is taken as what a population receptive field over the cells of an encoding model gives ([`field`],
//! [`particles`]); of cells that are not tuned, as linear in the features ([`linear`], [`belief`]). The posterior given every
//! presentation is climbed through the model ([`propose`]): its mean, or a draw from it, so that what is tried next is what
//! may be best.
//!
//! [`Selective`] has such a model of each of several populations and moves one of them; [`Holder`] keeps a response at a set
//! point with prepared pictures.
//!
//! A planner is slow and allocates: it belongs on a thread of its own, never on the loop's or the display's. It reads no clock;
//! the same requests, settings and seed give the same pictures as long as budgets are steps.

pub mod belief;
pub mod components;
mod conditioned;
mod confine;
pub mod covariance;
pub mod drift;
mod error;
pub mod features;
pub mod field;
mod gains;
mod holder;
pub mod linear;
mod method;
pub mod open_loop;
pub mod particles;
mod picture;
mod policy;
pub mod probe;
pub mod propose;
pub mod response;
pub mod search;
mod selection;
mod selective;
pub mod state;
pub mod surprise;
mod twin;
mod view;
mod wavering;

pub use conditioned::Conditioned;
pub use error::PlannerError;
pub use holder::{Hold, Holder};
pub use method::{AnyPlanner, Method};
pub use picture::Canvas;
pub use policy::{Aim, Planner, Proposal, Settings};
pub use selective::{Region, Regions, Selective};
