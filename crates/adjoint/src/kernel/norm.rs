//! Softmax, layer norm and RMS norm along the last axis, and their gradients.
#![allow(
    unsafe_code,
    reason = "vector loads and stores in rows of checked length; threads write disjoint rows"
)]

use super::math::exp;
use super::simd::{Kernel, LANES, Simd, dispatch};
use super::threads::SharedMut;
use super::{KernelError, Threads, check_length};

/// Values of one task.
const TASK: usize = 8 << 10;

/// y = softmax of each row of `length` values of x.
pub fn softmax(length: usize, x: &[f32], y: &mut [f32], threads: &Threads) -> Result<(), KernelError> {
    rows(length, &Softmax { log: false }, x, None, y, threads)
}

/// dx of [`softmax`] from its output `y` and the gradient `g` of y.
pub fn softmax_gradient(
    length: usize,
    y: &[f32],
    g: &[f32],
    dx: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &SoftmaxGradient { log: false }, y, Some(g), dx, threads)
}

/// y = log softmax of each row of `length` values of x.
pub fn log_softmax(length: usize, x: &[f32], y: &mut [f32], threads: &Threads) -> Result<(), KernelError> {
    rows(length, &Softmax { log: true }, x, None, y, threads)
}

/// dx of [`log_softmax`] from its output `y` and the gradient `g` of y.
pub fn log_softmax_gradient(
    length: usize,
    y: &[f32],
    g: &[f32],
    dx: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &SoftmaxGradient { log: true }, y, Some(g), dx, threads)
}

/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias along rows of `length` values (Ba et al. 2016).
pub fn layer_norm(
    length: usize,
    epsilon: f32,
    weight: Option<&[f32]>,
    bias: Option<&[f32]>,
    x: &[f32],
    y: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    check_length("bias", bias.map_or(length, <[f32]>::len), length)?;
    rows(length, &Norm { centred: true, epsilon, weight, bias }, x, None, y, threads)
}

/// dx of [`layer_norm`] from its input `x` and the gradient `g` of y.
pub fn layer_norm_gradient(
    length: usize,
    epsilon: f32,
    weight: Option<&[f32]>,
    x: &[f32],
    g: &[f32],
    dx: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &NormGradient { centred: true, epsilon, weight }, x, Some(g), dx, threads)
}

/// y = x / sqrt(mean(x^2) + epsilon) * weight along rows of `length` values (Zhang and Sennrich 2019).
pub fn rms_norm(
    length: usize,
    epsilon: f32,
    weight: Option<&[f32]>,
    x: &[f32],
    y: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &Norm { centred: false, epsilon, weight, bias: None }, x, None, y, threads)
}

/// dx of [`rms_norm`] from its input `x` and the gradient `g` of y.
pub fn rms_norm_gradient(
    length: usize,
    epsilon: f32,
    weight: Option<&[f32]>,
    x: &[f32],
    g: &[f32],
    dx: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    rows(length, &NormGradient { centred: false, epsilon, weight }, x, Some(g), dx, threads)
}

/// What happens to one row.
trait Row: Sync {
    fn weight(&self) -> Option<&[f32]>;
    /// `g` is empty where the computation has none.
    fn run<S: Simd>(&self, x: &[f32], g: &[f32], out: &mut [f32]);
}

fn rows<R: Row>(
    length: usize,
    row: &R,
    x: &[f32],
    g: Option<&[f32]>,
    out: &mut [f32],
    threads: &Threads,
) -> Result<(), KernelError> {
    check_length("output", out.len(), x.len())?;
    check_length("gradient", g.map_or(x.len(), <[f32]>::len), x.len())?;
    check_length("weight", row.weight().map_or(length, <[f32]>::len), length)?;
    if x.is_empty() {
        return Ok(());
    }
    check_length("rows", x.len(), x.len() / length.max(1) * length)?;
    let size = (TASK / length).max(1) * length;
    let shared = SharedMut::new(out);
    threads.for_each(x.len().div_ceil(size), |task, _| {
        let range = task * size..((task + 1) * size).min(x.len());
        // SAFETY: tasks own disjoint rows.
        let out = unsafe { shared.part(range.start, range.len()) };
        dispatch(Rows { row, length, x: &x[range.clone()], g: g.map_or(&[], |g| &g[range]), out });
    });
    Ok(())
}

struct Rows<'a, R> {
    row: &'a R,
    length: usize,
    x: &'a [f32],
    g: &'a [f32],
    out: &'a mut [f32],
}

impl<R: Row> Kernel for Rows<'_, R> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        for (index, out) in self.out.chunks_exact_mut(self.length).enumerate() {
            let range = index * self.length..(index + 1) * self.length;
            let g = if self.g.is_empty() { &[] } else { &self.g[range.clone()] };
            self.row.run::<S>(&self.x[range], g, out);
        }
    }
}

/// Lanes `at..at + 8` of a row; `fill` beyond its end.
#[inline(always)]
fn get<S: Simd>(row: &[f32], at: usize, fill: f32) -> S::V {
    if at + LANES <= row.len() {
        // SAFETY: as just checked.
        return unsafe { S::load(row.as_ptr().add(at)) };
    }
    let mut lanes = [fill; LANES];
    lanes[..row.len() - at].copy_from_slice(&row[at..]);
    // SAFETY: the array has eight floats.
    unsafe { S::load(lanes.as_ptr()) }
}

/// Writes lanes `at..at + 8` of a row as far as it goes.
#[inline(always)]
fn put<S: Simd>(row: &mut [f32], at: usize, value: S::V) {
    if at + LANES <= row.len() {
        // SAFETY: as just checked.
        unsafe { S::store(row.as_mut_ptr().add(at), value) };
        return;
    }
    let rest = row.len() - at;
    row[at..].copy_from_slice(&S::to_array(value)[..rest]);
}

