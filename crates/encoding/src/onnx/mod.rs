//! Writing ONNX graphs.
//!
//! [`Graph`] collects nodes in the order in which they are computed; [`Graph::finish`] writes the file's bytes: the
//! same calls, the same bytes. Tensors are f32; the whole numbers that shapes and axes take are written as constants.
//!
//! ```
//! use encoding::onnx::{Dim, Graph};
//!
//! let mut graph = Graph::new("square", "the square of a picture");
//! let x = graph.input("x", &[Dim::Open("batch"), Dim::Fixed(4)], "a picture");
//! let y = graph.mul("y", &x, &x);
//! graph.output(&y, &[Dim::Open("batch"), Dim::Fixed(4)], "its square");
//! let bytes = graph.finish()?;
//! # assert!(!bytes.is_empty());
//! # Ok::<(), encoding::onnx::GraphError>(())
//! ```

mod proto;

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use proto::{
    ATTRIBUTE_INT, ATTRIBUTE_INTS, AttributeProto, DimensionProto, FLOAT, GraphProto, INT64, ModelProto,
    NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};

/// Version of the standard operators: 17, which every runtime since 2022 knows.
pub const OPSET: i64 = 17;
/// Version of the file format that came with [`OPSET`].
pub const IR_VERSION: i64 = 8;

/// A tensor of the graph, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(String);

impl Value {
    /// The tensor's name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// Length of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim {
    /// So many elements.
    Fixed(usize),
    /// Any number, under this name.
    Open(&'static str),
}

/// Why a graph cannot be written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Two tensors of one name.
    #[error("two tensors are called {name}: names are unique in a graph")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A constant whose values do not fill its shape.
    #[error("constant {name} of shape {shape:?} was given {found} values")]
    Shape {
        /// The constant.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Number of values.
        found: usize,
    },
    /// A constant that is not a number.
    #[error("constant {name} holds {value} at {index}: weights are finite")]
    NotFinite {
        /// The constant.
        name: String,
        /// Position of the value.
        index: usize,
        /// The value.
        value: f32,
    },
    /// A tensor of another graph.
    #[error("tensor {name}, which {user} reads, is not computed before it")]
    Unknown {
        /// The tensor.
        name: String,
        /// Its reader.
        user: String,
    },
    /// A graph without a result.
    #[error("graph {name} has no output")]
    NoOutput {
        /// The graph.
        name: String,
    },
}

/// A graph under construction. The first mistake is kept and told by [`Graph::finish`].
#[derive(Debug, Clone)]
pub struct Graph {
    graph: GraphProto,
    properties: BTreeMap<String, String>,
    names: BTreeSet<String>,
    fault: Option<GraphError>,
}

/// Value of a node's attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// One whole number.
    Int(i64),
    /// A list of whole numbers.
    Ints(Vec<i64>),
}

impl Graph {
    /// An empty graph with a description for people.
    pub fn new(name: &str, doc: &str) -> Self {
        let graph = GraphProto { name: name.into(), doc_string: doc.into(), ..GraphProto::default() };
        Self { graph, properties: BTreeMap::new(), names: BTreeSet::new(), fault: None }
    }

    /// A line of the file's metadata. A key that is written again is replaced; the file lists them by key.
    pub fn property(&mut self, key: &str, value: impl ToString) {
        self.properties.insert(key.into(), value.to_string());
    }

    /// An f32 input.
    pub fn input(&mut self, name: &str, shape: &[Dim], doc: &str) -> Value {
        let info = tensor_info(name, shape, doc);
        self.graph.input.push(info);
        self.named(name)
    }

    /// Declares a tensor as a result of the graph.
    pub fn output(&mut self, value: &Value, shape: &[Dim], doc: &str) {
        self.known(value.name(), "the graph's output");
        self.graph.output.push(tensor_info(value.name(), shape, doc));
    }

