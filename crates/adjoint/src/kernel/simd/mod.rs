//! Eight f32 lanes behind one trait: AVX2 + FMA where the processor has them, plain arrays elsewhere.
//!
//! A kernel is written once, generic over [`Simd`], and handed to [`dispatch`], which compiles it twice and chooses at
//! run time. The plain form is an array of eight floats: compilers turn its loops into two NEON or SSE registers.
//! Matrix products work on pairs of vectors and go to [`dispatch_wide`], where AVX-512 makes a pair one register; so does
//! what is done to each element by itself, on vectors of [`Simd::Most`] lanes.
#![allow(
    unsafe_code,
    reason = "vector loads and stores through pointers, and calls into code compiled for AVX2"
)]

/// Lanes of a vector.
pub(crate) const LANES: usize = 8;

/// The most lanes of any vector.
pub(crate) const MOST_LANES: usize = 16;

/// Arithmetic on the lanes of a vector. What is done to a lane does not depend on how many there are.
///
/// All functions are `inline(always)` so that they take the instruction set of the function that [`dispatch`] compiled.
/// A closure between them is not: code that calls them from one must be a function instead.
pub(crate) trait Lanes: Copy + Send + Sync + 'static {
    type V: Copy;
    /// How many.
    const COUNT: usize;

    fn splat(value: f32) -> Self::V;
    /// # Safety
    /// COUNT floats can be read at `pointer`.
    unsafe fn load(pointer: *const f32) -> Self::V;
    /// # Safety
    /// COUNT floats can be written at `pointer`.
    unsafe fn store(pointer: *mut f32, value: Self::V);
    fn add(a: Self::V, b: Self::V) -> Self::V;
    fn sub(a: Self::V, b: Self::V) -> Self::V;
    fn mul(a: Self::V, b: Self::V) -> Self::V;
    fn div(a: Self::V, b: Self::V) -> Self::V;
    /// a * b + c; rounded once with FMA, twice without.
    fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// a where a > b, else b (so b where either is NaN).
    fn max(a: Self::V, b: Self::V) -> Self::V;
    /// a where a < b, else b (so b where either is NaN).
    fn min(a: Self::V, b: Self::V) -> Self::V;
    /// Nearest integer, ties to even.
    fn round(a: Self::V) -> Self::V;
    /// `then` where a > b, else `otherwise`.
    fn where_greater(a: Self::V, b: Self::V, then: Self::V, otherwise: Self::V) -> Self::V;
    /// 2^n for integral n in -126..=127.
    fn exp2_integer(n: Self::V) -> Self::V;
    /// Magnitude.
    fn abs(a: Self::V) -> Self::V;
    /// Magnitude of a with the sign of b.
    fn copy_sign(a: Self::V, b: Self::V) -> Self::V;
}

/// Eight lanes, pairs of such vectors, and what needs to know how many lanes there are.
pub(crate) trait Simd: Lanes {
    /// The most lanes that a register holds: for work on each element by itself.
    type Most: Lanes;
    /// Two vectors, for matrix products.
    type Pair: Copy;
    /// Whether registers hold the sums of twelve rows of a pair.
    const WIDE: bool = false;

    /// # Safety
    /// Sixteen floats can be read at `pointer`.
    unsafe fn load_pair(pointer: *const f32) -> Self::Pair;
    /// # Safety
    /// Sixteen floats can be written at `pointer`.
    unsafe fn store_pair(pointer: *mut f32, value: Self::Pair);
    fn splat_pair(value: f32) -> Self::Pair;
    fn add_pair(a: Self::Pair, b: Self::Pair) -> Self::Pair;
    /// a * b + c, as [`Lanes::fma`].
    fn fma_pair(a: Self::Pair, b: Self::Pair, c: Self::Pair) -> Self::Pair;
    fn halves(pair: Self::Pair) -> [Self::V; 2];

    /// Asks for the cache line at `pointer`, which need not be readable.
    #[inline(always)]
    fn prefetch(pointer: *const f32) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint; it never faults.
        unsafe {
            std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(pointer.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = pointer;
    }

    /// The eight lanes as an array.
    fn to_array(a: Self::V) -> [f32; LANES];

    /// Sum of the lanes, in a fixed order.
    #[inline(always)]
    fn sum(a: Self::V) -> f32 {
        let v = Self::to_array(a);
        ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
    }

    /// Greatest lane.
    #[inline(always)]
    fn greatest(a: Self::V) -> f32 {
        Self::to_array(a).into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    /// Transposes an 8 x 8 block of rows.
    #[inline(always)]
    fn transpose(rows: [Self::V; LANES]) -> [Self::V; LANES] {
        let from = rows.map(Self::to_array);
        let mut to = [[0f32; LANES]; LANES];
        for (r, row) in from.iter().enumerate() {
            for (c, value) in row.iter().enumerate() {
                to[c][r] = *value;
            }
        }
        // SAFETY: each row of `to` has eight floats.
        to.map(|row| unsafe { Self::load(row.as_ptr()) })
    }
}

/// A computation that can be compiled for any [`Simd`].
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self) -> Self::Output;
}

