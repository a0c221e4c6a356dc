//! Max, average and sum pooling over N x C planes, and their input gradients.
//!
//! All work row by row of the output: the input rows that its windows touch are sorted by their coordinate's remainder
//! by the stride, so that each tap of neighbouring windows is a run of neighbouring values, whatever the stride.

use super::simd::{Kernel, Simd, dispatch};
use super::{KernelError, Threads, check_length};

/// Input values of one task.
const TASK: usize = 16 << 10;

/// A pooling window over planes of D, H, W; lower ranks have ones in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// Images times channels.
    pub planes: usize,
    /// Depth, height and width of the input.
    pub input: [usize; 3],
    /// Depth, height and width of the output. The caller's formula decides (floor or ceil): windows may reach over the
    /// end.
    pub output: [usize; 3],
    /// Taps per axis.
    pub kernel: [usize; 3],
    /// Distance of neighbouring windows.
    pub stride: [usize; 3],
    /// Distance of neighbouring taps.
    pub dilation: [usize; 3],
    /// Pad before the first pixel.
    pub pad_before: [usize; 3],
    /// Pad after the last pixel; only the divisor of [`Divisor::WithPad`] reads it.
    pub pad_after: [usize; 3],
}

/// What a sum over a window is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Divisor {
    /// Nothing: a plain sum.
    One,
    /// Taps inside the input and its pads (`count_include_pad = 1`).
    WithPad,
    /// Taps inside the input (`count_include_pad = 0`).
    WithoutPad,
}

/// y = greatest value of each window. A NaN in a window wins; a window without taps gives -inf.
pub fn max_pool(
    geometry: &PoolGeometry,
    x: &[f32],
    y: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    let (ins, outs) = geometry.check(x.len(), y.len())?;
    each_plane(geometry, y, outs, threads, |first, y| {
        dispatch(MaxPool { q: geometry, x: &x[first * ins..][..y.len() / outs * ins], y });
    });
    Ok(())
}

/// dx = for each window, its gradient at the first greatest value in row-major order (at the first NaN, if any).
pub fn max_pool_gradient(
    geometry: &PoolGeometry,
    x: &[f32],
    g: &[f32],
    dx: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    let (ins, outs) = geometry.check(x.len(), g.len())?;
    check_length("dx", dx.len(), x.len())?;
    each_plane(geometry, dx, ins, threads, |first, dx| {
        let planes = dx.len() / ins;
        let (x, g) = (&x[first * ins..][..planes * ins], &g[first * outs..][..planes * outs]);
        dispatch(MaxPoolGradient { q: geometry, x, g, dx });
    });
    Ok(())
}

/// y = sum of each window over its divisor; a window without taps gives 0.
pub fn sum_pool(
    geometry: &PoolGeometry,
    divisor: Divisor,
    x: &[f32],
    y: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    let (ins, outs) = geometry.check(x.len(), y.len())?;
    let factors = geometry.factors(divisor);
    each_plane(geometry, y, outs, threads, |first, y| {
        dispatch(SumPool { q: geometry, factors: &factors, x: &x[first * ins..][..y.len() / outs * ins], y });
    });
    Ok(())
}

/// Adjoint of [`sum_pool`].
pub fn sum_pool_gradient(
    geometry: &PoolGeometry,
    divisor: Divisor,
    g: &[f32],
    dx: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    let (ins, outs) = geometry.check(dx.len(), g.len())?;
    let factors = geometry.factors(divisor);
    each_plane(geometry, dx, ins, threads, |first, dx| {
        let g = &g[first * outs..][..dx.len() / ins * outs];
        dispatch(SumPoolGradient { q: geometry, factors: &factors, g, dx });
    });
    Ok(())
}

/// Hands groups of planes of `out` (`len` values each) to `work` with the index of the first.
fn each_plane(
    geometry: &PoolGeometry,
    out: &mut [f32],
    len: usize,
    threads: &Threads,
    work: impl Fn(usize, &mut [f32]) + Sync,
) {
    if len == 0 || out.is_empty() {
        return;
    }
    let size = (TASK / geometry.input.iter().product::<usize>().max(1)).max(1);
    threads.for_each_part(out, size * len, |start, out| work(start / len, out));
}

