//! The real 16 x 16 Fourier transform of eight channels at once, for kernels of up to 9 x 9 taps after the stride's
//! phases are taken apart (overlap-save; Mathieu, Henaff and LeCun 2013).
//!
//! A real tile has 130 points that determine the rest: columns 1 to 7 whole, columns 0 and 8 (transforms of real
//! columns) up to their middle.
#![allow(unsafe_code, reason = "vector loads and stores at places that the caller vouches for")]

use super::super::simd::{LANES, Simd};
use super::phases::Phased;
use super::tiled::Transform;

/// Pixels of a tile along an axis.
pub(crate) const SIZE: usize = 16;
const HALF: usize = SIZE / 2;
/// Points of columns 1 to 7.
const WHOLE: usize = (HALF - 1) * SIZE;
const POINTS: usize = WHOLE + 2 * (HALF + 1);

/// The transform with tiles of `out` results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fourier {
    pub out: usize,
}

impl Fourier {
    /// `None` where less than half of a tile would be results.
    pub fn new(phased: &Phased) -> Option<Self> {
        let taps = phased.y.taps.max(phased.x.taps);
        (taps <= HALF + 1).then(|| Self { out: SIZE + 1 - taps })
    }
}

/// Real and imaginary parts.
#[derive(Clone, Copy)]
struct Line<S: Simd> {
    re: [S::V; SIZE],
    im: [S::V; SIZE],
}

impl<S: Simd> Line<S> {
    #[inline(always)]
    fn zero() -> Self {
        Self { re: [S::splat(0.0); SIZE], im: [S::splat(0.0); SIZE] }
    }

    /// The transform with exp(-2 pi i k n / 16).
    #[inline(always)]
    fn forward(mut self) -> Self {
        transform::<S>(&mut self.re, &mut self.im);
        self
    }

    /// The transform with exp(2 pi i k n / 16), not divided by 16.
    #[inline(always)]
    fn backward(mut self) -> Self {
        transform::<S>(&mut self.im, &mut self.re);
        self
    }
}

/// cos and -sin of 2 pi j / 16 for the products of 0..4 by 0..4.
const TWIDDLES: [(f32, f32); 10] = {
    const C: f32 = 0.923_879_5;
    const S: f32 = 0.382_683_43;
    const R: f32 = std::f32::consts::FRAC_1_SQRT_2;
    [(1.0, 0.0), (C, -S), (R, -R), (S, -C), (0.0, -1.0), (-S, -C), (-R, -R), (-C, -S), (-1.0, 0.0), (-C, S)]
};

/// Radix 4, twice: index 4 a + b to index c + 4 d.
#[inline(always)]
fn transform<S: Simd>(re: &mut [S::V; SIZE], im: &mut [S::V; SIZE]) {
    for b in 0..4 {
        let (r, i) =
            fourth::<S>([re[b], re[4 + b], re[8 + b], re[12 + b]], [im[b], im[4 + b], im[8 + b], im[12 + b]]);
        for c in 0..4 {
            let (cos, sin) = TWIDDLES[b * c];
            let (cos, sin) = (S::splat(cos), S::splat(sin));
            if b * c == 0 {
                (re[4 * c + b], im[4 * c + b]) = (r[c], i[c]);
            } else {
                re[4 * c + b] = S::sub(S::mul(r[c], cos), S::mul(i[c], sin));
                im[4 * c + b] = S::fma(r[c], sin, S::mul(i[c], cos));
            }
        }
    }
    let (from_re, from_im) = (*re, *im);
    for c in 0..4 {
        let at = 4 * c;
        let (r, i) = fourth::<S>(
            [from_re[at], from_re[at + 1], from_re[at + 2], from_re[at + 3]],
            [from_im[at], from_im[at + 1], from_im[at + 2], from_im[at + 3]],
        );
        for d in 0..4 {
            (re[c + 4 * d], im[c + 4 * d]) = (r[d], i[d]);
        }
    }
}

