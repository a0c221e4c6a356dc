//! Shapes and constant values, inferred node by node within the limits.
//!
//! tract's own analysis evaluates whatever has constant inputs before anybody can look at the size of the result. So
//! each node's inference rules run here alone first; only when the sizes they predict are within the limits is a small
//! constant evaluated. What passes here is safe to give to tract's analysis, which repeats the same rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::Limits;
use super::net::{Net, label};
use super::operators;
use super::quiet::caught;
use super::rewrite;
use super::tensor::{self, MAX_RANK};
use super::work::{self, Shapes};
use crate::error::Fault;
use crate::tract::importer::{Factoid, InferenceFact, InferenceOp, Register};
use crate::tract::pb::NodeProto;
use crate::tract::*;

/// Constants of more bytes than this, inputs and outputs together, are not evaluated while shapes are inferred.
const EVALUATED_BYTES: u64 = 4 << 20;
/// Multiply-adds above which a constant node is not evaluated while shapes are inferred.
const EVALUATED_WORK: f64 = 1e8;

/// What inference has found so far.
pub(super) struct Facts<'a> {
    register: &'a Register,
    limits: &'a Limits,
    opset: i64,
    known: BTreeMap<String, InferenceFact>,
    bytes: u64,
    multiply_adds: f64,
}