impl PoolGeometry {
    /// Refuses zero taps and wrong lengths; gives the values of an input and an output plane.
    fn check(&self, input: usize, output: usize) -> Result<(usize, usize), KernelError> {
        for (what, value) in [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            if value.contains(&0) {
                return Err(KernelError::Geometry {
                    what,
                    value: format!("{value:?}"),
                    allowed: "1 or more per axis",
                });
            }
        }
        let plane = |size: [usize; 3]| size.iter().try_fold(1usize, |all, &next| all.checked_mul(next));
        let (ins, outs) = (plane(self.input).unwrap_or(usize::MAX), plane(self.output).unwrap_or(usize::MAX));
        check_length("pool input", input, ins.saturating_mul(self.planes))?;
        check_length("pool output", output, outs.saturating_mul(self.planes))?;
        Ok((ins, outs))
    }

    /// Taps first..end of window `at` that lie inside the input.
    fn taps(&self, axis: usize, at: usize) -> (usize, usize) {
        let (start, pad, dilation) = (at * self.stride[axis], self.pad_before[axis], self.dilation[axis]);
        let first = pad.saturating_sub(start).div_ceil(dilation);
        let end = (self.input[axis] + pad).saturating_sub(start).div_ceil(dilation).min(self.kernel[axis]);
        (first.min(end), end)
    }

    /// Taps of window `at` that lie inside the input and its pads.
    fn taps_with_pad(&self, axis: usize, at: usize) -> usize {
        let size =
            self.input[axis].saturating_add(self.pad_before[axis]).saturating_add(self.pad_after[axis]);
        size.saturating_sub(at * self.stride[axis]).div_ceil(self.dilation[axis]).min(self.kernel[axis])
    }

    /// One over the divisor of each window of a plane.
    fn factors(&self, divisor: Divisor) -> Vec<f32> {
        let inside = |axis: usize, at: usize| {
            let (first, end) = self.taps(axis, at);
            end - first
        };
        let count = |axis: usize, at: usize| match divisor {
            Divisor::One => 1,
            Divisor::WithPad => self.taps_with_pad(axis, at),
            Divisor::WithoutPad => inside(axis, at),
        };
        let mut factors = Vec::with_capacity(self.output.iter().product());
        for z in 0..self.output[0] {
            for y in 0..self.output[1] {
                for x in 0..self.output[2] {
                    let taps = inside(0, z) * inside(1, y) * inside(2, x);
                    let count = count(0, z) * count(1, y) * count(2, x);
                    factors.push(if taps == 0 { 0.0 } else { 1.0 / count as f32 });
                }
            }
        }
        factors
    }

    /// Values of one remainder in a sorted row.
    fn run(&self) -> usize {
        self.output[2] + (self.kernel[2] - 1) * self.dilation[2] / self.stride[2]
    }

    /// Visits the input rows under the windows of output row (z, y): number of the row's first tap in the window, and
    /// the row's place in the plane.
    #[inline(always)]
    fn rows(&self, z: usize, y: usize, mut visit: impl FnMut(usize, usize)) {
        let (z0, z1) = self.taps(0, z);
        let (y0, y1) = self.taps(1, y);
        for tz in z0..z1 {
            let at_z = z * self.stride[0] + tz * self.dilation[0] - self.pad_before[0];
            for ty in y0..y1 {
                let at_y = y * self.stride[1] + ty * self.dilation[1] - self.pad_before[1];
                visit(
                    (tz * self.kernel[1] + ty) * self.kernel[2],
                    (at_z * self.input[1] + at_y) * self.input[2],
                );
            }
        }
    }

    /// Sorts a row by remainder: padded coordinate s i + r goes to `r * run + i`. Pads keep what `sorted` holds.
    #[inline(always)]
    fn sort(&self, row: &[f32], sorted: &mut [f32]) {
        self.sorted_places(|remainder, coordinate, from| {
            let values = row[from..].iter().step_by(self.stride[2]);
            if self.stride[2] == 1 {
                let count = sorted.len().saturating_sub(coordinate).min(row.len() - from);
                sorted[coordinate..coordinate + count].copy_from_slice(&row[from..from + count]);
            } else if self.stride[2] == 2 {
                let run = &mut sorted[remainder * self.run()..][..self.run()];
                for (to, pair) in run[coordinate..].iter_mut().zip(row[from..].chunks(2)) {
                    *to = pair[0];
                }
            } else {
                let run = &mut sorted[remainder * self.run()..][..self.run()];
                run[coordinate..].iter_mut().zip(values).for_each(|(to, value)| *to = *value);
            }
        });
    }

