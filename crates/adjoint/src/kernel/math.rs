//! Transcendental functions on lanes.
//!
//! Polynomials were fitted to the functions in f64 by least squares with weights moved towards the least largest
//! error (Lawson 1961). The tests measure the errors against f64 and bound them: exp 1.1, erf 1.2, tanh 1.5, sigmoid
//! 2.5 units in the last place where the result is a normal number.

use super::simd::Lanes;

/// Horner's scheme, highest coefficient first.
#[inline(always)]
fn polynomial<S: Lanes, const COUNT: usize>(x: S::V, coefficients: [f32; COUNT]) -> S::V {
    let mut sum = S::splat(coefficients[0]);
    for &coefficient in &coefficients[1..] {
        sum = S::fma(sum, x, S::splat(coefficient));
    }
    sum
}

/// e^x. 0 below -104, infinite above 88.73; subnormal results are rounded as such.
#[inline(always)]
pub(crate) fn exp<S: Lanes>(x: S::V) -> S::V {
    // In this order a NaN survives both.
    let x = S::min(S::splat(89.0), S::max(S::splat(-104.5), x));
    let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
    // ln 2 in two parts; the first has few bits, so that n times it is exact.
    let r = S::fma(n, S::splat(-0.693_359_4), x);
    let r = S::fma(n, S::splat(2.121_944_4e-4), r);
    let p = polynomial::<S, 5>(r, [1.395_171_7e-3, 8.369_599e-3, 4.166_618_7e-2, 1.666_651_2e-1, 0.5]);
    let p = S::fma(S::mul(r, r), p, r);
    let p = S::add(p, S::splat(1.0));
    // 2^n in two factors: n runs from -151 to 128.
    let half = S::round(S::mul(n, S::splat(0.5)));
    S::mul(S::mul(p, S::exp2_integer(half)), S::exp2_integer(S::sub(n, half)))
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) fn sigmoid<S: Lanes>(x: S::V) -> S::V {
    let one = S::splat(1.0);
    S::div(one, S::add(one, exp::<S>(S::sub(S::splat(0.0), x))))
}

/// Hyperbolic tangent.
#[inline(always)]
pub(crate) fn tanh<S: Lanes>(x: S::V) -> S::V {
    let t = S::abs(x);
    let s = S::mul(x, x);
    let p = polynomial::<S, 5>(s, [-6.282_467e-3, 2.107_775_4e-2, -5.385_386e-2, 1.333_26e-1, -3.333_332e-1]);
    let small = S::fma(S::mul(p, s), x, x);
    let one = S::splat(1.0);
    let large = S::sub(one, S::div(S::splat(2.0), S::add(exp::<S>(S::add(t, t)), one)));
    S::copy_sign(S::where_greater(t, S::splat(0.55), large, small), x)
}

/// The error function: an odd polynomial near 0, 1 - exp(-q(|x|)) with q fitted to -ln(erfc) beyond.
#[inline(always)]
pub(crate) fn erf<S: Lanes>(x: S::V) -> S::V {
    let t = S::min(S::splat(4.0), S::abs(x));
    let s = S::mul(x, x);
    let p = polynomial::<S, 6>(
        s,
        [-5.976_893_6e-4, 4.990_98e-3, -2.676_556_6e-2, 1.128_180_25e-1, -3.761_249_5e-1, 1.283_791_5e-1],
    );
    let small = S::fma(p, x, x);
    let q = polynomial::<S, 7>(
        t,
        [
            -1.959_382_6e-4,
            3.043_226_7e-3,
            -2.222_695_6e-2,
            1.039_316_65e-1,
            6.371_822e-1,
            1.127_675_7,
            1.956_665_4e-4,
        ],
    );
    let large = S::sub(S::splat(1.0), exp::<S>(S::sub(S::splat(0.0), q)));
    S::copy_sign(S::where_greater(t, S::splat(0.92), large, small), x)
}

/// Density of the standard normal distribution.
#[inline(always)]
pub(crate) fn normal_density<S: Lanes>(x: S::V) -> S::V {
    const FACTOR: f32 = 0.398_942_3;
    S::mul(S::splat(FACTOR), exp::<S>(S::mul(S::mul(x, x), S::splat(-0.5))))
}

/// Distribution of the standard normal distribution.
#[inline(always)]
pub(crate) fn normal_distribution<S: Lanes>(x: S::V) -> S::V {
    let half = S::splat(0.5);
    S::fma(half, erf::<S>(S::mul(x, S::splat(std::f32::consts::FRAC_1_SQRT_2))), half)
}
