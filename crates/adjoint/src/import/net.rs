//! The graph as the importer works on it: ONNX nodes in an order in which they can be computed, constants decoded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::info::TensorInfo;
use crate::error::Fault;
use crate::tract::Tensor;
use crate::tract::pb::{GraphProto, NodeProto};

/// A constant of the graph.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    /// The values, or why they cannot be used: only a question that needs them has to hear of it.
    pub value: Result<Arc<Tensor>, Fault>,
    /// Position and value of the first element that is not a finite number.
    pub flaw: Option<(usize, f32)>,
}

impl Constant {
    pub fn of(tensor: Tensor) -> Constant {
        Constant { flaw: super::tensor::first_flaw(&tensor), value: Ok(Arc::new(tensor)) }
    }
}

/// A graph: what it takes, what it computes, what it knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Net {
    pub opset: i64,
    pub nodes: Vec<NodeProto>,
    pub constants: BTreeMap<String, Constant>,
    pub inputs: Vec<TensorInfo>,
    pub outputs: Vec<TensorInfo>,
    /// Keys and values that the file carries beside the graph.
    pub metadata: Vec<(String, String)>,
    /// Remarks for the user on what was changed on the way in.
    pub notes: BTreeSet<String>,
}

/// A node's name for messages.
pub(super) fn label(node: &NodeProto) -> String {
    match (node.name.as_str(), node.output.iter().find(|o| !o.is_empty())) {
        ("", Some(output)) => format!("{} producing {output}", node.op_type),
        ("", None) => format!("{} without outputs", node.op_type),
        (name, _) => name.to_owned(),
    }
}

/// Graphs that a node carries in its attributes (branches and bodies).
pub(super) fn bodies(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|a| a.g.iter().chain(a.graphs.iter()))
}

/// Names of the tensors a node reads, with those that the graphs inside it read from outside. May repeat a name.
pub(super) fn reads(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<&str> = node.input.iter().map(String::as_str).filter(|n| !n.is_empty()).collect();
    for body in bodies(node) {
        captures(body, &mut names);
    }
    names
}

/// Adds the names that `graph` reads but does not define. Recursion is bounded by the nesting that decoding allows.
fn captures<'a>(graph: &'a GraphProto, into: &mut Vec<&'a str>) {
    let mut own: BTreeSet<&str> = graph.input.iter().map(|i| i.name.as_str()).collect();
    own.extend(graph.initializer.iter().map(|t| t.name.as_str()));
    own.extend(graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)));
    for name in graph.node.iter().flat_map(reads).chain(graph.output.iter().map(|o| o.name.as_str())) {
        if !own.contains(name) {
            into.push(name);
        }
    }
}
