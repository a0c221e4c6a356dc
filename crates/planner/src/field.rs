//! A population receptive field over the model's cells: where in the visual field, at which orientation and spatial frequency
//! a population takes its drive from.
//!
//! The population receptive field of functional imaging (Dumoulin and Wandell, NeuroImage 39, 2008) with tuning: a Gaussian
//! over places, a von Mises function over orientations, a Gaussian over log spatial frequency; and, for some, a second
//! orientation that has to be there too, as in V2 (Anzai, Peng and Van Essen, Nat. Neurosci. 10, 2007). A dozen numbers say
//! what a linear map over thousands of cells could say only after thousands of presentations.

use core::f64::consts::{FRAC_PI_2, LN_2, PI};

use random::Random;

use crate::features::Grid;

/// Parameters of a field.
pub const PARAMETERS: usize = 11;
/// Numbers that a picture comes to under one field: its tuned cells, one for each kind of cells, and all cells at that place.
pub const TERMS: usize = KINDS + 1;
/// Kinds of cells.
pub const KINDS: usize = 3;
/// Offset and one gain per term.
pub const GAINS: usize = TERMS + 1;

/// What the parameters are called, in their order: place, log of its SD in degrees, preferred orientation, log of the
/// half-width at half height in radians, log2 of the preferred cycles per degree, log of the bandwidth's SD in octaves, log of
/// the part that pictures do on their own, the second orientation minus the first, whether that one counts (above
/// [`PAIRED`]), and log of the gains' common scale over the root mean square of what was measured.
pub const NAMES: [&str; PARAMETERS] = [
    "x_deg",
    "y_deg",
    "ln_sd_deg",
    "orientation_rad",
    "ln_half_width_rad",
    "log2_cpd",
    "ln_octaves",
    "ln_own",
    "apart_rad",
    "pair",
    "ln_gain",
];
/// What the gains are called: the response to grey; cells' normalised amplitude, normalised energy, amplitude before
/// normalisation; and cells of all orientations.
pub const GAIN_NAMES: [&str; GAINS] = ["offset", "amplitude", "energy", "unnormalised", "untuned"];

const X: usize = 0;
const Y: usize = 1;
const LN_SD: usize = 2;
/// The only one on a circle (period pi).
pub const TURN: usize = 3;
const LN_WIDTH: usize = 4;
const OCTAVE: usize = 5;
const LN_OCTAVES: usize = 6;
const LN_OWN: usize = 7;
const APART: usize = 8;
const PAIR: usize = 9;
const LN_GAIN: usize = 10;

/// Above it a field has a second orientation.
pub const PAIRED: f64 = 0.5;
/// The root of a product of zeros has no slope; this is far below what a cell answers.
const LEAST: f64 = 1e-9;

/// A mean and its standard deviation.
pub type Guess = [f64; 2];

/// What is believed of a field before anything is measured. Each parameter is normal, the orientation may be any; the gains
/// are in units of their common scale for terms in units of their typical values.
#[derive(Debug, Clone, PartialEq)]
pub struct Prior {
    /// In the order of [`NAMES`].
    pub parameters: [Guess; PARAMETERS],
    /// In the order of [`GAIN_NAMES`].
    pub gains: [Guess; GAINS],
}

impl Prior {
    /// What the literature says of early visual areas near the fovea: field sizes of 0.5 to 3 deg, orientation half-widths
    /// around 28 deg, bandwidths around 1.6 octaves.
    pub fn literature(grid: &Grid) -> Self {
        let middle = grid.scales.iter().sum::<f64>() / grid.scales.len() as f64;
        Self {
            parameters: [
                [0.0, 2.0],
                [0.0, 2.0],
                [libm::log(1.3), 0.35],
                [0.0, f64::INFINITY],
                [libm::log(28.0 * PI / 180.0), 0.35],
                [middle, 0.7],
                [libm::log(0.7), 0.3],
                [libm::log(0.15), 0.6],
                [FRAC_PI_2, 0.5],
                [0.0, 1.0],
                [0.0, 0.5],
            ],
            gains: [[0.0, 0.3], [0.4, 0.6], [0.4, 0.6], [0.4, 0.6], [-0.3, 0.5]],
        }
    }

    /// What other people's fields say of the next person's, each as its posterior came out: mean over people, and a standard
    /// deviation for how people differ and how well each is known. Places, the orientation and the scale stay the literature's:
    /// where one person's population looks says nothing of the next one's.
    pub fn of_people(people: &[Posterior], grid: &Grid) -> Self {
        let plain = Self::literature(grid);
        let pooled = |guesses: Vec<Guess>, plain: Guess| {
            let count = guesses.len() as f64;
            if count < 2.0 {
                return plain;
            }
            let mean = guesses.iter().map(|guess| guess[0]).sum::<f64>() / count;
            let between = guesses.iter().map(|guess| (guess[0] - mean).powi(2)).sum::<f64>() / (count - 1.0);
            let within = guesses.iter().map(|guess| guess[1] * guess[1]).sum::<f64>() / count;
            [mean, (between + PART_OF_DOUBT * within).sqrt().max(1e-3)]
        };
        let parameters = core::array::from_fn(|at| match at {
            X | Y | TURN | APART | LN_GAIN => plain.parameters[at],
            _ => pooled(people.iter().map(|one| one.parameters[at]).collect(), plain.parameters[at]),
        });
        let gains = core::array::from_fn(|at| {
            pooled(people.iter().map(|one| one.gains[at]).collect(), plain.gains[at])
        });
        Self { parameters, gains }
    }

