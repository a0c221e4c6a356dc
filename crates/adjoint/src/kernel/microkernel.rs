//! The inner tile of every matrix product: up to 6 rows by 16 columns (or fewer rows by more columns) in registers.
//!
//! Twelve accumulators of eight lanes, two vector loads and six broadcasts per step of k: on processors with two FMA
//! units and sixteen vector registers nothing larger fits and nothing smaller hides the latency of the FMA. Where a
//! register holds sixteen lanes, two neighbouring panels of 6 rows make a tile, for the same twelve accumulators.
//! Every element is the sum over k in ascending order, one fused multiply-add each, whatever the tile's shape: how
//! work is cut into tiles never changes a bit.
#![allow(unsafe_code, reason = "vector loads through pointers whose bounds the callers establish")]

use super::simd::{LANES, Simd};

/// Rows of a full panel.
pub(crate) const TILE_ROWS: usize = 6;
/// Columns of a full tile.
pub(crate) const TILE_COLUMNS: usize = 2 * LANES;
/// Values of the largest tile of any shape.
pub(crate) const TILE_LEN: usize = 4 * TILE_ROWS * TILE_COLUMNS;

/// The sums of a tile, by row and pair of vectors.
pub(crate) type Sums<S, const ROWS: usize, const PAIRS: usize> = [[<S as Simd>::Pair; PAIRS]; ROWS];

/// Where the left operand's rows are.
pub(crate) trait Left: Copy {
    /// # Safety
    /// `k` and `row` are inside the operand that the implementor describes.
    unsafe fn at<const ROWS: usize>(self, k: usize, row: usize) -> *const f32;
}

/// ROWS values per step of k, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct PackedRows(pub *const f32);

impl Left for PackedRows {
    #[inline(always)]
    unsafe fn at<const ROWS: usize>(self, k: usize, row: usize) -> *const f32 {
        // SAFETY: inside the packed panel by the caller's promise.
        unsafe { self.0.add(k * ROWS + row) }
    }
}

/// Two full panels of packed rows, `distance` apart.
#[derive(Clone, Copy)]
pub(crate) struct TwoPanels {
    pub first: *const f32,
    pub distance: usize,
}

impl Left for TwoPanels {
    #[inline(always)]
    unsafe fn at<const ROWS: usize>(self, k: usize, row: usize) -> *const f32 {
        // SAFETY: inside one of the panels by the caller's promise.
        unsafe { self.first.add(row / TILE_ROWS * self.distance + k * TILE_ROWS + row % TILE_ROWS) }
    }
}

/// Contiguous rows at a distance.
#[derive(Clone, Copy)]
pub(crate) struct StridedRows {
    pub first: *const f32,
    pub distance: usize,
}

impl Left for StridedRows {
    #[inline(always)]
    unsafe fn at<const ROWS: usize>(self, k: usize, row: usize) -> *const f32 {
        // SAFETY: inside the matrix by the caller's promise.
        unsafe { self.first.add(row * self.distance + k) }
    }
}

/// Where the right operand's columns start, for each step of k.
pub(crate) trait Right: Copy {
    /// # Safety
    /// `k` is inside the operand that the implementor describes.
    unsafe fn at(self, k: usize) -> *const f32;

    /// Floats from the first to the next pair of vectors of a step.
    #[inline(always)]
    fn next_pair(self) -> usize {
        TILE_COLUMNS
    }
}

/// A fixed distance between steps of k.
#[derive(Clone, Copy)]
pub(crate) struct StridedColumns {
    pub first: *const f32,
    pub distance: usize,
}

impl Right for StridedColumns {
    #[inline(always)]
    unsafe fn at(self, k: usize) -> *const f32 {
        // SAFETY: inside the matrix by the caller's promise.
        unsafe { self.first.add(k * self.distance) }
    }
}

/// Two panels of packed columns, `distance` apart: a pair of vectors of each.
#[derive(Clone, Copy)]
pub(crate) struct TwoColumns {
    pub first: *const f32,
    pub distance: usize,
}

