//! A genetic algorithm on real numbers.

use random::Random;

use super::batch::{AskTell, Batch, Batched, TellError};
use super::{Check, Error, State, vector};

/// Settings of [`Genetic`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Individuals in a generation. Default 40.
    pub population: usize,
    /// The best, which live on. Default 10.
    pub elite: usize,
    /// Standard deviation of the first generation around the start, in the problem's units. Default 1, that of the codes
    /// of most generators.
    pub spread: f64,
    /// Temperature of the choice of parents, in standard deviations of the values: small prefers the best. Default 0.5.
    pub temperature: f64,
    /// Share of its numbers that a child has from its first parent. Default 0.75.
    pub heritability: f64,
    /// Share of a child's numbers that mutate in the first generation. Default 0.25.
    pub rate: f64,
    /// Standard deviation of a mutation in the first generation, relative to `spread`. Default 0.75.
    pub size: f64,
    /// Generations after which rate and size of mutations have halved; 0 keeps them. Default 50.
    pub half_life: f64,
    /// Rate and size of mutations fall to this share of their first value at the least, in [0, 1). Default 0.02.
    pub floor: f64,
    /// The elite are evaluated again in each generation and ranked by the mean of all their values: for values with noise,
    /// where a lucky one would live for ever. Default false.
    pub again: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            population: 40,
            elite: 10,
            spread: 1.0,
            temperature: 0.5,
            heritability: 0.75,
            rate: 0.25,
            size: 0.75,
            half_life: 50.0,
            floor: 0.02,
            again: false,
        }
    }
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Error> {
        let check = Check("genetic");
        check.count("population", self.population, 2, "at least 2")?;
        check.that(self.elite < self.population, "elite", self.elite as f64, "below `population`")?;
        check.positive("spread", self.spread)?;
        check.positive("temperature", self.temperature)?;
        check.that(
            (0.5..=1.0).contains(&self.heritability),
            "heritability",
            self.heritability,
            "in [0.5, 1]",
        )?;
        check.that(0.0 < self.rate && self.rate <= 1.0, "rate", self.rate, "in (0, 1]")?;
        check.positive("size", self.size)?;
        check.not_negative("half-life", self.half_life)?;
        check.share("floor", self.floor)
    }
}

/// A seeded genetic algorithm as it is used with image generators and neurons (Ponce et al., Cell 177, 2019; Xiao and
/// Kreiman, PLOS Comput. Biol. 16, 2020): parents are drawn by a softmax of their values, a child has each number from one
/// of its two parents, some numbers mutate, the best live on. Rate and size of mutations are annealed.
#[derive(Debug, Clone)]
pub struct Genetic {
    settings: Settings,
    pub(super) batch: Batch,
    start: Vec<f64>,
    random: Random,
    /// The last generation, the best first.
    parents: Vec<Individual>,
    generation: u64,
}

#[derive(Debug, Clone)]
struct Individual {
    at: Vec<f64>,
    /// Mean of its values.
    value: f64,
    values: u32,
}

impl Genetic {
    pub(super) fn new(settings: Settings, start: &[f64], seed: u64) -> Self {
        Self {
            settings,
            batch: Batch::new(start),
            start: start.to_vec(),
            random: Random::new(seed, 0),
            parents: Vec::new(),
            generation: 0,
        }
    }

    /// The start and others around it.
    fn founder(&mut self, index: usize) -> Vec<f64> {
        let spread = if index == 0 { 0.0 } else { self.settings.spread };
        self.start.iter().map(|x| x + spread * self.random.normal()).collect()
    }

    fn child(&mut self, chances: &[f64]) -> Vec<f64> {
        let Settings { heritability, rate, size, half_life, floor, spread, .. } = self.settings;
        let [first, second] = [(); 2].map(|()| drawn(chances, self.random.uniform()));
        let decay =
            if half_life > 0.0 { libm::exp2(-(self.generation as f64) / half_life).max(floor) } else { 1.0 };
        // A small share of a small vector would be none at all.
        let rate = (rate * decay).max(1.0 / self.start.len() as f64);
        let mut child = Vec::with_capacity(self.start.len());
        for i in 0..self.start.len() {
            let parent = if self.random.uniform() < heritability { first } else { second };
            let mutation = match self.random.uniform() < rate {
                true => size * decay * spread * self.random.normal(),
                false => 0.0,
            };
            child.push(self.parents[parent].at[i] + mutation);
        }
        child
    }

    /// Chances to be a parent: softmax of the values.
    fn chances(&self) -> Vec<f64> {
        let finite: Vec<f64> = self.parents.iter().map(|p| p.value).filter(|v| v.is_finite()).collect();
        let n = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / n;
        let deviation = (finite.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        let best = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let warmth = (self.settings.temperature * deviation).max(f64::MIN_POSITIVE);
        let weights: Vec<f64> = self
            .parents
            .iter()
            .map(|p| if p.value.is_finite() { libm::exp((p.value - best) / warmth) } else { 0.0 })
            .collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| w / sum).collect()
    }

    /// How many of the parents live on.
    fn survivors(&self) -> usize {
        self.parents.iter().take(self.settings.elite).filter(|p| p.value.is_finite()).count()
    }
}

/// Index whose share of [0, 1) holds `u`.
fn drawn(chances: &[f64], u: f64) -> usize {
    let mut sum = 0.0;
    for (i, chance) in chances.iter().enumerate() {
        sum += chance;
        if u < sum {
            return i;
        }
    }
    // Rounding of the sum: the last with a chance.
    chances.iter().rposition(|chance| *chance > 0.0).unwrap_or(0)
}

impl AskTell for Genetic {
    fn ask(&mut self, project: &dyn Fn(&mut [f64])) -> &[Vec<f64>] {
        if self.batch.points.is_empty() {
            let elite = self.survivors();
            // A generation without a single finite value has no children.
            let founded = elite == 0 && !self.parents.iter().any(|p| p.value.is_finite());
            let chances = if founded { Vec::new() } else { self.chances() };
            let mut points = Vec::with_capacity(self.settings.population);
            if self.settings.again {
                points.extend(self.parents[..elite].iter().map(|p| p.at.clone()));
            }
            for index in 0..self.settings.population - elite {
                let mut point = if founded { self.founder(index) } else { self.child(&chances) };
                project(&mut point);
                points.push(point);
            }
            self.batch.points = points;
        }
        &self.batch.points
    }

    fn tell(&mut self, values: &[f64]) -> Result<State, TellError> {
        let elite = self.survivors();
        let points = self.batch.answered(values)?;
        let mut told = points.into_iter().zip(values.iter().copied());
        let mut next: Vec<Individual> = self.parents.drain(..elite).collect();
        if self.settings.again {
            for (parent, (_, value)) in next.iter_mut().zip(told.by_ref().take(elite)) {
                parent.value =
                    (parent.value * f64::from(parent.values) + value) / f64::from(parent.values + 1);
                parent.values += 1;
            }
        }
        next.extend(told.map(|(at, value)| Individual { at, value, values: 1 }));
        let order = vector::ranking(&next.iter().map(|p| p.value).collect::<Vec<_>>());
        self.parents = order.into_iter().map(|i| next[i].clone()).collect();
        self.generation += 1;
        let any = self.parents.iter().any(|p| p.value.is_finite());
        Ok(if any { State::Moved } else { State::Held })
    }

    fn recommended(&self) -> Vec<f64> {
        match self.parents.first() {
            Some(best) if best.value.is_finite() => best.at.clone(),
            _ => self.start.clone(),
        }
    }
}

impl Batched for Genetic {
    fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    fn has_converged(&self) -> bool {
        false
    }
}
