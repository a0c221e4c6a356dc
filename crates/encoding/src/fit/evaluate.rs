//! The loss of parameters, its gradient through the model, and its curvature.

use adjoint::Gradient;
use ndarray::{Array2, ArrayD, ArrayView2, Axis, arr0, concatenate, s};

use super::link::Solved;
use super::{FitError, Link, Trials, Unknown};
use crate::encoder::{Encoder, EncoderError, Features, Rows};

/// A model, trials and a link, planned once.
pub(super) struct Evaluator<'a> {
    encoder: Encoder,
    link: Link,
    unknowns: Vec<Unknown>,
    trials: Trials<'a>,
    gradient: Gradient,
    rows: Vec<Rows>,
    batch: usize,
    /// Features at the parameters that were run last.
    last: Option<(Vec<f64>, Array2<f64>)>,
}

/// How the change of features with a parameter is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// One more run per parameter: good enough to choose a step.
    Forward,
    /// Two: for standard errors.
    Central,
}

/// Width of a difference, as a part of the parameter's bounds. Features are computed in f32, so their rounding (1e-7)
/// stands 1e-4 below what such a difference changes.
const STEP: f64 = 2e-3;

impl<'a> Evaluator<'a> {
    pub fn new(
        encoder: &Encoder,
        features: &[Features],
        link: &Link,
        unknowns: &[Unknown],
        trials: &Trials<'a>,
        threads: usize,
    ) -> Result<Self, FitError> {
        let encoder = encoder.clone();
        let batch = encoder.batch_for(trials.stimuli.shape()[0]);
        let taps: Vec<&str> = features.iter().map(|features| features.tap.as_str()).collect();
        for unknown in unknowns {
            // One by one, so that the message names the one that nothing depends on.
            let names = [unknown.name.as_str()];
            if let Err(source) = encoder.reaches(&taps, &names, batch) {
                return Err(match source {
                    EncoderError::Model(_) => FitError::NotReached {
                        name: unknown.name.clone(),
                        taps: taps.join(", "),
                        source: Box::new(source),
                    },
                    other => FitError::Encoder(other),
                });
            }
        }
        let names: Vec<&str> = unknowns.iter().map(|unknown| unknown.name.as_str()).collect();
        let gradient = encoder.parameter_gradient(&taps, &names, batch, threads, true)?;
        let rows = encoder.rows(&gradient, features, batch)?;
        link.check_features(rows.iter().map(Rows::width).sum())?;
        let (link, unknowns) = (link.clone(), unknowns.to_vec());
        Ok(Self { encoder, link, unknowns, trials: *trials, gradient, rows, batch, last: None })
    }

    /// Number of trials.
    pub fn trials(&self) -> usize {
        self.trials.responses.nrows()
    }

