//! A convolution, or its adjoint, as one kernel call.

use std::sync::Arc;

use super::Scratch;
use crate::kernel::{ConvGeometry, Convolution, Direction, Epilogue, Weights};
use crate::ops::{SwapChannels, adjoint_pads, closed_op, elements, overwritten, threads, three};
use crate::tract::op::{Conv, DataFormat, Deconv, KernelFormat, PoolSpec};
use crate::tract::*;

/// A convolution prepared for its shapes. Input: the image.
#[derive(Debug, Clone)]
pub(super) struct CpuConvolution {
    pub kernel: Arc<Convolution>,
    pub output: Vec<usize>,
}
closed_op!(CpuConvolution);

impl PartialEq for CpuConvolution {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kernel, &other.kernel)
    }
}
impl Eq for CpuConvolution {}

impl EvalOp for CpuConvolution {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let threads = threads(ctx);
        let input = elements(&inputs[0])?;
        overwritten(&self.output, |values| {
            with_scratch(ctx, self.kernel.scratch_len(&threads), |scratch| {
                Ok(self.kernel.run(input, values, scratch, &Epilogue::default(), &threads)?)
            })
        })
    }
}

impl TypedOp for CpuConvolution {
    fn output_facts(&self, _inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.output)))
    }
    as_op!();
}

/// Lends the scratch memory of the run, grown to `len`; a fresh one outside a run.
pub(super) fn with_scratch<R>(
    ctx: &EvalContext,
    len: usize,
    work: impl FnOnce(&mut [f32]) -> TractResult<R>,
) -> TractResult<R> {
    match ctx.shared.and_then(|shared| shared.get::<Scratch>()) {
        Some(scratch) => scratch.lend(len, work),
        None => work(&mut vec![0.0; len]),
    }
}

/// What a node asks of the kernels.
pub(super) struct Wanted {
    pub geometry: ConvGeometry,
    pub direction: Direction,
    /// A constant of the graph.
    pub weights: Arc<Tensor>,
    /// Whether its first axis has the convolution's input channels.
    pub swapped: bool,
    pub bias: Option<Vec<f32>>,
    pub output: Vec<usize>,
}

impl Wanted {
    pub fn weights(&self) -> TractResult<Weights<'_>> {
        Ok(Weights { values: elements(&self.weights)?, swapped: self.swapped })
    }
}

/// The kernel's view of a convolution node; none where the kernels do not serve it.
pub(super) fn of_conv(model: &TypedModel, node: &TypedNode, conv: &Conv) -> TractResult<Option<Wanted>> {
    if conv.q_params.is_some() {
        return Ok(None);
    }
    let Some(shapes) = Shapes::of(model, node, &conv.pool_spec)? else { return Ok(None) };
    let Some((weights, swapped)) = weights_oihw(model, node, conv.kernel_fmt)? else { return Ok(None) };
    let spec = &conv.pool_spec;
    let pads = spec.computed_padding(&shapes.input[2..]);
    let before: Vec<usize> = pads.iter().map(|pad| pad.pad_before).collect();
    let after: Vec<usize> = pads.iter().map(|pad| pad.pad_after).collect();
    let geometry = geometry(
        spec,
        conv.group,
        &shapes.input,
        [spec.input_channels, spec.output_channels],
        [&before, &after],
    )?;
    let Some(bias) = bias(model, node, spec.output_channels)? else { return Ok(None) };
    Ok((geometry.output() == three(&shapes.output[2..], 1)?).then_some(Wanted {
        geometry,
        direction: Direction::Forward,
        weights,
        swapped,
        bias,
        output: shapes.declared,
    }))
}

