//! Matrix times vector: bound by reading the matrix once, so nothing is packed.
#![allow(unsafe_code, reason = "vector loads in checked rows; threads write disjoint rows")]

use super::super::simd::{Kernel, LANES, Simd, dispatch};
use super::super::threads::{SharedMut, Threads};
use super::tiles::finish;
use super::{GemmEpilogue, GemmShape};

/// Rows of one task: the sums of a task stay in the first-level cache.
const ROWS: usize = 512;

/// C\[m, 1\] = A\[m, k\] B\[k, 1\].
pub(crate) fn run(
    shape: &GemmShape,
    a: &[f32],
    b: &[f32],
    c: &mut [f32],
    scratch: &mut [f32],
    epilogue: &GemmEpilogue<'_>,
    threads: &Threads,
) {
    let c = SharedMut::new(c);
    for matrix in 0..shape.matrices() {
        // Without steps of k there may be no values at all.
        let from = if shape.k == 0 { 0 } else { shape.offset(&shape.b, matrix) };
        let vector = if shape.b.row == 1 || shape.k <= 1 {
            &b[from..from + shape.k]
        } else {
            for (to, value) in scratch[..shape.k].iter_mut().zip(b[from..].iter().step_by(shape.b.row)) {
                *to = *value;
            }
            &scratch[..shape.k]
        };
        let a = &a[shape.offset(&shape.a, matrix).min(a.len())..];
        let base = shape.offset(&shape.c, matrix);
        let size = ROWS.min(shape.m.div_ceil(4 * threads.count()).next_multiple_of(LANES));
        threads.for_each(shape.m.div_ceil(size), |task, _| {
            let rows = (task * size, ((task + 1) * size).min(shape.m));
            let mut sums = [0f32; ROWS];
            let sums = &mut sums[..rows.1 - rows.0];
            dispatch(Rows { shape, a, vector, first: rows.0, sums });
            for (index, &sum) in sums.iter().enumerate() {
                let row = rows.0 + index;
                // SAFETY: each row of C belongs to one task.
                let to = unsafe { &mut c.part(base + row * shape.c.row, 1)[0] };
                *to = finish(sum, row, 0, epilogue, *to);
            }
        });
    }
}

/// Products of rows from `first` on.
struct Rows<'a> {
    shape: &'a GemmShape,
    a: &'a [f32],
    vector: &'a [f32],
    first: usize,
    sums: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self) {
        if self.vector.is_empty() {
            return;
        }
        match (self.shape.a.row, self.shape.a.column) {
            (_, 1) => self.dots::<S>(),
            (1, _) => self.combinations::<S>(),
            _ => self.scattered(),
        }
    }
}

impl Rows<'_> {
    /// Contiguous rows: dot products, four rows at a time so that each load of the vector serves four.
    #[inline(always)]
    fn dots<S: Simd>(&mut self) {
        let distance = self.shape.a.row;
        for (block, sums) in self.sums.chunks_mut(4).enumerate() {
            let row = |index: usize| {
                let start = (self.first + block * 4 + index.min(sums.len() - 1)) * distance;
                &self.a[start..start + self.vector.len()]
            };
            let found = dot4::<S>([row(0), row(1), row(2), row(3)], self.vector);
            sums.copy_from_slice(&found[..sums.len()]);
        }
    }

    /// Contiguous columns: sums of columns times the vector's elements, four columns at a time.
    #[inline(always)]
    fn combinations<S: Simd>(&mut self) {
        let distance = self.shape.a.column;
        let len = self.sums.len();
        let mut blocks = self.vector.chunks_exact(4);
        for (block, factors) in (&mut blocks).enumerate() {
            let column = |index: usize| &self.a[(block * 4 + index) * distance + self.first..][..len];
            let columns = [column(0), column(1), column(2), column(3)];
            add_columns::<S, 4>(columns, [factors[0], factors[1], factors[2], factors[3]], self.sums);
        }
        let done = self.vector.len() - blocks.remainder().len();
        for (index, &factor) in blocks.remainder().iter().enumerate() {
            let column = &self.a[(done + index) * distance + self.first..][..len];
            add_columns::<S, 1>([column], [factor], self.sums);
        }
    }

    #[inline(always)]
    fn scattered(&mut self) {
        for (index, sum) in self.sums.iter_mut().enumerate() {
            let row = (self.first + index) * self.shape.a.row;
            for (k, factor) in self.vector.iter().enumerate() {
                *sum += self.a[row + k * self.shape.a.column] * factor;
            }
        }
    }
}

#[inline(always)]
fn dot4<S: Simd>(rows: [&[f32]; 4], vector: &[f32]) -> [f32; 4] {
    let mut sums = [[S::splat(0.0); 2]; 4];
    let len = vector.len();
    assert!(rows.iter().all(|row| row.len() == len), "rows and vector differ in length");
    let pairs = len / (2 * LANES);
    for pair in 0..pairs {
        for half in 0..2 {
            let at = pair * 2 * LANES + half * LANES;
            // SAFETY: at + 8 <= len, the length of the vector and of each row.
            unsafe {
                let factor = S::load(vector.as_ptr().add(at));
                for (sums, row) in sums.iter_mut().zip(rows) {
                    sums[half] = S::fma(S::load(row.as_ptr().add(at)), factor, sums[half]);
                }
            }
        }
    }
    let mut found = [0f32; 4];
    for ((found, sums), row) in found.iter_mut().zip(sums).zip(rows) {
        *found = S::sum(S::add(sums[0], sums[1]));
        for at in pairs * 2 * LANES..len {
            *found += row[at] * vector[at];
        }
    }
    found
}

#[inline(always)]
fn add_columns<S: Simd, const COUNT: usize>(
    columns: [&[f32]; COUNT],
    factors: [f32; COUNT],
    sums: &mut [f32],
) {
    let len = sums.len();
    assert!(columns.iter().all(|column| column.len() == len), "columns and sums differ in length");
    let whole = len - len % LANES;
    for at in (0..whole).step_by(LANES) {
        // SAFETY: at + 8 <= len, the length of the sums and of each column.
        unsafe {
            let mut sum = S::load(sums.as_ptr().add(at));
            for (column, factor) in columns.iter().zip(factors) {
                sum = S::fma(S::load(column.as_ptr().add(at)), S::splat(factor), sum);
            }
            S::store(sums.as_mut_ptr().add(at), sum);
        }
    }
    // The tail takes the same steps in the same lanes, so that bits do not depend on where tasks are cut.
    if whole < len {
        let mut tail = [0f32; LANES];
        let rest = len - whole;
        tail[..rest].copy_from_slice(&sums[whole..]);
        // SAFETY: the arrays have eight floats.
        unsafe {
            let mut sum = S::load(tail.as_ptr());
            for (column, factor) in columns.iter().zip(factors) {
                let mut values = [0f32; LANES];
                values[..rest].copy_from_slice(&column[whole..]);
                sum = S::fma(S::load(values.as_ptr()), S::splat(factor), sum);
            }
            S::store(tail.as_mut_ptr(), sum);
        }
        sums[whole..].copy_from_slice(&tail[..rest]);
    }
}
