//! Where the sums of a tile go: whole rows of vectors, or the pieces between the row ends of the copy.
#![allow(unsafe_code, reason = "jobs own interleaved pixels of the output")]

use super::super::super::microkernel::Sums;
use super::super::super::simd::{LANES, Simd};
use super::{Segment, Tiles};

impl Tiles<'_> {
    /// Offset of a row's plane in the output, and its channel.
    #[inline(always)]
    fn plane(&self, row: usize) -> (usize, usize) {
        let plan = self.pass.plan;
        let channel = self.piece.group * plan.rows + row;
        (self.pass.image * plan.image_out + channel * plan.pixels.iter().product::<usize>(), channel)
    }

    #[inline(always)]
    pub(super) fn whole<S: Simd, const ROWS: usize, const PAIRS: usize>(
        &self,
        sums: Sums<S, ROWS, PAIRS>,
        row: usize,
        offset: usize,
    ) {
        let pass = self.pass;
        for (index, sums) in sums.into_iter().enumerate() {
            let (plane, channel) = self.plane(row + index);
            let bias = S::splat(pass.bias.map_or(0.0, |bias| bias[channel]));
            for (vector, sum) in sums.into_iter().flat_map(S::halves).enumerate() {
                let at = plane + offset + vector * LANES;
                debug_assert!(at + LANES <= pass.output.len());
                // SAFETY: a whole segment lies inside the row's plane of the output, and `add` is as long.
                unsafe {
                    let mut value = S::add(sum, bias);
                    if let Some(add) = pass.epilogue.add {
                        value = S::add(value, S::load(add.as_ptr().add(at)));
                    }
                    if pass.epilogue.relu {
                        value = S::max(S::splat(0.0), value);
                    }
                    S::store(pass.output.pointer().add(at), value);
                }
            }
        }
    }

    /// Writes the segments of one row.
    #[inline(always)]
    pub(super) fn cut(&self, row: usize, tile: &[f32], segments: &[Segment]) {
        let pass = self.pass;
        let (plane, channel) = self.plane(row);
        let bias = pass.bias.map_or(0.0, |bias| bias[channel]);
        let step = self.job.step[2];
        for segment in segments {
            let mut at = plane + segment.offset;
            debug_assert!(at + (segment.len - 1) * step < pass.output.len());
            for &sum in &tile[segment.column..segment.column + segment.len] {
                // SAFETY: a segment's results lie inside the row's plane of the output, and `add` is as long.
                unsafe {
                    let mut value = sum + bias;
                    if let Some(add) = pass.epilogue.add {
                        value += *add.as_ptr().add(at);
                    }
                    if pass.epilogue.relu && value < 0.0 {
                        value = 0.0;
                    }
                    *pass.output.pointer().add(at) = value;
                }
                at += step;
            }
        }
    }
}