    /// Adds a sorted row back to a row.
    #[inline(always)]
    fn add_sorted(&self, sorted: &[f32], row: &mut [f32]) {
        self.sorted_places(|remainder, coordinate, from| {
            let run = &sorted[remainder * self.run()..][..self.run()];
            if self.stride[2] == 1 {
                row[from..].iter_mut().zip(&run[coordinate..]).for_each(|(to, value)| *to += value);
            } else {
                let row = row[from..].iter_mut().step_by(self.stride[2]);
                row.zip(&run[coordinate..]).for_each(|(to, value)| *to += value);
            }
        });
    }

    /// Visits (remainder, first place in its run, first coordinate in the row).
    #[inline(always)]
    fn sorted_places(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let (stride, pad) = (self.stride[2], self.pad_before[2]);
        for remainder in 0..stride {
            let first = pad.saturating_sub(remainder).div_ceil(stride);
            let from = first * stride + remainder - pad;
            if from < self.input[2] && first < self.run() {
                visit(remainder, first, from);
            }
        }
    }

    /// Where in a sorted row the values under tap `tap` of all windows of the row are.
    #[inline(always)]
    fn under(&self, tap: usize) -> std::ops::Range<usize> {
        let at = tap * self.dilation[2];
        let start = at % self.stride[2] * self.run() + at / self.stride[2];
        start..start + self.output[2]
    }

    /// Per tap, its offset in the plane from the window's start, the pads taken off.
    fn places(&self) -> Vec<isize> {
        let step =
            |axis: usize, tap: usize| (tap * self.dilation[axis]) as isize - self.pad_before[axis] as isize;
        let mut places = Vec::with_capacity(self.kernel.iter().product());
        for z in 0..self.kernel[0] {
            for y in 0..self.kernel[1] {
                let row = (step(0, z) * self.input[1] as isize + step(1, y)) * self.input[2] as isize;
                places.extend((0..self.kernel[2]).map(|x| row + step(2, x)));
            }
        }
        places
    }

    /// One window over the whole plane: its values are contiguous.
    fn is_global(&self) -> bool {
        self.output == [1; 3]
            && self.dilation == [1; 3]
            && (0..3).all(|axis| self.taps(axis, 0) == (0, self.input[axis]))
    }
}

/// Whether `value` replaces the greatest so far: it is greater, or the first NaN.
#[inline(always)]
fn replaces(value: f32, best: f32) -> bool {
    value > best || (value.is_nan() && !best.is_nan())
}

struct MaxPool<'a> {
    q: &'a PoolGeometry,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for MaxPool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let q = self.q;
        let mut sorted = vec![f32::NEG_INFINITY; q.run() * q.stride[2]];
        let planes = self.x.chunks_exact(q.input.iter().product());
        for (x, y) in planes.zip(self.y.chunks_exact_mut(q.output.iter().product())) {
            for (at, best) in y.chunks_exact_mut(q.output[2]).enumerate() {
                best.fill(f32::NEG_INFINITY);
                q.rows(at / q.output[1], at % q.output[1], |_, row| {
                    q.sort(&x[row..row + q.input[2]], &mut sorted);
                    for tap in 0..q.kernel[2] {
                        for (best, &value) in best.iter_mut().zip(&sorted[q.under(tap)]) {
                            *best = if replaces(value, *best) { value } else { *best };
                        }
                    }
                });
            }
        }
    }
}

struct MaxPoolGradient<'a> {
    q: &'a PoolGeometry,
    x: &'a [f32],
    g: &'a [f32],
    dx: &'a mut [f32],
}

/// No tap was greater than -inf.
const NONE: u32 = u32::MAX;

impl Kernel for MaxPoolGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let q = self.q;
        let (ins, outs) = (q.input.iter().product::<usize>(), q.output.iter().product::<usize>());
        if outs == 0 {
            self.dx.fill(0.0);
            return;
        }
        let mut sorted = vec![f32::NEG_INFINITY; q.run() * q.stride[2]];
        let mut best = vec![0f32; q.output[2]];
        let mut winner = vec![NONE; q.output[2]];
        let places = q.places();
        let planes = self.x.chunks_exact(ins).zip(self.g.chunks_exact(outs));
        for ((x, g), dx) in planes.zip(self.dx.chunks_exact_mut(ins)) {
            dx.fill(0.0);
            for (at, g) in g.chunks_exact(q.output[2]).enumerate() {
                let (z, y) = (at / q.output[1], at % q.output[1]);
                best.fill(f32::NEG_INFINITY);
                winner.fill(NONE);
                q.rows(z, y, |first, row| {
                    q.sort(&x[row..row + q.input[2]], &mut sorted);
                    for tap in 0..q.kernel[2] {
                        let number = (first + tap) as u32;
                        let bests = best.iter_mut().zip(&mut winner);
                        for ((best, winner), &value) in bests.zip(&sorted[q.under(tap)]) {
                            let wins = replaces(value, *best);
                            *best = if wins { value } else { *best };
                            *winner = if wins { number } else { *winner };
                        }
                    }
                });
                scatter(q, [z, y], &places, &winner, g, dx);
            }
        }
    }
}