    pub(crate) fn draw(&self, random: &mut Random) -> Field {
        let mut one = |at: usize| match at {
            TURN => PI * random.uniform(),
            _ => self.parameters[at][0] + self.parameters[at][1] * random.normal(),
        };
        let mut parameters = [0.0; PARAMETERS];
        parameters.iter_mut().enumerate().for_each(|(at, value)| *value = one(at));
        Field(parameters)
    }

    /// Log density, up to a constant.
    pub(crate) fn log(&self, field: &Field) -> f64 {
        let one = |at: usize| {
            let [mean, sd] = self.parameters[at];
            let off = (field.0[at] - mean) / sd;
            if at == TURN { 0.0 } else { -0.5 * off * off }
        };
        (0..PARAMETERS).map(one).sum()
    }
}

/// Part of the people's own uncertainty (variance) that counts as differences between people: the rest is the prior under
/// which each was fitted.
const PART_OF_DOUBT: f64 = 0.3;

/// What is known of one person's field; also what a prior for others is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// In the order of [`NAMES`].
    pub parameters: [Guess; PARAMETERS],
    /// In the order of [`GAIN_NAMES`].
    pub gains: [Guess; GAINS],
}

/// The parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field(pub [f64; PARAMETERS]);

impl Field {
    /// Scale of the gains over the root mean square of what was measured.
    pub fn gain(&self) -> f64 {
        libm::exp(self.0[LN_GAIN])
    }

    /// What a picture may do beside what the field says, as a part of the response.
    pub fn own_part(&self) -> f64 {
        libm::exp(self.0[LN_OWN])
    }

    pub fn weights(&self, grid: &Grid) -> Weights {
        let p = &self.0;
        let gauss = |off: f64| libm::exp(-0.5 * off * off);
        let sd = libm::exp(p[LN_SD]);
        let along = |centre: f64| normed(grid.places_deg.iter().map(|place| gauss((place - centre) / sd)));
        let half = libm::sin(libm::exp(p[LN_WIDTH]).min(1.5));
        let concentration = LN_2 / (2.0 * half * half);
        let turns = |preferred: f64| {
            let turn = |o: &f64| libm::exp(concentration * (libm::cos(2.0 * (o - preferred)) - 1.0));
            normed(grid.orientations_rad.iter().map(turn))
        };
        let octaves = libm::exp(p[LN_OCTAVES]);
        Weights {
            across: along(p[X]),
            // Rows count downwards.
            down: along(-p[Y]),
            turns: turns(p[TURN]),
            second: (p[PAIR] > PAIRED).then(|| turns(p[TURN] + p[APART])),
            scales: normed(grid.scales.iter().map(|s| gauss((s - p[OCTAVE]) / octaves))),
        }
    }
}

/// A field's weights along each axis of the grid; each sums to 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    across: Vec<f64>,
    down: Vec<f64>,
    turns: Vec<f64>,
    /// Of the second orientation, where both have to be there.
    second: Option<Vec<f64>>,
    scales: Vec<f64>,
}

fn normed(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let sum: f64 = values.iter().sum::<f64>() + 1e-300;
    values.into_iter().map(|value| value / sum).collect()
}

impl Weights {
    /// What a picture with these features [kinds, scales, orientations, rows, columns] comes to.
    pub fn terms(&self, features: &[f64]) -> [f64; TERMS] {
        let plane = self.down.len() * self.across.len();
        let turns = self.turns.len();
        let (mut cells, mut other) = (vec![0.0; plane], vec![0.0; plane]);
        let mut terms = [0.0; TERMS];
        for (at, planes) in features.chunks_exact(turns * plane).enumerate() {
            let (kind, scale) = (at / self.scales.len(), at % self.scales.len());
            let part = self.scales[scale];
            mixed(planes, &self.turns, &mut cells);
            if let Some(second) = &self.second {
                mixed(planes, second, &mut other);
                cells.iter_mut().zip(&other).for_each(|(a, b)| *a = (*a * b + LEAST).sqrt());
            }
            terms[kind] += part * self.placed(&cells);
            if kind == 0 {
                let even: f64 = planes.chunks_exact(plane).map(|cells| self.placed(cells)).sum();
                terms[KINDS] += part * even / turns as f64;
            }
        }
        terms
    }