/// Optional factors of a row: ones where there are none.
#[inline(always)]
fn get_or_one<S: Simd>(row: Option<&[f32]>, at: usize) -> S::V {
    row.map_or(S::splat(1.0), |row| get::<S>(row, at, 0.0))
}

struct Softmax {
    log: bool,
}

impl Row for Softmax {
    fn weight(&self) -> Option<&[f32]> {
        None
    }

    #[inline(always)]
    fn run<S: Simd>(&self, x: &[f32], _g: &[f32], y: &mut [f32]) {
        let mut greatest = S::splat(f32::NEG_INFINITY);
        for at in (0..x.len()).step_by(LANES) {
            greatest = S::max(get::<S>(x, at, f32::NEG_INFINITY), greatest);
        }
        let greatest = S::splat(S::greatest(greatest));
        let mut sum = S::splat(0.0);
        for at in (0..x.len()).step_by(LANES) {
            let shifted = S::sub(get::<S>(x, at, f32::NEG_INFINITY), greatest);
            let power = exp::<S>(shifted);
            sum = S::add(sum, power);
            put::<S>(y, at, if self.log { shifted } else { power });
        }
        let sum = S::sum(sum);
        let (factor, shift) = if self.log { (1.0, -sum.ln()) } else { (1.0 / sum, 0.0) };
        for at in (0..x.len()).step_by(LANES) {
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
    fn weight(&self) -> Option<&[f32]> {
        None
    }

    #[inline(always)]
    fn run<S: Simd>(&self, y: &[f32], g: &[f32], dx: &mut [f32]) {
        let mut sum = S::splat(0.0);
        for at in (0..y.len()).step_by(LANES) {
            let g = get::<S>(g, at, 0.0);
            sum = if self.log { S::add(sum, g) } else { S::fma(g, get::<S>(y, at, 0.0), sum) };
        }
        let sum = S::splat(S::sum(sum));
        for at in (0..y.len()).step_by(LANES) {
            let (g, y) = (get::<S>(g, at, 0.0), get::<S>(y, at, 0.0));
            let value =
                if self.log { S::sub(g, S::mul(exp::<S>(y), sum)) } else { S::mul(y, S::sub(g, sum)) };
            put::<S>(dx, at, value);
        }
    }
}

/// Mean (0 where not centred) and 1 / sqrt(mean square of the rest + epsilon).
#[inline(always)]
fn moments<S: Simd>(x: &[f32], centred: bool, epsilon: f32) -> (f32, f32) {
    let count = x.len() as f32;
    let mut sum = S::splat(0.0);
    if centred {
        for at in (0..x.len()).step_by(LANES) {
            sum = S::add(sum, get::<S>(x, at, 0.0));
        }
    }
    let mean = S::sum(sum) / count;
    let mut squares = S::splat(0.0);
    for at in (0..x.len()).step_by(LANES) {
        let rest = S::sub(get::<S>(x, at, mean), S::splat(mean));
        squares = S::fma(rest, rest, squares);
    }
    (mean, 1.0 / (S::sum(squares) / count + epsilon).sqrt())
}

struct Norm<'a> {
    centred: bool,
    epsilon: f32,
    weight: Option<&'a [f32]>,
    bias: Option<&'a [f32]>,
}

impl Row for Norm<'_> {
    fn weight(&self) -> Option<&[f32]> {
        self.weight
    }

    #[inline(always)]
    fn run<S: Simd>(&self, x: &[f32], _g: &[f32], y: &mut [f32]) {
        let (mean, scale) = moments::<S>(x, self.centred, self.epsilon);
        for at in (0..x.len()).step_by(LANES) {
            let normal = S::mul(S::sub(get::<S>(x, at, 0.0), S::splat(mean)), S::splat(scale));
            let bias = self.bias.map_or(S::splat(0.0), |bias| get::<S>(bias, at, 0.0));
            put::<S>(y, at, S::fma(normal, get_or_one::<S>(self.weight, at), bias));
        }
    }
}

struct NormGradient<'a> {
    centred: bool,
    epsilon: f32,
    weight: Option<&'a [f32]>,
}

impl Row for NormGradient<'_> {
    fn weight(&self) -> Option<&[f32]> {
        self.weight
    }

    /// With n the normalised row and h = g * weight: dx = (h - mean(h) - n mean(n h)) * scale, without mean(h) where
    /// the norm is not centred.
    #[inline(always)]
    fn run<S: Simd>(&self, x: &[f32], g: &[f32], dx: &mut [f32]) {
        let (mean, scale) = moments::<S>(x, self.centred, self.epsilon);
        let count = x.len() as f32;
        let normal = |at: usize| S::mul(S::sub(get::<S>(x, at, mean), S::splat(mean)), S::splat(scale));
        let weighted = |at: usize| S::mul(get::<S>(g, at, 0.0), get_or_one::<S>(self.weight, at));
        let (mut sum, mut dot) = (S::splat(0.0), S::splat(0.0));
        for at in (0..x.len()).step_by(LANES) {
            let h = weighted(at);
            sum = S::add(sum, h);
            dot = S::fma(h, normal(at), dot);
        }
        let shift = S::splat(if self.centred { S::sum(sum) / count } else { 0.0 });
        let slope = S::splat(-S::sum(dot) / count);
        for at in (0..x.len()).step_by(LANES) {
            let rest = S::fma(normal(at), slope, S::sub(weighted(at), shift));
            put::<S>(dx, at, S::mul(rest, S::splat(scale)));
        }
    }
}