/// Runs `kernel` with the best lanes of this processor.
#[inline]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both.
        return unsafe { avx::run(kernel) };
    }
    kernel.run::<Portable>()
}

/// Whether [`dispatch_wide`] works with registers of sixteen lanes here.
pub(crate) fn is_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// As [`dispatch`], for kernels whose time goes into products of pairs. The bits are those of [`dispatch`].
#[inline]
pub(crate) fn dispatch_wide<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if is_wide() {
        // SAFETY: the processor has both; AVX-512 includes AVX2.
        return unsafe { avx::run_wide(kernel) };
    }
    dispatch(kernel)
}

/// Pairs as two vectors.
macro_rules! pair_of_two {
    () => {
        type Pair = [Self::V; 2];

        #[inline(always)]
        unsafe fn load_pair(pointer: *const f32) -> Self::Pair {
            // SAFETY: the caller's promise.
            unsafe { [Self::load(pointer), Self::load(pointer.add(LANES))] }
        }
        #[inline(always)]
        unsafe fn store_pair(pointer: *mut f32, value: Self::Pair) {
            // SAFETY: the caller's promise.
            unsafe {
                Self::store(pointer, value[0]);
                Self::store(pointer.add(LANES), value[1]);
            }
        }
        #[inline(always)]
        fn splat_pair(value: f32) -> Self::Pair {
            [Self::splat(value); 2]
        }
        #[inline(always)]
        fn add_pair(a: Self::Pair, b: Self::Pair) -> Self::Pair {
            [Self::add(a[0], b[0]), Self::add(a[1], b[1])]
        }
        #[inline(always)]
        fn fma_pair(a: Self::Pair, b: Self::Pair, c: Self::Pair) -> Self::Pair {
            [Self::fma(a[0], b[0], c[0]), Self::fma(a[1], b[1], c[1])]
        }
        #[inline(always)]
        fn halves(pair: Self::Pair) -> [Self::V; 2] {
            pair
        }
    };
}

// Behind the macro that it uses.
#[cfg(target_arch = "x86_64")]
mod avx;

/// Eight floats in an array.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn zip(a: [f32; LANES], b: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> [f32; LANES] {
    let mut out = [0f32; LANES];
    for lane in 0..LANES {
        out[lane] = f(a[lane], b[lane]);
    }
    out
}

impl Lanes for Portable {
    type V = [f32; LANES];
    const COUNT: usize = LANES;

    #[inline(always)]
    fn splat(value: f32) -> Self::V {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn load(pointer: *const f32) -> Self::V {
        // SAFETY: the caller's promise; the read needs no alignment beyond f32's.
        unsafe { pointer.cast::<[f32; LANES]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(pointer: *mut f32, value: Self::V) {
        // SAFETY: the caller's promise.
        unsafe { pointer.cast::<[f32; LANES]>().write_unaligned(value) }
    }
    #[inline(always)]
    fn add(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        let mut out = c;
        for lane in 0..LANES {
            // mul_add is one instruction on AArch64 and a slow library call where the baseline has no FMA.
            #[cfg(target_arch = "aarch64")]
            {
                out[lane] = a[lane].mul_add(b[lane], c[lane]);
            }
            #[cfg(not(target_arch = "aarch64"))]
            {
                out[lane] += a[lane] * b[lane];
            }
        }
        out
    }
    #[inline(always)]
    fn max(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn round(a: Self::V) -> Self::V {
        a.map(f32::round_ties_even)
    }
    #[inline(always)]
    fn where_greater(a: Self::V, b: Self::V, then: Self::V, otherwise: Self::V) -> Self::V {
        let mut out = otherwise;
        for lane in 0..LANES {
            out[lane] = if a[lane] > b[lane] { then[lane] } else { otherwise[lane] };
        }
        out
    }
    #[inline(always)]
    fn exp2_integer(n: Self::V) -> Self::V {
        n.map(|n| f32::from_bits((((n as i32) + 127) << 23) as u32))
    }
    #[inline(always)]
    fn abs(a: Self::V) -> Self::V {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn copy_sign(a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, f32::copysign)
    }
}

impl Simd for Portable {
    type Most = Self;
    pair_of_two!();

    #[inline(always)]
    fn to_array(a: Self::V) -> [f32; LANES] {
        a
    }
}
