//! Convolutions into whose kernel or bias tract has moved what it should not.
//!
//! Where a convolution's output is scaled or shifted channel by channel, tract's simplification moves the factor into
//! the kernel and the summand into the bias. For a value that the input decides (a modulation by context, as in FiLM,
//! Perez et al. 2018) that takes the kernel its constancy. Where convolutions share a kernel and are scaled differently
//! (a recurrent area with a batch norm per time step, as in CORnet-S, Kubilius et al. 2019) it makes as many kernels of
//! one. Both are undone here: conv(x, k w) + b = k conv(x, w) + b.

use crate::graph::GradientError;
use crate::tract::math::{Mul, add, mul};
use crate::tract::op::{AxisOp, Conv, DataFormat, KernelFormat, TypedBinOp};
use crate::tract::*;

/// Takes such factors and summands out; says whether there were any.
pub(super) fn factor(model: &mut TypedModel) -> Result<bool, GradientError> {
    let order = model.eval_order().map_err(GradientError::graph)?;
    let mut varies = vec![false; model.nodes.len()];
    for input in model.input_outlets().map_err(GradientError::graph)? {
        varies[input.node] = true;
    }
    let mut changed = false;
    for id in order {
        let node = model.node(id).clone();
        varies[id] |= node.inputs.iter().any(|input| depends(&varies, *input));
        let Some(conv) = node.op_as::<Conv>().filter(|conv| conv.q_params.is_none()) else { continue };
        let Some((weights, factors)) = peeled(model, &varies, conv, node.inputs[1]) else { continue };
        if factors.is_empty() && !depends(&varies, node.inputs[2]) {
            continue;
        }
        separate(model, &node, conv, weights, &factors).map_err(|error| GradientError::at(&node, error))?;
        changed = true;
    }
    Ok(changed)
}

/// Whether a tensor depends on the model's inputs. Nodes that were added meanwhile give the output of a convolution of
/// an input, so they do.
fn depends(varies: &[bool], outlet: OutletId) -> bool {
    varies.get(outlet.node).copied().unwrap_or(true)
}

/// Whether a kernel is the product of factors and a constant that other nodes use too.
fn scales_shared(model: &TypedModel, kernel: OutletId) -> bool {
    let node = model.node(kernel.node);
    let shared = |input: &OutletId| {
        model.outlet_fact(*input).is_ok_and(|fact| {
            fact.konst.is_some()
                && fact.shape == node.outputs[0].fact.shape
                && model.outlet_successors(*input).len() > 1
        })
    };
    node.op_as::<TypedBinOp>().is_some_and(|op| op.0.is::<Mul>()) && node.inputs.iter().any(shared)
}

/// The constant part of a kernel and the factors per output channel around it; none for any other kernel.
fn peeled(
    model: &TypedModel,
    varies: &[bool],
    conv: &Conv,
    kernel: OutletId,
) -> Option<(OutletId, Vec<OutletId>)> {
    let (mut weights, mut factors) = (kernel, Vec::new());
    while depends(varies, weights) || scales_shared(model, weights) {
        let node = model.node(weights.node);
        node.op_as::<TypedBinOp>().filter(|op| op.0.is::<Mul>())?;
        let whole = &node.outputs[0].fact.shape;
        let sides = [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])];
        let (rest, factor) = sides.into_iter().find(|&(rest, factor)| {
            let (Ok(rest), Ok(factor)) = (model.outlet_fact(rest), model.outlet_fact(factor)) else {
                return false;
            };
            let channels = if conv.kernel_fmt == KernelFormat::HWIO { factor.rank() - 1 } else { 0 };
            rest.shape == *whole
                && factor.shape.iter().enumerate().all(|(axis, dim)| axis == channels || dim.is_one())
        })?;
        factors.push(factor);
        weights = rest;
    }
    Some((weights, factors))
}

