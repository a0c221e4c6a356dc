//! The padded copy of an image that the direct method reads.
//!
//! Pads become real zeros and pixels that a stride skips are sorted into planes of their own ("phases": pixels whose
//! coordinate has the same remainder by the stride). After that every tap of every output is at a fixed offset from
//! the output's position, and neighbouring outputs are neighbours in memory, whatever the stride.
#![allow(unsafe_code, reason = "threads fill disjoint channels of one buffer")]

use super::super::threads::{SharedMut, Threads};

/// Floats after the last plane that a tile of the direct method may read (and never uses).
pub(crate) const SLACK: usize = 64;

/// One axis of the padded copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceAxis {
    /// Coordinate in the original of the copy's first pixel; negative inside the pad.
    pub origin: isize,
    /// Distance in the original of neighbours in one phase.
    pub step: usize,
    /// Remainders that some tap reads, ascending.
    pub phases: Vec<usize>,
    /// Pixels of one phase.
    pub extent: usize,
    /// Pixels of the original.
    pub original: usize,
}

impl SourceAxis {
    /// Place of phase remainder `remainder` in the list; the list holds every remainder that a tap has.
    pub fn phase(&self, remainder: usize) -> usize {
        self.phases.iter().position(|&phase| phase == remainder).unwrap_or(0)
    }

    /// Pixels of a phase that lie inside the original, as first..end, and the original coordinate of the first.
    fn inside(&self, phase: usize) -> (usize, usize, usize) {
        let start = self.origin + phase as isize;
        let step = self.step as isize;
        let first = if start < 0 { (-start + step - 1) / step } else { 0 };
        let end = if (self.original as isize) > start {
            (self.original as isize - start + step - 1) / step
        } else {
            0
        };
        let end = (end.max(0) as usize).min(self.extent);
        let first = (first as usize).min(end);
        (first, end, if first < end { (start + first as isize * step) as usize } else { 0 })
    }
}

/// The padded copy of the channels of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub axes: [SourceAxis; 3],
    pub channels: usize,
}

impl Source {
    /// Pixels of one phase plane stack.
    pub fn phase_len(&self) -> usize {
        self.axes.iter().map(|axis| axis.extent).product()
    }

    /// Values of one channel, all phases.
    pub fn channel_len(&self) -> usize {
        self.phase_len() * self.axes.iter().map(|axis| axis.phases.len()).product::<usize>()
    }

    /// Values of the copy with its slack.
    pub fn len(&self) -> usize {
        self.channels * self.channel_len() + SLACK
    }

    /// Whether the copy would equal the original, value for value.
    pub fn is_identity(&self) -> bool {
        self.axes.iter().all(|axis| axis.origin == 0 && axis.step == 1 && axis.extent == axis.original)
    }

    /// Offset from an output's position (in the phase planes) of the pixel at padded coordinate `at`.
    pub fn offset(&self, at: [usize; 3]) -> usize {
        let mut phase = 0;
        let mut pixel = 0;
        for (axis, at) in self.axes.iter().zip(at) {
            phase = phase * axis.phases.len() + axis.phase(at % axis.step);
            pixel = pixel * axis.extent + at / axis.step;
        }
        phase * self.phase_len() + pixel
    }

    /// Fills `copy` from the image; a value counts only where `mask` is > 0.
    pub fn fill(&self, image: &[f32], mask: Option<&[f32]>, copy: &mut [f32], threads: &Threads) {
        let (from, to) = (self.axes.iter().map(|axis| axis.original).product::<usize>(), self.channel_len());
        if let Some(slack) = copy.get_mut(self.channels * to..) {
            slack.fill(0.0);
        }
        let shared = SharedMut::new(copy);
        // Small channels are handed out in groups: a task should be worth its hand-over.
        let group = (8192 / to.max(1)).clamp(1, self.channels.max(1));
        threads.for_each(self.channels.div_ceil(group), |task, _| {
            for channel in task * group..((task + 1) * group).min(self.channels) {
                // SAFETY: each channel belongs to one task.
                let to = unsafe { shared.part(channel * to, to) };
                let original = channel * from..(channel + 1) * from;
                self.fill_channel(&image[original.clone()], mask.map(|mask| &mask[original]), to);
            }
        });
    }

    fn fill_channel(&self, image: &[f32], mask: Option<&[f32]>, copy: &mut [f32]) {
        let [depth, height, width] = &self.axes;
        let mut planes = copy.chunks_exact_mut(self.phase_len().max(1));
        for &pz in &depth.phases {
            for &py in &height.phases {
                for &px in &width.phases {
                    let Some(plane) = planes.next() else { return };
                    self.fill_phase([pz, py, px], image, mask, plane);
                }
            }
        }
    }

    fn fill_phase(&self, phase: [usize; 3], image: &[f32], mask: Option<&[f32]>, plane: &mut [f32]) {
        let [depth, height, width] = &self.axes;
        let (z0, z1, z) = depth.inside(phase[0]);
        let (y0, y1, y) = height.inside(phase[1]);
        let (x0, x1, x) = width.inside(phase[2]);
        for (at, row) in plane.chunks_exact_mut(width.extent.max(1)).enumerate() {
            let (at_z, at_y) = (at / height.extent, at % height.extent);
            if at_z < z0 || at_z >= z1 || at_y < y0 || at_y >= y1 || x0 == x1 {
                row.fill(0.0);
                continue;
            }
            let original_z = z + (at_z - z0) * depth.step;
            let original_y = y + (at_y - y0) * height.step;
            let start = (original_z * height.original + original_y) * width.original + x;
            let span = start..start + (x1 - x0 - 1) * width.step + 1;
            row[..x0].fill(0.0);
            row[x1..].fill(0.0);
            copy_row(&image[span.clone()], mask.map(|mask| &mask[span]), width.step, &mut row[x0..x1]);
        }
    }
}

fn copy_row(from: &[f32], mask: Option<&[f32]>, step: usize, to: &mut [f32]) {
    match (mask, step) {
        (None, 1) => to.copy_from_slice(from),
        (Some(mask), 1) => {
            for ((to, &value), &mask) in to.iter_mut().zip(from).zip(mask) {
                *to = if mask > 0.0 { value } else { 0.0 };
            }
        }
        (None, 2) => {
            for (to, pair) in to.iter_mut().zip(from.chunks(2)) {
                *to = pair[0];
            }
        }
        (None, _) => {
            for (to, &value) in to.iter_mut().zip(from.iter().step_by(step)) {
                *to = value;
            }
        }
        (Some(mask), _) => {
            for ((to, &value), &mask) in
                to.iter_mut().zip(from.iter().step_by(step)).zip(mask.iter().step_by(step))
            {
                *to = if mask > 0.0 { value } else { 0.0 };
            }
        }
    }
}
