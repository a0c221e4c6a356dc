//! What was changed so that the refresh can show what was asked.
//!
//! A repair is made only where a protocol asks for it, and every change is told: a toolbox that changes a frequency in
//! silence makes its users decode the wrong one.

use std::fmt;

/// A realisable thing in place of the one asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Repaired<T> {
    /// What can be shown.
    pub value: T,
    /// What differs from what was asked; empty where nothing had to change.
    pub changes: Vec<Change>,
}

/// One number that a repair changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// What the number is, with its unit: `frequency_hz`, `phase_rad`, `duty`, `bit_rate_hz`.
    pub key: &'static str,
    /// As asked.
    pub asked: f64,
    /// As made.
    pub made: f64,
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} -> {:.6}", self.key, self.asked, self.made)
    }
}

/// The neighbour that lies nearer; the lower one of two that are equally near.
pub(crate) fn nearer(asked: f64, lower: f64, higher: Option<f64>) -> f64 {
    match higher {
        Some(higher) if higher - asked < asked - lower => higher,
        _ => lower,
    }
}

/// The two neighbours (or one) in the words of an error.
pub(crate) fn neighbours(lower: f64, higher: Option<f64>, unit: &str) -> String {
    match higher {
        Some(higher) => format!("nearest are {lower:.6}{unit} and {higher:.6}{unit}"),
        None => format!("nearest is {lower:.6}{unit}"),
    }
}
