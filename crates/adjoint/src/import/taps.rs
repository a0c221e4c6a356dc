//! The listing of all tensors that a graph computes.

use super::convert::known_sources;
use super::facts::Facts;
use super::info::{Dtype, Tap};
use super::limits::Limits;
use super::net::{Net, label};
use super::rewrite::Unfolder;
use crate::tract::DatumType;
use crate::tract::importer::Register;

/// Every tensor that a node computes, in graph order. Inference goes as far as it can: what does not depend on a node
/// that fails still gets its shape.
pub(super) fn list(net: &Net, inputs: &[(String, Vec<usize>)], limits: &Limits) -> Vec<Tap> {
    let register = Register::new();
    let sources = known_sources(&net.inputs, inputs);
    let mut unfolder =
        Facts::new(&register, limits, net, &sources).ok().map(|facts| Unfolder::new(net, facts));
    let mut taps = Vec::new();
    for node in &net.nodes {
        if let Some(unfolder) = &mut unfolder {
            // A failure shows as tensors without a shape; the same failure is named when the tensor is asked for.
            let _ = unfolder.take(node);
        }
        let facts = unfolder.as_ref().map(|u| &u.facts);
        for name in node.output.iter().filter(|o| !o.is_empty()) {
            let dtype = facts.and_then(|f| f.dtype(name)).map(dtype);
            let shape = facts.and_then(|f| f.shape(name));
            let (node, operator) = (label(node), node.op_type.clone());
            taps.push(Tap { name: name.clone(), node, operator, dtype, shape });
        }
    }
    taps
}

fn dtype(datum: DatumType) -> Dtype {
    match datum {
        DatumType::F32 => Dtype::F32,
        DatumType::F16 => Dtype::F16,
        DatumType::F64 => Dtype::F64,
        DatumType::Bool => Dtype::Bool,
        DatumType::String => Dtype::Text,
        other if other.is_integer() || other.is_tdim() => Dtype::Integer,
        _ => Dtype::Other,
    }
}