/// The kernel's view of a transposed convolution: the input gradient of the convolution from its output to its input.
pub(super) fn of_deconv(
    model: &TypedModel,
    node: &TypedNode,
    deconv: &Deconv,
) -> TractResult<Option<Wanted>> {
    let Some(shapes) = Shapes::of(model, node, &deconv.pool_spec)? else { return Ok(None) };
    let spec = &deconv.pool_spec;
    let Some((weights, swapped)) = weights_oihw(model, node, deconv.kernel_format)? else { return Ok(None) };
    let (before, after) = adjoint_pads(deconv, &shapes.input[2..], &shapes.output[2..])?;
    let geometry = geometry(
        spec,
        deconv.group,
        &shapes.output,
        [spec.output_channels, spec.input_channels],
        [&before, &after],
    )?;
    let Some(bias) = bias(model, node, spec.output_channels)? else { return Ok(None) };
    Ok((geometry.output() == three(&shapes.input[2..], 1)?).then_some(Wanted {
        geometry,
        direction: Direction::InputGradient,
        weights,
        swapped: !swapped,
        bias,
        output: shapes.declared,
    }))
}

/// Shapes of a node as N, C, space; `declared` is the output's own.
pub(super) struct Shapes {
    pub input: Vec<usize>,
    pub output: Vec<usize>,
    pub declared: Vec<usize>,
}

impl Shapes {
    /// None where the kernels do not serve the node: unknown or empty shapes, channels last, more than three axes.
    pub fn of(model: &TypedModel, node: &TypedNode, spec: &PoolSpec) -> TractResult<Option<Self>> {
        let shape = |outlet: OutletId| -> TractResult<Option<Vec<usize>>> {
            Ok(model.outlet_fact(outlet)?.shape.as_concrete().map(<[usize]>::to_vec))
        };
        let (Some(mut input), Some(mut output)) = (shape(node.inputs[0])?, shape(OutletId::new(node.id, 0))?)
        else {
            return Ok(None);
        };
        let declared = output.clone();
        match spec.data_format {
            DataFormat::NCHW => {}
            DataFormat::CHW => {
                input.insert(0, 1);
                output.insert(0, 1);
            }
            DataFormat::NHWC | DataFormat::HWC => return Ok(None),
        }
        Ok((spec.rank() <= 3 && !input.contains(&0) && !output.contains(&0)).then_some(Self {
            input,
            output,
            declared,
        }))
    }
}

fn geometry(
    spec: &PoolSpec,
    groups: usize,
    input: &[usize],
    channels: [usize; 2],
    pads: [&[usize]; 2],
) -> TractResult<ConvGeometry> {
    Ok(ConvGeometry {
        batch: input[0],
        groups,
        in_channels: channels[0],
        out_channels: channels[1],
        input: three(&input[2..], 1)?,
        kernel: three(&spec.kernel_shape, 1)?,
        stride: three(&spec.strides(), 1)?,
        dilation: three(&spec.dilations(), 1)?,
        pad_before: three(pads[0], 0)?,
        pad_after: three(pads[1], 0)?,
    })
}

/// Constant weights of rank O, I/g, space, and whether they are read through a swap of the channels.
fn weights_oihw(
    model: &TypedModel,
    node: &TypedNode,
    format: KernelFormat,
) -> TractResult<Option<(Arc<Tensor>, bool)>> {
    let kernel = model.node(node.inputs[1].node);
    let (outlet, swapped) = match kernel.op_as::<SwapChannels>() {
        Some(_) => (kernel.inputs[0], true),
        None => (node.inputs[1], false),
    };
    let Some(value) = model.outlet_fact(outlet)?.konst.clone() else { return Ok(None) };
    if format != KernelFormat::OIHW || value.datum_type() != f32::datum_type() {
        return Ok(None);
    }
    Ok(Some((value, swapped)))
}

/// One value per output channel; `Some(None)` where all are zero, `None` where the bias is not a constant of that form.
#[allow(clippy::option_option, reason = "no bias, an unusable bias and a bias are three cases")]
fn bias(model: &TypedModel, node: &TypedNode, channels: usize) -> TractResult<Option<Option<Vec<f32>>>> {
    let Some(value) = model.outlet_fact(node.inputs[2])?.konst.clone() else { return Ok(None) };
    let values = elements(&value)?;
    Ok(match values.len() {
        _ if values.iter().all(|&v| v == 0.0) => Some(None),
        1 => Some(Some(vec![values[0]; channels])),
        len if len == channels => Some(Some(values.to_vec())),
        _ => None,
    })
}
