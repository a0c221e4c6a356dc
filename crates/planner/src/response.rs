//! The response model: a population receptive field where the cells are tuned, a linear map over the features otherwise.

use crate::belief::Prediction;
use crate::features::Eyes;
use crate::field::{Posterior, Prior};
use crate::linear::Linear;
use crate::particles::{Particles, USUAL_COUNT};
use crate::propose::Judge;
use crate::wavering::USUAL;
use crate::{Canvas, PlannerError};

/// The model with what it learnt.
pub(crate) enum Response {
    /// Cells with orientation and spatial frequency.
    Field(Box<Particles>),
    /// Any features.
    Linear(Box<Linear>),
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
        Self::over(eyes, eyes.origin(), people, forgetting_s, (USUAL_COUNT, seed))
    }

    /// The same over features whose `origin` is not that of `eyes`, with so many particles.
    pub fn over(
        eyes: &Eyes,
        origin: Vec<f64>,
        people: &[Posterior],
        forgetting_s: f64,
        particles: (usize, u64),
    ) -> Self {
        if !eyes.is_tuned() {
            return Self::Linear(Box::new(Linear::new(eyes, forgetting_s, None)));
        }
        let grid = eyes.grid().clone();
        let prior = match people {
            [] => Prior::literature(&grid),
            people => Prior::of_people(people, &grid),
        };
        // Features are differences from the mean over probes: zero is a typical picture.
        let typical = vec![0.0; origin.len()];
        let particles = Particles::new(grid, prior, USUAL, forgetting_s, [&origin, &typical], particles);
        Self::Field(Box::new(particles))
    }

    pub fn learn(&mut self, measured: Measured, features: &[f64], is_over: &mut dyn FnMut() -> bool) {
        let Measured { picture, value, spread, at_s } = measured;
        match self {
            Self::Field(particles) => particles.learn(picture, features, [value, spread, at_s], is_over),
            Self::Linear(linear) => {
                let expected = linear.predict(None, features).mean;
                let spread = linear.spread(spread, expected);
                linear.learn(picture, features, value, spread, at_s, false);
            }
        }
    }

    /// What a picture with these features that was never shown will do.
    pub fn predict_new(&self, features: &[f64]) -> Prediction {
        match self {
            Self::Field(particles) => {
                let Prediction { mean, sd } = particles.predict(features);
                Prediction { mean, sd: libm::hypot(sd, particles.own_sd(mean)) }
            }
            Self::Linear(linear) => linear.predict(None, features),
        }
    }

    /// What a picture that was shown before will do.
    pub fn predict_shown(&self, picture: usize, features: &[f64]) -> Prediction {
        match self {
            Self::Field(particles) => particles.predict_shown(picture, features),
            Self::Linear(linear) => linear.predict(Some(picture), features),
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
                let (belief, kappa) = (linear.belief(), exploration.unwrap_or(0.0));
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