impl Right for TwoColumns {
    #[inline(always)]
    unsafe fn at(self, k: usize) -> *const f32 {
        // SAFETY: inside the panel by the caller's promise.
        unsafe { self.first.add(k * TILE_COLUMNS) }
    }

    #[inline(always)]
    fn next_pair(self) -> usize {
        self.distance
    }
}

/// A table of offsets: the taps of a convolution.
#[derive(Clone, Copy)]
pub(crate) struct TabledColumns {
    pub first: *const f32,
    pub offsets: *const u32,
}

impl Right for TabledColumns {
    #[inline(always)]
    unsafe fn at(self, k: usize) -> *const f32 {
        // SAFETY: the table has an entry per step of k, each inside the source, by the caller's promise.
        unsafe { self.first.add(*self.offsets.add(k) as usize) }
    }
}

/// Adds a tile that lies at `from`, rows at `distance`, to `sums`.
///
/// # Safety
/// Each of the ROWS rows can be read for 16 * PAIRS floats.
#[inline(always)]
pub(crate) unsafe fn add<S: Simd, const ROWS: usize, const PAIRS: usize>(
    mut sums: Sums<S, ROWS, PAIRS>,
    from: *const f32,
    distance: usize,
) -> Sums<S, ROWS, PAIRS> {
    for (row, sums) in sums.iter_mut().enumerate() {
        for (pair, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *sum = S::add_pair(*sum, unsafe { S::load_pair(from.add(row * distance + pair * TILE_COLUMNS)) });
        }
    }
    sums
}

/// Steps of k between two requests for memory ahead.
pub(crate) const AHEAD_STEPS: usize = 16;
/// Floats of a cache line.
pub(crate) const LINE: usize = 16;

/// Memory that will be wanted soon: a few lines are asked for every [`AHEAD_STEPS`] steps. All at once they would fill
/// the processor's queue of misses, and the product would wait for its own operands behind them.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    pub first: *const f32,
    pub lines: usize,
}

/// Sums of the products of `steps` of k: ROWS x (16 * PAIRS).
///
/// # Safety
/// `left` and `right` can be read for `steps` steps; each column pointer for 16 * PAIRS floats.
#[inline(always)]
pub(crate) unsafe fn product<S: Simd, L: Left, R: Right, const ROWS: usize, const PAIRS: usize>(
    steps: usize,
    left: L,
    right: R,
) -> Sums<S, ROWS, PAIRS> {
    let mut sums = [[S::splat_pair(0.0); PAIRS]; ROWS];
    // Opaque, or the compiler computes the bound anew in each step for want of registers.
    let steps = std::hint::black_box(steps);
    for k in 0..steps {
        // SAFETY: k < steps; the caller's promise.
        unsafe { step::<S, L, R, ROWS, PAIRS>(k, left, right, &mut sums) };
    }
    sums
}

/// As [`product`], while `ahead` comes from memory.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn product_ahead<S: Simd, L: Left, R: Right, const ROWS: usize, const PAIRS: usize>(
    steps: usize,
    left: L,
    right: R,
    ahead: Ahead,
) -> Sums<S, ROWS, PAIRS> {
    let mut sums = [[S::splat_pair(0.0); PAIRS]; ROWS];
    let steps = std::hint::black_box(steps);
    let mut next = ahead.first;
    let mut first = 0;
    while first < steps {
        for _ in 0..ahead.lines {
            S::prefetch(next);
            next = next.wrapping_add(LINE);
        }
        let end = std::hint::black_box((first + AHEAD_STEPS).min(steps));
        for k in first..end {
            // SAFETY: k < steps; the caller's promise.
            unsafe { step::<S, L, R, ROWS, PAIRS>(k, left, right, &mut sums) };
        }
        first = end;
    }
    sums
}

