//! Third step: products back to pixels, with the epilogue.
#![allow(
    unsafe_code,
    reason = "vector loads and stores in scratch memory and the output; threads write disjoint planes"
)]

use super::super::super::simd::{Kernel, LANES, Simd};
use super::{Block, Pass, Tiled, Transform};

/// Transforms the tiles of eight rows back and writes their pixels.
pub(super) struct Outputs<'a, T> {
    pub pass: &'a Pass<'a, T>,
    pub block: Block,
    /// First row; its place among the rows held; rows held.
    pub range: (usize, usize, usize),
    pub from: &'a [f32],
    pub stage: &'a mut [f32],
}

impl<T: Transform> Kernel for Outputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let (plan, layout) = (self.pass.plan, self.pass.layout);
        let pitch = plan.tiles[1] * plan.out;
        for tile in 0..(self.block.end - self.block.first) * plan.tiles[1] {
            let (y, x) = (tile / plan.tiles[1] * plan.out, tile % plan.tiles[1] * plan.out);
            let from = tile * Tiled::<T>::paired() * self.range.2 + self.range.1;
            debug_assert!((layout.points - 1) * layout.output_point + from + LANES <= self.from.len());
            // SAFETY: the products of these eight rows exist at each point; the tile is inside the stage.
            unsafe {
                let from = self.from.as_ptr().add(from);
                let to = self.stage.as_mut_ptr().add((y * pitch + x) * LANES);
                plan.transform.output::<S>(from, layout.output_point, self.range.2, to, pitch);
            }
        }
        let first = self.block.first * plan.out;
        let rows = (self.block.end * plan.out).min(plan.phased.y.outputs) - first;
        for row in 0..rows {
            self.row::<S>(first + row, &self.stage[row * pitch * LANES..]);
        }
    }
}

impl<T: Transform> Outputs<'_, T> {
    /// Writes one row of eight channels.
    #[inline(always)]
    fn row<S: Simd>(&self, y: usize, stage: &[f32]) {
        let phased = &self.pass.plan.phased;
        let plane = phased.y.to_len * phased.x.to_len;
        let lanes = LANES.min(phased.rows - self.range.0);
        if phased.y.phases().1 * phased.x.phases().1 > 1 {
            for lane in 0..lanes {
                let to = phased.result(self.range.0 + lane);
                let at_y = y * phased.y.stride + to.y;
                if at_y < phased.y.to_len {
                    let base = to.channel * plane + at_y * phased.x.to_len;
                    for (x, at_x) in (to.x..phased.x.to_len).step_by(phased.x.stride).enumerate() {
                        self.write(base + at_x, to.channel, stage[x * LANES + lane]);
                    }
                }
            }
            return;
        }
        let width = phased.x.outputs;
        let whole = width - width % LANES;
        let base = self.range.0 * plane + y * phased.x.to_len;
        for x in (0..whole).step_by(LANES) {
            let mut pixels = [S::splat(0.0); LANES];
            for (pixel, value) in pixels.iter_mut().enumerate() {
                // SAFETY: the stage's row has at least `width` pixels.
                *value = unsafe { S::load(stage.as_ptr().add((x + pixel) * LANES)) };
            }
            for (lane, value) in S::transpose(pixels).into_iter().enumerate().take(lanes) {
                self.write_lanes::<S>(base + lane * plane + x, self.range.0 + lane, value);
            }
        }
        for x in whole..width {
            for lane in 0..lanes {
                self.write(base + lane * plane + x, self.range.0 + lane, stage[x * LANES + lane]);
            }
        }
    }

    #[inline(always)]
    fn write_lanes<S: Simd>(&self, at: usize, channel: usize, value: S::V) {
        let pass = self.pass;
        debug_assert!(pass.image + at + LANES <= pass.output.len());
        // SAFETY: eight pixels of a row of the image, which belongs to this task; `add` is as long as the image.
        unsafe {
            let mut value = S::add(value, S::splat(pass.bias.map_or(0.0, |bias| bias[channel])));
            if let Some(add) = pass.add {
                value = S::add(value, S::load(add.as_ptr().add(at)));
            }
            if pass.relu {
                value = S::max(S::splat(0.0), value);
            }
            S::store(pass.output.pointer().add(pass.image + at), value);
        }
    }

    #[inline(always)]
    fn write(&self, at: usize, channel: usize, value: f32) {
        let pass = self.pass;
        let value = value + pass.bias.map_or(0.0, |bias| bias[channel]) + pass.add.map_or(0.0, |add| add[at]);
        debug_assert!(pass.image + at < pass.output.len());
        // SAFETY: a pixel of the image that belongs to this task.
        unsafe {
            *pass.output.pointer().add(pass.image + at) = if pass.relu && value < 0.0 { 0.0 } else { value }
        };
    }
}
