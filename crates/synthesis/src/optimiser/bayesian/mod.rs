//! Bayesian optimisation: each point where a Gaussian process promises most.

mod gaussian;
mod improvement;

use random::Random;

use super::batch::{AskTell, Batch, Batched, TellError};
use super::{Check, Error, State, vector};
use gaussian::Gaussian;
use improvement::Improvement;

/// Settings of [`Bayesian`].
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Lower bounds of the box, one for each number.
    pub lower: Vec<f64>,
    /// Upper bounds.
    pub upper: Vec<f64>,
    /// Points before the process is asked, the start among them. Default 2 (dimensions + 1).
    #[serde(default)]
    pub initial: Option<usize>,
    /// Variance of the noise of a value, in its unit squared, where it is known (0 for none). Default: fitted.
    #[serde(default)]
    pub noise_variance: Option<f64>,
    /// Points among which the most promising are looked for. Default 1000.
    #[serde(default = "candidates")]
    pub candidates: usize,
    /// Of these, how many are climbed from. Default 4.
    #[serde(default = "climbs")]
    pub climbs: usize,
}

fn candidates() -> usize {
    1000
}

fn climbs() -> usize {
    4
}

impl Settings {
    /// The defaults in a box.
    pub fn within(lower: Vec<f64>, upper: Vec<f64>) -> Self {
        Self { lower, upper, initial: None, noise_variance: None, candidates: candidates(), climbs: climbs() }
    }

    pub(super) fn check(&self, dimensions: usize) -> Result<(), Error> {
        let check = Check("bayesian");
        if dimensions > MOST_DIMENSIONS {
            return Err(Error::Dimensions {
                optimiser: "bayesian",
                given: dimensions,
                most: MOST_DIMENSIONS,
            });
        }
        check.bounds(&self.lower, &self.upper, dimensions)?;
        check.count("initial", self.initial.unwrap_or(2), 2, "at least 2")?;
        check.not_negative("noise-variance", self.noise_variance.unwrap_or(0.0))?;
        check.count("candidates", self.candidates, 1, "at least 1")
    }
}

/// A process over more numbers knows nothing between its points with the data that it can bear.
const MOST_DIMENSIONS: usize = 50;
/// Up to so many points each fit of the process also begins anew from drawn parameters; later only now and then.
const FEW_POINTS: usize = 60;

/// Bayesian optimisation in a box: a Gaussian process (Matern 5/2, one length per dimension; lengths, variance and noise
/// those of which the data are most probable) and the expected improvement over the highest mean at a point seen, which
/// unlike the highest value is no matter of luck where values have noise. One point per step.
///
/// A value that is not finite is learned as the lowest finite one. Time of a step grows with the cube of the number of
/// points (in 6 dimensions about 0.1 s at 100 and 0.3 s at 200).
#[derive(Debug, Clone)]
pub struct Bayesian {
    settings: Settings,
    pub(super) batch: Batch,
    random: Random,
    /// In the unit cube, before the process is asked.
    design: Vec<Vec<f64>>,
    /// In the unit cube.
    points: Vec<Vec<f64>>,
    values: Vec<f64>,
    /// Parameters of the last process.
    logs: Option<Vec<f64>>,
}

impl Bayesian {
    pub(super) fn new(settings: Settings, start: &[f64], seed: u64) -> Self {
        let mut random = Random::new(seed, 0);
        let count = settings.initial.unwrap_or(2 * (start.len() + 1));
        let mut design = latin_hypercube(count - 1, start.len(), &mut random);
        let mut this = Self {
            batch: Batch::new(start),
            random,
            design: Vec::new(),
            points: Vec::new(),
            values: Vec::new(),
            logs: None,
            settings,
        };
        design.push(this.to_cube(start));
        design.reverse();
        this.design = design;
        this
    }

    fn to_cube(&self, at: &[f64]) -> Vec<f64> {
        let Settings { lower, upper, .. } = &self.settings;
        let sides = lower.iter().zip(upper);
        at.iter().zip(sides).map(|(x, (low, high))| ((x - low) / (high - low)).clamp(0.0, 1.0)).collect()
    }

    fn to_box(&self, cube: &[f64]) -> Vec<f64> {
        let Settings { lower, upper, .. } = &self.settings;
        let sides = lower.iter().zip(upper);
        cube.iter().zip(sides).map(|(u, (low, high))| low + u * (high - low)).collect()
    }

