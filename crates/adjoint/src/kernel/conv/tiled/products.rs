//! Second step: a matrix product at each point.
#![allow(unsafe_code, reason = "panels are read and tiles are written through pointers")]

use super::super::super::microkernel::{
    Left, PairedRows, StridedColumns, StridedRows, TILE_COLUMNS, add, product, row_panels, store, tile_rows,
};
use super::super::super::simd::{Kernel, Simd};
use super::{Pass, Tiled, Transform};

/// Steps of k summed at a time: sums of parts round less than one long sum.
const STEPS: usize = 128;

/// The matrix product at one point: tiles times channels with channels times rows.
pub(super) struct Products<'a, T> {
    pub pass: &'a Pass<'a, T>,
    pub point: usize,
    pub tiles: usize,
    /// First channel and channels held, first row and rows held.
    pub channel: usize,
    pub channels: usize,
    pub row: usize,
    pub rows: usize,
    pub from: &'a [f32],
    pub to: &'a mut [f32],
}

impl<T: Transform> Kernel for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        let plan = self.pass.plan;
        let paired = Tiled::<T>::paired();
        let weights = &plan.weights[self.point * plan.point_len()..][..plan.point_len()];
        let panels = row_panels(self.tiles * paired);
        for column in (0..self.rows).step_by(TILE_COLUMNS) {
            // The panel's steps: all channels, for complex points twice. Parts are those of the channels held.
            let panel = &weights[(self.row + column) * paired * plan.channels..];
            for part in 0..paired {
                let panel = &panel[(part * plan.channels + self.channel) * TILE_COLUMNS..];
                let block = self.channels.div_ceil(self.channels.div_ceil(STEPS));
                let mut first = 0;
                while first < self.channels {
                    let steps = block.min(self.channels - first);
                    let start = self.channel == 0 && part == 0 && first == 0;
                    let right = StridedColumns {
                        first: panel[first * TILE_COLUMNS..].as_ptr(),
                        distance: TILE_COLUMNS,
                    };
                    let mut left = &panels[..];
                    while let [(row, rows), ..] = *left {
                        let tile = tile_rows::<S>(left);
                        left = &left[tile / rows..];
                        let stretch = (part * self.channels + first, steps, start);
                        self.panel::<S>(row, tile, column, right, stretch);
                    }
                    first += steps;
                }
            }
        }
    }
}

impl<T: Transform> Products<'_, T> {
    /// Rows of tiles row..row + rows by 16 columns, over (first, steps) of the stretch; `start` overwrites.
    #[inline(always)]
    fn panel<S: Simd>(
        &mut self,
        row: usize,
        rows: usize,
        column: usize,
        right: StridedColumns,
        (first, steps, start): (usize, usize, bool),
    ) {
        let to = self.to[row * self.rows + column..].as_mut_ptr();
        // SAFETY: the stretches and the products of these rows are inside the point's parts of the scratch memory.
        unsafe {
            if T::PAIRED {
                let distance = 3 * self.channels;
                let left = self.from[row / 2 * distance + first..].as_ptr();
                let left = PairedRows { first: left, distance, part: self.channels };
                self.tile::<S, _>(left, right, rows, steps, to, start);
            } else {
                let left = self.from[row * self.channels + first..].as_ptr();
                let left = StridedRows { first: left, distance: self.channels };
                self.tile::<S, _>(left, right, rows, steps, to, start);
            }
        }
    }

    /// # Safety
    /// `left` and `right` can be read for `steps`, `to` can be read and written for `rows` rows of 16.
    #[inline(always)]
    unsafe fn tile<S: Simd, L: Left>(
        &self,
        left: L,
        right: StridedColumns,
        rows: usize,
        steps: usize,
        to: *mut f32,
        start: bool,
    ) {
        macro_rules! tile {
            ($rows:literal) => {{
                let mut sums = product::<S, _, _, $rows, 1>(steps, left, right);
                if !start {
                    sums = add::<S, $rows, 1>(sums, to, self.rows);
                }
                store::<S, $rows, 1>(sums, to, self.rows);
            }};
        }
        // SAFETY: the caller's promise.
        unsafe {
            match rows {
                12 => tile!(12),
                6 => tile!(6),
                5 => tile!(5),
                4 => tile!(4),
                3 => tile!(3),
                2 => tile!(2),
                _ => tile!(1),
            }
        }
    }
}
