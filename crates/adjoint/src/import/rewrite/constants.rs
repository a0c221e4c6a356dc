//! `Constant` nodes become constants of the graph, beside the initialisers.

use super::super::attribute;
use super::super::net::{Constant, Net, label};
use super::super::tensor;
use crate::error::Fault;
use crate::tract::pb::NodeProto;
use crate::tract::{Tensor, tensor0, tensor1};

/// Moves the values of all `Constant` nodes into the constants.
pub(super) fn lift(net: &mut Net) -> Result<(), Fault> {
    let (constants, nodes): (Vec<NodeProto>, Vec<NodeProto>) = std::mem::take(&mut net.nodes)
        .into_iter()
        .partition(|n| n.op_type == "Constant" && n.domain.is_empty());
    net.nodes = nodes;
    for node in constants {
        let Some(name) = node.output.first().filter(|o| !o.is_empty()).cloned() else { continue };
        let value = value(&node)?;
        net.constants.insert(name, value);
    }
    Ok(())
}

pub(super) fn value(node: &NodeProto) -> Result<Constant, Fault> {
    if let Some(proto) = attribute::tensor(node, "value")? {
        let mut proto = proto.clone();
        proto.name = label(node);
        if super::super::external::is_external(&proto) {
            return Err(attribute::refuse(node, "value", "external data", "a value in the file"));
        }
        return tensor::decode(proto, None);
    }
    if let Some(sparse) = attribute::find(node, "sparse_value").and_then(|a| a.sparse_tensor.clone()) {
        return tensor::decode_sparse(sparse, None).map(|(_, constant)| constant);
    }
    let value: Option<Tensor> = if let Some(v) = attribute::int(node, "value_int")? {
        Some(tensor0(v))
    } else if let Some(v) = attribute::float(node, "value_float")? {
        Some(tensor0(v))
    } else if let Some(v) = attribute::ints(node, "value_ints")? {
        Some(tensor1(v))
    } else {
        attribute::floats(node, "value_floats")?.map(tensor1)
    };
    Ok(value.map(Constant::of).unwrap_or_else(|| Constant {
        value: Err(attribute::refuse(
            node,
            "value",
            "of another kind",
            "a tensor, numbers or a list of numbers",
        )),
        flaw: None,
    }))
}

/// Whether an operator multiplies or sums its constants with data, so that an infinite one spoils everything.
pub(super) fn weighs(operator: &str) -> bool {
    matches!(
        operator,
        "Conv"
            | "ConvTranspose"
            | "MatMul"
            | "Gemm"
            | "Einsum"
            | "BatchNormalization"
            | "LayerNormalization"
            | "InstanceNormalization"
            | "GroupNormalization"
            | "RMSNormalization"
            | "LSTM"
            | "GRU"
            | "RNN"
            | "PRelu"
            | "Mul"
            | "Div"
    )
}

/// Whether a tensor looks like a mask or a bound: nothing in it but 0, 1 and infinities of one sign. Exporters write
/// such for attention and for clipping.
pub(super) fn is_mask(constant: &Constant) -> bool {
    let Some(view) = constant.value.as_ref().ok().and_then(|v| v.as_plain_ram()) else { return false };
    let Ok(values) = view.as_slice::<f32>() else { return false };
    let Some(sign) = values.iter().find(|v| v.is_infinite()).map(|v| v.signum()) else { return false };
    values.iter().all(|v| *v == 0.0 || *v == 1.0 || (v.is_infinite() && v.signum() == sign))
}