impl<'a> Facts<'a> {
    /// Starts from the constants of `net` and `sources`, the f32 tensors that the caller will feed.
    pub fn new(
        register: &'a Register,
        limits: &'a Limits,
        net: &Net,
        sources: &[(String, Vec<usize>)],
    ) -> Result<Facts<'a>, Fault> {
        let mut facts = Facts {
            register,
            limits,
            opset: net.opset,
            known: BTreeMap::new(),
            bytes: 0,
            multiply_adds: 0.0,
        };
        for (name, constant) in &net.constants {
            if let Ok(value) = &constant.value {
                facts.add_constant(name, value)?;
            }
        }
        for (name, shape) in sources {
            check_rank(name, shape.len())?;
            facts.charge(|| format!("the input {name}"), shape_bytes(shape, 4))?;
            facts.known.insert(name.clone(), InferenceFact::dt_shape(DatumType::F32, shape.as_slice()));
        }
        Ok(facts)
    }

    /// The shape of a tensor, where every dimension of it is known.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        concrete(self.known.get(name)?)
    }

    pub fn dtype(&self, name: &str) -> Option<DatumType> {
        self.known.get(name)?.datum_type()
    }

    /// The value of a tensor that is constant and small.
    pub fn value(&self, name: &str) -> Option<Arc<Tensor>> {
        self.known.get(name)?.value.concretize()
    }

    /// The values of a constant list of integers.
    pub fn integers(&self, name: &str) -> Option<Vec<i64>> {
        tensor::integers(&self.value(name)?)
    }

    pub fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Takes a constant in.
    pub fn add_constant(&mut self, name: &str, value: &Arc<Tensor>) -> Result<(), Fault> {
        self.charge(|| format!("the weights up to {name}"), tensor_bytes(value))?;
        self.known.insert(name.to_owned(), constant_fact(value, name)?);
        Ok(())
    }

    /// Checks a size that is about to be allocated against what is left of the limit.
    pub fn check_bytes(&self, what: &str, shape: &[usize], size: u64) -> Result<(), Fault> {
        let bytes = self.bytes.saturating_add(shape_bytes(shape, size));
        if bytes > self.limits.memory_bytes {
            return Err(Fault::Memory { what: what.to_owned(), bytes, limit: self.limits.memory_bytes });
        }
        Ok(())
    }

    /// Checks a number of nodes against the limit.
    pub fn check_nodes(&self, found: usize) -> Result<(), Fault> {
        let limit = self.limits.nodes;
        if found > limit { Err(Fault::NodeCount { found, limit }) } else { Ok(()) }
    }

    fn charge(&mut self, what: impl FnOnce() -> String, bytes: u64) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.memory_bytes {
            return Err(Fault::Memory { what: what(), bytes: self.bytes, limit: self.limits.memory_bytes });
        }
        Ok(())
    }

    /// Infers the outputs of one node whose inputs are known.
    pub fn infer(&mut self, node: &NodeProto) -> Result<(), Fault> {
        operators::check(node, self.register)?;
        let inputs = self.inputs(node)?;
        if node.op_type == "Range" {
            // tract's rules for it make the numbers to count them.
            self.check_valued(node, &inputs)?;
        }
        let (predicted, mut op) = self.predict(node, &inputs)?;
        let outputs: Vec<&String> = node.output.iter().filter(|o| !o.is_empty()).collect();
        let shapes = self.check_sizes(node, &inputs, &predicted)?;
        let found = match shapes {
            Some(work) if work <= EVALUATED_WORK => evaluate(node, &mut op, &inputs)?.unwrap_or(predicted),
            _ => predicted,
        };
        for (name, fact) in outputs.into_iter().zip(found) {
            let Some(shape) = concrete(&fact) else { return Err(shape_fault(node, name, &fact)) };
            if fact.datum_type().is_none() {
                return Err(shape_fault(node, name, &fact));
            }
            check_rank(name, shape.len())?;
            let size = fact.datum_type().map_or(4, |d| d.size_of() as u64);
            let bytes = shape_bytes(&shape, size);
            self.charge(|| format!("the tensors of one step up to {name} of node {}", label(node)), bytes)?;
            self.known.insert(name.clone(), fact);
        }
        Ok(())
    }

    fn inputs(&self, node: &NodeProto) -> Result<TVec<InferenceFact>, Fault> {
        let known = |name: &String| {
            let missing = || Fault::Dangling { node: label(node), tensor: name.clone() };
            self.known.get(name).cloned().ok_or_else(missing)
        };
        node.input.iter().filter(|n| !n.is_empty()).map(known).collect()
    }

    /// tract's operator for `node`, and the facts its rules predict for the outputs.
    fn predict(
        &self,
        node: &NodeProto,
        inputs: &TVec<InferenceFact>,
    ) -> Result<(TVec<InferenceFact>, Box<dyn InferenceOp>), Fault> {
        let failed = |message: String| Fault::Importer { node: label(node), message: shorten(&message) };
        let outputs = node.output.iter().filter(|o| !o.is_empty()).count();
        let result = caught(|| {
            let mut op = operator(self.register, self.opset, node)?;
            let expected = op.nboutputs()?;
            if expected != outputs {
                return Err(format_err!("it has {outputs} outputs where {expected} are allowed"));
            }
            let blank: TVec<InferenceFact> = (0..outputs).map(|_| InferenceFact::default()).collect();
            let (_, found, _) =
                op.infer_facts(inputs.iter().collect(), blank.iter().collect(), TVec::new())?;
            Ok((found, op))
        });
        match result {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(error)) => Err(failed(format!("{error:#}"))),
            Err(panic) => Err(failed(panic)),
        }
    }

    /// The same for operators whose sizes only the values of constants decide.
    fn check_valued(&self, node: &NodeProto, inputs: &[InferenceFact]) -> Result<Option<f64>, Fault> {
        let length = match node.op_type.as_str() {
            "Range" => match range_length(inputs) {
                Some(length) => length,
                None => return Ok(None),
            },
            // One row of at most so many positions per axis.
            "NonZero" => {
                let shape = inputs.first().and_then(concrete).unwrap_or_default();
                shape.iter().chain([&shape.len()]).map(|d| *d as f64).product()
            }
            _ => return Ok(None),
        };
        // tract's own integers for dimensions take 32 bytes.
        let bytes = (length * 32.0) as u64;
        self.check_bytes(&format!("{} of node {}", node.op_type, label(node)), &[bytes as usize], 1)?;
        Ok((bytes <= EVALUATED_BYTES).then_some(length))
    }

    /// Checks the predicted sizes against the limits. Returns the node's work if all sizes are known.
    fn check_sizes(
        &mut self,
        node: &NodeProto,
        inputs: &[InferenceFact],
        outputs: &[InferenceFact],
    ) -> Result<Option<f64>, Fault> {
        let list = |facts: &[InferenceFact]| facts.iter().map(concrete).collect::<Option<Vec<_>>>();
        let Some(input_shapes) = list(inputs) else { return Ok(None) };
        let names = || node.output.iter().filter(|o| !o.is_empty());
        for (fact, name) in outputs.iter().zip(names()) {
            check_dims(fact, name)?;
        }
        let Some(output_shapes) = list(outputs) else { return self.check_valued(node, inputs) };
        for (shape, name) in output_shapes.iter().zip(names()) {
            let bytes = shape_bytes(shape, 4);
            if bytes > self.limits.memory_bytes {
                let what = format!("{name} {shape:?} of node {}", label(node));
                return Err(Fault::Memory { what, bytes, limit: self.limits.memory_bytes });
            }
        }
        let shapes = Shapes { inputs: &input_shapes, outputs: &output_shapes };
        work::check_window(node, &shapes)?;
        let work = work::multiply_adds(node, &shapes);
        self.multiply_adds += work;
        if self.multiply_adds > self.limits.multiply_adds {
            return Err(Fault::Work {
                node: label(node),
                operator: node.op_type.clone(),
                multiply_adds: self.multiply_adds,
                limit: self.limits.multiply_adds,
            });
        }
        let bytes: u64 = input_shapes.iter().chain(&output_shapes).map(|s| shape_bytes(s, 4)).sum();
        Ok((bytes <= EVALUATED_BYTES).then_some(work))
    }
}

