//! Transforms of Winograd's minimal filtering for 3 x 3 kernels (Lavin and Gray 2016) on eight channels at once.
//!
//! F(2 x 2) uses the points 0, 1, -1 and infinity, F(4 x 4) the points 0, +-NEAR, +-FAR and infinity. A tile's
//! transform applies the 1-D transform to its columns, then to its rows.
#![allow(unsafe_code, reason = "vector loads and stores at places that the caller vouches for")]

use super::super::simd::{LANES, Simd};
use super::tiled::Transform;

/// Points of F(4 x 4): their squares and products are exact in f32, and the error was a quarter
/// of that of 1 and 2 among the pairs tried.
const NEAR: f32 = 0.625;
const FAR: f32 = 1.375;

/// F(OUT x OUT, 3 x 3) with tiles of IN = OUT + 2 pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Winograd<const OUT: usize, const IN: usize>;

/// The 1-D transforms.
trait Filter<const OUT: usize, const IN: usize> {
    fn forward<S: Simd>(d: [S::V; IN]) -> [S::V; IN];
    fn backward<S: Simd>(m: [S::V; IN]) -> [S::V; OUT];
    /// Of a kernel of three taps.
    fn kernel() -> [[f64; 3]; IN];
}

impl Filter<2, 4> for Winograd<2, 4> {
    #[inline(always)]
    fn forward<S: Simd>(d: [S::V; 4]) -> [S::V; 4] {
        [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[3], d[1])]
    }
    #[inline(always)]
    fn backward<S: Simd>(m: [S::V; 4]) -> [S::V; 2] {
        [S::add(m[0], S::add(m[1], m[2])), S::add(S::sub(m[1], m[2]), m[3])]
    }
    fn kernel() -> [[f64; 3]; 4] {
        [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]]
    }
}

impl Filter<4, 6> for Winograd<4, 6> {
    /// Coefficients of the products of (x - point) over the other points.
    #[inline(always)]
    fn forward<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
        const A: f32 = NEAR * NEAR;
        const B: f32 = FAR * FAR;
        let c = S::splat;
        let ends = |low, middle, high| S::fma(c(A * B), low, S::fma(c(-A - B), middle, high));
        let (even_a, odd_a) = (S::fma(c(-B), d[2], d[4]), S::mul(c(NEAR), S::fma(c(-B), d[1], d[3])));
        let (even_b, odd_b) = (S::fma(c(-A), d[2], d[4]), S::mul(c(FAR), S::fma(c(-A), d[1], d[3])));
        [
            ends(d[0], d[2], d[4]),
            S::add(even_a, odd_a),
            S::sub(even_a, odd_a),
            S::add(even_b, odd_b),
            S::sub(even_b, odd_b),
            ends(d[1], d[3], d[5]),
        ]
    }
    /// Powers 0 to 3 of the points.
    #[inline(always)]
    fn backward<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
        let c = S::splat;
        let (sum_a, rest_a) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum_b, rest_b) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(m[0], S::add(sum_a, sum_b)),
            S::fma(c(FAR), rest_b, S::mul(c(NEAR), rest_a)),
            S::fma(c(FAR * FAR), sum_b, S::mul(c(NEAR * NEAR), sum_a)),
            S::add(m[5], S::fma(c(FAR * FAR * FAR), rest_b, S::mul(c(NEAR * NEAR * NEAR), rest_a))),
        ]
    }
    fn kernel() -> [[f64; 3]; 6] {
        let (a, b) = (f64::from(NEAR), f64::from(FAR));
        let points = [0.0, a, -a, b, -b];
        let mut rows = [[0.0, 0.0, 1.0]; 6];
        for (row, &point) in rows.iter_mut().zip(&points) {
            let others = points.iter().filter(|&&other| other != point);
            let over: f64 = others.map(|other| point - other).product();
            *row = [1.0 / over, point / over, point * point / over];
        }
        rows
    }
}

impl<const OUT: usize, const IN: usize> Transform for Winograd<OUT, IN>
where
    Self: Filter<OUT, IN>,
{
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
        let matrix = <Self as Filter<OUT, IN>>::kernel();
        for (index, value) in points.iter_mut().enumerate() {
            let (row, column) = (matrix[index / IN], matrix[index % IN]);
            *value = (0..taps[0])
                .flat_map(|y| (0..taps[1]).map(move |x| (y, x)))
                .map(|(y, x)| row[y] * column[x] * kernel[y * taps[1] + x])
                .sum();
        }
    }
}
