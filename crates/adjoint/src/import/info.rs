//! What a model says about its tensors.

use std::fmt;

use crate::tract::pb::{DataType, DimValue, TypeProto, ValueInfoProto, type_proto};

/// One dimension of a tensor's declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Known(usize),
    /// A name; the same name stands for the same number throughout a model.
    Symbol(String),
    /// Nothing is said, or a negative number.
    Unknown,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(n) => write!(f, "{n}"),
            Dim::Symbol(name) => f.write_str(name),
            Dim::Unknown => f.write_str("?"),
        }
    }
}

/// Type of a tensor's elements as the ONNX file declares it. Everything floating is computed in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 16-bit IEEE float; computed as f32.
    F16,
    /// 16-bit brain float; computed as f32.
    Bf16,
    /// 64-bit float; computed as f32.
    F64,
    /// Any signed or unsigned integer of 8 bits or more.
    Integer,
    /// Truth values.
    Bool,
    /// Text.
    Text,
    /// Complex numbers, 8-bit and smaller floats, integers of fewer than 8 bits.
    Other,
    /// Not a tensor: a sequence, a map, an optional or a sparse tensor; or nothing is said.
    None,
}

impl Dtype {
    /// Whether a gradient with respect to such a tensor means anything.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F64)
    }

    pub(super) fn from_onnx(code: i32) -> Dtype {
        match DataType::try_from(code) {
            Ok(DataType::Float) => Dtype::F32,
            Ok(DataType::Float16) => Dtype::F16,
            Ok(DataType::Bfloat16) => Dtype::Bf16,
            Ok(DataType::Double) => Dtype::F64,
            Ok(DataType::Bool) => Dtype::Bool,
            Ok(DataType::String) => Dtype::Text,
            Ok(
                DataType::Uint8
                | DataType::Uint16
                | DataType::Uint32
                | DataType::Uint64
                | DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64,
            ) => Dtype::Integer,
            Ok(DataType::Undefined) | Err(_) => Dtype::None,
            Ok(_) => Dtype::Other,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
            Dtype::F64 => "f64",
            Dtype::Integer => "integer",
            Dtype::Bool => "bool",
            Dtype::Text => "string",
            Dtype::Other => "complex, or a number of fewer than 16 bits",
            Dtype::None => "not a tensor (a sequence, map, optional or sparse tensor, or of no type)",
        })
    }
}

/// A tensor's name, type and shape as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name in the ONNX graph.
    pub name: String,
    /// Type of its elements.
    pub dtype: Dtype,
    /// Shape; `None` where the file does not even say how many dimensions there are.
    pub shape: Option<Vec<Dim>>,
}

impl TensorInfo {
    pub(super) fn from_onnx(info: &ValueInfoProto) -> TensorInfo {
        let (dtype, shape) = match info.r#type.as_ref().and_then(tensor_type) {
            Some(tensor) => (
                Dtype::from_onnx(tensor.elem_type),
                tensor.shape.as_ref().map(|shape| shape.dim.iter().map(|d| dim(d.value.as_ref())).collect()),
            ),
            None => (Dtype::None, None),
        };
        TensorInfo { name: info.name.clone(), dtype, shape }
    }

    /// The shape in numbers, if the file gives a number for every dimension.
    pub fn concrete(&self) -> Option<Vec<usize>> {
        self.shape.as_ref()?.iter().map(|d| if let Dim::Known(n) = d { Some(*n) } else { None }).collect()
    }

    /// The shape in print: `[1, 3, height, ?]`, or `of unknown rank`.
    pub fn shape_text(&self) -> String {
        match &self.shape {
            Some(dims) => format!("[{}]", dims.iter().map(Dim::to_string).collect::<Vec<_>>().join(", ")),
            None => "of unknown rank".to_owned(),
        }
    }
}

fn tensor_type(info: &TypeProto) -> Option<&type_proto::Tensor> {
    info.value.as_ref().map(|type_proto::Value::TensorType(tensor)| tensor)
}

fn dim(value: Option<&DimValue>) -> Dim {
    match value {
        Some(DimValue::DimValue(n)) => usize::try_from(*n).map_or(Dim::Unknown, Dim::Known),
        Some(DimValue::DimParam(name)) if !name.is_empty() && name != "?" => Dim::Symbol(name.clone()),
        _ => Dim::Unknown,
    }
}

/// A tensor that a node of the main graph computes: a place at which the gradient can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// Name of the tensor; what `output` of a question takes.
    pub name: String,
    /// Name of the node that computes it.
    pub node: String,
    /// That node's ONNX operator.
    pub operator: String,
    /// Type of its elements, where inference finds it.
    pub dtype: Option<Dtype>,
    /// Its shape, where inference finds it for the given input shapes.
    pub shape: Option<Vec<usize>>,
}
