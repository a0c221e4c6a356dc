//! Softmax and RMS norm along the last axis, and their gradients.
#![allow(unsafe_code, reason = "vector loads and stores in rows of checked length")]

use super::math::exp;
use super::simd::{Kernel, LANES, Lanes, MOST_LANES, Simd, dispatch_wide};
use super::{KernelError, Threads, check_length};

/// Values of one task.
const TASK: usize = 8 << 10;

/// Turns each row of `length` values into its softmax.
pub fn softmax(length: usize, values: &mut [f32], threads: &Threads) -> Result<(), KernelError> {
    rows(length, &Softmax { log: false }, None, values, threads)
}

/// Turns the gradient `g` of y into that of x, for [`softmax`] with output `y`.
pub fn softmax_gradient(
    length: usize,
    y: &[f32],
    g: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &SoftmaxGradient { log: false }, Some(y), g, threads)
}

/// Turns each row of `length` values into the logarithm of its softmax.
pub fn log_softmax(length: usize, values: &mut [f32], threads: &Threads) -> Result<(), KernelError> {
    rows(length, &Softmax { log: true }, None, values, threads)
}

/// Turns the gradient `g` of y into that of x, for [`log_softmax`] with output `y`.
pub fn log_softmax_gradient(
    length: usize,
    y: &[f32],
    g: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &SoftmaxGradient { log: true }, Some(y), g, threads)
}

/// y = x / sqrt(mean(x^2) + epsilon) along rows of `length` values (Zhang and Sennrich 2019).
pub fn rms_norm(
    length: usize,
    epsilon: f32,
    x: &[f32],
    y: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &RmsNorm { epsilon }, Some(x), y, threads)
}

/// Turns the gradient `g` of y into that of x, for [`rms_norm`] with input `x`.
pub fn rms_norm_gradient(
    length: usize,
    epsilon: f32,
    x: &[f32],
    g: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &RmsNormGradient { epsilon }, Some(x), g, threads)
}

/// What happens to one row.
trait Row: Sync {
    /// `x` is empty where the computation works in place; gradients find the gradient of the row's result in `out`.
    fn run<S: Simd>(&self, x: &[f32], out: &mut [f32]);
}

fn rows<R: Row>(
    length: usize,
    row: &R,
    x: Option<&[f32]>,
    out: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    check_length("input", x.map_or(out.len(), <[f32]>::len), out.len())?;
    if out.is_empty() {
        return Ok(());
    }
    check_length("rows", out.len(), out.len() / length.max(1) * length)?;
    threads.for_each_part(out, (TASK / length).max(1) * length, |start, out| {
        let x = x.map(|x| &x[start..start + out.len()]);
        dispatch_wide(Rows { row, length, x, out });
    });
    Ok(())
}

struct Rows<'a, R> {
    row: &'a R,
    length: usize,
    x: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl<R: Row> Kernel for Rows<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        for (index, out) in self.out.chunks_exact_mut(self.length).enumerate() {
            let x = match self.x {
                Some(x) => &x[index * self.length..(index + 1) * self.length],
                None => &[],
            };
            self.row.run::<S>(x, out);
        }
    }
}

/// The lanes of a row from `at` on; `fill` beyond its end.
#[inline(always)]
fn get<S: Lanes>(row: &[f32], at: usize, fill: f32) -> S::V {
    if at + S::COUNT <= row.len() {
        // SAFETY: as just checked.
        return unsafe { S::load(row.as_ptr().add(at)) };
    }
    let mut lanes = [fill; MOST_LANES];
    lanes[..row.len() - at].copy_from_slice(&row[at..]);
    // SAFETY: the array has the floats of any vector.
    unsafe { S::load(lanes.as_ptr()) }
}

/// Writes lanes to a row from `at` on, as far as it goes.
#[inline(always)]
fn put<S: Lanes>(row: &mut [f32], at: usize, value: S::V) {
    if at + S::COUNT <= row.len() {
        // SAFETY: as just checked.
        unsafe { S::store(row.as_mut_ptr().add(at), value) };
        return;
    }
    let mut lanes = [0f32; MOST_LANES];
    // SAFETY: the array has room for any vector.
    unsafe { S::store(lanes.as_mut_ptr(), value) };
    let rest = row.len() - at;
    row[at..].copy_from_slice(&lanes[..rest]);
}

struct Softmax {
    log: bool,
}

