//! Why a wish cannot be granted, said before any work.

use super::term::Site;

/// What is wrong with an objective.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// Nothing is wanted.
    #[error("an objective needs at least one term")]
    Empty,
    /// An index beyond its tap.
    #[error("{term}: unit {unit:?} is outside {site}, whose shape without the stimuli is {shape:?}")]
    Unit {
        /// The term's name.
        term: &'static str,
        /// The index given.
        unit: Vec<usize>,
        /// Where.
        site: Site,
        /// Shape of one stimulus' values there (of the responses, through a readout).
        shape: Vec<usize>,
    },
    /// A group without units.
    #[error("{term}: no unit of {site} is left")]
    NoUnits {
        /// The term's name.
        term: &'static str,
        /// Where.
        site: Site,
    },
    /// A channel or an axis that is not there.
    #[error("{term}: {what} {found} of {site}; allowed is {least} to {most}, for the shape is {shape:?}")]
    Axis {
        /// The term's name.
        term: &'static str,
        /// `channel` or `channel axis`.
        what: &'static str,
        /// Given.
        found: usize,
        /// Smallest.
        least: usize,
        /// Largest.
        most: usize,
        /// Where.
        site: Site,
        /// Shape of one stimulus' values there.
        shape: Vec<usize>,
    },
    /// A vector of another length.
    #[error("{term}: {what} has {found} numbers; {site} takes {wanted}")]
    Length {
        /// The term's name.
        term: &'static str,
        /// What has the length.
        what: &'static str,
        /// Given.
        found: usize,
        /// Allowed, in words.
        wanted: String,
        /// Where.
        site: Site,
    },
    /// H of another width.
    #[error("readout: H takes {found} features; {site} has {wanted}")]
    Readout {
        /// Features of H.
        found: usize,
        /// Values of the tap for one stimulus.
        wanted: usize,
        /// Where.
        site: Site,
    },
    /// A number outside its range.
    #[error("{term}: {what} is {found}; {allowed}")]
    Number {
        /// The term's name.
        term: &'static str,
        /// Which number.
        what: &'static str,
        /// Given.
        found: f64,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Too few stimuli, or one that is not there.
    #[error("{term}: {message}")]
    Set {
        /// The term's name.
        term: &'static str,
        /// What is wrong and what is allowed.
        message: String,
    },
    /// Two terms want opposite things of one unit.
    #[error("{site}: unit {unit:?} is {first} (term {first_term}) and {second} (term {second_term})")]
    Contradiction {
        /// Where.
        site: Site,
        /// The unit.
        unit: Vec<usize>,
        /// What one term does to it.
        first: &'static str,
        /// That term, counted from 0.
        first_term: usize,
        /// What the other does.
        second: &'static str,
        /// The other, counted from 0.
        second_term: usize,
    },
    /// Not as many arrays as sites.
    #[error("{found} arrays for {wanted} taps")]
    Count {
        /// Given.
        found: usize,
        /// Needed.
        wanted: usize,
    },
    /// An array of another shape than the objective was made for.
    #[error("{site} has the shape {found:?}; expected was {wanted:?}")]
    Shape {
        /// Where.
        site: Site,
        /// Given.
        found: Vec<usize>,
        /// Needed.
        wanted: Vec<usize>,
    },
}
