//! First step: source tiles, eight channels at a time, to the transform's points.
#![allow(unsafe_code, reason = "vector loads and stores in scratch memory; threads write disjoint lanes")]

use super::super::super::simd::{Kernel, LANES, Simd};
use super::super::super::threads::SharedMut;
use super::super::phases::PhaseAxis;
use super::{Block, Pass, Transform};

/// Transforms the tiles of eight channels.
pub(super) struct Inputs<'a, T> {
    pub pass: &'a Pass<'a, T>,
    pub block: Block,
    /// First channel; its place among the channels held; channels held.
    pub range: (usize, usize, usize),
    pub source: &'a mut [f32],
    pub to: &'a SharedMut<'a>,
}

impl<T: Transform> Kernel for Inputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let (plan, layout) = (self.pass.plan, self.pass.layout);
        let side = plan.transform.size() - plan.out;
        let pitch = plan.tiles[1] * plan.out + side;
        let height = (self.block.end - self.block.first) * plan.out + side;
        let place = Window { y: self.block.first * plan.out, height, pitch };
        fill::<S, T>(self.pass, self.range.0, place, self.source);
        let parts = if T::PAIRED { 3 } else { 1 };
        for tile in 0..(self.block.end - self.block.first) * plan.tiles[1] {
            let (y, x) = (tile / plan.tiles[1] * plan.out, tile % plan.tiles[1] * plan.out);
            let to = tile * parts * self.range.2 + self.range.1;
            debug_assert!((layout.points - 1) * layout.input_point + to < self.to.len());
            // SAFETY: the tile is inside the source just filled; this group's lanes of each point belong to this task.
            unsafe {
                let from = self.source.as_ptr().add((y * pitch + x) * LANES);
                let to = self.to.pointer().add(to);
                plan.transform.input::<S>(from, pitch, to, layout.input_point, self.range.2);
            }
        }
    }
}

/// Source rows y..y + height, all `pitch` columns.
#[derive(Clone, Copy)]
struct Window {
    y: usize,
    height: usize,
    pitch: usize,
}

/// Copies a window of eight channels, a pixel's channels side by side, with zeros in the pads.
#[inline(always)]
fn fill<S: Simd, T: Transform>(pass: &Pass<'_, T>, channel: usize, window: Window, source: &mut [f32]) {
    let phased = &pass.plan.phased;
    source[..window.height * window.pitch * LANES].fill(0.0);
    let plane = phased.y.from_len * phased.x.from_len;
    let planes = |slice: &'_ [f32], index: usize| slice[index * plane..].as_ptr();
    if phased.y.phases().0 * phased.x.phases().0 == 1 {
        let lanes = LANES.min(phased.channels - channel.min(phased.channels));
        let (first, end) = inside(&phased.x, window.pitch);
        for row in 0..window.height {
            let Some(y) = phased.y.original(0, window.y + row) else { continue };
            let Some(x) = phased.x.original(0, first) else { continue };
            let from = y * phased.x.from_len + x;
            let to = &mut source[(row * window.pitch + first) * LANES..][..(end - first) * LANES];
            let mut values = [std::ptr::null(); LANES];
            let mut masks = [std::ptr::null(); LANES];
            for lane in 0..lanes {
                values[lane] = planes(pass.input, channel + lane);
                masks[lane] = pass.mask.map_or(values[lane], |mask| planes(mask, channel + lane));
            }
            let masked = pass.mask.is_some();
            // SAFETY: the row's columns first..end are inside each of the planes of the `lanes` channels.
            unsafe { interleave::<S>(&values[..lanes], &masks[..lanes], masked, from, to) };
        }
        return;
    }
    for lane in 0..LANES.min(phased.channels - channel.min(phased.channels)) {
        let from = phased.source(channel + lane);
        let values = &pass.input[from.channel * plane..][..plane];
        let masks = pass.mask.map(|mask| &mask[from.channel * plane..][..plane]);
        for row in 0..window.height {
            let Some(y) = phased.y.original(from.y, window.y + row) else { continue };
            for column in 0..window.pitch {
                let Some(x) = phased.x.original(from.x, column) else { continue };
                let at = y * phased.x.from_len + x;
                if masks.is_none_or(|masks| masks[at] > 0.0) {
                    source[(row * window.pitch + column) * LANES + lane] = values[at];
                }
            }
        }
    }
}

/// Columns of a source row that lie inside the original.
fn inside(axis: &PhaseAxis, pitch: usize) -> (usize, usize) {
    let first = (-axis.origin).max(0) as usize;
    let end = (axis.from_len as isize - axis.origin).clamp(0, pitch as isize) as usize;
    (first.min(end), end)
}

/// Eight-channel pixels from rows of up to eight planes.
///
/// # Safety
/// Each plane and mask can be read at `from` for as many floats as `to` has pixels.
#[inline(always)]
unsafe fn interleave<S: Simd>(
    values: &[*const f32],
    masks: &[*const f32],
    masked: bool,
    from: usize,
    to: &mut [f32],
) {
    let pixels = to.len() / LANES;
    let whole = pixels - pixels % LANES;
    let zero = S::splat(0.0);
    // SAFETY: pixels at..at + 8 are inside the rows.
    unsafe {
        for at in (0..whole).step_by(LANES) {
            let mut rows = [zero; LANES];
            for (lane, row) in rows[..values.len()].iter_mut().enumerate() {
                *row = S::load(values[lane].add(from + at));
                if masked {
                    *row = S::where_greater(S::load(masks[lane].add(from + at)), zero, *row, zero);
                }
            }
            for (pixel, row) in S::transpose(rows).into_iter().enumerate() {
                S::store(to.as_mut_ptr().add((at + pixel) * LANES), row);
            }
        }
        for at in whole..pixels {
            for lane in 0..values.len() {
                let counts = !masked || *masks[lane].add(from + at) > 0.0;
                to[at * LANES + lane] = if counts { *values[lane].add(from + at) } else { 0.0 };
            }
        }
    }
}
