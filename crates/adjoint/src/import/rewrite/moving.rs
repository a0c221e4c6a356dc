//! Pad that wraps or crops, Compress, ReverseSequence.

use super::super::attribute;
use super::super::facts::Facts;
use super::super::net::label;
use super::emit::{Emit, int, text};
use crate::error::Fault;
use crate::tract::Tensor;
use crate::tract::pb::NodeProto;

/// Numbers added before and after each axis.
struct Pads {
    before: Vec<i64>,
    after: Vec<i64>,
}

/// The constant pads of a Pad node for an input of `rank` axes; `None` where they are not constant.
fn pads(node: &NodeProto, facts: &Facts<'_>, rank: usize) -> Result<Option<Pads>, Fault> {
    let list = match attribute::ints(node, "pads")? {
        Some(list) => list.to_vec(),
        None => match node.input.get(1).and_then(|name| facts.integers(name)) {
            Some(list) => list,
            None => return Ok(None),
        },
    };
    let axes: Vec<i64> = match node.input.get(3).filter(|n| !n.is_empty()) {
        Some(name) => match facts.integers(name) {
            Some(axes) => axes,
            None => return Ok(None),
        },
        None => (0..rank as i64).collect(),
    };
    let wrong =
        || attribute::refuse(node, "pads", format!("{list:?} on axes {axes:?}"), "two numbers per axis");
    if list.len() != 2 * axes.len() || list.iter().any(|p| p.abs() > 1 << 24) {
        return Err(wrong());
    }
    let mut pads = Pads { before: vec![0; rank], after: vec![0; rank] };
    for (index, axis) in axes.iter().enumerate() {
        let axis = if *axis < 0 { *axis + rank as i64 } else { *axis };
        let axis = usize::try_from(axis).ok().filter(|a| *a < rank).ok_or_else(wrong)?;
        pads.before[axis] = list[index];
        pads.after[axis] = list[index + axes.len()];
    }
    Ok(Some(pads))
}