    /// Responses [N, K].
    pub fn responses(&self) -> ArrayView2<'a, f64> {
        self.trials.responses
    }

    /// Widths of the bounds.
    pub fn widths(&self) -> Vec<f64> {
        self.unknowns.iter().map(|unknown| unknown.bounds[1] - unknown.bounds[0]).collect()
    }

    /// Parameters from numbers between 0 and 1.
    pub fn within_bounds(&self, unit: &[f64]) -> Vec<f64> {
        let both = self.unknowns.iter().zip(unit);
        both.map(|(unknown, u)| {
            let [low, high] = unknown.bounds;
            // Exactly the bound at the ends.
            if *u >= 1.0 { high } else { (low + u * (high - low)).clamp(low, high) }
        })
        .collect()
    }

    /// The other way round.
    pub fn to_unit(&self, parameters: &[f64]) -> Vec<f64> {
        let both = self.unknowns.iter().zip(parameters);
        both.map(|(unknown, p)| (p - unknown.bounds[0]) / (unknown.bounds[1] - unknown.bounds[0])).collect()
    }

    /// Features of all trials [N, D].
    pub fn features(&mut self, parameters: &[f64]) -> Result<Array2<f64>, FitError> {
        if let Some((_, features)) = self.last.as_ref().filter(|(at, _)| at == parameters) {
            return Ok(features.clone());
        }
        self.set(parameters)?;
        let mut parts = Vec::new();
        for start in (0..self.trials()).step_by(self.batch) {
            let (outputs, real) = self.forward(start)?;
            let columns: Vec<Array2<f64>> =
                self.rows.iter().zip(&outputs).map(|(rows, output)| rows.gather(output.view())).collect();
            let views: Vec<_> = columns.iter().map(|columns| columns.view()).collect();
            let part = concatenate(Axis(1), &views).expect("one row per stimulus at each tap");
            if let Some(((row, _), value)) =
                part.indexed_iter().find(|((row, _), v)| *row < real && !v.is_finite())
            {
                let stimulus = format!("trial {}, parameters {parameters:?}", start + row);
                let tap = self.rows.iter().map(Rows::tap).collect::<Vec<_>>().join(", ");
                return Err(EncoderError::NonFinite { tap, value: *value as f32, stimulus }.into());
            }
            parts.push(part.slice_move(s![..real, ..]));
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        let features = concatenate(Axis(0), &views).expect("the same features for each part");
        self.last = Some((parameters.to_vec(), features.clone()));
        Ok(features)
    }

    /// The loss on each of several subsets of the trials, the prior's among it.
    pub fn losses(&mut self, parameters: &[f64], subsets: &[Vec<usize>]) -> Result<Vec<f64>, FitError> {
        let losses = subsets.iter().map(|rows| Ok(self.solve(parameters, rows)?.loss));
        losses.collect()
    }

    /// The best readout on some of the trials; its loss has the prior's in it.
    pub fn solve(&mut self, parameters: &[f64], rows: &[usize]) -> Result<Solved, FitError> {
        let features = self.features(parameters)?.select(Axis(0), rows);
        let responses = self.trials.responses.select(Axis(0), rows);
        let mut solved = self.link.solve(features.view(), responses.view())?;
        solved.loss += self.prior(parameters).0;
        Ok(solved)
    }

    /// The derivative of the loss with respect to the parameters: one backward run through the model.
    pub fn slope(
        &mut self,
        parameters: &[f64],
        rows: &[usize],
        solved: &Solved,
    ) -> Result<Vec<f64>, FitError> {
        self.set(parameters)?;
        let width: usize = self.rows.iter().map(Rows::width).sum();
        let mut cotangent = Array2::<f64>::zeros((self.trials(), width));
        for (row, slope) in rows.iter().zip(solved.slope.outer_iter()) {
            cotangent.row_mut(*row).assign(&slope);
        }
        let mut total = self.prior(parameters).1;
        for start in (0..self.trials()).step_by(self.batch) {
            let end = (start + self.batch).min(self.trials());
            if cotangent.slice(s![start..end, ..]).iter().all(|v| *v == 0.0) {
                continue;
            }
            self.forward(start)?;
            let mut part = Array2::zeros((self.batch, width));
            part.slice_mut(s![..end - start, ..]).assign(&cotangent.slice(s![start..end, ..]));
            let mut column = 0;
            let spread: Vec<ArrayD<f32>> = self
                .rows
                .iter()
                .map(|rows| {
                    let own = part.slice(s![.., column..column + rows.width()]);
                    column += rows.width();
                    rows.spread(own)
                })
                .collect();
            let views: Vec<_> = spread.iter().map(|array| array.view()).collect();
            let back = self.gradient.backward(&views).map_err(|source| self.encoder.step(source))?;
            for (sum, found) in total.iter_mut().zip(&back) {
                *sum += f64::from(found.sum());
            }
        }
        Ok(total)
    }

    /// How the features of the trials `rows` change with each parameter: [N, D] each.
    pub fn changes(
        &mut self,
        parameters: &[f64],
        rows: &[usize],
        difference: Difference,
    ) -> Result<Vec<Array2<f64>>, FitError> {
        let here = self.features(parameters)?;
        let mut changes = Vec::new();
        for p in 0..self.unknowns.len() {
            let [low, high] = self.unknowns[p].bounds;
            let step = STEP * (high - low);
            let moved = |by: f64| {
                let mut moved = parameters.to_vec();
                moved[p] = (moved[p] + by).clamp(low, high);
                moved
            };
            // At a bound the difference is taken to the inside.
            let inside = if parameters[p] + step > high { -step } else { step };
            let (one, other) = match difference {
                Difference::Forward => (moved(inside), parameters.to_vec()),
                Difference::Central => (moved(step), moved(-step)),
            };
            let width = one[p] - other[p];
            let other = if other == parameters { here.clone() } else { self.features(&other)? };
            let change = (self.features(&one)? - other) / width;
            changes.push(change.select(Axis(0), rows));
        }
        self.last = Some((parameters.to_vec(), here));
        Ok(changes)
    }

    /// Gauss-Newton curvature of the loss for these changes of the features, the prior's among it.
    pub fn curvature(&self, solved: &Solved, changes: &[Array2<f64>]) -> Array2<f64> {
        let mut curvature = solved.curvature(changes);
        for (p, prior) in self.unknowns.iter().map(|unknown| unknown.prior).enumerate() {
            curvature[[p, p]] += prior.map_or(0.0, |prior| 1.0 / (prior.sd * prior.sd));
        }
        curvature
    }

    /// The derivative of the loss as far as the changes of the features are exact.
    pub fn rough_slope(&self, parameters: &[f64], solved: &Solved, changes: &[Array2<f64>]) -> Vec<f64> {
        let prior = self.prior(parameters).1.into_iter();
        prior.zip(changes).map(|(prior, change)| prior + (change * &solved.slope).sum()).collect()
    }

    /// Loss and slope of the priors.
    fn prior(&self, parameters: &[f64]) -> (f64, Vec<f64>) {
        let pairs = self.unknowns.iter().zip(parameters);
        let terms = pairs.map(|(unknown, value)| match unknown.prior {
            None => (0.0, 0.0),
            Some(prior) => {
                let off = (value - prior.mean) / prior.sd;
                (0.5 * off * off, off / prior.sd)
            }
        });
        let (losses, slopes): (Vec<f64>, Vec<f64>) = terms.unzip();
        (losses.iter().sum(), slopes)
    }

    fn set(&mut self, parameters: &[f64]) -> Result<(), FitError> {
        for (unknown, value) in self.unknowns.iter().zip(parameters) {
            self.encoder.set_parameter(&unknown.name, arr0(*value as f32).into_dyn())?;
        }
        Ok(())
    }

    /// Runs the batch from a trial on; gives the taps, and how many of the stimuli are trials.
    fn forward(&mut self, start: usize) -> Result<(Vec<ArrayD<f32>>, usize), FitError> {
        let (part, real) = crate::encoder::part_of(self.trials.stimuli, start, self.batch);
        let inputs = self.encoder.inputs(&self.gradient, part.view())?;
        let views: Vec<_> = inputs.iter().map(|input| input.view()).collect();
        let outputs = self.gradient.forward(&views).map_err(|source| self.encoder.step(source))?;
        Ok((outputs, real))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;
    use ndarray::Array5;
    use random::Random;

    #[test]
    fn the_slope_through_the_model_is_that_of_the_loss() {
        let params = v1::Params {
            size_px: [24, 24],
            orientations: 4,
            scales_cpd: vec![0.7],
            fittable: true,
            ..v1::Params::default()
        };
        let encoder = Encoder::v1(&params).unwrap();
        let mut random = Random::new(6, 0);
        // More than one batch, the last one not full.
        let stimuli = Array5::from_shape_simple_fn([40, 1, 1, 24, 24], || random.uniform() as f32);
        let responses = Array2::from_shape_simple_fn((40, 2), || random.normal());
        let unknowns = [
            Unknown::between("scotoma_x_deg", -4.0, 4.0).with_prior(0.0, 2.0),
            Unknown::between("scotoma_radius_deg", -1.0, 3.0),
            Unknown::between("rf_scale", 0.9, 2.0),
        ];
        let features = [Features::pooled("v1.complex.s0", 4, 4), Features::pooled("retina.contrast", 2, 2)];
        let link = Link::Ridge { prior: None, penalty: 0.1 };
        let trials = Trials { stimuli: stimuli.view(), responses: responses.view() };
        let mut model = Evaluator::new(&encoder, &features, &link, &unknowns, &trials, 1).unwrap();
        // Receptive fields are mixtures of a few: their size has kinks, of which none is near 1.5.
        let (at, rows) = ([0.4, 1.3, 1.5], (0..40).filter(|row| row % 3 > 0).collect::<Vec<_>>());
        let solved = model.solve(&at, &rows).unwrap();
        let exact = model.slope(&at, &rows, &solved).unwrap();
        let changes = model.changes(&at, &rows, Difference::Central).unwrap();
        let rough = model.rough_slope(&at, &solved, &changes);
        for p in 0..3 {
            let mut loss = |by: f64| {
                let mut moved = at;
                moved[p] += by;
                model.solve(&moved, &rows).unwrap().loss
            };
            let slope = (loss(2e-3) - loss(-2e-3)) / 4e-3;
            let tolerance = 2e-3 * (1.0 + exact[p].abs());
            assert!((slope - exact[p]).abs() < tolerance, "{p}: {slope} {exact:?}");
            assert!((rough[p] - exact[p]).abs() < tolerance, "{p}: {rough:?} {exact:?}");
        }
    }
}
