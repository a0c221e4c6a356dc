//! Small ONNX files, made in the test.

use std::path::{Path, PathBuf};

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, type_proto,
};

use adjoint::import::{Fault, Import, Limits};

/// The files handed out with the project's material; they are no part of the repository.
pub fn shared_models() -> Option<Vec<PathBuf>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models");
    if !dir.is_dir() {
        assert!(std::env::var_os("PHOTIC_REQUIRE_SHARED").is_none(), "{} is missing", dir.display());
        println!("skipped: {} is not there", dir.display());
        return None;
    }
    Some(onnx_files(&dir))
}

/// The ONNX files of a folder, sorted; none where there is no such folder.
pub fn onnx_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).map(|e| e.filter_map(Result::ok).map(|e| e.path()).collect());
    let mut files: Vec<PathBuf> = entries.unwrap_or_default();
    files.retain(|p| p.extension().is_some_and(|e| e == "onnx"));
    files.sort();
    files
}

/// The committed small networks.
pub fn committed_nets() -> Vec<PathBuf> {
    onnx_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nets"))
}

pub fn dims(shape: &[i64]) -> TensorShapeProto {
    let dim = |d: &i64| Dimension { value: Some(dimension::Value::DimValue(*d)), ..Dimension::default() };
    TensorShapeProto { dim: shape.iter().map(dim).collect() }
}

pub fn value(name: &str, dtype: DataType, shape: Option<TensorShapeProto>) -> ValueInfoProto {
    let tensor = type_proto::Tensor { elem_type: dtype as i32, shape };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

pub fn f32_input(name: &str, shape: &[i64]) -> ValueInfoProto {
    value(name, DataType::Float, Some(dims(shape)))
}

pub fn output(name: &str) -> ValueInfoProto {
    value(name, DataType::Float, None)
}

pub fn f32s(name: &str, shape: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: shape.to_vec(),
        data_type: DataType::Float as i32,
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

pub fn i64s(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![values.len() as i64],
        data_type: DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..TensorProto::default()
    }
}

pub fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        name: format!("the_{}", operator.to_lowercase()),
        op_type: operator.to_owned(),
        input: inputs.iter().map(|s| s.to_string()).collect(),
        output: outputs.iter().map(|s| s.to_string()).collect(),
        ..NodeProto::default()
    }
}

/// Attributes by the type of the value.
pub trait With: Sized {
    fn attribute(self, attribute: AttributeProto) -> Self;

    fn int(self, name: &str, value: i64) -> Self {
        let kind = AttributeType::Int as i32;
        self.attribute(AttributeProto { name: name.into(), r#type: kind, i: value, ..Default::default() })
    }

    fn ints(self, name: &str, values: &[i64]) -> Self {
        let kind = AttributeType::Ints as i32;
        self.attribute(AttributeProto {
            name: name.into(),
            r#type: kind,
            ints: values.to_vec(),
            ..Default::default()
        })
    }

    fn float(self, name: &str, value: f32) -> Self {
        let kind = AttributeType::Float as i32;
        self.attribute(AttributeProto { name: name.into(), r#type: kind, f: value, ..Default::default() })
    }

    fn floats(self, name: &str, values: &[f32]) -> Self {
        let kind = AttributeType::Floats as i32;
        self.attribute(AttributeProto {
            name: name.into(),
            r#type: kind,
            floats: values.to_vec(),
            ..Default::default()
        })
    }

    fn text(self, name: &str, value: &str) -> Self {
        let kind = AttributeType::String as i32;
        self.attribute(AttributeProto {
            name: name.into(),
            r#type: kind,
            s: value.into(),
            ..Default::default()
        })
    }

    fn tensor(self, name: &str, value: TensorProto) -> Self {
        let kind = AttributeType::Tensor as i32;
        self.attribute(AttributeProto {
            name: name.into(),
            r#type: kind,
            t: Some(value),
            ..Default::default()
        })
    }

    fn graph(self, name: &str, value: GraphProto) -> Self {
        let kind = AttributeType::Graph as i32;
        self.attribute(AttributeProto {
            name: name.into(),
            r#type: kind,
            g: Some(value),
            ..Default::default()
        })
    }
}

impl With for NodeProto {
    fn attribute(mut self, attribute: AttributeProto) -> Self {
        self.attribute.push(attribute);
        self
    }
}

pub fn graph(
    nodes: Vec<NodeProto>,
    inputs: Vec<ValueInfoProto>,
    outputs: &[&str],
    weights: Vec<TensorProto>,
) -> GraphProto {
    GraphProto {
        name: "net".to_owned(),
        node: nodes,
        input: inputs,
        output: outputs.iter().map(|o| output(o)).collect(),
        initializer: weights,
        ..GraphProto::default()
    }
}

pub fn model(opset: i64, graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: opset }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

/// `y = relu(conv(x, w) + b)`, the small net that most tests spoil in one way.
pub fn small_net() -> ModelProto {
    let weights: Vec<f32> = (0..2 * 3 * 9).map(|i| (i as f32 * 0.37).sin()).collect();
    model(
        17,
        graph(
            vec![
                node("Conv", &["x", "w", "b"], &["c"])
                    .ints("kernel_shape", &[3, 3])
                    .ints("pads", &[1, 1, 1, 1]),
                node("Relu", &["c"], &["y"]),
            ],
            vec![f32_input("x", &[1, 3, 5, 5])],
            &["y"],
            vec![f32s("w", &[2, 3, 3, 3], &weights), f32s("b", &[2], &[0.1, -0.1])],
        ),
    )
}

pub fn load(model: &ModelProto) -> Result<Import, Fault> {
    load_within(model, &Limits::default())
}

pub fn load_within(model: &ModelProto, limits: &Limits) -> Result<Import, Fault> {
    Import::from_bytes("net.onnx", &model.encode_to_vec(), None, limits).map_err(|e| *e.fault)
}

/// Loads, and asks for the first output with respect to all declared inputs.
pub fn ask(model: &ModelProto) -> Result<tract_onnx::prelude::TypedModel, Fault> {
    ask_within(model, &Limits::default())
}

pub fn ask_within(model: &ModelProto, limits: &Limits) -> Result<tract_onnx::prelude::TypedModel, Fault> {
    let import = load_within(model, limits)?;
    let outputs: Vec<String> = import.outputs().iter().take(1).map(|o| o.name.clone()).collect();
    import.typed(&[], &outputs).map_err(|e| *e.fault)
}
