//! Element-wise derivatives, and the operator for maxima and minima.

use super::{closed_op, elements, in_place, threads};
use crate::kernel::{self, Threads};
use crate::tract::*;

/// Elements of one task.
const TASK: usize = 16 << 10;

/// An element-wise function whose derivative is wanted, and which of its two sides the derivative is a function of.
///
/// Constants are kept as bits, so that operators can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// max(x, c), from its output: 1 above c. The output is used so that the forward graph needs to keep only it.
    AboveOutput(u32),
    /// min(x, c), from its output: 1 below c.
    BelowOutput(u32),
    /// Logistic function, from its output.
    SigmoidOutput,
    /// Hyperbolic tangent, from its output.
    TanhOutput,
    /// e^x, from its output.
    ExpOutput,
    /// Square root, from its output.
    SqrtOutput,
    /// x^(-1/2), from its output.
    RsqrtOutput,
    /// 1/x, from its output.
    RecipOutput,
    /// Natural logarithm.
    Ln,
    /// x^2.
    Square,
    /// |x|; 0 at 0.
    Abs,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent, from its output.
    TanOutput,
    /// Inverse sine.
    Asin,
    /// Inverse cosine.
    Acos,
    /// Inverse tangent.
    Atan,
    /// Hyperbolic sine.
    Sinh,
    /// Hyperbolic cosine.
    Cosh,
    /// Inverse hyperbolic sine.
    Asinh,
    /// Inverse hyperbolic cosine.
    Acosh,
    /// Inverse hyperbolic tangent.
    Atanh,
    /// Error function.
    Erf,
    /// x Phi(x) (Hendrycks and Gimpel 2016).
    GeluExact,
    /// The tanh form of the same paper.
    GeluTanh,
    /// x sigmoid(x).
    Silu,
    /// x clamp(x/6 + 1/2, 0, 1) (Howard et al. 2019).
    HardSwish,
    /// x above 0, slope x below.
    LeakyRelu(u32),
    /// x^p for a constant p.
    Power(u32),
    /// ln(1 + e^x).
    Softplus,
    /// x above 0, else alpha (e^x - 1) for a positive alpha, from its output.
    EluOutput(u32),
}

/// `(cotangent, x or y)` to `cotangent * f'`, in one pass and in place where the cotangent is not shared.
///
/// A cotangent of exactly zero gives zero whatever the derivative is: a branch that a `Where` did not take must not
/// turn an overflow on its side into "not a number".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Derivative {
    /// The function.
    pub function: Function,
}
closed_op!(Derivative);

impl EvalOp for Derivative {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, at) = args_2!(inputs);
        in_place(cotangent, |out| self.function.multiply(out, elements(&at)?, &threads(ctx)))
    }
}

impl TypedOp for Derivative {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs[0].shape == inputs[1].shape, "{:?} against {:?}", inputs[0].shape, inputs[1].shape);
        Ok(tvec!(f32::fact(&*inputs[0].shape)))
    }
    as_op!();
}

impl Function {
    /// `out[i] *= f'(at[i])`.
    fn multiply(self, out: &mut [f32], at: &[f32], threads: &Threads) -> TractResult<()> {
        ensure!(out.len() == at.len(), "{} cotangents, {} values", out.len(), at.len());
        match self.kernel() {
            Some(kernel) => kernel.gradient_in_place(at, out, threads)?,
            None => {
                threads.for_each_part(out, TASK, |start, out| self.part(out, &at[start..start + out.len()]));
            }
        }
        Ok(())
    }

    /// The vector kernel of the functions that have one.
    fn kernel(self) -> Option<kernel::Function> {
        match self {
            Self::AboveOutput(0) => Some(kernel::Function::Relu),
            Self::GeluExact => Some(kernel::Function::Gelu),
            Self::GeluTanh => Some(kernel::Function::GeluTanh),
            Self::Silu => Some(kernel::Function::Silu),
            _ => None,
        }
    }