    /// Constant f32 values, row-major.
    pub fn constant(&mut self, name: &str, shape: &[usize], values: &[f32]) -> Value {
        if values.len() != shape.iter().product::<usize>() {
            let (name, shape, found) = (name.into(), shape.to_vec(), values.len());
            self.fail(GraphError::Shape { name, shape, found });
        }
        if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            self.fail(GraphError::NotFinite { name: name.into(), index, value });
        }
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initialiser(name, shape, FLOAT, bytes)
    }

    /// A constant of one element, for any shape to be broadcast with.
    pub fn scalar(&mut self, name: &str, value: f32) -> Value {
        self.constant(name, &[], &[value])
    }

    /// Constant whole numbers: shapes, axes, bounds.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.initialiser(name, &[values.len()], INT64, bytes)
    }

    /// A node with one result, which bears the node's name.
    pub fn node(
        &mut self,
        name: &str,
        operator: &str,
        inputs: &[&Value],
        attributes: &[(&str, Attribute)],
    ) -> Value {
        for input in inputs {
            self.known(input.name(), name);
        }
        let attribute = |(name, value): &(&str, Attribute)| match value {
            Attribute::Int(i) => {
                AttributeProto { name: (*name).into(), i: Some(*i), ints: vec![], r#type: ATTRIBUTE_INT }
            }
            Attribute::Ints(ints) => {
                AttributeProto { name: (*name).into(), i: None, ints: ints.clone(), r#type: ATTRIBUTE_INTS }
            }
        };
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|value| value.0.clone()).collect(),
            output: vec![name.into()],
            name: name.into(),
            op_type: operator.into(),
            attribute: attributes.iter().map(attribute).collect(),
            doc_string: String::new(),
        });
        self.named(name)
    }

    /// Says what the node that was written last is for.
    pub fn describe(&mut self, doc: &str) {
        if let Some(node) = self.graph.node.last_mut() {
            node.doc_string = doc.into();
        }
    }

    /// The file.
    ///
    /// # Errors
    /// The first mistake made while the graph was built, or that it has no output.
    pub fn finish(self) -> Result<Vec<u8>, GraphError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.graph.output.is_empty() {
            return Err(GraphError::NoOutput { name: self.graph.name });
        }
        let properties = self.properties.into_iter();
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "photic".into(),
            doc_string: self.graph.doc_string.clone(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
            metadata_props: properties.map(|(key, value)| StringStringEntryProto { key, value }).collect(),
        };
        Ok(model.encode_to_vec())
    }

    fn initialiser(&mut self, name: &str, shape: &[usize], data_type: i32, raw_data: Vec<u8>) -> Value {
        let dims = shape.iter().map(|&len| len as i64).collect();
        self.graph.initializer.push(TensorProto { dims, data_type, name: name.into(), raw_data });
        self.named(name)
    }

    fn named(&mut self, name: &str) -> Value {
        if !self.names.insert(name.into()) {
            self.fail(GraphError::Duplicate { name: name.into() });
        }
        Value(name.into())
    }

    fn known(&mut self, name: &str, user: &str) {
        if !self.names.contains(name) {
            self.fail(GraphError::Unknown { name: name.into(), user: user.into() });
        }
    }

    fn fail(&mut self, fault: GraphError) {
        self.fault.get_or_insert(fault);
    }
}

/// Operators by name. The result bears `name`.
impl Graph {
    /// a + b, broadcast.
    pub fn add(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node(name, "Add", &[a, b], &[])
    }

    /// a - b, broadcast.
    pub fn sub(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node(name, "Sub", &[a, b], &[])
    }

    /// a * b, broadcast.
    pub fn mul(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node(name, "Mul", &[a, b], &[])
    }

    /// a / b, broadcast.
    pub fn div(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node(name, "Div", &[a, b], &[])
    }

    /// Square root.
    pub fn sqrt(&mut self, name: &str, x: &Value) -> Value {
        self.node(name, "Sqrt", &[x], &[])
    }

    /// max(0, x).
    pub fn relu(&mut self, name: &str, x: &Value) -> Value {
        self.node(name, "Relu", &[x], &[])
    }

    /// -x.
    pub fn neg(&mut self, name: &str, x: &Value) -> Value {
        self.node(name, "Neg", &[x], &[])
    }

    /// 1 / (1 + exp(-x)).
    pub fn sigmoid(&mut self, name: &str, x: &Value) -> Value {
        self.node(name, "Sigmoid", &[x], &[])
    }

    /// x kept between two constants.
    pub fn clip(&mut self, name: &str, x: &Value, low: &Value, high: &Value) -> Value {
        self.node(name, "Clip", &[x, low, high], &[])
    }

