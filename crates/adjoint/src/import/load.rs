//! From the bytes of a file to the checked graph.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use prost::Message;

use super::info::TensorInfo;
use super::limits::Limits;
use super::net::{Constant, Net};
use super::{OPSETS, check, rewrite, tensor, wire};
use crate::error::Fault;
use crate::memory;
use crate::tract::Tensor;
use crate::tract::pb::{GraphProto, ModelProto, SparseTensorProto, TensorProto, ValueInfoProto};

/// Decodes and checks a model.
pub(super) fn load(bytes: Vec<u8>, dir: Option<&Path>, limits: &Limits) -> Result<Net, Fault> {
    if bytes.len() as u64 > limits.file_bytes {
        return Err(Fault::FileSize { bytes: bytes.len() as u64, limit: limits.file_bytes });
    }
    wire::scan(&bytes, limits.memory_bytes)?;
    let model = ModelProto::decode(bytes.as_slice()).map_err(|e| Fault::NotOnnx {
        reason: e.to_string(),
        offset: 0,
        length: bytes.len(),
    })?;
    drop(bytes);
    let opset = opset(&model)?;
    let Some(graph) = model.graph else {
        let training = if model.training_info.is_empty() { "" } else { ", only training information" };
        return Err(Fault::NoGraph { detail: training.to_owned() });
    };
    if graph.node.is_empty() && graph.output.is_empty() {
        return Err(Fault::NoGraph { detail: ": it has neither nodes nor outputs".to_owned() });
    }
    let mut net = net(graph, opset, dir, limits)?;
    net.metadata = model.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect();
    rewrite::fixed(&mut net)?;
    memory::give_back();
    Ok(net)
}

fn opset(model: &ModelProto) -> Result<i64, Fault> {
    let default = model.opset_import.iter().filter(|o| o.domain.is_empty() || o.domain == "ai.onnx");
    let found = default.map(|o| o.version).max().unwrap_or(0);
    if !OPSETS.contains(&found) {
        // A file of nothing but unknown fields decodes to an empty model; that is the better word for it.
        if model.graph.is_none() {
            return Err(Fault::NoGraph { detail: " and no operator set".to_owned() });
        }
        return Err(Fault::Opset { found, oldest: *OPSETS.start(), newest: *OPSETS.end() });
    }
    Ok(found)
}

fn net(mut graph: GraphProto, opset: i64, dir: Option<&Path>, limits: &Limits) -> Result<Net, Fault> {
    let nodes = check::order(&mut graph, limits.nodes)?;
    let initializers = std::mem::take(&mut graph.initializer);
    let sparse = std::mem::take(&mut graph.sparse_initializer);
    check_sum(&initializers, &sparse, limits)?;
    let valued: BTreeSet<&str> = initializers
        .iter()
        .map(|t| t.name.as_str())
        .chain(sparse.iter().filter_map(|s| s.values.as_ref()).map(|v| v.name.as_str()))
        .collect();
    let infos = |list: &[ValueInfoProto]| list.iter().map(TensorInfo::from_onnx).collect::<Vec<_>>();
    let inputs = infos(&graph.input).into_iter().filter(|i| !valued.contains(i.name.as_str())).collect();
    let outputs = infos(&graph.output);
    let mut constants = BTreeMap::new();
    let mut pool = Pool::default();
    for proto in initializers {
        let name = proto.name.clone();
        constants.insert(name, pool.share(tensor::decode(proto, dir)?));
    }
    for proto in sparse {
        let (name, constant) = tensor::decode_sparse(proto, dir)?;
        constants.insert(name, constant);
    }
    Ok(Net { opset, nodes, constants, inputs, outputs, ..Net::default() })
}

/// Refuses weights whose sum is over the limit, from their dimensions alone.
fn check_sum(
    initializers: &[TensorProto],
    sparse: &[SparseTensorProto],
    limits: &Limits,
) -> Result<(), Fault> {
    let mut sum = 0u64;
    let mut add = |name: &str, bytes: u64| {
        sum = sum.saturating_add(bytes);
        if sum > limits.memory_bytes {
            let what = format!("the weights up to {name}");
            return Err(Fault::Memory { what, bytes: sum, limit: limits.memory_bytes });
        }
        Ok(())
    };
    for proto in initializers {
        add(&proto.name, tensor::decoded_bytes(proto)?)?;
    }
    for proto in sparse {
        let name = proto.values.as_ref().map_or("a sparse tensor", |v| v.name.as_str());
        add(name, tensor::volume(name, &proto.dims)?.saturating_mul(4))?;
    }
    Ok(())
}

/// Weights seen so far. Exporters of recurrent networks write the same weights once per time step; they are held once.
#[derive(Default)]
struct Pool {
    seen: BTreeMap<u64, Vec<Arc<Tensor>>>,
}

impl Pool {
    /// Tensors of fewer bytes are not worth the comparison.
    const WORTH: usize = 4096;

    fn share(&mut self, constant: Constant) -> Constant {
        let Ok(value) = &constant.value else { return constant };
        if value.volume() * value.datum_type().size_of() < Self::WORTH {
            return constant;
        }
        let mut hasher = DefaultHasher::new();
        value.shape().hash(&mut hasher);
        value.as_bytes().hash(&mut hasher);
        let same_hash = self.seen.entry(hasher.finish()).or_default();
        let is_same = |t: &&Arc<Tensor>| {
            t.datum_type() == value.datum_type()
                && t.shape() == value.shape()
                && t.as_bytes() == value.as_bytes()
        };
        if let Some(same) = same_hash.iter().find(is_same) {
            return Constant { value: Ok(same.clone()), flaw: constant.flaw };
        }
        same_hash.push(value.clone());
        constant
    }
}
