//! Activations and reductions that the importer below computes otherwise than the standard says.

use super::super::attribute;
use super::super::facts::Facts;
use super::super::net::label;
use super::emit::{Emit, float, int, ints};
use crate::error::Fault;
use crate::tract::pb::NodeProto;
use crate::tract::tensor0;

/// Celu: `alpha * elu(x / alpha)`.
pub(super) fn celu(node: &NodeProto, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let alpha = attribute::float(node, "alpha")?.unwrap_or(1.0);
    if alpha == 0.0 {
        return Err(attribute::refuse(node, "alpha", alpha, "a number other than 0"));
    }
    let slope = emit.constant(tensor0(alpha));
    let scaled = emit.op("Div", &[&node.input[0], &slope], Vec::new());
    let unit = emit.op("Elu", &[&scaled], vec![float("alpha", 1.0)]);
    emit.op_to("Mul", &[&unit, &slope], Vec::new(), &node.output[0]);
    Ok(())
}

/// Selu with the standard's constants in full; the importer's own have six digits.
pub(super) fn selu(node: &NodeProto, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let alpha = attribute::float(node, "alpha")?.unwrap_or(1.673_263_2);
    let gamma = attribute::float(node, "gamma")?.unwrap_or(1.050_701);
    let attributes = vec![float("alpha", alpha), float("gamma", gamma)];
    emit.op_to("Selu", &[&node.input[0]], attributes, &node.output[0]);
    Ok(())
}

/// Swish with a slope: `x * sigmoid(alpha x)`.
pub(super) fn swish(node: &NodeProto, alpha: f32, emit: &mut Emit<'_>) {
    let slope = emit.constant(tensor0(alpha));
    let scaled = emit.op("Mul", &[&node.input[0], &slope], Vec::new());
    let gate = emit.op("Sigmoid", &[&scaled], Vec::new());
    emit.op_to("Mul", &[&node.input[0], &gate], Vec::new(), &node.output[0]);
}

/// GlobalLpPool: the p-norm over all positions, `(sum |x|^p)^(1/p)`.
pub(super) fn global_lp_pool(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let p = attribute::int(node, "p")?.unwrap_or(2);
    let rank = shape(node, facts)?.len() as i64;
    let axes = emit.ints(&(2..rank).collect::<Vec<_>>());
    let (x, output) = (&node.input[0], &node.output[0]);
    let keep = || vec![int("keepdims", 1)];
    let magnitude = emit.op("Abs", &[x], Vec::new());
    match p {
        1 => emit.op_to("ReduceSum", &[&magnitude, &axes], keep(), output),
        _ => {
            let (exponent, root) = (emit.constant(tensor0(p as f32)), emit.constant(tensor0(1.0 / p as f32)));
            let powers = match p {
                2 => emit.op("Mul", &[x, x], Vec::new()),
                _ => emit.op("Pow", &[&magnitude, &exponent], Vec::new()),
            };
            let sum = emit.op("ReduceSum", &[&powers, &axes], keep());
            match p {
                2 => emit.op_to("Sqrt", &[&sum], Vec::new(), output),
                _ => emit.op_to("Pow", &[&sum, &root], Vec::new(), output),
            }
        }
    }
    Ok(())
}

/// Squeeze without axes (all sides of 1), written with them.
pub(super) fn squeeze_all(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let shape = shape(node, facts)?;
    let axes: Vec<i64> = (0i64..).zip(&shape).filter(|(_, d)| **d == 1).map(|(axis, _)| axis).collect();
    if axes.is_empty() {
        emit.op_to("Identity", &[&node.input[0]], Vec::new(), &node.output[0]);
    } else {
        let axes = emit.ints(&axes);
        emit.op_to("Squeeze", &[&node.input[0], &axes], Vec::new(), &node.output[0]);
    }
    Ok(())
}

/// BatchNormalization must not take its statistics from the data; the importer below would not notice.
pub(super) fn check_batch_norm(node: &NodeProto) -> Result<(), Fault> {
    match attribute::int(node, "training_mode")? {
        Some(mode) if mode != 0 => {
            Err(attribute::refuse(node, "training_mode", mode, "0: export for inference"))
        }
        _ => Ok(()),
    }
}

/// ConvTranspose whose padding follows from the wanted output: pads written out as the standard says, the odd one at the
/// start unless SAME_UPPER. Returns whether anything was to be changed.
pub(super) fn conv_transpose(
    node: &NodeProto,
    facts: &Facts<'_>,
    emit: &mut Emit<'_>,
) -> Result<bool, Fault> {
    let auto = attribute::text(node, "auto_pad")?.unwrap_or("NOTSET").to_owned();
    let wanted = attribute::ints(node, "output_shape")?.map(<[i64]>::to_vec);
    if wanted.is_none() && !auto.starts_with("SAME") {
        return Ok(false);
    }
    let input = shape(node, facts)?;
    let weights = node.input.get(1).and_then(|w| facts.shape(w)).unwrap_or_default();
    let axes = input.len().saturating_sub(2);
    let refuse =
        || attribute::refuse(node, "output_shape", format!("{wanted:?}"), "one side per axis, within reach");
    if weights.len() != input.len() || axes == 0 || wanted.as_ref().is_some_and(|w| w.len() != axes) {
        return Err(refuse());
    }
    let list = |name: &str, default: i64| -> Result<Vec<i64>, Fault> {
        let found = attribute::ints(node, name)?.map_or_else(|| vec![default; axes], <[i64]>::to_vec);
        if found.len() == axes { Ok(found) } else { Err(refuse()) }
    };
    let (strides, dilations) = (list("strides", 1)?, list("dilations", 1)?);
    let mut beyond = list("output_padding", 0)?;
    let mut pads = vec![0; 2 * axes];
    for axis in 0..axes {
        let (side, kernel) = (input[axis + 2] as i64, weights[axis + 2] as i64);
        let full = strides[axis] * (side - 1) + beyond[axis] + (kernel - 1) * dilations[axis] + 1;
        let total = full - wanted.as_ref().map_or(side * strides[axis], |w| w[axis]);
        if total < 0 {
            // More than the windows cover: zeros (or the bias) behind them.
            beyond[axis] -= total;
        }
        let total = total.max(0);
        let less = total / 2;
        let (before, after) = if auto == "SAME_UPPER" { (less, total - less) } else { (total - less, less) };
        pads[axis] = before;
        pads[axes + axis] = after;
    }
    let mut attributes: Vec<_> =
        node.attribute.iter().filter(|a| a.name == "group" || a.name == "kernel_shape").cloned().collect();
    attributes.extend([ints("strides", &strides), ints("dilations", &dilations), ints("pads", &pads)]);
    attributes.push(ints("output_padding", &beyond));
    let inputs: Vec<&str> = node.input.iter().map(String::as_str).collect();
    emit.op_to("ConvTranspose", &inputs, attributes, &node.output[0]);
    Ok(true)
}

/// Shape of a node's first input.
fn shape(node: &NodeProto, facts: &Facts<'_>) -> Result<Vec<usize>, Fault> {
    facts.shape(&node.input[0]).ok_or_else(|| Fault::Shape {
        node: label(node),
        operator: node.op_type.clone(),
        tensor: node.input[0].clone(),
        detail: String::new(),
    })
}
