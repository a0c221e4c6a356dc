//! Gradients of sampling an image at the points of a grid.

use super::{closed_op, elements, filled};
use crate::tract::op::{GridSample, InterpolationMode, PaddingMode};
use crate::tract::*;

/// Which input of a grid sampling a cotangent is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GridSide {
    /// The image, `[N, C, space..]`.
    Image,
    /// The grid, `[N, points.., axes of space]`, whose last axis counts the axes of space from the last to the first.
    Grid,
}

/// `(cotangent, image, grid)` to the cotangent of the image or of the grid (Jaderberg et al. 2015).
///
/// A sample is a weighted sum of pixels. The image gets the weights; the grid gets their derivatives, times the pixels,
/// times half the image's extent in pixels. Where a point outside the image was moved to its border, its derivative is
/// zero; where it was reflected, it changes sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridSampleGradient {
    /// The operator that sampled.
    pub sample: GridSample,
    /// For which of its inputs.
    pub side: GridSide,
}
closed_op!(GridSampleGradient);

impl EvalOp for GridSampleGradient {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, image, grid) = args_3!(inputs);
        let (batch, channels, sizes) = (image.shape()[0], image.shape()[1], &image.shape()[2..]);
        let area: usize = sizes.iter().product();
        let points: usize = cotangent.shape()[2..].iter().product();
        let (cotangent_values, pixels, coordinates) =
            (elements(&cotangent)?, elements(&image)?, elements(&grid)?);
        let shape = if self.side == GridSide::Image { image.shape() } else { grid.shape() };
        filled(shape, |out| {
            for place in 0..batch {
                let grid = place * points * sizes.len()..(place + 1) * points * sizes.len();
                let taps = Taps::new(&self.sample, sizes, &coordinates[grid.clone()]);
                for channel in place * channels..(place + 1) * channels {
                    let cotangent = &cotangent_values[channel * points..][..points];
                    let image = channel * area..(channel + 1) * area;
                    match self.side {
                        GridSide::Image => taps.spread(cotangent, &mut out[image]),
                        GridSide::Grid => taps.slope(cotangent, &pixels[image], &mut out[grid.clone()]),
                    }
                }
            }
            Ok(())
        })
    }
}

impl TypedOp for GridSampleGradient {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let rank = inputs[1].rank();
        ensure!(
            inputs.iter().all(|fact| fact.rank() == rank && rank > 2),
            "ranks that do not fit: {inputs:?}"
        );
        ensure!(
            rank == 4 || self.sample.mode != InterpolationMode::Bicubic,
            "bicubic sampling is defined for two axes of space, not for {}",
            rank - 2
        );
        let like = if self.side == GridSide::Image { inputs[1] } else { inputs[2] };
        Ok(tvec!(f32::fact(&*like.shape)))
    }
    as_op!();
}

/// The pixels that each point of a grid reads, with their weights, for one image.
struct Taps {
    axes: usize,
    /// Per point: where its taps begin; one more entry for the end of the last.
    starts: Vec<usize>,
    places: Vec<usize>,
    weights: Vec<f32>,
    /// Per tap: the derivatives of its weight with respect to the point's coordinates, in the grid's order.
    slopes: Vec<f32>,
}

impl Taps {
    fn new(sample: &GridSample, sizes: &[usize], coordinates: &[f32]) -> Self {
        let axes = sizes.len();
        let mut taps = Self { axes, starts: vec![0], places: vec![], weights: vec![], slopes: vec![] };
        let mut along = Vec::with_capacity(axes);
        for point in coordinates.chunks_exact(axes) {
            along.clear();
            along.extend(
                sizes.iter().zip(point.iter().rev()).map(|(&size, &at)| Position::new(sample, size, at)),
            );
            if along.iter().any(|position| position.outside(sample)) {
                along.iter_mut().for_each(|position| position.pad(sample));
            }
            taps.push(sample, &along);
        }
        taps
    }

    /// Adds the taps of one point: all combinations of what it reads along each axis.
    fn push(&mut self, sample: &GridSample, along: &[Position]) {
        let weights: TVec<AxisWeights> =
            along.iter().map(|position| position.weights(&sample.mode)).collect();
        let count = weights[0].weights.len();
        'taps: for tap in 0..count.pow(along.len() as u32) {
            let (mut place, mut weight, mut digits) = (0, 1.0, tap);
            let mut choice: TVec<usize> = tvec![0; along.len()];
            for (axis, position) in along.iter().enumerate().rev() {
                choice[axis] = digits % count;
                digits /= count;
                weight *= weights[axis].weights[choice[axis]];
                let at = weights[axis].first + choice[axis] as isize;
                let Some(at) = position.pixel(sample, at) else { continue 'taps };
                let stride: usize = along[axis + 1..].iter().map(|inner| inner.size).product();
                place += at * stride;
            }
            self.places.push(place);
            self.weights.push(weight);
            for axis in (0..along.len()).rev() {
                let others = (0..along.len()).filter(|&other| other != axis);
                let others: f32 = others.map(|other| weights[other].weights[choice[other]]).product();
                self.slopes.push(others * weights[axis].slopes[choice[axis]] * along[axis].slope);
            }
        }
        self.starts.push(self.places.len());
    }

    /// Adds each point's cotangent to the pixels that it read.
    fn spread(&self, cotangent: &[f32], image: &mut [f32]) {
        for (range, &cotangent) in self.starts.windows(2).zip(cotangent) {
            for tap in range[0]..range[1] {
                image[self.places[tap]] += self.weights[tap] * cotangent;
            }
        }
    }

