//! Rewriting what exporters write into what tract's importer reads, on the ONNX nodes themselves.
//!
//! Some rewrites need only the nodes ([`fixed`]). The others run in step with shape inference ([`Unfolder`]): when a
//! node is reached, the shapes of its inputs and the values of constants are known, so control flow can be unrolled and
//! attributes that ONNX gives as tensors can be read.

mod constants;
mod control;
mod einsum;
mod emit;
mod indices;
mod intervene;
mod moving;
mod pointwise;
mod precision;
mod recurrent;
mod spatial;
mod window;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::attribute;
use super::facts::Facts;
use super::forms;
use super::net::{Net, reads};
use super::operators;
use crate::error::Fault;
use crate::tract::Tensor;
use crate::tract::pb::NodeProto;
use emit::{Emit, Names};

pub(super) use emit::{DOMAIN, OPSET};
pub use intervene::Intervention;
pub(super) use intervene::insert;

/// Rewrites that need nothing but the nodes and the constants.
pub(super) fn fixed(net: &mut Net) -> Result<(), Fault> {
    for node in &mut net.nodes {
        while node.input.last().is_some_and(String::is_empty) {
            node.input.pop();
        }
    }
    constants::lift(net)?;
    precision::single(net);
    let outputs: Vec<String> = net.outputs.iter().map(|o| o.name.clone()).collect();
    drop_unread(net, &outputs);
    Ok(())
}

/// Drops optional outputs (masks, indices, statistics) that nobody reads: the importer below knows fewer of them.
pub(super) fn drop_unread(net: &mut Net, outputs: &[String]) {
    let read: BTreeSet<String> = net
        .nodes
        .iter()
        .flat_map(|n| reads(n).into_iter().map(str::to_owned))
        .chain(outputs.iter().cloned())
        .collect();
    for node in &mut net.nodes {
        let has_optional = matches!(
            node.op_type.as_str(),
            "Attention"
                | "BatchNormalization"
                | "Dropout"
                | "GRU"
                | "LSTM"
                | "LayerNormalization"
                | "MaxPool"
                | "RNN"
                | "SkipLayerNormalization"
        );
        if !has_optional {
            continue;
        }
        // The recurrent ones may do without their first output; the others may not.
        let first = usize::from(!matches!(node.op_type.as_str(), "GRU" | "LSTM" | "RNN"));
        for output in node.output.iter_mut().skip(first).filter(|o| !read.contains(*o)) {
            output.clear();
        }
        while node.output.last().is_some_and(String::is_empty) {
            node.output.pop();
        }
    }
    net.nodes.retain(|n| n.output.iter().any(|o| !o.is_empty()));
}

/// Refuses weights that are not finite, and weights of types that cannot be used.
pub(super) fn check_weights(net: &Net) -> Result<(), Fault> {
    for (name, constant) in &net.constants {
        constant.value.as_ref().map_err(Fault::clone)?;
        let Some((index, value)) = constant.flaw else { continue };
        let weighs = net.nodes.iter().any(|n| constants::weighs(&n.op_type) && n.input.contains(name));
        if value.is_nan() || weighs || !constants::is_mask(constant) {
            return Err(Fault::NonFinite { tensor: name.clone(), index, value });
        }
    }
    Ok(())
}

/// Takes nodes in computable order, rewrites what needs it, and infers what is left.
pub(super) struct Unfolder<'a> {
    pub facts: Facts<'a>,
    names: Names,
    opset: i64,
    /// Nodes that tract knows, in computable order.
    pub nodes: Vec<NodeProto>,
    /// Constants that rewriting added.
    pub constants: Vec<(String, Arc<Tensor>)>,
}

