//! If, Loop and Scan whose course is fixed by shapes and constants: the branch taken is written out, the steps are
//! unrolled. What depends on the data is refused by name.

use std::collections::BTreeMap;

use prost::Message;

use super::super::attribute;
use super::super::check::computable_order;
use super::super::facts::Facts;
use super::super::net::label;
use super::super::tensor;
use super::emit::{Emit, int};
use crate::error::Fault;
use crate::tract::pb::{GraphProto, NodeProto, TensorProto};
use crate::tract::tensor0;

fn refuse(node: &NodeProto, reason: impl Into<String>) -> Fault {
    Fault::Control { node: label(node), operator: node.op_type.clone(), reason: reason.into() }
}

fn body<'a>(node: &'a NodeProto, name: &str) -> Result<&'a GraphProto, Fault> {
    let found = attribute::find(node, name).and_then(|a| a.g.as_ref());
    found.ok_or_else(|| attribute::refuse(node, name, "absent", "a graph"))
}

/// Checks that so many copies of a body stay within the limits, before they are made.
fn check_copies(node: &NodeProto, body: &GraphProto, copies: usize, facts: &Facts<'_>) -> Result<(), Fault> {
    facts.check_nodes(body.node.len().saturating_mul(copies))?;
    facts.check_bytes(
        &format!("{copies} copies of the body of {}", label(node)),
        &[copies, body.encoded_len()],
        2,
    )
}

/// The constants of a body, taken over once for all copies: their names inside and outside.
fn adopt(
    node: &NodeProto,
    body: &GraphProto,
    emit: &mut Emit<'_>,
) -> Result<BTreeMap<String, String>, Fault> {
    let mut names = BTreeMap::new();
    for proto in &body.initializer {
        let mut proto = proto.clone();
        let name = std::mem::take(&mut proto.name);
        proto.name = format!("{name} in {}", label(node));
        let value = tensor::decode(proto, None)?.value?;
        names.insert(name, emit.constant(value));
    }
    for inner in body.node.iter().filter(|n| n.op_type == "Constant") {
        if let Some(output) = inner.output.first() {
            names.insert(output.clone(), emit.constant(super::constants::value(inner)?.value?));
        }
    }
    Ok(names)
}

/// A copy of a body's nodes with new names for everything in it; outer names stay. `own` names its constants. Returns
/// the names of its outputs.
fn inline(
    node: &NodeProto,
    body: &GraphProto,
    own: &BTreeMap<String, String>,
    inputs: &[String],
    emit: &mut Emit<'_>,
) -> Result<Vec<String>, Fault> {
    if body.input.len() != inputs.len() {
        return Err(refuse(node, format!("gives {} inputs to a body of {}", inputs.len(), body.input.len())));
    }
    let mut names = own.clone();
    names.extend(body.input.iter().map(|i| i.name.clone()).zip(inputs.iter().cloned()));
    let order = computable_order(&body.node)?;
    for inner in order.into_iter().map(|index| &body.node[index]).filter(|n| n.op_type != "Constant") {
        let mut copy = inner.clone();
        copy.name = emit.names.fresh(&label(inner));
        rename(&mut copy, &names);
        for output in copy.output.iter_mut().filter(|o| !o.is_empty()) {
            let fresh = emit.names.fresh(output);
            names.insert(std::mem::replace(output, fresh.clone()), fresh);
        }
        emit.nodes.push(copy);
    }
    Ok(body.output.iter().map(|o| names.get(&o.name).unwrap_or(&o.name).clone()).collect())
}

/// Gives the inputs of a node, and what bodies inside it read from outside, their new names.
fn rename(node: &mut NodeProto, names: &BTreeMap<String, String>) {
    for input in &mut node.input {
        if let Some(new) = names.get(input) {
            input.clone_from(new);
        }
    }
    for attribute in &mut node.attribute {
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            let mut outer = names.clone();
            graph.input.iter().for_each(|i| drop(outer.remove(&i.name)));
            graph.initializer.iter().for_each(|t| drop(outer.remove(&t.name)));
            graph.node.iter().flat_map(|n| &n.output).for_each(|o| drop(outer.remove(o)));
            graph.node.iter_mut().for_each(|inner| rename(inner, &outer));
            for output in &mut graph.output {
                if let Some(new) = outer.get(&output.name) {
                    output.name.clone_from(new);
                }
            }
        }
    }
}

/// Connects the results of a rewritten node to the names the graph knows.
fn connect(node: &NodeProto, results: &[String], emit: &mut Emit<'_>) -> Result<(), Fault> {
    if node.output.len() > results.len() {
        return Err(refuse(
            node,
            format!("has {} outputs, its body gives {}", node.output.len(), results.len()),
        ));
    }
    for (output, result) in node.output.iter().zip(results).filter(|(o, _)| !o.is_empty()) {
        emit.op_to("Identity", &[result], Vec::new(), output);
    }
    Ok(())
}

