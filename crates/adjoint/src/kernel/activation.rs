//! Element-wise functions and their gradients.
#![allow(unsafe_code, reason = "vector loads and stores; in place x and y are one")]

use super::math::{erf, exp, normal_density, normal_distribution, sigmoid, tanh};
use super::simd::{Kernel, Lanes, MOST_LANES, Simd, dispatch_wide};
use super::{KernelError, Threads, check_length};

/// Values of one task.
const TASK: usize = 16 << 10;

/// An element-wise function of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Function {
    /// e^x.
    Exp,
    /// 2/sqrt(pi) * integral of exp(-t^2) from 0 to x.
    Erf,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// x * (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016).
    Gelu,
    /// x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2, its approximation in the same paper.
    GeluTanh,
    /// x * sigmoid(x).
    Silu,
    /// max(0, x); slope 0 at 0. NaN stays NaN.
    Relu,
    /// x above 0, else alpha (e^x - 1) with the bits of alpha (Clevert et al. 2016); slope alpha at 0.
    Elu(u32),
}

impl Function {
    /// y = f(x).
    pub fn apply(self, x: &[f32], y: &mut [f32], threads: &Threads) -> Result<(), KernelError> {
        check_length("y", y.len(), x.len())?;
        self.each(Some(x), None, y, threads);
        Ok(())
    }

    /// x = f(x).
    pub fn apply_in_place(self, x: &mut [f32], threads: &Threads) {
        self.each(None, None, x, threads);
    }

    /// dx = g * f'(x).
    pub fn gradient(
        self,
        x: &[f32],
        g: &[f32],
        dx: &mut [f32],
        threads: &Threads,
    ) -> Result<(), KernelError> {
        check_length("g", g.len(), x.len())?;
        check_length("dx", dx.len(), x.len())?;
        self.each(Some(x), Some(Some(g)), dx, threads);
        Ok(())
    }

    /// g = g * f'(x).
    pub fn gradient_in_place(self, x: &[f32], g: &mut [f32], threads: &Threads) -> Result<(), KernelError> {
        check_length("g", g.len(), x.len())?;
        self.each(Some(x), Some(None), g, threads);
        Ok(())
    }

    /// `x` and the inner option of `g` are `None` where they are in `out`.
    fn each(self, x: Option<&[f32]>, g: Option<Option<&[f32]>>, out: &mut [f32], threads: &Threads) {
        match self {
            Self::Exp => each(Exp, x, g, out, threads),
            Self::Erf => each(Erf, x, g, out, threads),
            Self::Tanh => each(Tanh, x, g, out, threads),
            Self::Sigmoid => each(Sigmoid, x, g, out, threads),
            Self::Gelu => each(Gelu, x, g, out, threads),
            Self::GeluTanh => each(GeluTanh, x, g, out, threads),
            Self::Silu => each(Silu, x, g, out, threads),
            Self::Relu => each(Relu, x, g, out, threads),
            Self::Elu(alpha) => each(Elu { alpha: f32::from_bits(alpha) }, x, g, out, threads),
        }
    }
}

/// A function of lanes and its derivative.
trait Unary: Copy + Sync {
    fn value<S: Lanes>(self, x: S::V) -> S::V;
    fn slope<S: Lanes>(self, x: S::V) -> S::V;
}

#[derive(Clone, Copy)]
struct Exp;
impl Unary for Exp {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        exp::<S>(x)
    }
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        exp::<S>(x)
    }
}

#[derive(Clone, Copy)]
struct Erf;
impl Unary for Erf {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        erf::<S>(x)
    }
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        S::mul(S::splat(std::f32::consts::FRAC_2_SQRT_PI), exp::<S>(S::mul(x, S::sub(S::splat(0.0), x))))
    }
}

#[derive(Clone, Copy)]
struct Tanh;
impl Unary for Tanh {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        tanh::<S>(x)
    }
    /// 4 e / (1 + e)^2 with e = exp(-2|x|): 1 - tanh^2 would cancel.
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        let e = exp::<S>(S::mul(S::splat(-2.0), S::abs(x)));
        let sum = S::add(S::splat(1.0), e);
        S::div(S::mul(S::splat(4.0), e), S::mul(sum, sum))
    }
}

#[derive(Clone, Copy)]
struct Sigmoid;
impl Unary for Sigmoid {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        sigmoid::<S>(x)
    }
    /// e / (1 + e)^2 with e = exp(-|x|): s (1 - s) would cancel.
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        let e = exp::<S>(S::sub(S::splat(0.0), S::abs(x)));
        let sum = S::add(S::splat(1.0), e);
        S::div(e, S::mul(sum, sum))
    }
}