/// Pad: negative numbers crop first; the mode `wrap` continues with the other end of the axis. Returns whether the node
/// was rewritten; the other modes stay as they are.
pub(super) fn pad(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<bool, Fault> {
    let input = node.input.first().map_or("", String::as_str);
    let Some(shape) = facts.shape(input) else { return Ok(false) };
    let Some(pads) = pads(node, facts, shape.len())? else { return Ok(false) };
    let mode = attribute::text(node, "mode")?.unwrap_or("constant").to_owned();
    let crops = pads.before.iter().chain(&pads.after).any(|p| *p < 0);
    check_reach(node, &mode, &pads, &shape)?;
    // The importer below loses the sides of axes that are not listed, so lists of axes are written out too.
    let lists_axes = node.input.get(3).is_some_and(|n| !n.is_empty());
    if mode != "wrap" && !crops && !lists_axes {
        return Ok(false);
    }
    let mut x = input.to_owned();
    for (axis, side) in shape.iter().enumerate() {
        let (before, after) = (pads.before[axis], pads.after[axis]);
        if before < 0 || after < 0 {
            x = emit.slice(&x, axis, ((-before).max(0), *side as i64 + after.min(0)), 1);
        }
        if mode == "wrap" && (before > 0 || after > 0) {
            x = wrap(node, &x, axis, (before.max(0), after.max(0)), side_left(*side, before, after), emit)?;
        }
    }
    if mode == "wrap" {
        emit.op_to("Identity", &[&x], Vec::new(), &node.output[0]);
        return Ok(true);
    }
    let positive: Vec<i64> = pads.before.iter().chain(&pads.after).map(|p| (*p).max(0)).collect();
    let positive = emit.ints(&positive);
    let mut inputs = vec![x.as_str(), positive.as_str()];
    let value = match attribute::float(node, "value")? {
        Some(value) => emit.constant(Tensor::from(value)),
        None => node.input.get(2).cloned().unwrap_or_default(),
    };
    if !value.is_empty() {
        inputs.push(&value);
    }
    emit.op_to("Pad", &inputs, vec![text("mode", &mode)], &node.output[0]);
    Ok(true)
}

fn side_left(side: usize, before: i64, after: i64) -> i64 {
    side as i64 + before.min(0) + after.min(0)
}

/// Reflection cannot reach beyond the other end, and an edge needs something to repeat.
fn check_reach(node: &NodeProto, mode: &str, pads: &Pads, shape: &[usize]) -> Result<(), Fault> {
    for (axis, side) in shape.iter().enumerate() {
        let (before, after) = (pads.before[axis], pads.after[axis]);
        let left = side_left(*side, before, after);
        let most = match mode {
            "reflect" => left - 1,
            "wrap" => left,
            "edge" if left < 1 => 0,
            _ => i64::MAX,
        };
        if left < 0 || before > most || after > most {
            let value = format!("{before} and {after} on axis {axis} of side {side} (mode {mode})");
            return Err(attribute::refuse(node, "pads", value, "at most what the axis holds"));
        }
    }
    Ok(())
}

/// One axis of side `side` continued by its other end.
fn wrap(
    node: &NodeProto,
    x: &str,
    axis: usize,
    (before, after): (i64, i64),
    side: i64,
    emit: &mut Emit<'_>,
) -> Result<String, Fault> {
    if before > side || after > side {
        return Err(attribute::refuse(node, "pads", before.max(after), &format!("at most the side {side}")));
    }
    let head = (before > 0).then(|| emit.slice(x, axis, (side - before, side), 1));
    let tail = (after > 0).then(|| emit.slice(x, axis, (0, after), 1));
    let parts: Vec<&str> =
        head.iter().map(String::as_str).chain([x]).chain(tail.iter().map(String::as_str)).collect();
    Ok(emit.op("Concat", &parts, vec![int("axis", axis as i64)]))
}

/// Compress with a constant condition: a gather of the places where it is true.
pub(super) fn compress(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<bool, Fault> {
    let Some(condition) = node.input.get(1).and_then(|name| facts.integers(name)) else { return Ok(false) };
    let places: Vec<i64> =
        (0i64..).zip(&condition).filter(|(_, is)| **is != 0).map(|(place, _)| place).collect();
    let places = emit.ints(&places);
    match attribute::int(node, "axis")? {
        Some(axis) => {
            emit.op_to("Gather", &[&node.input[0], &places], vec![int("axis", axis)], &node.output[0])
        }
        None => {
            let all = emit.ints(&[-1]);
            let flat = emit.op("Reshape", &[&node.input[0], &all], Vec::new());
            emit.op_to("Gather", &[&flat, &places], vec![int("axis", 0)], &node.output[0]);
        }
    }
    Ok(true)
}

/// ReverseSequence with constant lengths: a gather of whole rows with constant indices.
pub(super) fn reverse_sequence(
    node: &NodeProto,
    facts: &Facts<'_>,
    emit: &mut Emit<'_>,
) -> Result<(), Fault> {
    let refuse = |value: String| {
        attribute::refuse(node, "sequence_lens", value, "constant lengths, one per batch item")
    };
    let shape = node.input.first().and_then(|x| facts.shape(x)).unwrap_or_default();
    let lengths =
        node.input.get(1).and_then(|n| facts.integers(n)).ok_or_else(|| refuse("not constant".to_owned()))?;
    let batch_axis = attribute::int(node, "batch_axis")?.unwrap_or(1);
    let time_axis = attribute::int(node, "time_axis")?.unwrap_or(0);
    if shape.len() < 2
        || (batch_axis, time_axis) != (1 - time_axis, time_axis)
        || !(0..=1).contains(&time_axis)
    {
        return Err(attribute::refuse(node, "time_axis", time_axis, "0 or 1, and batch_axis the other"));
    }
    let (time, batch) = (shape[time_axis as usize], shape[batch_axis as usize]);
    if lengths.len() != batch || lengths.iter().any(|l| *l < 0 || *l > time as i64) {
        return Err(refuse(format!("{lengths:?} for {batch} items of {time} steps")));
    }
    facts.check_bytes(&label(node), &[time, batch], 16)?;
    let mut indices: Vec<i64> = Vec::with_capacity(2 * time * batch);
    for first in 0..shape[0] as i64 {
        for second in 0..shape[1] as i64 {
            let (step, item) = if time_axis == 0 { (first, second) } else { (second, first) };
            let length = lengths[item as usize];
            let source = if step < length { length - 1 - step } else { step };
            indices.extend(if time_axis == 0 { [source, item] } else { [item, source] });
        }
    }
    let indices = Tensor::from_shape(&[shape[0], shape[1], 2], &indices)
        .map_err(|e| Fault::Importer { node: label(node), message: e.to_string() })?;
    let indices = emit.constant(indices);
    emit.op_to("GatherND", &[&node.input[0], &indices], Vec::new(), &node.output[0]);
    Ok(())
}
