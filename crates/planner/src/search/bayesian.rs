//! Bayesian optimisation over the numbers of a Gabor: a Gaussian process with one length scale per number, orientation and
//! phase on their circles, and the expected improvement over the best mean (`synthesis::optimiser::bayesian`).

use synthesis::optimiser::{Optimiser, Settings as Method, bayesian};

use super::shown::Shown;
use super::{Ask, space};
use crate::{Canvas, PlannerError};

/// Settings of [`Bayesian`], found on the tuning brains.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Gabors before the process is asked.
    pub initial: usize,
    /// Points that the process keeps, so that the time of a proposal stays bounded.
    pub most_points: usize,
    /// Gabors among which the most promising one is looked for.
    pub candidates: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { initial: 16, most_points: 100, candidates: 200 }
    }
}

/// The search.
#[derive(Debug, Clone)]
pub struct Bayesian {
    canvas: Canvas,
    optimiser: Optimiser,
    /// What was asked, with its content.
    asked: Vec<(Vec<f64>, usize)>,
    /// Asked, not yet told.
    numbers: Vec<f64>,
}

impl Bayesian {
    /// Nothing asked yet.
    ///
    /// # Errors
    /// Settings that the optimiser refuses.
    pub fn new(canvas: Canvas, settings: &Settings, seed: u64) -> Result<Self, PlannerError> {
        let (lower, upper): (Vec<f64>, Vec<f64>) =
            space::bounds(&canvas).iter().map(|[low, high]| (*low, *high)).unzip();
        let method = bayesian::Settings {
            initial: Some(settings.initial),
            on_circle: space::ON_CIRCLE.to_vec(),
            most_points: Some(settings.most_points),
            candidates: settings.candidates,
            climbs: 2,
            ..bayesian::Settings::within(lower, upper)
        };
        let start = space::anywhere(&canvas, &mut random::Random::new(seed, 1));
        let optimiser = Optimiser::prepare(Method::Bayesian(method), &start, seed)
            .map_err(|error| PlannerError::Step(error.to_string()))?;
        Ok(Self { canvas, optimiser, asked: Vec::new(), numbers: Vec::new() })
    }

    pub(crate) fn ask(&mut self) -> Result<Ask, PlannerError> {
        let points = self.optimiser.ask_tell().map(|optimiser| optimiser.ask(&|_| ()).to_vec());
        self.numbers = points.into_iter().flatten().next().unwrap_or_default();
        if let Some((_, content)) = self.asked.iter().find(|(numbers, _)| *numbers == self.numbers) {
            return Ok(Ask::Again(*content));
        }
        space::picture(&self.canvas, &self.numbers).map(Ask::New)
    }

    pub(crate) fn tell(&mut self, content: usize, value: f64) -> Result<(), PlannerError> {
        self.asked.push((self.numbers.clone(), content));
        if let Some(optimiser) = self.optimiser.ask_tell() {
            optimiser.tell(&[value]).map_err(|error| PlannerError::Step(error.to_string()))?;
        }
        Ok(())
    }

    /// The Gabor of those shown of which the process believes most.
    pub(super) fn incumbent(&mut self, shown: &Shown) -> Option<usize> {
        let believed = self.optimiser.ask_tell().map(|optimiser| optimiser.recommended())?;
        let near =
            |numbers: &[f64]| numbers.iter().zip(&believed).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
        let found = self.asked.iter().min_by(|a, b| near(&a.0).total_cmp(&near(&b.0)));
        found.map(|(_, content)| *content).or_else(|| shown.best())
    }
}