#[derive(Clone, Copy)]
struct Gelu;
impl Unary for Gelu {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        S::mul(x, normal_distribution::<S>(x))
    }
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        S::fma(x, normal_density::<S>(x), normal_distribution::<S>(x))
    }
}

/// sqrt(2 / pi).
const ROOT: f32 = 0.797_884_6;
const CUBE: f32 = 0.044_715;

#[derive(Clone, Copy)]
struct GeluTanh;
impl Unary for GeluTanh {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        let inner = S::fma(S::mul(S::mul(x, x), x), S::splat(CUBE), x);
        let half = S::splat(0.5);
        S::mul(x, S::fma(half, tanh::<S>(S::mul(S::splat(ROOT), inner)), half))
    }
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        let square = S::mul(x, x);
        let u = S::mul(S::splat(ROOT), S::fma(S::mul(square, x), S::splat(CUBE), x));
        let du = S::fma(square, S::splat(3.0 * CUBE * ROOT), S::splat(ROOT));
        let half = S::splat(0.5);
        let rise = S::mul(S::mul(half, x), S::mul(Tanh.slope::<S>(u), du));
        S::add(S::fma(half, tanh::<S>(u), half), rise)
    }
}

#[derive(Clone, Copy)]
struct Silu;
impl Unary for Silu {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        S::mul(x, sigmoid::<S>(x))
    }
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        S::fma(x, Sigmoid.slope::<S>(x), sigmoid::<S>(x))
    }
}

#[derive(Clone, Copy)]
struct Relu;
impl Unary for Relu {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        S::max(S::splat(0.0), x)
    }
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        S::where_greater(x, S::splat(0.0), S::splat(1.0), S::splat(0.0))
    }
}

#[derive(Clone, Copy)]
struct Elu {
    alpha: f32,
}
impl Unary for Elu {
    #[inline(always)]
    fn value<S: Lanes>(self, x: S::V) -> S::V {
        // In this order the minimum keeps a NaN.
        let power = exp::<S>(S::min(S::splat(0.0), x));
        let below = S::mul(S::splat(self.alpha), S::sub(power, S::splat(1.0)));
        S::where_greater(x, S::splat(0.0), x, below)
    }
    #[inline(always)]
    fn slope<S: Lanes>(self, x: S::V) -> S::V {
        let below = S::mul(S::splat(self.alpha), exp::<S>(S::min(S::splat(0.0), x)));
        S::where_greater(x, S::splat(0.0), S::splat(1.0), below)
    }
}

fn each<F: Unary>(
    function: F,
    x: Option<&[f32]>,
    g: Option<Option<&[f32]>>,
    out: &mut [f32],
    threads: &Threads,
) {
    threads.for_each_part(out, TASK, |start, out| {
        let len = out.len();
        let to = out.as_mut_ptr();
        let pointer =
            |slice: Option<&[f32]>| slice.map_or(to.cast_const(), |slice| slice[start..start + len].as_ptr());
        let g = g.map(pointer);
        dispatch_wide(Map { x: pointer(x), g, to, len, function });
    });
}

/// to = f(x), or g * f'(x). `x` or `g` may be `to` itself.
struct Map<F> {
    x: *const f32,
    g: Option<*const f32>,
    to: *mut f32,
    len: usize,
    function: F,
}

impl<F: Unary> Kernel for Map<F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self) {
        self.lanes::<S::Most>();
    }
}

impl<F: Unary> Map<F> {
    #[inline(always)]
    fn lanes<S: Lanes>(self) {
        let Self { x, g, to, len, function } = self;
        let whole = len - len % S::COUNT;
        // SAFETY: all have `len` values; a vector is read before its place is written.
        unsafe {
            match g {
                None => {
                    for at in (0..whole).step_by(S::COUNT) {
                        S::store(to.add(at), function.value::<S>(S::load(x.add(at))));
                    }
                }
                Some(g) => {
                    for at in (0..whole).step_by(S::COUNT) {
                        let slope = function.slope::<S>(S::load(x.add(at)));
                        S::store(to.add(at), S::mul(S::load(g.add(at)), slope));
                    }
                }
            }
            let rest = len - whole;
            if rest > 0 {
                let (mut values, mut factors) = ([0f32; MOST_LANES], [0f32; MOST_LANES]);
                std::ptr::copy_nonoverlapping(x.add(whole), values.as_mut_ptr(), rest);
                let result = match g {
                    None => function.value::<S>(S::load(values.as_ptr())),
                    Some(g) => {
                        std::ptr::copy_nonoverlapping(g.add(whole), factors.as_mut_ptr(), rest);
                        S::mul(S::load(factors.as_ptr()), function.slope::<S>(S::load(values.as_ptr())))
                    }
                };
                S::store(values.as_mut_ptr(), result);
                std::ptr::copy_nonoverlapping(values.as_ptr(), to.add(whole), rest);
            }
        }
    }
}
