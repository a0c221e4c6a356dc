//! One way to look at a tap of a model: a root of its values, averaged over the cells of a grid.

use ndarray::ArrayD;

use crate::PlannerError;

/// What is done with a value before it is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// Its square root: the amplitude whose energy it is.
    Amplitude,
    /// Nothing.
    Energy,
    /// Nothing, and nothing is averaged: all values as they are.
    Whole,
}

/// A root of zero has no slope; this is far below what a cell answers.
const LEAST: f64 = 1e-6;

/// A tap, a root and a grid.
#[derive(Debug, Clone)]
pub struct View {
    tap: String,
    output: usize,
    root: Root,
    /// Channels, rows, columns of the tap.
    shape: [usize; 3],
    /// [grid, rows] and [grid, columns]: the part that each row has in each of the grid's.
    down: Vec<Vec<(usize, f64)>>,
    across: Vec<Vec<(usize, f64)>>,
}

impl View {
    /// A view of a tap [1, C, h, w], which is the model's output number `output`.
    ///
    /// # Errors
    /// A tap of another shape.
    pub fn new(
        tap: &str,
        output: usize,
        root: Root,
        shape: &[usize],
        grid: usize,
    ) -> Result<Self, PlannerError> {
        let shape = match (root, shape) {
            (Root::Whole, shape) => [shape.iter().product(), 1, 1],
            (_, &[1, c, h, w]) if c * h * w > 0 => [c, h, w],
            (_, shape) => return Err(PlannerError::Shape { tap: tap.to_owned(), shape: shape.to_vec() }),
        };
        let grid = if root == Root::Whole { 1 } else { grid };
        Ok(Self {
            tap: tap.to_owned(),
            output,
            root,
            shape,
            down: overlaps(shape[1], grid),
            across: overlaps(shape[2], grid),
        })
    }

    pub fn tap(&self) -> &str {
        &self.tap
    }

    pub fn output(&self) -> usize {
        self.output
    }

    /// Features that it gives.
    pub fn width(&self) -> usize {
        self.shape[0] * self.down.len() * self.across.len()
    }

    /// Appends the features [C, grid, grid].
    pub fn gather(&self, values: &ArrayD<f32>, into: &mut Vec<f64>) {
        let [channels, rows, columns] = self.shape;
        let rooted: Vec<f64> = values.iter().map(|&value| self.rooted(f64::from(value))).collect();
        for channel in 0..channels {
            let plane = &rooted[channel * rows * columns..];
            for down in &self.down {
                for across in &self.across {
                    let line = |&(row, part): &(usize, f64)| {
                        let line: f64 =
                            across.iter().map(|&(at, part)| part * plane[row * columns + at]).sum();
                        part * line
                    };
                    into.push(down.iter().map(line).sum());
                }
            }
        }
    }

    /// Adds the slope with respect to the tap of what has this slope with respect to the features.
    pub fn spread(&self, values: &ArrayD<f32>, slope: &[f64], into: &mut ArrayD<f32>) {
        let [channels, rows, columns] = self.shape;
        let mut plain = vec![0.0; channels * rows * columns];
        let mut slope = slope.iter();
        for plane in plain.chunks_exact_mut(rows * columns) {
            for down in &self.down {
                for across in &self.across {
                    let slope = slope.next().copied().unwrap_or(0.0);
                    for &(row, by_row) in down {
                        for &(at, by_column) in across {
                            plane[row * columns + at] += slope * by_row * by_column;
                        }
                    }
                }
            }
        }
        for ((into, value), slope) in into.iter_mut().zip(values).zip(plain) {
            *into += (slope * self.steepness(f64::from(*value))) as f32;
        }
    }

    fn rooted(&self, value: f64) -> f64 {
        match self.root {
            Root::Amplitude => (value.max(0.0) + LEAST).sqrt() - LEAST.sqrt(),
            Root::Energy | Root::Whole => value,
        }
    }

    fn steepness(&self, value: f64) -> f64 {
        match self.root {
            Root::Amplitude => 0.5 / (value.max(0.0) + LEAST).sqrt(),
            Root::Energy | Root::Whole => 1.0,
        }
    }
}

/// For each of `grid` equal parts of a line of `count` cells: the cells that lie in it, with the part of it that each has.
fn overlaps(count: usize, grid: usize) -> Vec<Vec<(usize, f64)>> {
    let size = count as f64 / grid as f64;
    let one = |at: usize| {
        let (from, to) = (at as f64 * size, (at + 1) as f64 * size);
        let part = |cell: usize| {
            let inside = to.min((cell + 1) as f64) - from.max(cell as f64);
            (inside > 1e-9).then_some((cell, inside / size))
        };
        (0..count).filter_map(part).collect()
    };
    (0..grid).map(one).collect()
}
