//! The response model: a population receptive field where the cells are tuned, a linear map over the features otherwise.

use crate::belief::{Belief, Offset, Prediction};
use crate::covariance::Covariance;
use crate::features::Eyes;
use crate::field::{Posterior, Prior};
use crate::particles::Particles;
use crate::propose::Judge;
use crate::wavering::USUAL;
use crate::{Canvas, PlannerError};

/// Part of what H explains that a picture may do on its own.
const OWN_PART: f64 = 0.2;
/// Presentations between two choices of the covariance.
const CHOOSE_EVERY: usize = 6;
/// Length scales that the evidence chooses among: degrees, radians, octaves.
const LENGTHS: [[f64; 3]; 5] =
    [[1.0, 0.35, 0.8], [1.6, 0.35, 0.8], [1.6, 0.6, 1.5], [2.6, 0.35, 1.5], [2.6, 0.8, 0.8]];
/// Parts of the squared mean response that H may explain over probes.
const SIGNALS: [f64; 5] = [0.01, 0.03, 0.1, 0.3, 1.0];

/// The model with what it learnt.
pub(crate) enum Response {
    /// Cells with orientation and spatial frequency.
    Field(Box<Particles>),
    /// Any features.
    Linear(Box<Linear>),
}

/// A linear map, and the covariances that it may have.
pub(crate) struct Linear {
    belief: Belief,
    shapes: Vec<Covariance>,
    sum: f64,
    count: usize,
}

/// One measurement of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// Which picture; the same number for the same texels.
    pub picture: usize,
    pub value: f64,
    /// Standard error, without the response's own wavering.
    pub spread: f64,
    pub at_s: f64,
}

impl Response {
    /// Nothing measured yet; `people` are others whose fields are known.
    pub fn new(eyes: &Eyes, people: &[Posterior], forgetting_s: f64, seed: u64) -> Self {
        if eyes.is_tuned() {
            let grid = eyes.grid().clone();
            let prior = match people {
                [] => Prior::literature(&grid),
                people => Prior::of_people(people, &grid),
            };
            let origin = eyes.origin();
            // Features are differences from the mean over probes: zero is a typical picture.
            let typical = vec![0.0; origin.len()];
            let particles = Particles::new(grid, prior, USUAL, forgetting_s, [&origin, &typical], seed);
            return Self::Field(Box::new(particles));
        }
        let shapes: Vec<Covariance> =
            LENGTHS.map(|[place, turn, octaves]| eyes.covariance(place, turn, octaves)).into();
        let belief = Belief::new(shapes[1].clone(), Offset { mean: 0.0, sd: 1.0 }, 0.1, forgetting_s);
        Self::Linear(Box::new(Linear { belief, shapes, sum: 0.0, count: 0 }))
    }

    pub fn learn(&mut self, measured: Measured, features: &[f64], is_over: &mut dyn FnMut() -> bool) {
        let Measured { picture, value, spread, at_s } = measured;
        match self {
            Self::Field(particles) => particles.learn(picture, features, [value, spread, at_s], is_over),
            Self::Linear(linear) => {
                linear.sum += value;
                linear.count += 1;
                linear.belief.learn(picture, features.to_vec(), value, spread, at_s);
                if linear.count.is_multiple_of(CHOOSE_EVERY) {
                    let mean = (linear.sum / linear.count as f64).max(0.0);
                    let typical = (mean * mean).max(spread * spread) / features.len() as f64;
                    let variances = SIGNALS.map(|part| part * typical);
                    linear.belief.choose(&linear.shapes, &variances, OWN_PART);
                }
            }
        }
    }

    /// What a picture with these features that was never shown will do.
    pub fn predict_new(&self, features: &[f64]) -> Prediction {
        let (Prediction { mean, sd }, own) = match self {
            Self::Field(particles) => {
                let predicted = particles.predict(features);
                (predicted, particles.own_sd(predicted.mean))
            }
            Self::Linear(linear) => (linear.belief.predict(features), linear.belief.own_sd()),
        };
        Prediction { mean, sd: libm::hypot(sd, own) }
    }

    /// What a picture that was shown before will do.
    pub fn predict_shown(&self, picture: usize, features: &[f64]) -> Prediction {
        match self {
            Self::Field(particles) => particles.predict_shown(picture, features),
            Self::Linear(linear) => linear.belief.predict_shown(picture, features),
        }
    }

    /// What is climbed: `sign` times what is believed on average; or, where it explores, times what may be: a draw from the
    /// posterior of fields, or the mean and so many standard deviations.
    pub fn judge(&mut self, sign: f64, exploration: Option<f64>) -> Box<Judge<'_>> {
        match (self, exploration) {
            (Self::Field(particles), Some(width)) => {
                let drawn = particles.draw(width);
                Box::new(move |features| drawn.slope(features, sign))
            }
            (Self::Field(particles), None) => {
                let particles = &**particles;
                Box::new(move |features| particles.mean_slope(features, sign))
            }
            (Self::Linear(linear), exploration) => {
                let (belief, kappa) = (&linear.belief, exploration.unwrap_or(0.0));
                Box::new(move |features| belief.bound(features, sign, kappa))
            }
        }
    }

    /// What is known of the person's field, where the model is one.
    pub fn posterior(&self) -> Option<Posterior> {
        match self {
            Self::Field(particles) => Some(particles.posterior()),
            Self::Linear(_) => None,
        }
    }
}

/// A presentation of a recorded session: pattern, measured value, its standard error, and when it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Presented {
    /// The picture's pattern.
    pub pattern: Vec<f32>,
    /// What was measured.
    pub value: f64,
    /// Its standard error.
    pub spread: f64,
    /// Time in the session.
    pub at_s: f64,
}

/// What presentations tell of a person's field, with nothing but the literature beforehand. `None` where the model has no
/// tuned cells.
///
/// # Errors
/// A model that fails.
pub fn field_of(
    eyes: &mut Eyes,
    canvas: &Canvas,
    presentations: &[Presented],
    seed: u64,
) -> Result<Option<Posterior>, PlannerError> {
    // What one session forgets is for the loop; here all of it counts.
    let mut response = Response::new(eyes, &[], f64::INFINITY, seed);
    let mut known: Vec<(&[f32], Vec<f64>)> = Vec::new();
    for one in presentations {
        let found = known.iter().position(|(pattern, _)| *pattern == one.pattern);
        let picture = match found {
            Some(picture) => picture,
            None => {
                known.push((&one.pattern, eyes.features(&canvas.light(&one.pattern))?));
                known.len() - 1
            }
        };
        let Presented { value, spread, at_s, .. } = *one;
        let measured = Measured { picture, value, spread, at_s };
        response.learn(measured, &known[picture].1, &mut || false);
    }
    Ok(response.posterior())
}
