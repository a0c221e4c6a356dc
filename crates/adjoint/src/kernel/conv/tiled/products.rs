//! Second step: a matrix product at each point.
#![allow(unsafe_code, reason = "panels are read and tiles are written through pointers")]

use super::super::super::microkernel::{
    Left, PairedRows, Right, StridedColumns, StridedRows, TILE_COLUMNS, TwoColumns, add, product, row_panels,
    store, tile_rows,
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
        let distance = TILE_COLUMNS * paired * plan.channels;
        let mut column = 0;
        while column < self.rows {
            // The panel's steps: all channels, for complex points twice. Parts are those of the channels held.
            let panel = &weights[(self.row + column) * paired * plan.channels..];
            // Registers of sixteen lanes hold the sums of two panels of columns.
            let pairs = if S::WIDE && column + TILE_COLUMNS < self.rows { 2 } else { 1 };
            for part in 0..paired {
                let panel = &panel[(part * plan.channels + self.channel) * TILE_COLUMNS..];
                let block = self.channels.div_ceil(self.channels.div_ceil(STEPS));
                let mut first = 0;
                while first < self.channels {
                    let steps = block.min(self.channels - first);
                    let start = self.channel == 0 && part == 0 && first == 0;
                    let stretch = (part * self.channels + first, steps, start);
                    let from = panel[first * TILE_COLUMNS..].as_ptr();
                    if pairs == 2 {
                        self.panels::<S, _, 2>(
                            &panels,
                            column,
                            TwoColumns { first: from, distance },
                            stretch,
                        );
                    } else {
                        let right = StridedColumns { first: from, distance: TILE_COLUMNS };
                        self.panels::<S, _, 1>(&panels, column, right, stretch);
                    }
                    first += steps;
                }
            }
            column += pairs * TILE_COLUMNS;
        }
    }
}

impl<T: Transform> Products<'_, T> {
    #[inline(always)]
    fn panels<S: Simd, R: Right, const PAIRS: usize>(
        &mut self,
        panels: &[(usize, usize)],
        column: usize,
        right: R,
        stretch: (usize, usize, bool),
    ) {
        let mut left = panels;
        while let [(row, rows), ..] = *left {
            let tile = tile_rows::<S>(left);
            left = &left[tile / rows..];
            self.panel::<S, R, PAIRS>(row, tile, column, right, stretch);
        }
    }

    /// Rows of tiles row..row + rows by 16 columns per pair, over (first, steps) of the stretch; `start` overwrites.
    #[inline(always)]
    fn panel<S: Simd, R: Right, const PAIRS: usize>(
        &mut self,
        row: usize,
        rows: usize,
        column: usize,
        right: R,
        (first, steps, start): (usize, usize, bool),
    ) {
        let to = self.to[row * self.rows + column..].as_mut_ptr();
        // SAFETY: the stretches and the products of these rows are inside the point's parts of the scratch memory.
        unsafe {
            if T::PAIRED {
                let distance = 3 * self.channels;
                let left = self.from[row / 2 * distance + first..].as_ptr();
                let left = PairedRows { first: left, distance, part: self.channels };
                self.tile::<S, _, R, PAIRS>(left, right, rows, steps, to, start);
            } else {
                let left = self.from[row * self.channels + first..].as_ptr();
                let left = StridedRows { first: left, distance: self.channels };
                self.tile::<S, _, R, PAIRS>(left, right, rows, steps, to, start);
            }
        }
    }

    /// # Safety
    /// `left` and `right` can be read for `steps`, `to` can be read and written for `rows` rows of 16 per pair.
    #[inline(always)]
    unsafe fn tile<S: Simd, L: Left, R: Right, const PAIRS: usize>(
        &self,
        left: L,
        right: R,
        rows: usize,
        steps: usize,
        to: *mut f32,
        start: bool,
    ) {
        macro_rules! tile {
            ($rows:literal) => {{
                let mut sums = product::<S, _, _, $rows, PAIRS>(steps, left, right);
                if !start {
                    sums = add::<S, $rows, PAIRS>(sums, to, self.rows);
                }
                store::<S, $rows, PAIRS>(sums, to, self.rows);
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