/// Four points.
#[inline(always)]
fn fourth<S: Simd>(re: [S::V; 4], im: [S::V; 4]) -> ([S::V; 4], [S::V; 4]) {
    let (even_re, even_im) = (S::add(re[0], re[2]), S::add(im[0], im[2]));
    let (rest_re, rest_im) = (S::sub(re[0], re[2]), S::sub(im[0], im[2]));
    let (odd_re, odd_im) = (S::add(re[1], re[3]), S::add(im[1], im[3]));
    let (turn_re, turn_im) = (S::sub(re[1], re[3]), S::sub(im[1], im[3]));
    (
        [
            S::add(even_re, odd_re),
            S::add(rest_re, turn_im),
            S::sub(even_re, odd_re),
            S::sub(rest_re, turn_im),
        ],
        [
            S::add(even_im, odd_im),
            S::sub(rest_im, turn_re),
            S::sub(even_im, odd_im),
            S::add(rest_im, turn_re),
        ],
    )
}

/// The transforms a, b of two real lines from that of a + i b, at one place: (a.re, a.im, b.re, b.im).
#[inline(always)]
fn untangle<S: Simd>(line: &Line<S>, k: usize) -> (S::V, S::V, S::V, S::V) {
    let half = S::splat(0.5);
    let mirror = (SIZE - k) % SIZE;
    let (re, im, mirror_re, mirror_im) = (line.re[k], line.im[k], line.re[mirror], line.im[mirror]);
    (
        S::mul(half, S::add(re, mirror_re)),
        S::mul(half, S::sub(im, mirror_im)),
        S::mul(half, S::add(im, mirror_im)),
        S::mul(half, S::sub(mirror_re, re)),
    )
}

/// a + i b at place k and at its mirror from the transforms of two real lines at k.
#[inline(always)]
fn tangle<S: Simd>(line: &mut Line<S>, k: usize, a: (S::V, S::V), b: (S::V, S::V)) {
    (line.re[k], line.im[k]) = (S::sub(a.0, b.1), S::add(a.1, b.0));
    let mirror = (SIZE - k) % SIZE;
    if mirror != k {
        (line.re[mirror], line.im[mirror]) = (S::add(a.0, b.1), S::sub(b.0, a.1));
    }
}

impl Transform for Fourier {
    const PAIRED: bool = true;

    fn size(&self) -> usize {
        SIZE
    }

    fn points(&self) -> usize {
        POINTS
    }

