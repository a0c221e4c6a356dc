//! Shapes and weights as the kernels want them.

use crate::tract::op::Deconv;
use crate::tract::*;

/// Up to three axes, with `neutral` in front of fewer.
pub(crate) fn three(axes: &[usize], neutral: usize) -> TractResult<[usize; 3]> {
    ensure!(axes.len() <= 3, "{} axes of space; at most 3 are known", axes.len());
    let mut three = [neutral; 3];
    three[3 - axes.len()..].copy_from_slice(axes);
    Ok(three)
}

/// `[O, I/g, space]` to `[I, O/g, space]`, group by group.
pub(crate) fn swap_channels(
    weights: &[f32],
    outer: usize,
    inner: usize,
    groups: usize,
    space: usize,
) -> Vec<f32> {
    let (outer, inner) = (outer / groups, inner / groups);
    let mut swapped = vec![0f32; weights.len()];
    for group in 0..groups {
        for o in 0..outer {
            for i in 0..inner {
                let from = ((group * outer + o) * inner + i) * space;
                let to = ((group * inner + i) * outer + o) * space;
                swapped[to..to + space].copy_from_slice(&weights[from..from + space]);
            }
        }
    }
    swapped
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
