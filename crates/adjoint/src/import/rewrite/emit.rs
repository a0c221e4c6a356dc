//! Writing new nodes and constants in the place of one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::net::{Net, bodies, label};
use crate::tract::pb::{AttributeProto, AttributeType, NodeProto};
use crate::tract::{IntoArcTensor, Tensor, tensor1};

/// Domain of nodes that the importer writes: the default operators at version [`OPSET`], whatever the file's own is.
pub(in super::super) const DOMAIN: &str = "adjoint.rewritten";
/// Operator set in which rewritten nodes are written.
pub(in super::super) const OPSET: i64 = 18;

/// Names that are taken, and new ones.
#[derive(Debug, Default)]
pub(in super::super) struct Names {
    taken: BTreeSet<String>,
    next: usize,
}

impl Names {
    /// All names of tensors in `net`, also those inside bodies.
    pub fn of(net: &Net) -> Names {
        let mut taken: BTreeSet<String> = net.constants.keys().cloned().collect();
        taken.extend(net.inputs.iter().map(|i| i.name.clone()));
        net.nodes.iter().for_each(|node| collect(node, &mut taken));
        Names { taken, next: 0 }
    }

    /// A name nobody has, starting with `stem`.
    pub fn fresh(&mut self, stem: &str) -> String {
        loop {
            let name = format!("{stem}~{}", self.next);
            self.next += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// Adds the names in a node. Recursion is bounded by the nesting that decoding allows.
fn collect(node: &NodeProto, taken: &mut BTreeSet<String>) {
    taken.extend(node.output.iter().chain(&node.input).cloned());
    for body in bodies(node) {
        taken.extend(body.input.iter().chain(&body.output).map(|v| v.name.clone()));
        taken.extend(body.initializer.iter().map(|t| t.name.clone()));
        body.node.iter().for_each(|inner| collect(inner, taken));
    }
}

/// Nodes and constants that take the place of one node.
pub(in super::super) struct Emit<'a> {
    pub names: &'a mut Names,
    stem: String,
    pub nodes: Vec<NodeProto>,
    pub constants: Vec<(String, Arc<Tensor>)>,
}

impl<'a> Emit<'a> {
    pub fn for_node(node: &NodeProto, names: &'a mut Names) -> Emit<'a> {
        Emit { names, stem: label(node), nodes: Vec::new(), constants: Vec::new() }
    }

    /// A new node; returns the name of its output.
    pub fn op(&mut self, operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let output = self.names.fresh(&self.stem);
        self.op_to(operator, inputs, attributes, &output);
        output
    }

    /// A new node that computes the tensor `output`.
    pub fn op_to(&mut self, operator: &str, inputs: &[&str], attributes: Vec<AttributeProto>, output: &str) {
        self.nodes.push(NodeProto {
            name: self.names.fresh(&self.stem),
            op_type: operator.to_owned(),
            domain: DOMAIN.to_owned(),
            input: inputs.iter().map(|i| (*i).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute: attributes,
            ..NodeProto::default()
        });
    }

    /// A new constant; returns its name.
    pub fn constant(&mut self, value: impl IntoArcTensor) -> String {
        let name = self.names.fresh(&self.stem);
        self.constants.push((name.clone(), value.into_arc_tensor()));
        name
    }

    /// A new constant list of i64.
    pub fn ints(&mut self, values: &[i64]) -> String {
        self.constant(tensor1(values))
    }

    /// A slice of one axis: `from..to` in steps of `step`, as the operator Slice counts.
    pub fn slice(&mut self, input: &str, axis: usize, range: (i64, i64), step: i64) -> String {
        let (from, to) = (self.ints(&[range.0]), self.ints(&[range.1]));
        let (axis, step) = (self.ints(&[axis as i64]), self.ints(&[step]));
        self.op("Slice", &[input, &from, &to, &axis, &step], Vec::new())
    }
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Float as i32,
        f: value,
        ..Default::default()
    }
}

pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    let kind = AttributeType::Ints as i32;
    AttributeProto { name: name.to_owned(), r#type: kind, ints: values.to_vec(), ..Default::default() }
}

pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    let kind = AttributeType::String as i32;
    AttributeProto { name: name.to_owned(), r#type: kind, s: value.as_bytes().to_vec(), ..Default::default() }
}