    #[inline(always)]
    unsafe fn input<S: Simd>(&self, from: *const f32, pitch: usize, to: *mut f32, point: usize, part: usize) {
        // Columns 1 to 7, and column 0 + i column 8 in place 0: both are real.
        let mut columns = [Line::<S>::zero(); HALF];
        for y in (0..SIZE).step_by(2) {
            let mut line = Line::<S>::zero();
            for x in 0..SIZE {
                // SAFETY: the tile can be read by the caller's promise.
                unsafe {
                    line.re[x] = S::load(from.add((y * pitch + x) * LANES));
                    line.im[x] = S::load(from.add(((y + 1) * pitch + x) * LANES));
                }
            }
            let line = line.forward();
            (columns[0].re[y], columns[0].re[y + 1]) = (line.re[0], line.im[0]);
            (columns[0].im[y], columns[0].im[y + 1]) = (line.re[HALF], line.im[HALF]);
            for (x, column) in columns.iter_mut().enumerate().skip(1) {
                let (a_re, a_im, b_re, b_im) = untangle(&line, x);
                (column.re[y], column.im[y], column.re[y + 1], column.im[y + 1]) = (a_re, a_im, b_re, b_im);
            }
        }
        let write = |place: usize, re: S::V, im: S::V| {
            // SAFETY: each point has a place by the caller's promise.
            unsafe {
                let to = to.add(place * point);
                S::store(to, im);
                S::store(to.add(part), re);
                S::store(to.add(2 * part), S::sub(S::splat(0.0), im));
            }
        };
        for (x, column) in columns.iter().enumerate().skip(1) {
            let line = column.forward();
            for y in 0..SIZE {
                write((x - 1) * SIZE + y, line.re[y], line.im[y]);
            }
        }
        let ends = columns[0].forward();
        for y in 0..=HALF {
            let (a_re, a_im, b_re, b_im) = untangle(&ends, y);
            write(WHOLE + y, a_re, a_im);
            write(WHOLE + HALF + 1 + y, b_re, b_im);
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(&self, from: *const f32, point: usize, row: usize, to: *mut f32, pitch: usize) {
        let read = |place: usize| {
            // SAFETY: each point has a place by the caller's promise.
            unsafe { (S::load(from.add(place * point)), S::load(from.add(place * point + row))) }
        };
        let mut columns = [Line::<S>::zero(); HALF];
        for (x, column) in columns.iter_mut().enumerate().skip(1) {
            let mut line = Line::<S>::zero();
            for y in 0..SIZE {
                (line.re[y], line.im[y]) = read((x - 1) * SIZE + y);
            }
            *column = line.backward();
        }
        let mut ends = Line::<S>::zero();
        for y in 0..=HALF {
            tangle(&mut ends, y, read(WHOLE + y), read(WHOLE + HALF + 1 + y));
        }
        columns[0] = ends.backward();
        for y in (0..self.out).step_by(2) {
            let mut line = Line::<S>::zero();
            (line.re[0], line.im[0]) = (columns[0].re[y], columns[0].re[y + 1]);
            (line.re[HALF], line.im[HALF]) = (columns[0].im[y], columns[0].im[y + 1]);
            for (x, column) in columns.iter().enumerate().skip(1) {
                tangle(&mut line, x, (column.re[y], column.im[y]), (column.re[y + 1], column.im[y + 1]));
            }
            let line = line.backward();
            for x in 0..self.out {
                // SAFETY: the tile's results are inside the stage by the caller's promise.
                unsafe {
                    S::store(to.add((y * pitch + x) * LANES), line.re[x]);
                    if y + 1 < self.out {
                        S::store(to.add(((y + 1) * pitch + x) * LANES), line.im[x]);
                    }
                }
            }
        }
    }

    /// The conjugate, because convolutions do not flip their kernels, over 256 for both transforms.
    fn kernel(&self, taps: [usize; 2], kernel: &[f64], points: &mut [f64]) {
        let turn = |index: usize| {
            let angle = std::f64::consts::TAU * (index % SIZE) as f64 / SIZE as f64;
            (angle.cos(), angle.sin())
        };
        let turns: [(f64, f64); SIZE] = std::array::from_fn(turn);
        // Along x first.
        let mut lines = [[(0f64, 0f64); HALF + 1]; SIZE];
        for (y, line) in lines[..taps[0]].iter_mut().enumerate() {
            for (k, value) in line.iter_mut().enumerate() {
                for x in 0..taps[1] {
                    let (cos, sin) = turns[k * x % SIZE];
                    let weight = kernel[y * taps[1] + x] / (SIZE * SIZE) as f64;
                    (value.0, value.1) = (value.0 + weight * cos, value.1 + weight * sin);
                }
            }
        }
        for (place, value) in points.chunks_exact_mut(2).enumerate() {
            let (k_x, k_y) = match place {
                0..WHOLE => (place / SIZE + 1, place % SIZE),
                _ => ((place - WHOLE) / (HALF + 1) * HALF, (place - WHOLE) % (HALF + 1)),
            };
            let mut sum = (0.0, 0.0);
            for (y, line) in lines[..taps[0]].iter().enumerate() {
                let ((re, im), (cos, sin)) = (line[k_x], turns[k_y * y % SIZE]);
                sum = (sum.0 + re * cos - im * sin, sum.1 + re * sin + im * cos);
            }
            (value[0], value[1]) = sum;
        }
    }
}
