//! One source as a term sees it, and the checks that terms make there.

use super::error::ObjectiveError;
use super::features::{Channels, flat};
use super::pooling::Pooling;
use super::term::{Pool, Site, Source, Units};

/// One source as a term sees it.
pub(super) struct Place<'a> {
    pub term: &'static str,
    pub site: &'a Site,
    pub stimuli: usize,
    /// Of one stimulus; of the responses, through a readout.
    pub shape: Vec<usize>,
}

impl<'a> Place<'a> {
    /// The place, and how its tap is pooled.
    pub fn new(
        term: &'static str,
        source: &'a Source,
        shape: &[usize],
    ) -> Result<(Self, Option<Pooling>), ObjectiveError> {
        let (stimuli, shape) = (shape.first().copied().unwrap_or(0), shape.get(1..).unwrap_or(&[]).to_vec());
        let site = &source.site;
        let mut place = Self { term, site, stimuli, shape };
        if stimuli == 0 || place.shape.contains(&0) {
            return Err(ObjectiveError::NoUnits { term, site: site.clone() });
        }
        let pooling = match source.pool {
            Some(pool) => Some(place.pool(pool)?),
            None => None,
        };
        if let Some(readout) = &source.readout {
            let (found, wanted) = (readout.weights().nrows(), place.len());
            if found != wanted {
                return Err(ObjectiveError::Readout { found, wanted, site: site.clone() });
            }
            place.shape = vec![readout.weights().ncols()];
        }
        Ok((place, pooling))
    }

    /// Checks a grid and takes its shape.
    fn pool(&mut self, Pool { cells, axes }: Pool) -> Result<Pooling, ObjectiveError> {
        let axes_in = |axis: usize| self.within("pooling axis", axis, 1, self.shape.len());
        axes.iter().try_for_each(|&axis| axes_in(axis))?;
        let [rows, columns] = axes.map(|axis| axis - 1);
        if rows == columns {
            let message = format!("pooling over axis {} twice; rows and columns have one each", axes[0]);
            return Err(ObjectiveError::Set { term: self.term, message });
        }
        self.within("rows of the pooling grid:", cells[0], 1, self.shape[rows])?;
        self.within("columns of the pooling grid:", cells[1], 1, self.shape[columns])?;
        let pooling = Pooling::new(&self.shape, [rows, columns], cells);
        (self.shape[rows], self.shape[columns]) = (cells[0], cells[1]);
        Ok(pooling)
    }

    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn units(&self, units: &Units) -> Result<Vec<usize>, ObjectiveError> {
        let places = |indices: &[Vec<usize>]| {
            indices.iter().map(|index| self.unit(index)).collect::<Result<Vec<usize>, _>>()
        };
        let found = match units {
            Units::All => (0..self.len()).collect(),
            Units::Only(indices) => places(indices)?,
            Units::Except(indices) => {
                let out = places(indices)?;
                (0..self.len()).filter(|unit| !out.contains(unit)).collect::<Vec<_>>()
            }
        };
        if found.is_empty() {
            return Err(ObjectiveError::NoUnits { term: self.term, site: self.site.clone() });
        }
        Ok(found)
    }

    pub fn unit(&self, index: &[usize]) -> Result<usize, ObjectiveError> {
        flat(&self.shape, index).ok_or_else(|| ObjectiveError::Unit {
            term: self.term,
            unit: index.to_vec(),
            site: self.site.clone(),
            shape: self.shape.clone(),
        })
    }

    pub fn channels(&self, axis: usize) -> Result<Channels, ObjectiveError> {
        self.within("channel axis", axis, 1, self.shape.len())?;
        Ok(Channels::new(&self.shape, axis - 1))
    }

    pub fn within(
        &self,
        what: &'static str,
        found: usize,
        least: usize,
        most: usize,
    ) -> Result<(), ObjectiveError> {
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let (site, shape) = (self.site.clone(), self.shape.clone());
        Err(ObjectiveError::Axis { term: self.term, what, found, least, most, site, shape })
    }

    pub fn length(&self, what: &'static str, found: &[f64], wanted: &[usize]) -> Result<(), ObjectiveError> {
        finite(self.term, what, found)?;
        if wanted.contains(&found.len()) {
            return Ok(());
        }
        let words: Vec<String> = wanted.iter().map(usize::to_string).collect();
        Err(ObjectiveError::Length {
            term: self.term,
            what,
            found: found.len(),
            wanted: words.join(" or "),
            site: self.site.clone(),
        })
    }
}

pub(super) fn finite(term: &'static str, what: &'static str, numbers: &[f64]) -> Result<(), ObjectiveError> {
    match numbers.iter().find(|number| !number.is_finite()) {
        None => Ok(()),
        Some(&found) => Err(ObjectiveError::Number { term, what, found, allowed: "it has to be finite" }),
    }
}

pub(super) fn positive(
    term: &'static str,
    what: &'static str,
    numbers: &[f64],
) -> Result<(), ObjectiveError> {
    finite(term, what, numbers)?;
    match numbers.iter().find(|number| **number <= 0.0) {
        None => Ok(()),
        Some(&found) => Err(ObjectiveError::Number { term, what, found, allowed: "it has to be above 0" }),
    }
}

pub(super) fn not_negative(
    term: &'static str,
    what: &'static str,
    number: f64,
) -> Result<(), ObjectiveError> {
    finite(term, what, &[number])?;
    if number >= 0.0 {
        return Ok(());
    }
    Err(ObjectiveError::Number { term, what, found: number, allowed: "it has to be at least 0" })
}
