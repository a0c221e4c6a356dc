//! Terms in which each unit counts at its place, averaged over the stimuli.

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut1};

use super::lower::mean_over_rows;
use super::term::Ratio;

/// Units that one vector is laid against.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub units: Vec<usize>,
}

/// The cosine below which a direction's weight stays, so that a start at right angles still has a slope.
const LEAST_COSINE: f64 = 0.1;

#[derive(Debug, Clone)]
pub(super) enum Point {
    Mean {
        units: Vec<usize>,
        sign: f64,
    },
    Direction {
        groups: Vec<Group>,
        vector: Vec<f64>,
        power: f64,
    },
    /// Minus the squared distance over `scale`.
    Distance {
        units: Vec<usize>,
        state: Vec<f64>,
        scale: f64,
    },
    Contrast {
        up: Vec<usize>,
        down: Vec<usize>,
        ratio: Ratio,
    },
}

impl Point {
    pub fn mean(units: Vec<usize>) -> Self {
        Self::Mean { units, sign: 1.0 }
    }

    /// Value and gradient for [stimuli, units].
    pub fn evaluate(&self, values: ArrayView2<'_, f64>) -> (f64, Array2<f64>) {
        mean_over_rows(values, |row, slope| match self {
            Self::Mean { units, sign } => mean(row, slope, units, *sign),
            Self::Direction { groups, vector, power } => direction(row, slope, groups, vector, *power),
            Self::Distance { units, state, scale } => distance(row, slope, units, state, *scale),
            Self::Contrast { up, down, ratio } => contrast(row, slope, up, down, *ratio),
        })
    }
}

fn mean(row: ArrayView1<'_, f64>, mut slope: ArrayViewMut1<'_, f64>, units: &[usize], factor: f64) -> f64 {
    let share = factor / units.len() as f64;
    units.iter().for_each(|&unit| slope[unit] += share);
    units.iter().map(|&unit| row[unit]).sum::<f64>() * share
}

fn distance(
    row: ArrayView1<'_, f64>,
    mut slope: ArrayViewMut1<'_, f64>,
    units: &[usize],
    state: &[f64],
    scale: f64,
) -> f64 {
    let mut sum = 0.0;
    for (&unit, &wanted) in units.iter().zip(state) {
        let off = row[unit] - wanted;
        sum += off * off;
        slope[unit] -= 2.0 * off / scale;
    }
    -sum / scale
}

fn contrast(
    row: ArrayView1<'_, f64>,
    mut slope: ArrayViewMut1<'_, f64>,
    up: &[usize],
    down: &[usize],
    ratio: Ratio,
) -> f64 {
    match ratio {
        Ratio::Difference => mean(row, slope.view_mut(), up, 1.0) + mean(row, slope, down, -1.0),
        Ratio::Log { floor } => {
            let level = |units: &[usize]| {
                units.iter().map(|&unit| row[unit]).sum::<f64>() / units.len() as f64 + floor
            };
            let (high, low) = (level(up), level(down));
            if high <= 0.0 || low <= 0.0 {
                return f64::NAN;
            }
            mean(row, slope.view_mut(), up, 1.0 / high);
            mean(row, slope, down, -1.0 / low);
            libm::log(high) - libm::log(low)
        }
    }
}

fn direction(
    row: ArrayView1<'_, f64>,
    mut slope: ArrayViewMut1<'_, f64>,
    groups: &[Group],
    vector: &[f64],
    power: f64,
) -> f64 {
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    let share = 1.0 / groups.len() as f64;
    let mut sum = 0.0;
    for group in groups {
        let pairs = || group.units.iter().zip(vector);
        let dot: f64 = pairs().map(|(&unit, v)| row[unit] * v).sum();
        let norm = pairs().map(|(&unit, _)| row[unit] * row[unit]).sum::<f64>().sqrt();
        let cosine = if norm > 0.0 { dot / (norm * length) } else { 0.0 };
        let factor = libm::pow(cosine.max(LEAST_COSINE), power);
        sum += dot * factor;
        // d(dot * cos^p) = cos^p v + p dot cos^(p-1) (v / (|f||v|) - cos f / |f|^2); the second part ends where cos is held.
        let bend = if cosine > LEAST_COSINE { power * dot * factor / cosine } else { 0.0 };
        for (&unit, v) in group.units.iter().zip(vector) {
            let mut rise = factor * v;
            if bend != 0.0 {
                rise += bend * (v / (norm * length) - cosine * row[unit] / (norm * norm));
            }
            slope[unit] += share * rise;
        }
    }
    sum * share
}