    /// Values as the process takes them: mean 0, variance 1, the lowest in place of those that are not finite. With the
    /// scale by which they were divided.
    fn standardised(&self) -> Option<(Vec<f64>, f64)> {
        let lowest = self.values.iter().copied().filter(|v| v.is_finite()).fold(f64::INFINITY, f64::min);
        if !lowest.is_finite() {
            return None;
        }
        let values: Vec<f64> = self.values.iter().map(|&v| if v.is_finite() { v } else { lowest }).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt();
        let scale = if deviation > 0.0 && deviation.is_finite() { deviation } else { 1.0 };
        Some((values.iter().map(|v| (v - mean) / scale).collect(), scale))
    }

    fn process(&self, others: usize, random: &mut Random) -> Option<Gaussian> {
        let (values, scale) = self.standardised()?;
        let noise = self.settings.noise_variance.map(|variance| variance / (scale * scale));
        Gaussian::fitted(self.points.clone(), &values, noise, self.logs.as_deref(), others, random)
    }

    /// The next point in the cube.
    fn next(&mut self) -> Vec<f64> {
        let designed = self.design.get(self.points.len());
        if let Some(point) = designed {
            return point.clone();
        }
        let is_due = self.points.len() <= FEW_POINTS || self.points.len().is_multiple_of(20);
        let mut random = self.random.clone();
        let process = self.process(if is_due { 2 } else { 0 }, &mut random);
        self.random = random;
        let Some(process) = process else { return self.anywhere() };
        self.logs = Some(process.logs().to_vec());
        let best = process.points.iter().map(|p| process.mean(p)).fold(f64::NEG_INFINITY, f64::max);
        let Settings { candidates, climbs, .. } = self.settings;
        let next = Improvement { process: &process, best }.highest(candidates, climbs, &mut self.random);
        let is_known = self.points.iter().any(|p| vector::largest(&vector::difference(p, &next)) < 1e-7);
        // The same point twice tells nothing where there is no noise.
        if is_known && self.settings.noise_variance == Some(0.0) { self.anywhere() } else { next }
    }

    fn anywhere(&mut self) -> Vec<f64> {
        (0..self.settings.lower.len()).map(|_| self.random.uniform()).collect()
    }
}

/// Points of which each coordinate has one in each of `count` equal strata (McKay, Beckman and Conover 1979).
fn latin_hypercube(count: usize, dimensions: usize, random: &mut Random) -> Vec<Vec<f64>> {
    let mut points = vec![Vec::with_capacity(dimensions); count];
    for _ in 0..dimensions {
        let mut strata: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            strata.swap(i, (random.uniform() * (i + 1) as f64) as usize);
        }
        for (point, stratum) in points.iter_mut().zip(strata) {
            point.push((stratum as f64 + random.uniform()) / count as f64);
        }
    }
    points
}

impl AskTell for Bayesian {
    fn ask(&mut self, project: &dyn Fn(&mut [f64])) -> &[Vec<f64>] {
        if self.batch.points.is_empty() {
            let cube = self.next();
            let mut point = self.to_box(&cube);
            project(&mut point);
            self.batch.points.push(point);
        }
        &self.batch.points
    }

    fn tell(&mut self, values: &[f64]) -> Result<State, TellError> {
        for point in self.batch.answered(values)? {
            let cube = self.to_cube(&point);
            self.points.push(cube);
        }
        self.values.extend_from_slice(values);
        Ok(State::Moved)
    }

    fn recommended(&self) -> Vec<f64> {
        match self.process(0, &mut self.random.clone()) {
            Some(process) => {
                let means: Vec<f64> = process.points.iter().map(|p| process.mean(p)).collect();
                self.to_box(&process.points[vector::ranking(&means)[0]])
            }
            None => self.to_box(&self.design[0]),
        }
    }
}

impl Batched for Bayesian {
    fn batch(&mut self) -> &mut Batch {
        &mut self.batch
    }

    fn has_converged(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latin_hypercube_has_one_point_in_each_stratum() {
        let points = latin_hypercube(7, 3, &mut Random::new(1, 0));
        for k in 0..3 {
            let mut strata: Vec<usize> = points.iter().map(|p| (p[k] * 7.0) as usize).collect();
            strata.sort_unstable();
            assert_eq!(strata, [0, 1, 2, 3, 4, 5, 6]);
        }
    }
}