    /// The others.
    fn part(self, out: &mut [f32], at: &[f32]) {
        use Function::*;
        let mask = |out: &mut [f32], keep: &dyn Fn(f32) -> bool| {
            out.iter_mut().zip(at).for_each(|(g, &v)| *g = if keep(v) { *g } else { 0.0 });
        };
        match self {
            AboveOutput(c) => mask(out, &|v| v > f32::from_bits(c)),
            BelowOutput(c) => mask(out, &|v| v < f32::from_bits(c)),
            SigmoidOutput => each(out, at, |v| v * (1.0 - v)),
            TanhOutput => each(out, at, |v| 1.0 - v * v),
            ExpOutput => each(out, at, |v| v),
            SqrtOutput => each(out, at, |v| 0.5 / v),
            RsqrtOutput => each(out, at, |v| -0.5 * v * v * v),
            RecipOutput => each(out, at, |v| -v * v),
            Ln => each(out, at, |v| 1.0 / v),
            Square => each(out, at, |v| 2.0 * v),
            Abs => each(out, at, |v| {
                if v > 0.0 {
                    1.0
                } else if v < 0.0 {
                    -1.0
                } else {
                    0.0
                }
            }),
            Sin => each(out, at, f32::cos),
            Cos => each(out, at, |v| -v.sin()),
            TanOutput => each(out, at, |v| 1.0 + v * v),
            Asin => each(out, at, |v| 1.0 / ((1.0 - v) * (1.0 + v)).sqrt()),
            Acos => each(out, at, |v| -1.0 / ((1.0 - v) * (1.0 + v)).sqrt()),
            Atan => each(out, at, |v| 1.0 / (1.0 + v * v)),
            Sinh => each(out, at, f32::cosh),
            Cosh => each(out, at, f32::sinh),
            Asinh => each(out, at, |v| 1.0 / (v * v + 1.0).sqrt()),
            Acosh => each(out, at, |v| 1.0 / ((v - 1.0) * (v + 1.0)).sqrt()),
            Atanh => each(out, at, |v| 1.0 / ((1.0 - v) * (1.0 + v))),
            Erf => each(out, at, |v| std::f32::consts::FRAC_2_SQRT_PI * (-v * v).exp()),
            HardSwish => each(out, at, |v| match v {
                v if v <= -3.0 => 0.0,
                v if v >= 3.0 => 1.0,
                v => (2.0 * v + 3.0) / 6.0,
            }),
            LeakyRelu(slope) => each(out, at, |v| if v > 0.0 { 1.0 } else { f32::from_bits(slope) }),
            Power(exponent) => power(out, at, f32::from_bits(exponent)),
            Softplus => each(out, at, |v| 1.0 / (1.0 + (-v).exp())),
            EluOutput(alpha) => {
                let alpha = f32::from_bits(alpha);
                each(out, at, |v| if v > 0.0 { 1.0 } else { v + alpha });
            }
            // Their kernels have done these; a mistake here must be loud.
            GeluExact | GeluTanh | Silu => out.fill(f32::NAN),
        }
    }
}

/// `out[i] *= derivative(at[i])`, but a zero stays zero.
fn each(out: &mut [f32], at: &[f32], derivative: impl Fn(f32) -> f32) {
    for (g, &v) in out.iter_mut().zip(at) {
        let scaled = *g * derivative(v);
        *g = if *g == 0.0 { 0.0 } else { scaled };
    }
}

/// The derivative p x^(p-1), with the usual exponents spelt out: `powf` costs ten times a multiplication.
fn power(out: &mut [f32], at: &[f32], p: f32) {
    match p {
        2.0 => each(out, at, |v| 2.0 * v),
        3.0 => each(out, at, |v| 3.0 * v * v),
        0.5 => each(out, at, |v| 0.5 / v.sqrt()),
        -1.0 => each(out, at, |v| -1.0 / (v * v)),
        _ => each(out, at, |v| p * v.powf(p - 1.0)),
    }
}

/// `(cotangent, a, b)` to the part of the cotangent of max(a, b) or min(a, b) that goes to `a`.
///
/// On a tie each side gets half, so that the two sides add up to the cotangent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Choose {
    /// Of a maximum (true) or of a minimum.
    pub larger: bool,
}
closed_op!(Choose);

impl EvalOp for Choose {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, a, b) = args_3!(inputs);
        in_place(cotangent, |out| {
            for ((g, &a), &b) in out.iter_mut().zip(elements(&a)?).zip(elements(&b)?) {
                if a == b {
                    *g *= 0.5;
                } else if (a > b) != self.larger {
                    *g = 0.0;
                }
            }
            Ok(())
        })
    }
}

impl TypedOp for Choose {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs[0].shape == inputs[1].shape && inputs[0].shape == inputs[2].shape);
        Ok(tvec!(f32::fact(&*inputs[0].shape)))
    }
    as_op!();
}

/// ln(1 + e^x) as max(x, 0) + ln(1 + e^-|x|): tract's chain of three operators overflows above 88.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Softplus;
closed_op!(Softplus);

impl EvalOp for Softplus {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        in_place(args_1!(inputs), |values| {
            values.iter_mut().for_each(|v| *v = v.max(0.0) + (-v.abs()).exp().ln_1p());
            Ok(())
        })
    }
}

impl TypedOp for Softplus {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }
    as_op!();
}

/// x above 0, else alpha (e^x - 1) (Clevert et al. 2016): tract's chain of six operators, as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Elu {
    /// Bits of alpha, which is positive.
    pub alpha: u32,
}
closed_op!(Elu);

impl EvalOp for Elu {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        in_place(args_1!(inputs), |values| {
            kernel::Function::Elu(self.alpha).apply_in_place(values, &threads(ctx));
            Ok(())
        })
    }
}

impl TypedOp for Elu {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(inputs[0].without_value()))
    }
    as_op!();
}
