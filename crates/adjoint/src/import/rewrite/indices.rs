//! Indices of gathers and scatters. Constant ones: checked against the axis they point into, negative ones counted from its start.

use std::sync::Arc;

use super::super::attribute;
use super::super::facts::Facts;
use super::super::net::label;
use super::super::tensor;
use super::emit::Emit;
use crate::error::Fault;
use crate::tract::Tensor;
use crate::tract::pb::NodeProto;

/// Writes the constant indices of Gather, GatherElements, GatherND, ScatterElements or ScatterND without negative
/// numbers; refuses those outside their axis. Returns whether anything was to be changed.
pub(super) fn count_from_start(
    node: &NodeProto,
    facts: &Facts<'_>,
    emit: &mut Emit<'_>,
) -> Result<bool, Fault> {
    let (Some(data), Some(name)) = (node.input.first(), node.input.get(1)) else { return Ok(false) };
    let (Some(shape), Some(indices)) = (facts.shape(data), facts.value(name)) else { return Ok(false) };
    let Some(mut values) = tensor::integers(&indices) else { return Ok(false) };
    let sides = sides(node, &shape, &indices)?;
    let mut changed = false;
    for (position, index) in values.iter_mut().enumerate() {
        let side = sides[position % sides.len()];
        if *index < -side || *index >= side {
            let value = format!("the index {index} of {name}");
            return Err(attribute::refuse(node, "axis", value, &format!("-{side} to {} there", side - 1)));
        }
        if *index < 0 {
            *index += side;
            changed = true;
        }
    }
    if changed {
        let fault = |e: String| Fault::Importer { node: label(node), message: e };
        let positive = Tensor::from_shape(indices.shape(), &values).map_err(|e| fault(e.to_string()))?;
        let mut copy = node.clone();
        copy.input[1] = emit.constant(positive);
        emit.nodes.push(copy);
    }
    Ok(changed)
}

/// ScatterElements whose updates are larger than its indices: torch writes such files and means the leading block, while
/// the standard wants equal shapes. Returns whether anything was to be changed.
pub(super) fn leading_updates(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> bool {
    let shape = |index: usize| node.input.get(index).and_then(|name| facts.shape(name));
    let (Some(indices), Some(updates)) = (shape(1), shape(2)) else { return false };
    let is_block = indices.len() == updates.len() && indices.iter().zip(&updates).all(|(i, u)| i <= u);
    if !is_block || indices == updates {
        return false;
    }
    let mut block = node.input[2].clone();
    for (axis, (index, update)) in indices.iter().zip(&updates).enumerate() {
        if index < update {
            block = emit.slice(&block, axis, (0, *index as i64), 1);
        }
    }
    let mut copy = node.clone();
    copy.input[2] = block;
    emit.nodes.push(copy);
    true
}

/// Sides of the axes that consecutive indices point into, in turn.
fn sides(node: &NodeProto, shape: &[usize], indices: &Arc<Tensor>) -> Result<Vec<i64>, Fault> {
    let side = |axis: usize| shape.get(axis).map(|s| *s as i64);
    if matches!(node.op_type.as_str(), "GatherND" | "ScatterND") {
        let batch =
            if node.op_type == "GatherND" { attribute::int(node, "batch_dims")?.unwrap_or(0) } else { 0 };
        let width = indices.shape().last().copied().unwrap_or(0);
        let axes = (batch.max(0) as usize)..(batch.max(0) as usize + width);
        let sides: Option<Vec<i64>> = axes.map(side).collect();
        return sides.filter(|s| !s.is_empty()).ok_or_else(|| {
            let value = format!("of shape {:?} for data of shape {shape:?}", indices.shape());
            attribute::refuse(node, "indices", value, "at most one number per axis of the data")
        });
    }
    let axis = attribute::int(node, "axis")?.unwrap_or(0);
    let index = if axis < 0 { axis + shape.len() as i64 } else { axis };
    let found = usize::try_from(index).ok().and_then(side);
    let refuse = || attribute::refuse(node, "axis", axis, &format!("an axis of data of shape {shape:?}"));
    found.map(|s| vec![s]).ok_or_else(refuse)
}
