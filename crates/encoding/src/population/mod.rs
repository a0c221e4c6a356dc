//! Visual populations that are not the embedded V1: other receptive fields, pooling and normalisation, drawn from a seed.
//!
//! They are the brains of simulated participants: what a planner's model is tested against must not be that model. Each is
//! an ONNX file, so that any other file can take its place, and so that its best picture can be found by gradient.
//!
//! ```text
//! light -> pattern -> filters (even, odd) per scale -> energy ^ n -> / (sigma + pool) -> weights over place, orientation,
//!       scale -> excitation - inhibition -> 1.7 d / (d + s) = level of each population
//! ```
//!
//! Three families ([`Family`]) differ in what lies between filters and weights.

mod draw;
mod net;

pub use draw::{Family, Population, Spec};
pub use net::{MOST, build};
