//! Convolution and its transpose: each is the other's adjoint.

use super::layout::Layout;
use super::{Answer, Call, Rule, Tape};
use crate::ops::{SwapChannels, adjoint_pads};
use crate::tract::op::{Conv, DataFormat, Deconv, KernelFormat, PaddingSpec, PoolSpec, Slice};
use crate::tract::*;

pub(super) fn rule(tape: &mut Tape, call: &Call) -> Option<Rule> {
    let op = call.node.op.as_op();
    if let Some(conv) = op.downcast_ref::<Conv>() {
        if conv.q_params.is_some() {
            return Some(Ok(Answer::Unknown("a quantised convolution has no gradient".into())));
        }
        return Some(wrapped(tape, call, &conv.pool_spec, |tape, call, cotangent, input, output| {
            convolved(tape, call, conv, cotangent, input, output)
        }));
    }
    let deconv = op.downcast_ref::<Deconv>()?;
    Some(wrapped(tape, call, &deconv.pool_spec, |tape, call, cotangent, input, output| {
        transposed(tape, call, deconv, cotangent, input, output)
    }))
}

/// Does `inner` with batch and channels in front, whatever the layout of the node is, and refuses kernels that depend on
/// the input.
fn wrapped(
    tape: &mut Tape,
    call: &Call,
    spec: &PoolSpec,
    inner: impl Fn(&mut Tape, &Call, OutletId, &[usize], &[usize]) -> TractResult<OutletId>,
) -> Rule {
    if call.active[1..].contains(&true) {
        let reason =
            "its kernel or bias depends on the input: only the image of a convolution has a gradient here";
        return Ok(Answer::Unknown(reason.into()));
    }
    if tape.value(call.input(1)).is_none() {
        return Ok(Answer::Unknown("its kernel is not a constant of the model".into()));
    }
    let cotangent = call.cotangent(tape)?;
    let layout = Layout::of(spec.data_format);
    let input = layout.shape(&tape.shape(call.input(0))?);
    let output = layout.shape(&tape.shape(call.output())?);
    let inside = layout.enter(tape, cotangent)?;
    let answer = inner(tape, call, inside, &input, &output)?;
    let answer = layout.leave(tape, answer)?;
    Ok(call.first(answer))
}

/// The constant kernel with output channels first and the roles of the two channel axes swapped within each group:
/// `[I, O/g, space]`.
fn swapped(tape: &mut Tape, outlet: OutletId, format: KernelFormat, groups: usize) -> TractResult<OutletId> {
    let ordered = if format == KernelFormat::OIHW {
        outlet
    } else {
        let value = tape.value(outlet).context("a kernel that is not constant")?;
        tape.derived(&value, &format!("ordered {format:?} {groups}"), |value| {
            oihw(value.clone(), format, groups)
        })?
    };
    // Once for each kernel: what is not lowered gets a constant of its own.
    let op = SwapChannels { groups };
    let known = tape.model.outlet_successors(ordered).iter().map(|reader| reader.node);
    match known.into_iter().find(|&node| tape.model.node(node).op_as() == Some(&op)) {
        Some(node) => Ok(node.into()),
        None => tape.wire(op, &[ordered]),
    }
}

/// A kernel with output channels first, input channels of a group second, then space.
fn oihw(kernel: Tensor, format: KernelFormat, groups: usize) -> TractResult<Tensor> {
    let rank = kernel.rank();
    match format {
        KernelFormat::OIHW => Ok(kernel),
        KernelFormat::OHWI => kernel.move_axis(rank - 1, 1),
        KernelFormat::HWIO => {
            // Space, then the input channels of a group, then all output channels.
            ensure!(groups == 1, "a grouped kernel with its channels last");
            kernel.move_axis(rank - 1, 0)?.move_axis(rank - 1, 1)
        }
    }
}

/// The windows of the way back, N, C, space: channels change places, the padding is given.
fn reversed(spec: &PoolSpec, before: TVec<usize>, after: TVec<usize>) -> PoolSpec {
    PoolSpec {
        data_format: DataFormat::NCHW,
        padding: PaddingSpec::Explicit(before, after),
        input_channels: spec.output_channels,
        output_channels: spec.input_channels,
        ..spec.clone()
    }
}

/// Input gradient of a convolution: a transposed convolution with the kernel's channel axes swapped.
fn convolved(
    tape: &mut Tape,
    call: &Call,
    conv: &Conv,
    cotangent: OutletId,
    input: &[usize],
    output: &[usize],
) -> TractResult<OutletId> {
    let spec = &conv.pool_spec;
    let kernel = swapped(tape, call.input(1), conv.kernel_fmt, conv.group)?;
    let pads = spec.computed_padding(&input[2..]);
    let (mut before, mut after, mut adjustments) = (tvec!(), tvec!(), tvec!());
    for axis in 0..spec.rank() {
        // What the cotangent reaches, against what the input needs: rows that no window covers come from the
        // adjustment, rows of padding behind the input are cut.
        let extent = (spec.kernel_shape[axis] - 1) * spec.dilation(axis) + 1;
        let reach = (output[2 + axis] - 1) * spec.stride(axis) + extent;
        let need = input[2 + axis] + pads[axis].pad_before;
        before.push(pads[axis].pad_before);
        after.push(reach.saturating_sub(need));
        adjustments.push(need.saturating_sub(reach));
    }
    let pool_spec = reversed(spec, before, after);
    let bias = tape.constant(tensor0(0f32))?;
    let op = Deconv { pool_spec, kernel_format: KernelFormat::OIHW, adjustments, group: conv.group };
    tape.wire(op, &[cotangent, kernel, bias])
}

/// Input gradient of a transposed convolution: the convolution of the same geometry.
fn transposed(
    tape: &mut Tape,
    call: &Call,
    deconv: &Deconv,
    cotangent: OutletId,
    input: &[usize],
    output: &[usize],
) -> TractResult<OutletId> {
    let spec = &deconv.pool_spec;
    let kernel = swapped(tape, call.input(1), deconv.kernel_format, deconv.group)?;
    let (before, after) = adjoint_pads(deconv, &input[2..], &output[2..])?;
    let pool_spec = reversed(spec, before, after);
    let bias = tape.constant(tensor0(0f32))?;
    let conv = Conv { pool_spec, kernel_fmt: KernelFormat::OIHW, group: deconv.group, q_params: None };
    let mut answer = tape.wire(conv, &[cotangent, kernel, bias])?;
    // An adjustment below the stride can leave windows behind the last element of the input.
    for (axis, &len) in input.iter().enumerate().skip(2) {
        if tape.shape(answer)?[axis] > len {
            answer = tape.wire(Slice::new(axis, 0, len), &[answer])?;
        }
    }
    Ok(answer)
}
