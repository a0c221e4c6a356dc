//! The picture that does most by some judgement of a model's answers: ascent through the model.

use ndarray::Array5;
use synthesis::constraint::Constraints;
use synthesis::optimiser::{Optimiser, Settings, adam};
use synthesis::problem::Problem;

use crate::features::Eyes;
use crate::{Canvas, PlannerError};

/// A judgement of a picture's features: a value and its slope.
pub type Judge<'a> = dyn Fn(&[f64]) -> (f64, Vec<f64>) + 'a;

/// What an ascent found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The picture.
    pub pattern: Vec<f32>,
    /// What `judge` says of it.
    pub value: f64,
    /// Steps made.
    pub iterations: u32,
}

/// Climbs what `judge` says of a picture's features (a value and its slope) from `start` for at most `steps` steps, or until
/// `is_over` says so (asked before each).
///
/// # Errors
/// A start that no scaling brings to the canvas's contrast; a model that fails.
pub fn climb(
    eyes: &mut Eyes,
    canvas: &Canvas,
    judge: &Judge<'_>,
    start: &[f32],
    steps: u32,
    mut is_over: impl FnMut() -> bool,
) -> Result<Found, PlannerError> {
    let constraints = canvas.constraints();
    let mut light = canvas.light(start);
    constraints.project(&mut light)?;
    let at: Vec<f64> = light.iter().map(|&l| f64::from(l)).collect();
    // A texel moves by a part of the contrast per step, so that a picture can turn round within a few.
    let rate = 0.25 * canvas.contrast_rms;
    let settings = Settings::Adam(adam::Settings { rate, half_life: 40.0, ..adam::Settings::default() });
    let failed = |error: &dyn std::fmt::Display| PlannerError::Step(error.to_string());
    let mut optimiser = Optimiser::prepare(settings, &at, 0).map_err(|error| failed(&error))?;
    let mut problem = Ascent { eyes, judge, constraints, texels: canvas.texels };
    let mut iterations = 0;
    while iterations < steps && !is_over() {
        optimiser.step(&mut problem).map_err(|error| failed(&error))?;
        iterations += 1;
    }
    let (best, value) = optimiser.best();
    let best = if iterations == 0 { &at[..] } else { best };
    let mut light = problem.light(best);
    problem.constraints.project(&mut light)?;
    Ok(Found { pattern: canvas.pattern(&light), value, iterations })
}

struct Ascent<'a> {
    eyes: &'a mut Eyes,
    judge: &'a Judge<'a>,
    constraints: Constraints,
    texels: usize,
}

impl Ascent<'_> {
    fn light(&self, at: &[f64]) -> Array5<f32> {
        let light = at.iter().map(|&value| value as f32).collect();
        Array5::from_shape_vec((1, 1, 1, self.texels, self.texels), light).expect("a texel each")
    }
}

impl Problem for Ascent<'_> {
    type Error = PlannerError;

    fn dimensions(&self) -> usize {
        self.texels * self.texels
    }

    fn value(&mut self, at: &[f64]) -> Result<f64, PlannerError> {
        let mut light = self.light(at);
        if self.constraints.project(&mut light).is_err() {
            return Ok(f64::NEG_INFINITY);
        }
        let features = self.eyes.features(&light)?;
        Ok((self.judge)(&features).0)
    }

    fn value_and_gradient(&mut self, at: &[f64], gradient: &mut [f64]) -> Result<f64, PlannerError> {
        let raw = self.light(at);
        let mut light = raw.clone();
        let Ok(projection) = self.constraints.project(&mut light) else {
            gradient.fill(0.0);
            return Ok(f64::NEG_INFINITY);
        };
        let (value, slope) = self.eyes.slope(&light, self.judge)?;
        let slope = self.constraints.pull_back(&raw, &projection, &slope);
        gradient.iter_mut().zip(&slope).for_each(|(g, s)| *g = f64::from(*s));
        Ok(value)
    }

    fn project(&self, at: &mut [f64]) {
        let mut light = self.light(at);
        if self.constraints.project(&mut light).is_ok() {
            at.iter_mut().zip(&light).for_each(|(at, light)| *at = f64::from(*light));
        }
    }
}
