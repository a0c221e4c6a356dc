//! What terms do to single units, so that two which want opposite things are found before the work.

use std::collections::BTreeMap;
use std::ops::Range;

use super::error::ObjectiveError;
use super::features::unflat;
use super::place::Place;

/// What a term does to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Driven,
    Suppressed,
    Held,
}

impl Claim {
    /// Under this weight. A hold turned round pushes away from the baseline, to whichever side.
    pub fn under(self, weight: f64) -> Option<Self> {
        match (self, weight < 0.0) {
            _ if weight == 0.0 => None,
            (claim, false) => Some(claim),
            (Self::Driven, true) => Some(Self::Suppressed),
            (Self::Suppressed, true) => Some(Self::Driven),
            (Self::Held, true) => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Driven => "driven",
            Self::Suppressed => "suppressed",
            Self::Held => "held",
        }
    }
}

/// Claims on units of sources.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// By source and unit.
    made: BTreeMap<(usize, usize), Vec<Made>>,
}

#[derive(Debug)]
struct Made {
    term: usize,
    stimuli: Range<usize>,
    claim: Claim,
}

impl Claims {
    /// Notes what term `number` does to `units` of a source.
    pub fn add(
        &mut self,
        number: usize,
        source: usize,
        place: &Place<'_>,
        stimuli: Range<usize>,
        claim: Claim,
        units: Vec<usize>,
    ) -> Result<(), ObjectiveError> {
        for unit in units {
            let made = self.made.entry((source, unit)).or_default();
            let overlap = |other: &Range<usize>| other.start < stimuli.end && stimuli.start < other.end;
            let against = made.iter().find(|other| other.claim != claim && overlap(&other.stimuli));
            if let Some(other) = against {
                return Err(ObjectiveError::Contradiction {
                    site: place.site.clone(),
                    unit: unflat(&place.shape, unit),
                    first: other.claim.word(),
                    first_term: other.term,
                    second: claim.word(),
                    second_term: number,
                });
            }
            made.push(Made { term: number, stimuli: stimuli.clone(), claim });
        }
        Ok(())
    }
}