/// x becomes e^(x - greatest).
#[inline(always)]
fn shifted_powers<S: Lanes>(values: &mut [f32], greatest: f32) {
    for at in (0..values.len()).step_by(S::COUNT) {
        let shifted = S::sub(get::<S>(values, at, f32::NEG_INFINITY), S::splat(greatest));
        put::<S>(values, at, exp::<S>(shifted));
    }
}

impl Row for Softmax {
    #[inline(always)]
    fn run<S: Simd>(&self, _x: &[f32], y: &mut [f32]) {
        let mut greatest = S::splat(f32::NEG_INFINITY);
        for at in (0..y.len()).step_by(LANES) {
            greatest = S::max(get::<S>(y, at, f32::NEG_INFINITY), greatest);
        }
        let greatest = S::greatest(greatest);
        let mut sum = S::splat(0.0);
        if self.log {
            for at in (0..y.len()).step_by(LANES) {
                let shifted = S::sub(get::<S>(y, at, f32::NEG_INFINITY), S::splat(greatest));
                sum = S::add(sum, exp::<S>(shifted));
                put::<S>(y, at, shifted);
            }
        } else {
            shifted_powers::<S::Most>(y, greatest);
            for at in (0..y.len()).step_by(LANES) {
                sum = S::add(sum, get::<S>(y, at, 0.0));
            }
        }
        let sum = S::sum(sum);
        let (factor, shift) = if self.log { (1.0, -sum.ln()) } else { (1.0 / sum, 0.0) };
        for at in (0..y.len()).step_by(LANES) {
            let value = S::fma(get::<S>(y, at, 0.0), S::splat(factor), S::splat(shift));
            put::<S>(y, at, value);
        }
    }
}

/// `x` is the softmax's output.
struct SoftmaxGradient {
    log: bool,
}

impl Row for SoftmaxGradient {
    #[inline(always)]
    fn run<S: Simd>(&self, y: &[f32], g: &mut [f32]) {
        let mut sum = S::splat(0.0);
        for at in (0..y.len()).step_by(LANES) {
            let g = get::<S>(g, at, 0.0);
            sum = if self.log { S::add(sum, g) } else { S::fma(g, get::<S>(y, at, 0.0), sum) };
        }
        let sum = S::splat(S::sum(sum));
        for at in (0..y.len()).step_by(LANES) {
            let (old, y) = (get::<S>(g, at, 0.0), get::<S>(y, at, 0.0));
            let value =
                if self.log { S::sub(old, S::mul(exp::<S>(y), sum)) } else { S::mul(y, S::sub(old, sum)) };
            put::<S>(g, at, value);
        }
    }
}

/// 1 / sqrt(mean(x^2) + epsilon).
#[inline(always)]
fn scale<S: Simd>(x: &[f32], epsilon: f32) -> f32 {
    let mut squares = S::splat(0.0);
    for at in (0..x.len()).step_by(LANES) {
        let x = get::<S>(x, at, 0.0);
        squares = S::fma(x, x, squares);
    }
    1.0 / (S::sum(squares) / x.len() as f32 + epsilon).sqrt()
}

struct RmsNorm {
    epsilon: f32,
}

impl Row for RmsNorm {
    #[inline(always)]
    fn run<S: Simd>(&self, x: &[f32], y: &mut [f32]) {
        let scale = S::splat(scale::<S>(x, self.epsilon));
        for at in (0..x.len()).step_by(LANES) {
            put::<S>(y, at, S::mul(get::<S>(x, at, 0.0), scale));
        }
    }
}

/// With r = 1 / sqrt(mean(x^2) + epsilon) the gradient of x is r (g - r^2 mean(g x) x).
struct RmsNormGradient {
    epsilon: f32,
}

impl Row for RmsNormGradient {
    #[inline(always)]
    fn run<S: Simd>(&self, x: &[f32], g: &mut [f32]) {
        let scale = scale::<S>(x, self.epsilon);
        let mut dot = S::splat(0.0);
        for at in (0..x.len()).step_by(LANES) {
            dot = S::fma(get::<S>(g, at, 0.0), get::<S>(x, at, 0.0), dot);
        }
        let slope = S::splat(-scale * scale * (S::sum(dot) / x.len() as f32));
        for at in (0..x.len()).step_by(LANES) {
            let rest = S::fma(get::<S>(x, at, 0.0), slope, get::<S>(g, at, 0.0));
            put::<S>(g, at, S::mul(rest, S::splat(scale)));
        }
    }
}
