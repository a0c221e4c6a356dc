//! Registers of AVX2 and of AVX-512.
#![allow(unsafe_code, reason = "intrinsics of instruction sets that the dispatch has checked for")]

use std::arch::x86_64::*;

use super::{Kernel, LANES, Lanes, MOST_LANES, Simd};

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx>()
}

/// # Safety
/// The processor has AVX-512F and FMA.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run_wide<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Wide>()
}

/// AVX2 and FMA registers. Only code inlined into [`run`] may use it.
#[derive(Clone, Copy)]
pub(crate) struct Avx;

/// Vectors of AVX2, pairs of AVX-512. Only code inlined into [`run_wide`] may use it.
#[derive(Clone, Copy)]
pub(crate) struct Wide;

macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: `Avx` and `Wide` are only reachable through `run` and `run_wide`, whose callers checked.
        unsafe { $call }
    };
}

/// What AVX2 and AVX-512 share: vectors of eight lanes.
macro_rules! eight_lanes {
    () => {
        type V = __m256;
        const COUNT: usize = LANES;

        #[inline(always)]
        fn splat(value: f32) -> __m256 {
            intrinsic!(_mm256_set1_ps(value))
        }
        #[inline(always)]
        unsafe fn load(pointer: *const f32) -> __m256 {
            intrinsic!(_mm256_loadu_ps(pointer))
        }
        #[inline(always)]
        unsafe fn store(pointer: *mut f32, value: __m256) {
            intrinsic!(_mm256_storeu_ps(pointer, value))
        }
        #[inline(always)]
        fn add(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_add_ps(a, b))
        }
        #[inline(always)]
        fn sub(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_sub_ps(a, b))
        }
        #[inline(always)]
        fn mul(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_mul_ps(a, b))
        }
        #[inline(always)]
        fn div(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_div_ps(a, b))
        }
        #[inline(always)]
        fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
            intrinsic!(_mm256_fmadd_ps(a, b, c))
        }
        #[inline(always)]
        fn max(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_max_ps(a, b))
        }
        #[inline(always)]
        fn min(a: __m256, b: __m256) -> __m256 {
            intrinsic!(_mm256_min_ps(a, b))
        }
        #[inline(always)]
        fn round(a: __m256) -> __m256 {
            intrinsic!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
        }
        #[inline(always)]
        fn where_greater(a: __m256, b: __m256, then: __m256, otherwise: __m256) -> __m256 {
            intrinsic!(_mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)))
        }
        #[inline(always)]
        fn exp2_integer(n: __m256) -> __m256 {
            intrinsic!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
                _mm256_cvtps_epi32(n),
                _mm256_set1_epi32(127)
            ))))
        }
        #[inline(always)]
        fn abs(a: __m256) -> __m256 {
            intrinsic!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
        }
        #[inline(always)]
        fn copy_sign(a: __m256, b: __m256) -> __m256 {
            intrinsic!({
                let sign = _mm256_set1_ps(-0.0);
                _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b))
            })
        }
    };
}

/// What of [`Simd`] both share.
macro_rules! eight_lanes_as_eight {
    () => {
        #[inline(always)]
        fn to_array(a: __m256) -> [f32; LANES] {
            // SAFETY: both are 32 bytes of plain floats.
            unsafe { std::mem::transmute(a) }
        }
        #[inline(always)]
        fn transpose(r: [__m256; LANES]) -> [__m256; LANES] {
            intrinsic!({
                let pairs = [
                    _mm256_unpacklo_ps(r[0], r[1]),
                    _mm256_unpackhi_ps(r[0], r[1]),
                    _mm256_unpacklo_ps(r[2], r[3]),
                    _mm256_unpackhi_ps(r[2], r[3]),
                    _mm256_unpacklo_ps(r[4], r[5]),
                    _mm256_unpackhi_ps(r[4], r[5]),
                    _mm256_unpacklo_ps(r[6], r[7]),
                    _mm256_unpackhi_ps(r[6], r[7]),
                ];
                let quads = [
                    _mm256_shuffle_ps::<0x44>(pairs[0], pairs[2]),
                    _mm256_shuffle_ps::<0xEE>(pairs[0], pairs[2]),
                    _mm256_shuffle_ps::<0x44>(pairs[1], pairs[3]),
                    _mm256_shuffle_ps::<0xEE>(pairs[1], pairs[3]),
                    _mm256_shuffle_ps::<0x44>(pairs[4], pairs[6]),
                    _mm256_shuffle_ps::<0xEE>(pairs[4], pairs[6]),
                    _mm256_shuffle_ps::<0x44>(pairs[5], pairs[7]),
                    _mm256_shuffle_ps::<0xEE>(pairs[5], pairs[7]),
                ];
                [
                    _mm256_permute2f128_ps::<0x20>(quads[0], quads[4]),
                    _mm256_permute2f128_ps::<0x20>(quads[1], quads[5]),
                    _mm256_permute2f128_ps::<0x20>(quads[2], quads[6]),
                    _mm256_permute2f128_ps::<0x20>(quads[3], quads[7]),
                    _mm256_permute2f128_ps::<0x31>(quads[0], quads[4]),
                    _mm256_permute2f128_ps::<0x31>(quads[1], quads[5]),
                    _mm256_permute2f128_ps::<0x31>(quads[2], quads[6]),
                    _mm256_permute2f128_ps::<0x31>(quads[3], quads[7]),
                ]
            })
        }
    };
}

