//! Gradients of normalisations: RMS norm, local response normalisation, softmax.

use super::group::Groups;
use super::{closed_op, elements, filled, in_place, threads};
use crate::kernel;
use crate::tract::*;

/// `(cotangent, x)` to the cotangent of `x`, for y = x / sqrt(mean(x^2) + epsilon) along one axis (Zhang and Sennrich
/// 2019): with r = 1 / sqrt(mean(x^2) + epsilon) it is r g - r^3 mean(g x) x.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RmsNormGradient {
    /// The axis of the mean.
    pub axis: usize,
    /// Bits of epsilon.
    pub epsilon: u32,
}
closed_op!(RmsNormGradient);

impl EvalOp for RmsNormGradient {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, x) = args_2!(inputs);
        let length = x.shape()[self.axis];
        let inner: usize = x.shape()[self.axis + 1..].iter().product();
        let x = elements(&x)?;
        in_place(cotangent, |out| {
            if inner == 1 {
                let epsilon = f32::from_bits(self.epsilon);
                return Ok(kernel::rms_norm_gradient(length, epsilon, x, out, &threads(ctx))?);
            }
            let block = (length * inner).max(1);
            threads(ctx).for_each_part(out, block, |start, out| {
                self.columns(out, &x[start..start + out.len()], inner);
            });
            Ok(())
        })
    }
}

impl RmsNormGradient {
    /// r and r^3 mean(g x), from the sums of x^2 and of g x.
    fn factors(&self, length: usize, squares: f32, products: f32) -> (f32, f32) {
        let length = length as f32;
        let r = (squares / length + f32::from_bits(self.epsilon)).sqrt().recip();
        (r, r * r * r * (products / length))
    }

    /// An axis with others behind it: all of these at once, so that memory is read in order.
    fn columns(&self, out: &mut [f32], x: &[f32], inner: usize) {
        let (mut squares, mut products) = (vec![0f32; inner], vec![0f32; inner]);
        for (out, x) in out.chunks_exact(inner).zip(x.chunks_exact(inner)) {
            for column in 0..inner {
                squares[column] += x[column] * x[column];
                products[column] += out[column] * x[column];
            }
        }
        for (square, product) in squares.iter_mut().zip(&mut products) {
            (*square, *product) = self.factors(x.len() / inner, *square, *product);
        }
        for (out, x) in out.chunks_exact_mut(inner).zip(x.chunks_exact(inner)) {
            for column in 0..inner {
                out[column] = squares[column] * out[column] - products[column] * x[column];
            }
        }
    }
}

impl TypedOp for RmsNormGradient {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs[0].shape == inputs[1].shape, "{:?} against {:?}", inputs[0].shape, inputs[1].shape);
        Ok(tvec!(f32::fact(&*inputs[0].shape)))
    }
    as_op!();
}

/// `(cotangent, x)` to the cotangent of `x`, for local response normalisation across channels (Krizhevsky et al. 2012)
/// with ONNX' meaning of its constants: y = x / d^beta, d = bias + alpha / size * sum of x^2 over `size` channels.
///
/// Channels are axis 1. The window of a channel reaches `(size - 1) / 2` channels down and `size / 2` up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LrnGradient {
    /// Bits of alpha.
    pub alpha: u32,
    /// Bits of beta.
    pub beta: u32,
    /// Bits of the bias.
    pub bias: u32,
    /// Channels in a window.
    pub size: usize,
}
closed_op!(LrnGradient);

impl EvalOp for LrnGradient {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, x) = args_2!(inputs);
        let channels = x.shape()[1];
        let inner: usize = x.shape()[2..].iter().product();
        let (cotangent, values) = (elements(&cotangent)?, elements(&x)?);
        filled(x.shape(), |out| {
            let image = channels * inner;
            if image == 0 {
                return Ok(());
            }
            let mut scratch = vec![0f32; image];
            for (place, out) in out.chunks_exact_mut(image).enumerate() {
                let at = place * image;
                self.image(&cotangent[at..at + image], &values[at..at + image], out, &mut scratch, inner);
            }
            Ok(())
        })
    }
}