    /// Matrix product of the last two axes; the others are broadcast.
    pub fn matmul(&mut self, name: &str, a: &Value, b: &Value) -> Value {
        self.node(name, "MatMul", &[a, b], &[])
    }

    /// 2-D convolution of [N, C, H, W] with kernels [O, C, kH, kW] at a stride, and `pad` zeros on all four sides.
    pub fn conv(&mut self, name: &str, x: &Value, kernels: &Value, stride: usize, pad: usize) -> Value {
        let (stride, pad) = (stride as i64, pad as i64);
        let attributes =
            [("strides", Attribute::Ints(vec![stride; 2])), ("pads", Attribute::Ints(vec![pad; 4]))];
        self.node(name, "Conv", &[x, kernels], &attributes)
    }

    /// The same elements in another shape. 0 keeps an axis, -1 takes what is left.
    pub fn reshape(&mut self, name: &str, x: &Value, shape: &[i64]) -> Value {
        let shape = self.integers(&format!("{name}.shape"), shape);
        self.node(name, "Reshape", &[x, &shape], &[])
    }

    /// Tensors side by side along an axis.
    pub fn concat(&mut self, name: &str, parts: &[&Value], axis: i64) -> Value {
        self.node(name, "Concat", parts, &[("axis", Attribute::Int(axis))])
    }
}

fn tensor_info(name: &str, shape: &[Dim], doc: &str) -> ValueInfoProto {
    let dim = |dim: &Dim| match *dim {
        Dim::Fixed(len) => DimensionProto { dim_value: Some(len as i64), dim_param: None },
        Dim::Open(name) => DimensionProto { dim_value: None, dim_param: Some(name.into()) },
    };
    let shape = TensorShapeProto { dim: shape.iter().map(dim).collect() };
    let tensor_type = TensorTypeProto { elem_type: FLOAT, shape: Some(shape) };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
        doc_string: doc.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_names_and_numbers() {
        let graph = |work: fn(&mut Graph)| {
            let mut graph = Graph::new("g", "");
            let x = graph.input("x", &[Dim::Fixed(2)], "");
            work(&mut graph);
            graph.output(&x, &[Dim::Fixed(2)], "");
            graph.finish().map_err(|error| error.to_string())
        };
        assert!(graph(|_| ()).is_ok());
        let fault = |work| graph(work).unwrap_err();
        assert!(fault(|g| drop(g.scalar("x", 1.0))).contains("two tensors are called x"));
        assert!(fault(|g| drop(g.constant("k", &[2, 3], &[0.0; 5]))).contains("[2, 3] was given 5"));
        assert!(fault(|g| drop(g.constant("k", &[2], &[0.0, f32::NAN]))).contains("k holds NaN at 1"));
        assert!(fault(|g| drop(g.relu("r", &Value("y".into())))).contains("tensor y, which r reads"));
        let empty = Graph::new("g", "").finish().unwrap_err();
        assert_eq!(empty, GraphError::NoOutput { name: "g".into() });
    }

    #[test]
    fn a_file_is_read_back_with_its_properties_and_runs() {
        let mut graph = Graph::new("line", "a x + b");
        let x = graph.input("x", &[Dim::Fixed(1), Dim::Fixed(3)], "abscissa");
        let a = graph.constant("a", &[3], &[1.0, 2.0, 3.0]);
        let b = graph.scalar("b", 0.5);
        let product = graph.mul("product", &x, &a);
        let y = graph.add("y", &product, &b);
        graph.output(&y, &[Dim::Fixed(1), Dim::Fixed(3)], "ordinate");
        graph.property("slope", 2.5);
        let bytes = graph.clone().finish().unwrap();
        assert_eq!(bytes, graph.finish().unwrap());
        let read = ModelProto::decode(&bytes[..]).unwrap();
        assert_eq!(read.metadata_props[0].value, "2.5");
        let model = adjoint::Model::from_bytes("line", &bytes, &adjoint::Limits::default()).unwrap();
        let mut gradient = model.gradient(&adjoint::Spec::new()).unwrap();
        let x = ndarray::arr2(&[[1.0f32, 1.0, -2.0]]).into_dyn();
        let y = gradient.forward(&[x.view()]).unwrap();
        assert_eq!(y[0].as_slice().unwrap(), [1.5, 2.5, -5.5]);
    }
}