impl Lanes for Avx {
    eight_lanes!();
}

impl Simd for Avx {
    type Most = Self;
    eight_lanes_as_eight!();
    pair_of_two!();
}

impl Lanes for Wide {
    eight_lanes!();
}

/// Vectors of AVX-512. Only code inlined into [`run_wide`] may use it.
#[derive(Clone, Copy)]
pub(crate) struct Sixteen;

impl Lanes for Sixteen {
    type V = __m512;
    const COUNT: usize = MOST_LANES;

    #[inline(always)]
    fn splat(value: f32) -> __m512 {
        intrinsic!(_mm512_set1_ps(value))
    }
    #[inline(always)]
    unsafe fn load(pointer: *const f32) -> __m512 {
        intrinsic!(_mm512_loadu_ps(pointer))
    }
    #[inline(always)]
    unsafe fn store(pointer: *mut f32, value: __m512) {
        intrinsic!(_mm512_storeu_ps(pointer, value))
    }
    #[inline(always)]
    fn add(a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        intrinsic!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn round(a: __m512) -> __m512 {
        intrinsic!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn where_greater(a: __m512, b: __m512, then: __m512, otherwise: __m512) -> __m512 {
        intrinsic!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), otherwise, then))
    }
    #[inline(always)]
    fn exp2_integer(n: __m512) -> __m512 {
        intrinsic!(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(
            _mm512_cvtps_epi32(n),
            _mm512_set1_epi32(127)
        ))))
    }
    #[inline(always)]
    fn abs(a: __m512) -> __m512 {
        intrinsic!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn copy_sign(a: __m512, b: __m512) -> __m512 {
        intrinsic!({
            let (sign, bits) = (_mm512_set1_epi32(i32::MIN), _mm512_castps_si512(a));
            let minus = _mm512_and_si512(sign, _mm512_castps_si512(b));
            _mm512_castsi512_ps(_mm512_or_si512(_mm512_andnot_si512(sign, bits), minus))
        })
    }
}

impl Simd for Wide {
    type Most = Sixteen;
    eight_lanes_as_eight!();
    type Pair = __m512;
    const WIDE: bool = true;

    #[inline(always)]
    unsafe fn load_pair(pointer: *const f32) -> __m512 {
        intrinsic!(_mm512_loadu_ps(pointer))
    }
    #[inline(always)]
    unsafe fn store_pair(pointer: *mut f32, value: __m512) {
        intrinsic!(_mm512_storeu_ps(pointer, value))
    }
    #[inline(always)]
    fn splat_pair(value: f32) -> __m512 {
        intrinsic!(_mm512_set1_ps(value))
    }
    #[inline(always)]
    fn add_pair(a: __m512, b: __m512) -> __m512 {
        intrinsic!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn fma_pair(a: __m512, b: __m512, c: __m512) -> __m512 {
        intrinsic!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn halves(pair: __m512) -> [__m256; 2] {
        // SAFETY: both are 64 bytes of plain floats.
        unsafe { std::mem::transmute(pair) }
    }
}
