//! The scalar to raise: weighted terms over what models, and readouts of models, answer to a set of stimuli.
//!
//! A [`Term`] says what is wanted in the user's words (a tap's name, a unit's index); [`Objective::new`] checks all of them
//! against the shapes of the taps and keeps a lowered form. [`Objective::evaluate`] takes the taps' values and gives the
//! weighted sum with its exact gradient: the cotangents that `adjoint` carries on to the stimulus.
//!
//! All arithmetic is f64, in a fixed order. The first axis of a tap counts the stimuli of the set.

mod claim;
mod error;
mod features;
mod lower;
mod place;
mod point;
mod pooling;
mod set;
mod statistic;
mod term;
mod versus;

use ndarray::{Array2, ArrayD, s};

pub use error::ObjectiveError;
pub use term::{
    Centre, Pool, Ratio, Response, Site, Source, Statistic, Term, Units, Versus, Weighted, drive_and_hold,
};

use features::Reading;
use lower::{Kernel, Lowered};

/// Checked terms over a list of sites.
#[derive(Debug, Clone)]
pub struct Objective {
    sites: Vec<Site>,
    shapes: Vec<Vec<usize>>,
    /// What terms read of the sites. Each is computed once per evaluation.
    readings: Vec<Reading>,
    terms: Vec<Lowered>,
}

/// What an objective says about one set of taps' values.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The weighted sum. Not finite where a term is not defined (a log ratio of responses that are not positive).
    pub value: f64,
    /// Each term's own value before its weight, in the terms' order.
    pub terms: Vec<f64>,
    /// Gradient of the sum with respect to each site's values, in the sites' order and shapes.
    pub cotangents: Vec<ArrayD<f32>>,
    /// Every value at every site is zero: nothing that a gradient could start from.
    pub silent: bool,
}

/// The sites that terms read, each once, in the order of first mention: what a model has to be planned for.
pub fn sites(terms: &[Weighted]) -> Vec<Site> {
    let mut sites = Vec::new();
    for source in terms.iter().flat_map(|weighted| weighted.term.sources()) {
        if !sites.contains(&source.site) {
            sites.push(source.site.clone());
        }
    }
    sites
}

impl Objective {
    /// Checks `terms` against the shapes of the sites' values ([`sites`] gives the order; first axis: stimuli).
    ///
    /// # Errors
    /// No term at all; an index, a vector or a readout that does not fit its tap; a set term over one stimulus; numbers
    /// that are not finite; terms that contradict: one drives a unit that another suppresses or holds.
    pub fn new(terms: &[Weighted], shapes: &[Vec<usize>]) -> Result<Self, ObjectiveError> {
        let sites = sites(terms);
        lower::lower(terms, sites, shapes.to_vec())
    }

    /// What has to be given to [`Objective::evaluate`], in order.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Stimuli of the set with a term that looks at nothing else, each once, from the first on.
    pub fn stimuli_of_their_own(&self) -> Vec<usize> {
        let own = self.terms.iter().filter(|term| term.stimuli.len() == 1).map(|term| term.stimuli.start);
        let own: std::collections::BTreeSet<usize> = own.collect();
        own.into_iter().collect()
    }

    /// Value and cotangents at `outputs`: each site's values, of the shapes given to [`Objective::new`].
    ///
    /// # Errors
    /// Another number of arrays, or another shape.
    pub fn evaluate(&self, outputs: &[ArrayD<f32>]) -> Result<Evaluation, ObjectiveError> {
        self.fits(outputs)?;
        let flat: Vec<Array2<f64>> = outputs.iter().map(features::rows).collect();
        let silent = flat.iter().all(|rows| rows.iter().all(|&value| value == 0.0));
        let values: Vec<Array2<f64>> = self.readings.iter().map(|reading| reading.apply(&flat)).collect();
        let mut gradients: Vec<Array2<f64>> =
            values.iter().map(|values| Array2::zeros(values.raw_dim())).collect();
        let terms: Vec<f64> = self.terms.iter().map(|term| term.evaluate(&values, &mut gradients)).collect();
        let value = terms.iter().zip(&self.terms).map(|(value, term)| term.weight * value).sum();
        let mut back: Vec<Array2<f64>> = flat.iter().map(|rows| Array2::zeros(rows.raw_dim())).collect();
        for (reading, gradient) in self.readings.iter().zip(gradients) {
            back[reading.site] += &reading.pull_back(gradient);
        }
        let cotangents =
            back.into_iter().zip(&self.shapes).map(|(rows, shape)| features::shaped(rows, shape));
        Ok(Evaluation { value, terms, cotangents: cotangents.collect(), silent })
    }

    /// What the terms read, after pooling and H: [stimuli, units] of each term's sources in order. References of targets,
    /// textures and metamers, and the mean and spread of responses, are made of these.
    ///
    /// # Errors
    /// As [`Objective::evaluate`].
    pub fn read(&self, outputs: &[ArrayD<f32>]) -> Result<Vec<Array2<f64>>, ObjectiveError> {
        self.fits(outputs)?;
        let flat: Vec<Array2<f64>> = outputs.iter().map(features::rows).collect();
        let slots = self.terms.iter().flat_map(|term| &term.sources);
        Ok(slots.map(|&slot| self.readings[slot].apply(&flat)).collect())
    }

    fn fits(&self, outputs: &[ArrayD<f32>]) -> Result<(), ObjectiveError> {
        if outputs.len() != self.sites.len() {
            return Err(ObjectiveError::Count { found: outputs.len(), wanted: self.sites.len() });
        }
        for ((site, shape), output) in self.sites.iter().zip(&self.shapes).zip(outputs) {
            if output.shape() != shape {
                let (found, wanted) = (output.shape().to_vec(), shape.clone());
                return Err(ObjectiveError::Shape { site: site.clone(), found, wanted });
            }
        }
        Ok(())
    }
}

impl Lowered {
    /// The term's value; adds its weighted gradient to those of its sources.
    fn evaluate(&self, values: &[Array2<f64>], gradients: &mut [Array2<f64>]) -> f64 {
        let weight = self.weight;
        let at = |slot: usize| values[self.sources[slot]].slice(s![self.stimuli.clone(), ..]);
        if let Kernel::Versus(versus) = &self.kernel {
            let (value, to_a, to_b) = versus.evaluate(at(0), at(1));
            for (slot, gradient) in [(0, to_a), (1, to_b)] {
                let mut sum = gradients[self.sources[slot]].slice_mut(s![self.stimuli.clone(), ..]);
                sum.scaled_add(weight, &gradient);
            }
            return value;
        }
        let (value, gradient) = match &self.kernel {
            Kernel::Point(point) => point.evaluate(at(0)),
            Kernel::Set(set) => set.evaluate(at(0)),
            Kernel::Statistic(statistic) => statistic.evaluate(at(0)),
            Kernel::Versus(_) => unreachable!("handled above"),
        };
        let mut sum = gradients[self.sources[0]].slice_mut(s![self.stimuli.clone(), ..]);
        sum.scaled_add(weight, &gradient);
        value
    }
}

#[cfg(test)]
mod tests;