/// Number of elements of a Range of constants: `ceil((limit - start) / delta)`.
fn range_length(inputs: &[InferenceFact]) -> Option<f64> {
    let number = |index: usize| inputs.get(index)?.value.concretize()?.cast_to_scalar::<f64>().ok();
    let (start, limit, delta) = (number(0)?, number(1)?, number(2)?);
    let length = ((limit - start) / delta).ceil();
    (length.is_finite()).then_some(length.max(0.0))
}

/// tract's operator for `node`.
pub(super) fn operator(
    register: &Register,
    opset: i64,
    node: &NodeProto,
) -> TractResult<Box<dyn InferenceOp>> {
    let version = if node.domain == rewrite::DOMAIN { rewrite::OPSET } else { opset };
    register.operator(node, version)
}

/// The outputs of a node all of whose inputs are constant, or nothing.
fn evaluate(
    node: &NodeProto,
    op: &mut Box<dyn InferenceOp>,
    inputs: &[InferenceFact],
) -> Result<Option<TVec<InferenceFact>>, Fault> {
    let values: Option<TVec<TValue>> =
        inputs.iter().map(|f| f.value.concretize().map(|v| v.into_tvalue())).collect();
    let Some(values) = values.filter(|v| !v.is_empty()) else { return Ok(None) };
    let failed = |message: String| Fault::Importer { node: label(node), message: shorten(&message) };
    match caught(|| op.eval_out_of_plan(values)) {
        Ok(Ok(Some(found))) => {
            let facts = found.into_iter().map(|t| constant_fact(&t.into_arc_tensor(), &label(node)));
            facts.collect::<Result<_, _>>().map(Some)
        }
        // Operators that can only run inside a plan keep what their rules predicted.
        Ok(Ok(None) | Err(_)) => Ok(None),
        Err(panic) => Err(failed(panic)),
    }
}

fn constant_fact(value: &Arc<Tensor>, name: &str) -> Result<InferenceFact, Fault> {
    InferenceFact::try_from(value.clone())
        .map_err(|e| Fault::Importer { node: name.to_owned(), message: shorten(&e.to_string()) })
}

fn tensor_bytes(tensor: &Tensor) -> u64 {
    shape_bytes(tensor.shape(), tensor.datum_type().size_of() as u64)
}

/// Bytes of a tensor, saturating. A side of 0 counts as 1, so that it does not hide others that are huge.
fn shape_bytes(shape: &[usize], size: u64) -> u64 {
    let volume = shape.iter().try_fold(1u64, |v, d| v.checked_mul((*d as u64).max(1)));
    volume.unwrap_or(u64::MAX).saturating_mul(size)
}

fn check_rank(name: &str, rank: usize) -> Result<(), Fault> {
    let dims = vec![1; rank.min(MAX_RANK + 1)];
    if rank > MAX_RANK { tensor::volume(name, &dims).map(|_| ()) } else { Ok(()) }
}

/// A shape all of whose dimensions are numbers that make sense.
fn concrete(fact: &InferenceFact) -> Option<Vec<usize>> {
    let dims = fact.shape.concretize()?;
    dims.iter().map(|d| d.to_i64().ok().and_then(|d| usize::try_from(d).ok())).collect()
}

/// Refuses negative and overflowing dimensions that inference predicts.
fn check_dims(fact: &InferenceFact, name: &str) -> Result<(), Fault> {
    let Some(dims) = fact.shape.concretize() else { return Ok(()) };
    let dims: Vec<i64> = dims.iter().filter_map(|d| d.to_i64().ok()).collect();
    tensor::volume(name, &dims).map(|_| ())
}

fn shape_fault(node: &NodeProto, tensor: &str, fact: &InferenceFact) -> Fault {
    let detail = format!(" (inference found {})", shorten(&format!("{fact:?}")));
    Fault::Shape { node: label(node), operator: node.op_type.clone(), tensor: tensor.to_owned(), detail }
}

/// The first words of a long message.
pub(super) fn shorten(message: &str) -> String {
    const LENGTH: usize = 400;
    match message.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{} ...", &message[..end]),
        None => message.to_owned(),
    }
}