/// If: the branch that its constant condition takes.
pub(super) fn if_else(node: &NodeProto, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<(), Fault> {
    let condition = node.input.first().and_then(|name| facts.value(name));
    let condition = condition.and_then(|c| c.cast_to_scalar::<bool>().ok());
    let Some(condition) = condition else {
        let name = node.input.first().map_or("", String::as_str);
        return Err(refuse(node, format!("has a condition ({name}) that depends on the data")));
    };
    let branch = body(node, if condition { "then_branch" } else { "else_branch" })?;
    check_copies(node, branch, 1, facts)?;
    let own = adopt(node, branch, emit)?;
    let results = inline(node, branch, &own, &[], emit)?;
    connect(node, &results, emit)
}

/// Loop with a constant number of steps and a condition that stays true.
pub(super) fn run_loop(
    node: &NodeProto,
    facts: &Facts<'_>,
    emit: &mut Emit<'_>,
    steps: usize,
) -> Result<(), Fault> {
    let body = body(node, "body")?;
    let carried = node.input.len().saturating_sub(2);
    if body.input.len() != carried + 2 || body.output.len() < carried + 1 {
        return Err(refuse(
            node,
            format!("carries {carried} values, its body {}", body.input.len().saturating_sub(2)),
        ));
    }
    let count = loop_count(node, facts, steps)?;
    if !stays_true(body, facts) {
        return Err(refuse(node, "has a condition that its body computes"));
    }
    check_copies(node, body, count, facts)?;
    let own = adopt(node, body, emit)?;
    let mut state: Vec<String> = node.input[2..].to_vec();
    let always = emit.constant(tensor0(true));
    let mut scanned: Vec<Vec<String>> = vec![Vec::new(); body.output.len() - 1 - carried];
    for step in 0..count {
        let index = emit.constant(tensor0(step as i64));
        let mut inputs = vec![index, always.clone()];
        inputs.extend(state);
        let mut results = inline(node, body, &own, &inputs, emit)?;
        for (list, result) in scanned.iter_mut().zip(results.split_off(carried + 1)) {
            list.push(result);
        }
        state = results.split_off(1);
    }
    let mut results = state;
    for list in &scanned {
        if list.is_empty() {
            return Err(refuse(node, "collects the outputs of no steps at all"));
        }
        results.push(stack(list, 0, emit));
    }
    connect(node, &results, emit)
}

/// The number of steps: the constant trip count, or none if the condition is false from the start.
fn loop_count(node: &NodeProto, facts: &Facts<'_>, steps: usize) -> Result<usize, Fault> {
    let value = |index: usize| node.input.get(index).filter(|n| !n.is_empty());
    if let Some(name) = value(1) {
        match facts.value(name).and_then(|c| c.cast_to_scalar::<bool>().ok()) {
            Some(true) => {}
            Some(false) => return Ok(0),
            None => return Err(refuse(node, format!("has a condition ({name}) that depends on the data"))),
        }
    }
    let Some(name) = value(0) else { return Err(refuse(node, "has no number of steps")) };
    let count = facts.integers(name).and_then(|n| n.first().copied());
    let count = count
        .ok_or_else(|| refuse(node, format!("has a number of steps ({name}) that depends on the data")))?;
    let count = usize::try_from(count.max(0)).unwrap_or(usize::MAX);
    if count > steps {
        return Err(refuse(
            node,
            format!("runs for {count} steps; at most {steps} are unrolled (Limits::steps)"),
        ));
    }
    Ok(count)
}

/// Whether a loop's body hands back the condition it was given, or a true one. Computed conditions count as unknown.
fn stays_true(body: &GraphProto, facts: &Facts<'_>) -> bool {
    let truth = |proto: &TensorProto| {
        let value = tensor::decode(proto.clone(), None).ok().and_then(|c| c.value.ok());
        value.and_then(|v| v.cast_to_scalar::<bool>().ok()).unwrap_or(false)
    };
    let mut name = body.output[0].name.as_str();
    for _ in 0..=body.node.len() {
        if name == body.input[1].name {
            return true;
        }
        if let Some(proto) = body.initializer.iter().find(|t| t.name == name) {
            return truth(proto);
        }
        let Some(producer) = body.node.iter().find(|n| n.output.iter().any(|o| o == name)) else {
            // A tensor of the graph around the loop.
            return facts.value(name).and_then(|v| v.cast_to_scalar::<bool>().ok()).unwrap_or(false);
        };
        match (producer.op_type.as_str(), producer.input.first()) {
            ("Identity" | "Cast", Some(input)) => name = input,
            ("Constant", _) => {
                return attribute::find(producer, "value").and_then(|a| a.t.as_ref()).is_some_and(truth);
            }
            _ => return false,
        }
    }
    false
}

/// Tensors joined along a new axis.
pub(super) fn stack(parts: &[String], axis: i64, emit: &mut Emit<'_>) -> String {
    let axes = emit.ints(&[axis]);
    let parts: Vec<String> = parts.iter().map(|p| emit.op("Unsqueeze", &[p, &axes], Vec::new())).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    emit.op("Concat", &parts, vec![int("axis", axis)])
}

/// Scan (opset 9 on): each step reads one slice of every scanned input.
pub(super) fn scan(
    node: &NodeProto,
    facts: &Facts<'_>,
    emit: &mut Emit<'_>,
    steps: usize,
) -> Result<(), Fault> {
    let body = body(node, "body")?;
    let plan = ScanPlan::of(node, body, facts, steps)?;
    check_copies(node, body, plan.count, facts)?;
    let own = adopt(node, body, emit)?;
    let mut state: Vec<String> = node.input[..plan.states].to_vec();
    let mut scanned: Vec<Vec<String>> = vec![Vec::new(); plan.output_axes.len()];
    for step in 0..plan.count {
        let mut inputs = state;
        for (index, name) in node.input[plan.states..].iter().enumerate() {
            let (axis, backward) = (plan.input_axes[index], plan.input_backward[index]);
            let position = if backward { plan.count - 1 - step } else { step };
            let position = emit.constant(tensor0(position as i64));
            inputs.push(emit.op("Gather", &[name, &position], vec![int("axis", axis)]));
        }
        let mut results = inline(node, body, &own, &inputs, emit)?;
        for (list, result) in scanned.iter_mut().zip(results.split_off(plan.states)) {
            list.push(result);
        }
        state = results;
    }
    let mut results = state;
    for (index, mut list) in scanned.into_iter().enumerate() {
        if plan.output_backward[index] {
            list.reverse();
        }
        results.push(stack(&list, plan.output_axes[index], emit));
    }
    connect(node, &results, emit)
}

/// What a Scan node's attributes say.
struct ScanPlan {
    count: usize,
    states: usize,
    input_axes: Vec<i64>,
    input_backward: Vec<bool>,
    output_axes: Vec<i64>,
    output_backward: Vec<bool>,
}

impl ScanPlan {
    fn of(node: &NodeProto, body: &GraphProto, facts: &Facts<'_>, steps: usize) -> Result<ScanPlan, Fault> {
        let scanned = attribute::int(node, "num_scan_inputs")?.unwrap_or(0);
        let scanned = usize::try_from(scanned).ok().filter(|n| *n > 0 && *n <= node.input.len());
        let Some(scanned) = scanned else {
            return Err(attribute::refuse(
                node,
                "num_scan_inputs",
                "out of range",
                "1 to the number of inputs",
            ));
        };
        let states = node.input.len() - scanned;
        if body.output.len() < states {
            return Err(refuse(
                node,
                format!("carries {states} values, its body gives {}", body.output.len()),
            ));
        }
        let outputs = body.output.len() - states;
        let list = |name: &str, length: usize| -> Result<Vec<i64>, Fault> {
            let found = attribute::ints(node, name)?.map_or_else(|| vec![0; length], <[i64]>::to_vec);
            let wrong = || attribute::refuse(node, name, format!("{found:?}"), &format!("{length} numbers"));
            if found.len() == length { Ok(found) } else { Err(wrong()) }
        };
        let backward = |name: &str, length: usize| -> Result<Vec<bool>, Fault> {
            Ok(list(name, length)?.into_iter().map(|d| d == 1).collect())
        };
        let input_axes = list("scan_input_axes", scanned)?;
        let count = scan_length(node, &node.input[states..], &input_axes, facts)?;
        if count == 0 || count > steps {
            return Err(refuse(
                node,
                format!("runs for {count} steps; 1 to {steps} are unrolled (Limits::steps)"),
            ));
        }
        Ok(ScanPlan {
            count,
            states,
            input_axes,
            input_backward: backward("scan_input_directions", scanned)?,
            output_axes: list("scan_output_axes", outputs)?,
            output_backward: backward("scan_output_directions", outputs)?,
        })
    }
}

/// Length of the scanned axis, the same for all scanned inputs.
fn scan_length(node: &NodeProto, inputs: &[String], axes: &[i64], facts: &Facts<'_>) -> Result<usize, Fault> {
    let mut length = None;
    for (name, axis) in inputs.iter().zip(axes) {
        let shape = facts.shape(name).unwrap_or_default();
        let index = if *axis < 0 { *axis + shape.len() as i64 } else { *axis };
        let side = usize::try_from(index).ok().and_then(|i| shape.get(i)).copied();
        let side =
            side.ok_or_else(|| refuse(node, format!("scans axis {axis} of {name}, which has {shape:?}")))?;
        if *length.get_or_insert(side) != side {
            return Err(refuse(node, format!("scans inputs of different lengths ({name} has {side})")));
        }
    }
    Ok(length.unwrap_or(0))
}