    fn placed(&self, cells: &[f64]) -> f64 {
        let line = |row: &[f64]| row.iter().zip(&self.across).map(|(f, w)| f * w).sum::<f64>();
        cells.chunks_exact(self.across.len()).zip(&self.down).map(|(row, down)| down * line(row)).sum()
    }

    /// Adds the slope of `sum_k parts_k terms_k` at these features to `into`.
    pub fn slope(&self, features: &[f64], parts: [f64; TERMS], into: &mut [f64]) {
        let columns = self.across.len();
        let plane = self.down.len() * columns;
        let turns = self.turns.len();
        let (mut cells, mut other) = (vec![0.0; plane], vec![0.0; plane]);
        let planes = features.chunks_exact(turns * plane).zip(into.chunks_exact_mut(turns * plane));
        for (at, (planes, into)) in planes.enumerate() {
            let (kind, scale) = (at / self.scales.len(), at % self.scales.len());
            let part = self.scales[scale] * parts[kind];
            let even = if kind == 0 { self.scales[scale] * parts[KINDS] / turns as f64 } else { 0.0 };
            if let Some(second) = &self.second {
                mixed(planes, &self.turns, &mut cells);
                mixed(planes, second, &mut other);
                // d sqrt(ab) = (b da + a db) / (2 sqrt(ab))
                for (a, b) in cells.iter_mut().zip(&mut other) {
                    let root = 0.5 / (*a * *b + LEAST).sqrt();
                    (*a, *b) = (*b * root, *a * root);
                }
            }
            for (turn, into) in into.chunks_exact_mut(plane).enumerate() {
                for (row, (line, down)) in into.chunks_exact_mut(columns).zip(&self.down).enumerate() {
                    for (column, (value, across)) in line.iter_mut().zip(&self.across).enumerate() {
                        let cell = row * columns + column;
                        let tuned = match &self.second {
                            Some(second) => self.turns[turn] * cells[cell] + second[turn] * other[cell],
                            None => self.turns[turn],
                        };
                        *value += down * across * (part * tuned + even);
                    }
                }
            }
        }
    }
}

/// Cells of all orientations, weighted.
fn mixed(planes: &[f64], weights: &[f64], into: &mut [f64]) {
    into.fill(0.0);
    for (plane, weight) in planes.chunks_exact(into.len()).zip(weights) {
        into.iter_mut().zip(plane).for_each(|(i, f)| *i += weight * f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn grid() -> Grid {
        Grid {
            kinds: KINDS,
            scales: vec![-1.0, 0.0],
            orientations_rad: (0..4).map(|at| PI * f64::from(at) / 4.0).collect(),
            channels: 4,
            places_deg: vec![-2.0, -0.7, 0.7, 2.0],
        }
    }

    #[test]
    fn terms_have_the_slope_of_their_differences() {
        let (grid, mut random) = (grid(), Random::new(4, 0));
        let prior = Prior::literature(&grid);
        for pair in [0.0, 1.0] {
            let mut field = prior.draw(&mut random);
            field.0[PAIR] = pair;
            let weights = field.weights(&grid);
            let features: Vec<f64> = (0..KINDS * 2 * 4 * 16).map(|_| random.uniform() + 0.1).collect();
            let parts = [0.7, -0.2, 1.1, -0.4];
            let value = |features: &[f64]| {
                weights.terms(features).iter().zip(&parts).map(|(t, p)| t * p).sum::<f64>()
            };
            let mut slope = vec![0.0; features.len()];
            weights.slope(&features, parts, &mut slope);
            for at in (0..features.len()).step_by(7) {
                let moved = |by: f64| {
                    let mut there = features.clone();
                    there[at] += by;
                    value(&there)
                };
                let found = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((found - slope[at]).abs() < 1e-8, "{pair} {at}: {found} {}", slope[at]);
            }
        }
    }

    #[test]
    fn people_make_a_prior_and_places_stay_open() {
        let grid = grid();
        let plain = Prior::literature(&grid);
        let person = |shift: f64| Posterior {
            parameters: plain.parameters.map(|[mean, _]| [mean + shift, 0.1]),
            gains: plain.gains.map(|[mean, _]| [mean + shift, 0.1]),
        };
        let prior = Prior::of_people(&[person(0.2), person(0.4), person(0.6)], &grid);
        assert_eq!(prior.parameters[X], plain.parameters[X]);
        assert!((prior.parameters[LN_SD][0] - plain.parameters[LN_SD][0] - 0.4).abs() < 1e-12);
        // Variance between people 0.04, within 0.01.
        let sd = (0.04f64 + 0.3 * 0.01).sqrt();
        assert!((prior.parameters[LN_SD][1] - sd).abs() < 1e-12 && (prior.gains[1][1] - sd).abs() < 1e-12);
        assert_eq!(
            Prior::of_people(&[person(0.2)], &grid),
            plain,
            "one person says nothing of how people differ"
        );
    }
}
