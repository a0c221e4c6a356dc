//! Which taps meet which outputs, and the weights in the order of the tiles.

use super::super::source::{Source, SourceAxis};
use super::super::{ConvGeometry, Direction, Weights};
use super::Job;

/// The place of a tap in the kernel, axis by axis.
fn coordinates(geometry: &ConvGeometry, tap: usize) -> [usize; 3] {
    let [_, height, width] = geometry.kernel;
    [tap / (height * width), tap / width % height, tap % width]
}

/// Which taps are packed next to each other: those that meet the same remainder of an input coordinate by the stride.
/// A stride of 1 takes the classes of 2, so that nodes that share a kernel can share its packed form.
fn class(geometry: &ConvGeometry, tap: usize) -> [usize; 3] {
    let at = coordinates(geometry, tap);
    let alone = [0, 1, 2].into_iter().all(|axis| geometry.kernel[axis] == 1 || geometry.stride[axis] == 1);
    let least = if alone { 2 } else { 1 };
    [0, 1, 2].map(|axis| at[axis] * geometry.dilation[axis] % geometry.stride[axis].max(least))
}

/// All taps, class by class: the order in which they are packed.
pub(super) fn classes(geometry: &ConvGeometry) -> Vec<Vec<usize>> {
    let mut taps: Vec<usize> = (0..geometry.taps()).collect();
    taps.sort_by_key(|&tap| (class(geometry, tap), tap));
    taps.chunk_by(|&a, &b| class(geometry, a) == class(geometry, b)).map(<[usize]>::to_vec).collect()
}

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

/// How the weights of a direction are packed; nodes with the same weights and the same packing may share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packing {
    pub direction: Direction,
    pub groups: usize,
    /// Channels of one group of the source and rows of one group of the result.
    pub channels: usize,
    pub rows: usize,
    /// Taps, class by class.
    pub classes: Vec<Vec<usize>>,
}

impl Packing {
    /// Steps of k of one row (channel, tap): class by class of taps, then channel by channel, then tap by tap.
    fn steps(&self) -> impl Iterator<Item = (usize, usize)> {
        self.classes.iter().flat_map(|taps| {
            (0..self.channels).flat_map(move |channel| taps.iter().map(move |&tap| (channel, tap)))
        })
    }

    /// Steps of k of one row.
    pub fn len(&self) -> usize {
        self.channels * self.classes.iter().map(Vec::len).sum::<usize>()
    }

    /// Per group, the row panels one after the other; within a panel the steps, per step the rows.
    pub fn pack(&self, geometry: &ConvGeometry, weights: Weights<'_>, panels: &[(usize, usize)]) -> Vec<f32> {
        let mut packed = Vec::with_capacity(self.groups * self.rows * self.len());
        for group in 0..self.groups {
            for &(first, rows) in panels {
                for (channel, tap) in self.steps() {
                    let value = |row| {
                        let (out, inside) = match self.direction {
                            Direction::Forward => (row, channel),
                            Direction::InputGradient => (channel, row),
                        };
                        weights.at(geometry, group, [out, inside], tap)
                    };
                    packed.extend((first..first + rows).map(value));
                }
            }
        }
        packed
    }

    /// The steps of the outputs that share a set of taps: a stretch of the packed ones.
    pub fn job(&self, source: &Source, place: Place) -> Job {
        let Place { taps, start, step, count } = place;
        let plane = source.channel_len();
        let place_of = |tap: usize| taps.iter().find(|(other, _)| *other == tap).map(|(_, at)| *at);
        let first = self.steps().position(|(_, tap)| place_of(tap).is_some()).unwrap_or(0);
        let offset = |(channel, tap): (usize, usize)| {
            place_of(tap).map(|at| (channel * plane + source.offset(at)) as u32)
        };
        // Taps that meet the same outputs are one class, or all classes: either way neighbours.
        let offsets: Vec<u32> = self.steps().skip(first).map_while(offset).collect();
        debug_assert_eq!(offsets.len(), self.channels * taps.len());
        Job { offsets, first, start, step, count }
    }
}
