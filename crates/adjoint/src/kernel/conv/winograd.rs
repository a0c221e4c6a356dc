//! Transforms of Winograd's minimal filtering for 3 x 3 kernels (Lavin and Gray 2016) on eight channels at once.
//!
//! F(2 x 2) with the points 0, 1, -1 and infinity. A tile's transform applies the 1-D transform to its columns, then to
//! its rows. F(4 x 4) was as fast in whole networks, and its error moved units of deep ones over the kinks of their ReLUs.
#![allow(unsafe_code, reason = "vector loads and stores at places that the caller vouches for")]

use super::super::simd::{LANES, Simd};
use super::tiled::Transform;

/// Results of a tile, along an axis.
const OUT: usize = 2;
/// Its pixels.
const IN: usize = OUT + 2;

/// F(2 x 2, 3 x 3).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Winograd;

/// The 1-D transforms.
impl Winograd {
    #[inline(always)]
    fn forward<S: Simd>(d: [S::V; IN]) -> [S::V; IN] {
        [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[3], d[1])]
    }

    #[inline(always)]
    fn backward<S: Simd>(m: [S::V; IN]) -> [S::V; OUT] {
        [S::add(m[0], S::add(m[1], m[2])), S::add(S::sub(m[1], m[2]), m[3])]
    }
}

/// That of a kernel of three taps.
const KERNEL: [[f64; 3]; IN] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

impl Transform for Winograd {
    const PAIRED: bool = false;

    fn size(&self) -> usize {
        IN
    }

    fn points(&self) -> usize {
        IN * IN
    }

    #[inline(always)]
    unsafe fn input<S: Simd>(
        &self,
        from: *const f32,
        pitch: usize,
        to: *mut f32,
        point: usize,
        _part: usize,
    ) {
        let mut columns = [[S::splat(0.0); IN]; IN];
        for (x, transformed) in columns.iter_mut().enumerate() {
            let mut column = [S::splat(0.0); IN];
            for (y, value) in column.iter_mut().enumerate() {
                // SAFETY: the tile's pixels are inside the source by the caller's promise.
                *value = unsafe { S::load(from.add((y * pitch + x) * LANES)) };
            }
            *transformed = Self::forward::<S>(column);
        }
        for y in 0..IN {
            let mut row = [S::splat(0.0); IN];
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = column[y];
            }
            for (x, value) in Self::forward::<S>(row).into_iter().enumerate() {
                // SAFETY: each point has a place by the caller's promise.
                unsafe { S::store(to.add((y * IN + x) * point), value) };
            }
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(
        &self,
        from: *const f32,
        point: usize,
        _row: usize,
        to: *mut f32,
        pitch: usize,
    ) {
        let mut columns = [[S::splat(0.0); OUT]; IN];
        for (x, transformed) in columns.iter_mut().enumerate() {
            let mut column = [S::splat(0.0); IN];
            for (y, value) in column.iter_mut().enumerate() {
                // SAFETY: each point has a place by the caller's promise.
                *value = unsafe { S::load(from.add((y * IN + x) * point)) };
            }
            *transformed = Self::backward::<S>(column);
        }
        for y in 0..OUT {
            let mut row = [S::splat(0.0); IN];
            for (value, column) in row.iter_mut().zip(&columns) {
                *value = column[y];
            }
            for (x, value) in Self::backward::<S>(row).into_iter().enumerate() {
                // SAFETY: the tile's results are inside the stage by the caller's promise.
                unsafe { S::store(to.add((y * pitch + x) * LANES), value) };
            }
        }
    }

    fn kernel(&self, taps: [usize; 2], kernel: &[f64], points: &mut [f64]) {
        for (index, value) in points.iter_mut().enumerate() {
            let (row, column) = (KERNEL[index / IN], KERNEL[index % IN]);
            *value = (0..taps[0])
                .flat_map(|y| (0..taps[1]).map(move |x| (y, x)))
                .map(|(y, x)| row[y] * column[x] * kernel[y * taps[1] + x])
                .sum();
        }
    }
}
