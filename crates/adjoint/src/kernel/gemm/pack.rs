//! Packing of operands into the order in which the tile reads them.
#![allow(unsafe_code, reason = "vector loads and stores in packing loops, bounds checked once per panel")]

use super::super::microkernel::{TILE_COLUMNS, TILE_ROWS};
use super::super::simd::{Kernel, LANES, Simd};

/// A block of a matrix: element (i, j) at `i * row + j * column`.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub values: &'a [f32],
    pub row: usize,
    pub column: usize,
}

/// Rows `first..first + rows` (at most 6) as one panel: `rows` values per step of k.
pub(crate) struct PackRows<'a> {
    pub matrix: Block<'a>,
    pub first: usize,
    pub rows: usize,
    pub steps: usize,
    pub panel: &'a mut [f32],
}

impl Kernel for PackRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let Self { matrix, first, rows, steps, panel } = self;
        let panel = &mut panel[..rows * steps];
        if panel.is_empty() {
            return;
        }
        let values = &matrix.values[first * matrix.row..];
        assert!(
            (rows - 1) * matrix.row + (steps - 1) * matrix.column < values.len(),
            "matrix outside its slice"
        );
        let whole = if rows == TILE_ROWS && matrix.column == 1 {
            transpose_rows::<S>(values, matrix.row, steps, panel)
        } else if rows == TILE_ROWS && matrix.row == 1 {
            copy_rows::<S>(values, matrix.column, steps, panel)
        } else {
            0
        };
        for (k, to) in panel.chunks_exact_mut(rows).enumerate().skip(whole) {
            for (row, to) in to.iter_mut().enumerate() {
                *to = values[row * matrix.row + k * matrix.column];
            }
        }
    }
}

/// A full panel of contiguous rows, eight steps at a time; gives the number of steps that are done. A vector holds the
/// six values of a step and two that the next step overwrites: what follows the last one is left to the caller.
#[inline(always)]
fn transpose_rows<S: Simd>(values: &[f32], distance: usize, steps: usize, panel: &mut [f32]) -> usize {
    let whole = steps.saturating_sub(1) / LANES * LANES;
    for k in (0..whole).step_by(LANES) {
        let mut rows = [S::splat(0.0); LANES];
        for (row, vector) in rows.iter_mut().take(TILE_ROWS).enumerate() {
            // SAFETY: steps k..k + 8 of each row exist, as the caller asserted.
            *vector = unsafe { S::load(values.as_ptr().add(row * distance + k)) };
        }
        for (step, vector) in S::transpose(rows).into_iter().enumerate() {
            // SAFETY: a step of six values follows inside the panel.
            unsafe { S::store(panel.as_mut_ptr().add((k + step) * TILE_ROWS), vector) };
        }
    }
    whole
}

/// The same for rows that lie side by side.
#[inline(always)]
fn copy_rows<S: Simd>(values: &[f32], distance: usize, steps: usize, panel: &mut [f32]) -> usize {
    // The last steps could read or write beyond the end.
    let readable = (values.len() + distance).saturating_sub(LANES) / distance.max(1);
    let whole = readable.min(steps - 1);
    for k in 0..whole {
        // SAFETY: eight values from step k on are inside both, as counted above.
        unsafe {
            S::store(panel.as_mut_ptr().add(k * TILE_ROWS), S::load(values.as_ptr().add(k * distance)))
        };
    }
    whole
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