/// Adds the gradients of one row of windows at their winners. `places` has the offset of each tap from the first.
#[inline(always)]
fn scatter(q: &PoolGeometry, at: [usize; 2], places: &[isize], winner: &[u32], g: &[f32], dx: &mut [f32]) {
    let [z, y] = at;
    let row = ((z * q.stride[0] * q.input[1] + y * q.stride[1]) * q.input[2]) as isize;
    for (x, (&winner, &g)) in winner.iter().zip(g).enumerate() {
        let tap = if winner != NONE {
            winner as usize
        } else {
            // Nothing above -inf: the first tap inside wins, if there is one.
            let taps = [q.taps(0, z), q.taps(1, y), q.taps(2, x)];
            if taps.iter().any(|taps| taps.0 == taps.1) {
                continue;
            }
            (taps[0].0 * q.kernel[1] + taps[1].0) * q.kernel[2] + taps[2].0
        };
        // A winner lies inside, so the sum is not negative.
        dx[(row + (x * q.stride[2]) as isize + places[tap]) as usize] += g;
    }
}

struct SumPool<'a> {
    q: &'a PoolGeometry,
    factors: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for SumPool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let q = self.q;
        let (ins, outs) = (q.input.iter().product::<usize>(), q.output.iter().product::<usize>());
        if ins == 0 {
            self.y.fill(0.0);
            return;
        }
        let mut sorted = vec![0f32; q.run() * q.stride[2]];
        for (x, y) in self.x.chunks_exact(ins).zip(self.y.chunks_exact_mut(outs)) {
            if q.is_global() {
                y[0] = total(x) * self.factors[0];
                continue;
            }
            y.fill(0.0);
            for (at, sum) in y.chunks_exact_mut(q.output[2]).enumerate() {
                q.rows(at / q.output[1], at % q.output[1], |_, row| {
                    q.sort(&x[row..row + q.input[2]], &mut sorted);
                    for tap in 0..q.kernel[2] {
                        sum.iter_mut().zip(&sorted[q.under(tap)]).for_each(|(sum, value)| *sum += value);
                    }
                });
            }
            y.iter_mut().zip(self.factors).for_each(|(y, factor)| *y *= factor);
        }
    }
}

/// Sum in 32 interleaved parts.
#[inline(always)]
fn total(values: &[f32]) -> f32 {
    let mut parts = [0f32; 32];
    let mut chunks = values.chunks_exact(32);
    for chunk in &mut chunks {
        parts.iter_mut().zip(chunk).for_each(|(part, value)| *part += value);
    }
    parts.iter_mut().zip(chunks.remainder()).for_each(|(part, value)| *part += value);
    for half in [16, 8, 4, 2, 1] {
        for index in 0..half {
            parts[index] += parts[index + half];
        }
    }
    parts[0]
}

struct SumPoolGradient<'a> {
    q: &'a PoolGeometry,
    factors: &'a [f32],
    g: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for SumPoolGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        let q = self.q;
        let (ins, outs) = (q.input.iter().product::<usize>(), q.output.iter().product::<usize>());
        if outs == 0 {
            self.dx.fill(0.0);
            return;
        }
        let mut sorted = vec![0f32; q.run() * q.stride[2]];
        let mut scaled = vec![0f32; q.output[2]];
        for (g, dx) in self.g.chunks_exact(outs).zip(self.dx.chunks_exact_mut(ins)) {
            if q.is_global() {
                dx.fill(g[0] * self.factors[0]);
                continue;
            }
            dx.fill(0.0);
            let rows = g.chunks_exact(q.output[2]).zip(self.factors.chunks_exact(q.output[2]));
            for (at, (g, factors)) in rows.enumerate() {
                let products = g.iter().zip(factors).map(|(g, factor)| g * factor);
                scaled.iter_mut().zip(products).for_each(|(to, product)| *to = product);
                sorted.fill(0.0);
                for tap in 0..q.kernel[2] {
                    sorted[q.under(tap)].iter_mut().zip(&scaled).for_each(|(sum, value)| *sum += value);
                }
                q.rows(at / q.output[1], at % q.output[1], |_, row| {
                    q.add_sorted(&sorted, &mut dx[row..row + q.input[2]]);
                });
            }
        }
    }
}