fn separate(
    model: &mut TypedModel,
    node: &TypedNode,
    conv: &Conv,
    weights: OutletId,
    factors: &[OutletId],
) -> TractResult<()> {
    let mut patch = TypedModelPatch::default();
    let [x, weights, bias] =
        [node.inputs[0], weights, node.inputs[2]].map(|outlet| patch.tap_model(model, outlet));
    let none = patch.add_const(format!("{}.no-bias", node.name), tensor0(0f32))?;
    let mut y = patch.wire_node(format!("{}.constant", node.name), conv.clone(), &[x?, weights?, none])?[0];
    let rank = patch.outlet_fact(y)?.rank();
    let axis = match conv.pool_spec.data_format {
        DataFormat::NCHW => 1,
        DataFormat::CHW => 0,
        DataFormat::NHWC | DataFormat::HWC => rank - 1,
    };
    for (place, &factor) in factors.iter().enumerate() {
        let factor = patch.tap_model(model, factor)?;
        let name = format!("{}.factor.{place}", node.name);
        let factor = per_channel(&mut patch, &name, factor, rank, axis)?;
        y = patch.wire_node(format!("{name}.times"), mul(), &[y, factor])?[0];
    }
    let bias = per_channel(&mut patch, &format!("{}.bias", node.name), bias?, rank, axis)?;
    let y = patch.wire_node(format!("{}.biased", node.name), add(), &[y, bias])?;
    patch.shunt_outside(model, node.id.into(), y[0])?;
    patch.apply(model)
}

/// A value per channel, or one for all, along the given axis of `rank`.
fn per_channel(
    patch: &mut TypedModelPatch,
    name: &str,
    value: OutletId,
    rank: usize,
    axis: usize,
) -> TractResult<OutletId> {
    let from = patch.outlet_fact(value)?.shape.to_tvec();
    let mut to = tvec![1.to_dim(); rank];
    to[axis] = from.iter().product();
    Ok(patch.wire_node(format!("{name}.channels"), AxisOp::Reshape(0, from, to), &[value])?[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::check::{agrees, model, noise, values};
    use crate::tract::op::{PaddingSpec, PoolSpec};
    use crate::tract::testing::tanh;

    #[test]
    fn a_kernel_and_a_bias_that_the_input_modulates() {
        // One pixel per row and column: a convolution of two channels to three, [1, 2, 4] with a kernel of 2.
        let weights = noise(3, &[3, 2, 2]);
        let inputs = [noise(1, &[1, 2, 4]), noise(2, &[3]), noise(4, &[3])];
        let pool_spec = PoolSpec {
            data_format: DataFormat::NCHW,
            kernel_shape: tvec!(2),
            padding: PaddingSpec::Valid,
            dilations: None,
            strides: None,
            input_channels: 2,
            output_channels: 3,
        };
        let conv = Conv { pool_spec, kernel_fmt: KernelFormat::OIHW, group: 1, q_params: None };
        let model = model(&inputs, |model, x| {
            let w = model.add_const("w", weights.clone())?;
            let factor = model.wire_node("factor.1", AxisOp::Add(1), &[x[1]])?;
            let factor = model.wire_node("factor.2", AxisOp::Add(1), &factor)?;
            let kernel = model.wire_node("kernel", mul(), &[w, factor[0]])?;
            let y = model.wire_node("conv", conv, &[x[0], kernel[0], x[2]])?;
            model.wire_node("y", tanh(), &y)
        });
        let w: Vec<f64> = values(&weights).into_iter().map(f64::from).collect();
        agrees("modulated", &model, &inputs, &[0, 1, 2], |x| {
            let at = |o: usize, p: usize| -> f64 {
                let taps = (0..2).flat_map(|i| (0..2).map(move |k| (i, k)));
                taps.map(|(i, k)| w[(o * 2 + i) * 2 + k] * x[0][i * 4 + p + k]).sum()
            };
            (0..3)
                .flat_map(|o| (0..3).map(move |p| (o, p)))
                .map(|(o, p)| (x[1][o] * at(o, p) + x[2][o]).tanh())
                .collect()
        });
    }
}
