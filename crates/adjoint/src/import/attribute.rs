//! Reading and writing attributes of ONNX nodes.

use super::net::label;
use crate::error::Fault;
use crate::tract::pb::{AttributeProto, AttributeType, NodeProto, TensorProto};

/// The attribute called `name`, if the node has it.
pub(super) fn find<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

/// A fault of the attribute `name` of `node`.
pub(super) fn refuse(node: &NodeProto, name: &str, value: impl ToString, allowed: &str) -> Fault {
    Fault::Attribute {
        node: label(node),
        operator: node.op_type.clone(),
        attribute: name.to_owned(),
        value: value.to_string(),
        allowed: allowed.to_owned(),
    }
}

fn typed<'a>(
    node: &'a NodeProto,
    name: &str,
    kind: AttributeType,
) -> Result<Option<&'a AttributeProto>, Fault> {
    match find(node, name) {
        None => Ok(None),
        Some(attribute) if attribute.r#type == kind as i32 => Ok(Some(attribute)),
        Some(attribute) => Err(refuse(node, name, kind_name(attribute.r#type), kind_name(kind as i32))),
    }
}

fn kind_name(code: i32) -> &'static str {
    AttributeType::try_from(code).map_or("of an unknown kind", |kind| kind.as_str_name())
}

pub(super) fn int(node: &NodeProto, name: &str) -> Result<Option<i64>, Fault> {
    Ok(typed(node, name, AttributeType::Int)?.map(|a| a.i))
}

pub(super) fn ints<'a>(node: &'a NodeProto, name: &str) -> Result<Option<&'a [i64]>, Fault> {
    Ok(typed(node, name, AttributeType::Ints)?.map(|a| a.ints.as_slice()))
}

pub(super) fn float(node: &NodeProto, name: &str) -> Result<Option<f32>, Fault> {
    Ok(typed(node, name, AttributeType::Float)?.map(|a| a.f))
}

pub(super) fn floats<'a>(node: &'a NodeProto, name: &str) -> Result<Option<&'a [f32]>, Fault> {
    Ok(typed(node, name, AttributeType::Floats)?.map(|a| a.floats.as_slice()))
}

pub(super) fn text<'a>(node: &'a NodeProto, name: &str) -> Result<Option<&'a str>, Fault> {
    match typed(node, name, AttributeType::String)? {
        None => Ok(None),
        Some(attribute) => {
            let text = std::str::from_utf8(&attribute.s);
            text.map(Some).map_err(|_| refuse(node, name, "not UTF-8", "text in UTF-8"))
        }
    }
}

pub(super) fn tensor<'a>(node: &'a NodeProto, name: &str) -> Result<Option<&'a TensorProto>, Fault> {
    match typed(node, name, AttributeType::Tensor)? {
        None => Ok(None),
        Some(attribute) => {
            attribute.t.as_ref().map(Some).ok_or_else(|| refuse(node, name, "an absent tensor", "a tensor"))
        }
    }
}

/// Checks that the kind an attribute claims is one of the standard's, and that it appears once.
pub(super) fn check(node: &NodeProto) -> Result<(), Fault> {
    for (index, attribute) in node.attribute.iter().enumerate() {
        if node.attribute[..index].iter().any(|a| a.name == attribute.name) {
            return Err(refuse(node, &attribute.name, "there twice", "at most one of a name"));
        }
        if AttributeType::try_from(attribute.r#type).is_err() {
            return Err(refuse(
                node,
                &attribute.name,
                format!("of kind {}", attribute.r#type),
                "a kind of the standard",
            ));
        }
        if attribute.floats.iter().any(|f| f.is_nan()) || attribute.f.is_nan() {
            return Err(refuse(node, &attribute.name, "NaN", "a number"));
        }
    }
    Ok(())
}
