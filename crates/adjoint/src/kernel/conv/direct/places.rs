//! Which taps meet which outputs, and the weights in the order of the tiles.

use super::super::source::{Source, SourceAxis};
use super::super::{ConvGeometry, Direction};
use super::Job;

/// A tap: its place in the kernel and its padded coordinate in the copy.
type Tap = (usize, [usize; 3]);

/// Where one job's taps and outputs are.
pub(super) struct Place {
    pub taps: Vec<Tap>,
    pub start: [usize; 3],
    pub step: [usize; 3],
    pub count: [usize; 3],
}

fn for_each_tap(kernel: [usize; 3], mut visit: impl FnMut(usize, [usize; 3])) {
    for z in 0..kernel[0] {
        for y in 0..kernel[1] {
            for x in 0..kernel[2] {
                visit((z * kernel[1] + y) * kernel[2] + x, [z, y, x]);
            }
        }
    }
}

pub(super) fn forward_places(geometry: &ConvGeometry) -> (Source, Vec<Place>) {
    let count = geometry.output();
    let axes = [0, 1, 2].map(|axis| {
        let stride = geometry.stride[axis];
        let mut phases: Vec<_> =
            (0..geometry.kernel[axis]).map(|k| k * geometry.dilation[axis] % stride).collect();
        phases.sort_unstable();
        phases.dedup();
        let reach = (geometry.kernel[axis] - 1) * geometry.dilation[axis] / stride;
        SourceAxis {
            origin: -(geometry.pad_before[axis] as isize),
            step: stride,
            phases,
            extent: count[axis] + reach,
            original: geometry.input[axis],
        }
    });
    let mut taps = Vec::with_capacity(geometry.taps());
    for_each_tap(geometry.kernel, |tap, at| {
        taps.push((tap, [0, 1, 2].map(|axis| at[axis] * geometry.dilation[axis])));
    });
    (
        Source { axes, channels: geometry.in_channels },
        vec![Place { taps, start: [0; 3], step: [1; 3], count }],
    )
}

/// For an input coordinate s q + r, the gradient comes through the taps k with s | r + pad - k d, from the output
/// q + (r + pad - k d) / s.
pub(super) fn gradient_places(geometry: &ConvGeometry) -> (Source, Vec<Place>) {
    let output = geometry.output();
    // Per axis and remainder: the taps that meet it with their distance.
    let meets = [0, 1, 2].map(|axis| {
        let stride = geometry.stride[axis] as isize;
        (0..stride)
            .map(|remainder| {
                let distance = |tap: usize| {
                    remainder + geometry.pad_before[axis] as isize - (tap * geometry.dilation[axis]) as isize
                };
                let taps = (0..geometry.kernel[axis]).filter(|&tap| distance(tap) % stride == 0);
                taps.map(|tap| (tap, distance(tap) / stride)).collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    });
    let counts = [0, 1, 2].map(|axis| {
        let stride = geometry.stride[axis];
        (0..stride).map(|r| (geometry.input[axis] + stride - 1 - r) / stride).collect::<Vec<_>>()
    });
    let axes = [0, 1, 2].map(|axis| {
        let distances = || meets[axis].iter().flatten().map(|meet| meet.1);
        let (least, most) = (distances().min().unwrap_or(0), distances().max().unwrap_or(0));
        let extent = counts[axis].iter().max().map_or(0, |&count| count + (most - least) as usize);
        SourceAxis { origin: least, step: 1, phases: vec![0], extent, original: output[axis] }
    });
    let mut places = Vec::new();
    for_each_tap(geometry.stride, |_, remainder| {
        let count = [0, 1, 2].map(|axis| counts[axis][remainder[axis]]);
        if count.contains(&0) {
            return;
        }
        let mut taps = Vec::new();
        for &(tz, dz) in &meets[0][remainder[0]] {
            for &(ty, dy) in &meets[1][remainder[1]] {
                for &(tx, dx) in &meets[2][remainder[2]] {
                    let tap = (tz * geometry.kernel[1] + ty) * geometry.kernel[2] + tx;
                    let distances: [isize; 3] = [dz, dy, dx];
                    taps.push((tap, [0, 1, 2].map(|axis| (distances[axis] - axes[axis].origin) as usize)));
                }
            }
        }
        places.push(Place { taps, start: remainder, step: geometry.stride, count });
    });
    (Source { axes, channels: geometry.out_channels }, places)
}

/// What packing a job needs.
pub(super) struct Pack<'a> {
    pub geometry: &'a ConvGeometry,
    pub weights: &'a [f32],
    pub direction: Direction,
    pub channels: usize,
    pub rows: usize,
    pub panels: &'a [(usize, usize)],
}

impl Pack<'_> {
    pub fn job(&self, source: &Source, place: Place) -> Job {
        let Place { taps, start, step, count } = place;
        let plane = source.channel_len();
        let offsets = (0..self.channels)
            .flat_map(|channel| taps.iter().map(move |tap| (channel * plane + source.offset(tap.1)) as u32))
            .collect();
        let mut weights = Vec::with_capacity(self.geometry.groups * self.rows * self.channels * taps.len());
        for group in 0..self.geometry.groups {
            for &(first, rows) in self.panels {
                for channel in 0..self.channels {
                    for &(tap, _) in &taps {
                        weights
                            .extend((first..first + rows).map(|row| self.weight(group, row, channel, tap)));
                    }
                }
            }
        }
        Job { offsets, weights, start, step, count }
    }

    fn weight(&self, group: usize, row: usize, channel: usize, tap: usize) -> f32 {
        let (out, inside) = match self.direction {
            Direction::Forward => (group * self.rows + row, channel),
            Direction::InputGradient => (group * self.channels + channel, row),
        };
        self.weights[(out * self.geometry.group_inputs() + inside) * self.geometry.taps() + tap]
    }
}
