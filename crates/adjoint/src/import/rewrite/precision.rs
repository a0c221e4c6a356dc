//! One precision: wherever a file says f16, bf16 or f64, it is computed in f32.

use super::super::info::Dtype;
use super::super::net::Net;
use super::super::tensor;
use crate::tract::pb::{AttributeProto, DataType, GraphProto, NodeProto, TensorProto};

const FLOATS: [i32; 3] = [DataType::Float16 as i32, DataType::Bfloat16 as i32, DataType::Double as i32];

/// Turns the types that nodes name (`Cast`, `ConstantOfShape`, ...) to f32; tensors are turned when they are decoded.
pub(super) fn single(net: &mut Net) {
    let mut changed = false;
    for node in &mut net.nodes {
        changed |= single_node(node);
    }
    for input in &net.inputs {
        changed |= input.dtype.is_float() && input.dtype != Dtype::F32;
    }
    if changed {
        net.notes.insert("f16, bf16 and f64 parts are computed in f32".to_owned());
    }
}

fn single_node(node: &mut NodeProto) -> bool {
    let names_type = |a: &AttributeProto| match node.op_type.as_str() {
        "Cast" => a.name == "to",
        "EyeLike" | "SequenceEmpty" => a.name == "dtype",
        "BlackmanWindow" | "HammingWindow" | "HannWindow" => a.name == "output_datatype",
        "LayerNormalization" | "RMSNormalization" => a.name == "stash_type",
        "Attention" => a.name == "softmax_precision",
        "QuantizeLinear" | "DequantizeLinear" => a.name == "precision" || a.name == "output_dtype",
        _ => false,
    };
    let mut changed = false;
    for index in 0..node.attribute.len() {
        let is_type = names_type(&node.attribute[index]);
        let attribute = &mut node.attribute[index];
        if is_type && FLOATS.contains(&(attribute.i as i32)) {
            attribute.i = i64::from(DataType::Float as i32);
            changed = true;
        }
        if let Some(tensor) = &mut attribute.t
            && FLOATS.contains(&tensor.data_type)
        {
            changed |= single_tensor(tensor);
        }
        for graph in attribute.g.iter_mut().chain(&mut attribute.graphs) {
            changed |= single_graph(graph);
        }
    }
    changed
}

fn single_graph(graph: &mut GraphProto) -> bool {
    graph.node.iter_mut().fold(false, |changed, node| single_node(node) | changed)
}

/// Decodes and writes a small tensor of an attribute back as f32. What does not decode is left for the checks to name.
fn single_tensor(tensor: &mut TensorProto) -> bool {
    let decoded = tensor::decode(tensor.clone(), None).ok().and_then(|c| c.value.ok());
    let Some(values) = decoded.as_ref().and_then(|v| v.as_plain_ram()).and_then(|v| v.as_slice::<f32>().ok())
    else {
        return false;
    };
    tensor.raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    tensor.data_type = DataType::Float as i32;
    tensor.int32_data.clear();
    tensor.double_data.clear();
    true
}