/// Adds the products of one step of k.
///
/// # Safety
/// As [`product`], for step `k`.
#[inline(always)]
unsafe fn step<S: Simd, L: Left, R: Right, const ROWS: usize, const PAIRS: usize>(
    k: usize,
    left: L,
    right: R,
    sums: &mut Sums<S, ROWS, PAIRS>,
) {
    // SAFETY: the indices are inside the tile; the caller vouches for both operands.
    unsafe {
        let columns = right.at(k);
        if PAIRS > 1 && ROWS > PAIRS * 2 {
            // 24 sums: the columns stay in registers, each factor is used at once.
            let mut values = [S::splat_pair(0.0); PAIRS];
            for (pair, value) in values.iter_mut().enumerate() {
                *value = S::load_pair(columns.add(pair * right.next_pair()));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = S::splat_pair(*left.at::<ROWS>(k, row));
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = S::fma_pair(factor, value, *sum);
                }
            }
        } else if PAIRS > 1 {
            // The fewer operands stay in registers: 3 x 4 sums leave room for three factors and one vector.
            let mut factors = [S::splat_pair(0.0); ROWS];
            for (row, factor) in factors.iter_mut().enumerate() {
                *factor = S::splat_pair(*left.at::<ROWS>(k, row));
            }
            for pair in 0..PAIRS {
                let value = S::load_pair(columns.add(pair * right.next_pair()));
                for (sums, factor) in sums.iter_mut().zip(factors) {
                    sums[pair] = S::fma_pair(factor, value, sums[pair]);
                }
            }
        } else {
            let value = S::load_pair(columns);
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = S::splat_pair(*left.at::<ROWS>(k, row));
                sums[0] = S::fma_pair(factor, value, sums[0]);
            }
        }
    }
}

/// Writes a tile to `to`, rows at `distance`.
///
/// # Safety
/// Each of the ROWS rows can be written for 16 * PAIRS floats.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd, const ROWS: usize, const PAIRS: usize>(
    sums: Sums<S, ROWS, PAIRS>,
    to: *mut f32,
    distance: usize,
) {
    for (row, sums) in sums.into_iter().enumerate() {
        for (pair, sum) in sums.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { S::store_pair(to.add(row * distance + pair * TILE_COLUMNS), sum) };
        }
    }
}

/// How many of `rows` lie in the next tile with registers of S: a panel, or two full ones.
#[inline(always)]
pub(crate) fn tile_rows<S: Simd>(panels: &[(usize, usize)]) -> usize {
    match panels {
        [(_, TILE_ROWS), (_, TILE_ROWS), ..] if S::WIDE => 2 * TILE_ROWS,
        [(_, rows), ..] => *rows,
        [] => 0,
    }
}

/// Cuts `rows` into panels of 3 to 6 rows (fewer only where `rows` < 3): a panel of one or two rows would leave the
/// FMA units waiting.
pub(crate) fn row_panels(rows: usize) -> Vec<(usize, usize)> {
    let mut panels = Vec::with_capacity(rows.div_ceil(TILE_ROWS));
    let mut first = 0;
    while first < rows {
        let left = rows - first;
        let take = match left {
            7 | 8 => 4,
            9 => 5,
            _ => left.min(TILE_ROWS),
        };
        panels.push((first, take));
        first += take;
    }
    panels
}

/// Pairs of rows that are parts of one stretch `i | r | -i` (imaginary, real, negated imaginary parts): the even row
/// of a pair starts at r, the odd one at i. Times columns `r; i` they give real and imaginary part of the product.
#[derive(Clone, Copy)]
pub(crate) struct PairedRows {
    pub first: *const f32,
    pub distance: usize,
    pub part: usize,
}

impl Left for PairedRows {
    #[inline(always)]
    unsafe fn at<const ROWS: usize>(self, k: usize, row: usize) -> *const f32 {
        // SAFETY: inside the stretch of the row's pair by the caller's promise.
        unsafe { self.first.add(row / 2 * self.distance + (1 - row % 2) * self.part + k) }
    }
}