    /// Adds one channel's part of the cotangent of the coordinates.
    fn slope(&self, cotangent: &[f32], image: &[f32], grid: &mut [f32]) {
        let points = self.starts.windows(2).zip(cotangent).zip(grid.chunks_exact_mut(self.axes));
        for ((range, &cotangent), grid) in points {
            for tap in range[0]..range[1] {
                let value = cotangent * image[self.places[tap]];
                let slopes = &self.slopes[tap * self.axes..][..self.axes];
                grid.iter_mut().zip(slopes).for_each(|(grid, slope)| *grid += value * slope);
            }
        }
    }
}

/// A point's coordinate along one axis.
struct Position {
    size: usize,
    /// In pixels; 0 is the centre of the first.
    at: f32,
    /// The derivative of `at` with respect to the grid's coordinate.
    slope: f32,
}

/// What a point reads along one axis: neighbouring pixels from `first` on.
struct AxisWeights {
    first: isize,
    weights: TVec<f32>,
    /// Derivatives of the weights with respect to the position.
    slopes: TVec<f32>,
}

impl Position {
    fn new(sample: &GridSample, size: usize, at: f32) -> Self {
        let extent = size as f32;
        let at = if sample.align_corners {
            (at + 1.0) / 2.0 * (extent - 1.0)
        } else {
            ((at + 1.0) * extent - 1.0) / 2.0
        };
        let slope = if sample.align_corners { (extent - 1.0) / 2.0 } else { extent / 2.0 };
        // The nearest pixel is chosen before anything is moved back into the image.
        let at = if sample.mode == InterpolationMode::Nearest { at.round_ties_even() } else { at };
        Self { size, at, slope }
    }

    /// The image's borders: the centres of its outer pixels, or their outer edges.
    fn bounds(&self, sample: &GridSample) -> (f32, f32) {
        let last = self.size as f32 - 1.0;
        if sample.align_corners { (0.0, last) } else { (-0.5, last + 0.5) }
    }

    fn outside(&self, sample: &GridSample) -> bool {
        let (low, high) = self.bounds(sample);
        self.at < low || self.at > high
    }

    /// Moves a point back into the image, where the padding is not zero.
    fn pad(&mut self, sample: &GridSample) {
        let last = self.size as f32 - 1.0;
        match sample.padding_mode {
            PaddingMode::Zeros => {}
            PaddingMode::Border => {
                if self.at < 0.0 || self.at > last {
                    self.slope = 0.0;
                }
                self.at = self.at.clamp(0.0, last);
            }
            PaddingMode::Reflection => {
                let (low, high) = self.bounds(sample);
                let (at, sign) = reflect(self.at, low, high);
                self.at = at;
                self.slope *= sign;
            }
        }
    }

    /// The pixel that an index stands for; none outside an image padded with zeros.
    fn pixel(&self, sample: &GridSample, index: isize) -> Option<usize> {
        let last = self.size as isize - 1;
        match sample.padding_mode {
            PaddingMode::Zeros => (0..=last).contains(&index).then_some(index as usize),
            PaddingMode::Border => Some(index.clamp(0, last) as usize),
            PaddingMode::Reflection => {
                let (low, high) = self.bounds(sample);
                Some(reflect(index as f32, low, high).0.clamp(0.0, last as f32) as usize)
            }
        }
    }

    fn weights(&self, mode: &InterpolationMode) -> AxisWeights {
        let floor = self.at.floor();
        let rest = self.at - floor;
        match mode {
            InterpolationMode::Nearest => {
                AxisWeights { first: self.at as isize, weights: tvec![1.0], slopes: tvec![0.0] }
            }
            InterpolationMode::Bilinear => AxisWeights {
                first: floor as isize,
                weights: tvec![1.0 - rest, rest],
                slopes: tvec![-1.0, 1.0],
            },
            InterpolationMode::Bicubic => {
                // Distances to the four pixels, and which way each changes with the position.
                let distances = [(rest + 1.0, 1.0), (rest, 1.0), (1.0 - rest, -1.0), (2.0 - rest, -1.0)];
                AxisWeights {
                    first: floor as isize - 1,
                    weights: distances.iter().map(|&(distance, _)| cubic(distance).0).collect(),
                    slopes: distances.iter().map(|&(distance, sign)| sign * cubic(distance).1).collect(),
                }
            }
        }
    }
}

/// Keys' cubic convolution kernel (1981) with a = -3/4, and its derivative, at a distance from 0 to 2.
fn cubic(distance: f32) -> (f32, f32) {
    const A: f32 = -0.75;
    let d = distance;
    if d <= 1.0 {
        (((A + 2.0) * d - (A + 3.0)) * d * d + 1.0, (3.0 * (A + 2.0) * d - 2.0 * (A + 3.0)) * d)
    } else {
        (((d - 5.0) * d + 8.0) * d * A - 4.0 * A, A * ((3.0 * d - 10.0) * d + 8.0))
    }
}

/// Folds a coordinate back between two bounds; with the sign of the fold's derivative.
fn reflect(at: f32, low: f32, high: f32) -> (f32, f32) {
    let range = high - low;
    if range == 0.0 {
        return (low, 0.0);
    }
    if (low..=high).contains(&at) {
        return (at, 1.0);
    }
    let (beyond, below) = if at < low { (low - at, true) } else { (at - high, false) };
    let turns = (beyond / range).floor();
    let rest = beyond - turns * range;
    let back = turns % 2.0 == 0.0;
    // An even number of turns comes back from the bound that was crossed, an odd number from the other one.
    let folded = if back == below { low + rest } else { high - rest };
    (folded, if back { -1.0 } else { 1.0 })
}
