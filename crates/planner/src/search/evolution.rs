//! Searches in the latent of a generator: CMA-ES and a genetic algorithm.
//!
//! Genetic as with image generators and neurons in vivo (Ponce et al., Cell 177, 2019; Xiao and Kreiman, PLOS Comput. Biol.
//! 16, 2020): 40 pictures in a generation, the ten best live on, a child takes three quarters of its numbers from one parent,
//! a quarter of them mutate. CMA-ES with the defaults of its author's tutorial (Hansen, arXiv:1604.00772, 2016).

use random::Random;
use synthesis::optimiser::{Optimiser, Settings as Method};

use super::Ask;
use super::latent::{Generator, dimensions};
use super::shown::Shown;
use crate::{Canvas, PlannerError};

/// A search of generations.
#[derive(Debug, Clone)]
pub struct Evolution {
    generator: Generator,
    optimiser: Optimiser,
    /// Latents of this generation, and the values that came so far.
    latents: Vec<Vec<f64>>,
    values: Vec<f64>,
    contents: Vec<usize>,
    /// Latents and contents of the last generation: some of them may come again.
    before: Vec<(Vec<f64>, usize)>,
    /// Whether the middle of the distribution is shown after each generation.
    shows_middle: bool,
    middle_due: bool,
    /// The last middle that was measured.
    middle: Option<usize>,
}

impl Evolution {
    /// Nothing asked yet. `gabors`: see [`super::latent`].
    ///
    /// # Errors
    /// Settings that the optimiser refuses.
    pub fn new(canvas: Canvas, method: Method, gabors: usize, seed: u64) -> Result<Self, PlannerError> {
        let mut random = Random::new(seed, 1);
        let start: Vec<f64> = (0..dimensions(gabors)).map(|_| random.normal()).collect();
        let shows_middle = matches!(method, Method::CmaEs(_));
        let optimiser = Optimiser::prepare(method, &start, seed)
            .map_err(|error| PlannerError::Step(error.to_string()))?;
        Ok(Self {
            generator: Generator::new(canvas, gabors),
            optimiser,
            latents: Vec::new(),
            values: Vec::new(),
            contents: Vec::new(),
            before: Vec::new(),
            shows_middle,
            middle_due: false,
            middle: None,
        })
    }

    pub(super) fn ask(&mut self) -> Result<Ask, PlannerError> {
        if self.middle_due {
            let middle = self.optimiser.ask_tell().map(|optimiser| optimiser.recommended());
            return self.generator.picture(&middle.unwrap_or_default()).map(Ask::New);
        }
        if self.latents.is_empty() {
            let asked = self.optimiser.ask_tell().map(|optimiser| optimiser.ask(&|_| ()).to_vec());
            self.latents = asked.unwrap_or_default();
        }
        let latent = &self.latents[self.values.len()];
        match self.before.iter().find(|(at, _)| at == latent) {
            Some((_, content)) => Ok(Ask::Again(*content)),
            None => self.generator.picture(latent).map(Ask::New),
        }
    }

    pub(super) fn tell(&mut self, content: usize, value: f64) -> Result<(), PlannerError> {
        if std::mem::take(&mut self.middle_due) {
            self.middle = Some(content);
            return Ok(());
        }
        self.values.push(value);
        self.contents.push(content);
        if self.values.len() < self.latents.len() {
            return Ok(());
        }
        if let Some(optimiser) = self.optimiser.ask_tell() {
            optimiser.tell(&self.values).map_err(|error| PlannerError::Step(error.to_string()))?;
        }
        // Those that lived on without being asked again are known from before.
        let generation = self.latents.drain(..).zip(self.contents.drain(..));
        self.before.extend(generation);
        let kept = self.before.len().saturating_sub(KEPT);
        self.before.drain(..kept);
        self.values.clear();
        self.middle_due = self.shows_middle;
        Ok(())
    }

    /// CMA-ES: the last middle of its distribution, in which noise is averaged out. Otherwise the picture of which most is
    /// believed.
    pub(super) fn incumbent(&self, shown: &Shown) -> Option<usize> {
        self.middle.or_else(|| shown.best())
    }
}

/// Latents that are kept to know a picture again.
const KEPT: usize = 400;
