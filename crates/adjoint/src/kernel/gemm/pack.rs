//! Packing of operands into the order in which the tile reads them.
#![allow(unsafe_code, reason = "vector loads and stores in packing loops, bounds checked once per panel")]

use super::super::microkernel::TILE_COLUMNS;
use super::super::simd::{Kernel, LANES, Simd};

/// A block of a matrix: element (i, j) at `i * row + j * column`.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub values: &'a [f32],
    pub row: usize,
    pub column: usize,
}

/// Rows `first..first + rows` as one panel: `rows` values per step of k.
pub(crate) fn pack_rows(matrix: Block<'_>, first: usize, rows: usize, steps: usize, panel: &mut [f32]) {
    if rows == 0 || steps == 0 {
        return;
    }
    let values = &matrix.values[first * matrix.row..];
    for (k, to) in panel[..rows * steps].chunks_exact_mut(rows).enumerate() {
        for (row, to) in to.iter_mut().enumerate() {
            *to = values[row * matrix.row + k * matrix.column];
        }
    }
}

/// Columns `first..first + columns` (at most 16) as one panel: 16 values per step of k, zeros after the last column.
pub(crate) struct PackColumns<'a> {
    pub matrix: Block<'a>,
    pub first: usize,
    pub columns: usize,
    pub steps: usize,
    pub panel: &'a mut [f32],
}

impl Kernel for PackColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { matrix, first, columns, steps, panel } = self;
        let panel = &mut panel[..steps * TILE_COLUMNS];
        if columns == 0 || steps == 0 {
            return;
        }
        let values = &matrix.values[first * matrix.column..];
        assert!(
            (steps - 1) * matrix.row + (columns - 1) * matrix.column < values.len(),
            "matrix outside its slice"
        );
        let full = columns == TILE_COLUMNS;
        if full && matrix.column == 1 {
            for (k, to) in panel.chunks_exact_mut(TILE_COLUMNS).enumerate() {
                to.copy_from_slice(&values[k * matrix.row..][..TILE_COLUMNS]);
            }
        } else if full && matrix.row == 1 {
            let whole = steps - steps % LANES;
            for k in (0..whole).step_by(LANES) {
                for half in [0, LANES] {
                    let mut rows = [S::splat(0.0); LANES];
                    for (column, row) in rows.iter_mut().enumerate() {
                        // SAFETY: steps k..k + 8 of column half + column exist, as asserted.
                        *row = unsafe { S::load(values.as_ptr().add((half + column) * matrix.column + k)) };
                    }
                    for (step, row) in S::transpose(rows).into_iter().enumerate() {
                        // SAFETY: step k + step < steps of the panel.
                        unsafe { S::store(panel.as_mut_ptr().add((k + step) * TILE_COLUMNS + half), row) };
                    }
                }
            }
            pack_scattered(values, matrix, columns, whole, panel);
        } else {
            pack_scattered(values, matrix, columns, 0, panel);
        }
    }
}

/// Any strides, from step `from` on.
#[inline(always)]
fn pack_scattered(values: &[f32], matrix: Block<'_>, columns: usize, from: usize, panel: &mut [f32]) {
    for (k, to) in panel.chunks_exact_mut(TILE_COLUMNS).enumerate().skip(from) {
        for (column, to) in to[..columns].iter_mut().enumerate() {
            *to = values[k * matrix.row + column * matrix.column];
        }
        to[columns..].fill(0.0);
    }
}
