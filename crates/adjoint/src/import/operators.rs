//! Which operators are taken, and which values their attributes may have.

use super::attribute;
use super::net::label;
use super::rewrite::DOMAIN;
use super::tensor::MAX_RANK;
use crate::error::Fault;
use crate::tract::importer::Register;
use crate::tract::pb::NodeProto;

/// Operators of com.microsoft that tract knows and that have the same meaning for it.
const MICROSOFT: [&str; 8] = [
    "BiasGelu",
    "FastGelu",
    "Gelu",
    "MultiHeadAttention",
    "QuickGelu",
    "RotaryEmbedding",
    "SkipLayerNormalization",
    "SimplifiedLayerNormalization",
];

/// Operators that tract knows and that are refused, with the reason.
fn refused(operator: &str) -> Option<&'static str> {
    match operator {
        "RandomUniform" | "RandomUniformLike" | "RandomNormal" | "RandomNormalLike" | "Multinomial" => {
            Some(": it draws random numbers, so two steps would disagree")
        }
        "ConvInteger" | "MatMulInteger" | "QLinearConv" | "QLinearMatMul" | "DynamicQuantizeLinear" => {
            Some(": it computes with quantised integers, which have no gradient")
        }
        "GatherBlockQuantized" | "MatMulNBits" | "GroupQueryAttention" => {
            Some(": it reads packed integer weights")
        }
        "LinearClassifier"
        | "LinearRegressor"
        | "TreeEnsembleClassifier"
        | "Normalizer"
        | "CategoryMapper" => Some(": operators of ai.onnx.ml are not taken"),
        "NonMaxSuppression" => Some(": the number of boxes it keeps depends on the data"),
        "DFT" | "STFT" | "MelWeightMatrix" => Some(": spectral operators are not taken"),
        _ => None,
    }
}

/// Checks what can be checked of any node: how many inputs and outputs it has, and that attributes are within reason.
pub(super) fn check_form(node: &NodeProto, fan: usize) -> Result<(), Fault> {
    for (what, found) in [("inputs", node.input.len()), ("outputs", node.output.len())] {
        let is_needed = what == "outputs" || !NULLARY.contains(&node.op_type.as_str());
        if found > fan || (found == 0 && is_needed) {
            let (node, operator) = (label(node), node.op_type.clone());
            return Err(Fault::Arity { node, operator, what, found, allowed: format!("1 to {fan}") });
        }
    }
    attribute::check(node)?;
    node.attribute.iter().try_for_each(|a| check_range(node, &a.name))
}

/// Operators that may do without inputs.
const NULLARY: [&str; 2] = ["Constant", "If"];

/// Checks that `node` is of an operator that is taken.
pub(super) fn check(node: &NodeProto, register: &Register) -> Result<(), Fault> {
    let is_known = match node.domain.as_str() {
        "" | "ai.onnx" | DOMAIN => true,
        "com.microsoft" => MICROSOFT.contains(&node.op_type.as_str()),
        _ => false,
    };
    if !is_known {
        let (operator, domain) = (node.op_type.clone(), node.domain.clone());
        return Err(Fault::Domain { node: label(node), operator, domain });
    }
    let reason = refused(&node.op_type);
    if reason.is_some() || !register.knows(&node.op_type) {
        let detail = reason.unwrap_or_default().to_owned();
        return Err(Fault::Operator { node: label(node), operator: node.op_type.clone(), detail });
    }
    Ok(())
}

/// Values an integer attribute (or each of a list) may have. Names mean the same in all operators that have them.
fn range(node: &NodeProto, name: &str) -> Option<(i64, i64)> {
    const SIDE: i64 = 1 << 16;
    let rank = MAX_RANK as i64;
    Some(match name {
        "kernel_shape" | "strides" | "dilations" | "blocksize" => (1, SIDE),
        "pads" if node.op_type == "Pad" => (-(1 << 24), 1 << 24),
        "pads" => (0, SIDE),
        "output_padding" => (0, SIDE),
        "output_shape" => (1, 1 << 24),
        "group" | "hidden_size" | "num_groups" => (1, 1 << 20),
        "axis" | "axes" | "batch_axis" | "time_axis" => (-rank, rank),
        "perm" | "batch_dims" => (0, rank),
        "size" => (1, SIDE),
        "num_outputs" | "num_heads" | "q_num_heads" | "kv_num_heads" => (1, SIDE),
        "p" => (1, 64),
        "ceil_mode" | "count_include_pad" | "align_corners" | "keepdims" | "exclude_outside"
        | "antialias" => (0, 1),
        "exclusive" | "reverse" | "upper" | "transA" | "transB" | "linear_before_reset" | "layout" => (0, 1),
        _ => return None,
    })
}

fn check_range(node: &NodeProto, name: &str) -> Result<(), Fault> {
    let Some((low, high)) = range(node, name) else { return Ok(()) };
    let Some(found) = attribute::find(node, name) else { return Ok(()) };
    let outside = |v: &&i64| !(low..=high).contains(*v);
    if let Some(value) = found.ints.iter().chain(std::iter::once(&found.i)).find(outside) {
        // A list leaves `i` at 0 and a number leaves the list empty; 0 there says nothing.
        if !(*value == 0 && found.ints.iter().all(|v| (low..=high).contains(v)) && !found.ints.is_empty()) {
            return Err(attribute::refuse(node, name, value, &format!("{low}..={high}")));
        }
    }
    if found.ints.len() > 2 * MAX_RANK {
        return Err(attribute::refuse(
            node,
            name,
            format!("a list of {}", found.ints.len()),
            &format!("at most {} numbers", 2 * MAX_RANK),
        ));
    }
    Ok(())
}
