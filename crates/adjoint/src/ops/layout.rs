//! Shapes and weights as the kernels want them.

use super::{closed_op, elements};
use crate::kernel::swap_channels;
use crate::tract::op::Deconv;
use crate::tract::*;

/// Up to three axes, with `neutral` in front of fewer.
pub(crate) fn three(axes: &[usize], neutral: usize) -> TractResult<[usize; 3]> {
    ensure!(axes.len() <= 3, "{} axes of space; at most 3 are known", axes.len());
    let mut three = [neutral; 3];
    three[3 - axes.len()..].copy_from_slice(axes);
    Ok(three)
}

/// A kernel `[O, I/g, space]` as `[I, O/g, space]`.
///
/// A node and not a constant: the executor's kernels read either order, and a second copy of a network's weights need
/// never exist. So it must not be folded, which is why it has no value outside a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SwapChannels {
    /// The convolution's groups.
    pub groups: usize,
}
closed_op!(SwapChannels);

impl SwapChannels {
    fn shape(&self, kernel: &[usize]) -> TVec<usize> {
        let mut shape: TVec<usize> = kernel.into();
        (shape[0], shape[1]) = (kernel[1] * self.groups, kernel[0] / self.groups);
        shape
    }

    /// The kernel with its channels swapped.
    pub fn apply(&self, kernel: &Tensor) -> TractResult<Tensor> {
        let shape = kernel.shape();
        let channels = [shape[0], shape[1] * self.groups];
        let swapped = swap_channels(elements(kernel)?, channels, self.groups, shape[2..].iter().product());
        Tensor::from_shape(&self.shape(shape), &swapped)
    }
}

impl EvalOp for SwapChannels {
    not_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        Ok(tvec!(self.apply(&inputs[0])?.into_tvalue()))
    }
}

impl TypedOp for SwapChannels {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let kernel = inputs[0].shape.as_concrete().context("a kernel of unknown shape")?;
        ensure!(
            kernel.len() > 2 && kernel[0].is_multiple_of(self.groups),
            "{} groups of {kernel:?}",
            self.groups
        );
        Ok(tvec!(f32::fact(self.shape(kernel))))
    }
    as_op!();
}

/// Padding before and after each axis with which the convolution from a transposed convolution's output (`output`, space
/// only) comes back to its input.
pub(crate) fn adjoint_pads(
    deconv: &Deconv,
    input: &[usize],
    output: &[usize],
) -> TractResult<(TVec<usize>, TVec<usize>)> {
    let spec = &deconv.pool_spec;
    let pads = spec.padding.compute_for_deconv(
        input,
        &spec.kernel_shape,
        &spec.dilations(),
        &spec.strides(),
        &deconv.adjustments,
    )?;
    let (mut before, mut after) = (tvec!(), tvec!());
    for (axis, pad) in pads.iter().enumerate() {
        let extent = (spec.kernel_shape[axis] - 1) * spec.dilation(axis) + 1;
        let reach = (input[axis] - 1) * spec.stride(axis) + extent;
        before.push(pad.pad_before);
        after.push(reach.saturating_sub(pad.pad_before + output[axis]));
    }
    Ok((before, after))
}