impl LrnGradient {
    /// One image. `scratch` takes g x d^(-beta-1), of which the mirrored window is summed afterwards.
    fn image(&self, cotangent: &[f32], x: &[f32], out: &mut [f32], scratch: &mut [f32], inner: usize) {
        let (alpha, beta) = (f32::from_bits(self.alpha) / self.size as f32, f32::from_bits(self.beta));
        let channels = x.len() / inner;
        let (down, up) = ((self.size - 1) / 2, self.size / 2);
        for channel in 0..channels {
            let here = channel * inner..(channel + 1) * inner;
            let scale = &mut out[here.clone()];
            scale.fill(0.0);
            for other in channel.saturating_sub(down)..=(channel + up).min(channels - 1) {
                for (sum, x) in scale.iter_mut().zip(&x[other * inner..][..inner]) {
                    *sum += x * x;
                }
            }
            for (sum, scratch) in scale.iter_mut().zip(&mut scratch[here.clone()]) {
                let d = f32::from_bits(self.bias) + alpha * *sum;
                *sum = negative_power(d, beta);
                *scratch = *sum / d;
            }
            for ((scratch, g), x) in
                scratch[here.clone()].iter_mut().zip(&cotangent[here.clone()]).zip(&x[here])
            {
                *scratch *= g * x;
            }
        }
        for channel in 0..channels {
            let here = channel * inner..(channel + 1) * inner;
            let mut sums = vec![0f32; inner];
            for other in channel.saturating_sub(up)..=(channel + down).min(channels - 1) {
                for (sum, term) in sums.iter_mut().zip(&scratch[other * inner..][..inner]) {
                    *sum += term;
                }
            }
            let terms = cotangent[here.clone()].iter().zip(&x[here.clone()]).zip(&sums);
            for (out, ((g, x), sum)) in out[here].iter_mut().zip(terms) {
                *out = *out * g - 2.0 * alpha * beta * x * sum;
            }
        }
    }
}

/// d^(-beta); the exponents that networks use without `powf`, which costs more than all the rest.
fn negative_power(d: f32, beta: f32) -> f32 {
    match beta {
        0.75 => (d.sqrt() * d.sqrt().sqrt()).recip(),
        0.5 => d.sqrt().recip(),
        1.0 => d.recip(),
        _ => d.powf(-beta),
    }
}

impl TypedOp for LrnGradient {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs[0].shape == inputs[1].shape, "{:?} against {:?}", inputs[0].shape, inputs[1].shape);
        ensure!(self.size > 0 && inputs[0].rank() >= 2, "window of {} over {:?}", self.size, inputs[0].shape);
        Ok(tvec!(f32::fact(&*inputs[0].shape)))
    }
    as_op!();
}

/// `(cotangent, y)` to the cotangent of `x`, for y = softmax(x) or log(softmax(x)) over some axes: y (g - sum(g y)),
/// or g - e^y sum(g).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SoftmaxGradient {
    /// The axes that sum to one.
    pub axes: Vec<usize>,
    /// Of the logarithm.
    pub logarithm: bool,
}
closed_op!(SoftmaxGradient);

impl EvalOp for SoftmaxGradient {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (cotangent, y) = args_2!(inputs);
        let groups = Groups::new(y.shape(), &self.axes);
        let y = elements(&y)?;
        in_place(cotangent, |out| {
            if groups.contiguous() {
                let gradient =
                    if self.logarithm { kernel::log_softmax_gradient } else { kernel::softmax_gradient };
                return Ok(gradient(groups.length().max(1), y, out, &threads(ctx))?);
            }
            groups.iter().for_each(|group| self.scattered(out, y, group));
            Ok(())
        })
    }
}

impl SoftmaxGradient {
    fn scattered(&self, out: &mut [f32], y: &[f32], group: impl Iterator<Item = usize> + Clone) {
        let weight = |place: usize| if self.logarithm { 1.0 } else { y[place] };
        let sum = group.clone().map(|place| out[place] * weight(place)).sum();
        group.for_each(|place| out[place] = self.element(out[place], y[place], sum));
    }

    fn element(&self, g: f32, y: f32, sum: f32) -> f32 {
        if self.logarithm { g - y.exp() * sum } else { y * (g - sum) }
    }
}

impl TypedOp for SoftmaxGradient {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(inputs[0].shape == inputs[1].shape, "{:?} against {:?}", inputs[0].shape, inputs[1].shape);
        Ok(tvec!(f32::fact(&*inputs[0].shape)))
    }
    as_op!();
}