impl<'a> Unfolder<'a> {
    pub fn new(net: &Net, facts: Facts<'a>) -> Unfolder<'a> {
        Unfolder { facts, names: Names::of(net), opset: net.opset, nodes: Vec::new(), constants: Vec::new() }
    }

    /// Takes one node of the graph.
    pub fn take(&mut self, node: &NodeProto) -> Result<(), Fault> {
        let mut queue = VecDeque::from([node.clone()]);
        while let Some(node) = queue.pop_front() {
            operators::check_form(&node, self.facts.limits().fan)?;
            forms::check(&node, &self.facts)?;
            let mut emit = Emit::for_node(&node, &mut self.names);
            if rewrite(&node, self.opset, &self.facts, &mut emit)? {
                let (nodes, constants) = (emit.nodes, emit.constants);
                for (name, value) in constants {
                    self.facts.add_constant(&name, &value)?;
                    self.constants.push((name, value));
                }
                nodes.into_iter().rev().for_each(|n| queue.push_front(n));
                self.facts.check_nodes(self.nodes.len() + queue.len())?;
            } else {
                self.facts.infer(&node)?;
                self.nodes.push(node);
            }
        }
        self.facts.check_nodes(self.nodes.len())
    }
}

/// Writes what takes the node's place into `emit`; false if it stays as it is.
fn rewrite(node: &NodeProto, opset: i64, facts: &Facts<'_>, emit: &mut Emit<'_>) -> Result<bool, Fault> {
    let is_own = node.domain == DOMAIN;
    if !(is_own || node.domain.is_empty() || node.domain == "ai.onnx") {
        return Ok(false);
    }
    let version = if is_own { OPSET } else { opset };
    let steps = facts.limits().steps;
    match node.op_type.as_str() {
        "Constant" => {
            let value = constants::value(node)?.value?;
            let name = emit.constant(value);
            emit.op_to("Identity", &[&name], Vec::new(), &node.output[0]);
        }
        intervene::OPERATOR if is_own => intervene::write(node, facts, emit)?,
        "If" => control::if_else(node, facts, emit)?,
        "Loop" => control::run_loop(node, facts, emit, steps)?,
        "Scan" => control::scan(node, facts, emit, steps)?,
        "Upsample" => spatial::upsample(node, facts, emit)?,
        "Resize" if version == 10 => spatial::resize_10(node, emit),
        "AffineGrid" => spatial::affine_grid(node, facts, emit)?,
        "LSTM" | "GRU" | "RNN" => recurrent::unroll(node, facts, emit)?,
        "ConvTranspose" => return pointwise::conv_transpose(node, facts, emit),
        "Celu" => pointwise::celu(node, emit)?,
        "Selu" if !is_own => pointwise::selu(node, emit)?,
        "GlobalLpPool" => pointwise::global_lp_pool(node, facts, emit)?,
        "LpPool" => window::lp_pool(node, facts, emit)?,
        "ReverseSequence" => moving::reverse_sequence(node, facts, emit)?,
        "Pad" => return Ok(moving::pad(node, facts, emit)? || scalars(node, &[2], facts, emit)),
        "Gather" | "GatherElements" | "GatherND" | "ScatterElements" | "ScatterND" => {
            let cut = node.op_type == "ScatterElements" && indices::leading_updates(node, facts, emit);
            return Ok(cut || indices::count_from_start(node, facts, emit)?);
        }
        "Einsum" => return einsum::explicit(node, facts, emit),
        "Compress" => return moving::compress(node, facts, emit),
        "Clip" => return Ok(scalars(node, &[1, 2], facts, emit)),
        "Squeeze" if node.input.len() < 2 && attribute::find(node, "axes").is_none() => {
            pointwise::squeeze_all(node, facts, emit)?;
        }
        "Swish" => match attribute::float(node, "alpha")? {
            Some(alpha) if alpha != 1.0 => pointwise::swish(node, alpha, emit),
            _ => return Ok(false),
        },
        "BatchNormalization" => {
            pointwise::check_batch_norm(node)?;
            return Ok(false);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Bounds and fill values must be scalars; some exporters write lists of one.
fn scalars(node: &NodeProto, positions: &[usize], facts: &Facts<'_>, emit: &mut Emit<'_>) -> bool {
    let mut copy = node.clone();
    for &position in positions {
        let Some(name) = node.input.get(position).filter(|n| !n.is_empty()) else { continue };
        let Some(value) = facts.value(name).filter(|v| v.rank() > 0 && v.volume() == 1) else { continue };
        if let Ok(scalar) = value.as_ref().clone().into_shape(&[]) {
            copy.input[position] = emit.constant(scalar);
        }
    }
    let changed = copy.input != node.input;
    if changed {
        emit.nodes.push(copy);
    }
    changed
}
