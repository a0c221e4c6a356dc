//! Seeded mutations of model files, on bytes and on the decoded protobuf.

use prost::Message;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, type_proto,
};

use super::run::Corpus;
use crate::common::{With, graph, node, output, value};

/// Steele, Lea and Flood's SplitMix64: small, seedable, good enough to choose mutations.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() { None } else { Some(&list[self.below(list.len())]) }
    }

    fn pick_mut<'a, T>(&mut self, list: &'a mut [T]) -> Option<&'a mut T> {
        if list.is_empty() {
            return None;
        }
        let index = self.below(list.len());
        list.get_mut(index)
    }

    /// Numbers at which sizes, counts and indices go wrong.
    fn int(&mut self) -> i64 {
        const EDGES: [i64; 22] = [
            0,
            1,
            -1,
            2,
            -2,
            3,
            4,
            5,
            7,
            8,
            -7,
            16,
            64,
            255,
            1 << 12,
            1 << 16,
            1 << 20,
            1 << 31,
            1 << 32,
            1 << 40,
            i64::MAX,
            i64::MIN,
        ];
        EDGES[self.below(EDGES.len())]
    }

    fn float(&mut self) -> f32 {
        const EDGES: [f32; 10] = [0.0, 1.0, -1.0, 0.5, 2.0, 1e30, -1e-30, f32::INFINITY, f32::NAN, 1e5];
        EDGES[self.below(EDGES.len())]
    }
}

/// The file of a seed: one of the corpus with some mutations, of which the first `keep` are applied.
pub fn case(corpus: &Corpus, seed: u64, keep: usize) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let base = rng.below(corpus.files.len());
    let in_structure = !rng.one_in(5);
    let count = (1 + rng.below(5)).min(keep);
    if in_structure {
        let mut model = corpus.models[base].clone();
        for _ in 0..count {
            mutate_model(&mut model, corpus, &mut rng);
        }
        return model.encode_to_vec();
    }
    let mut bytes = corpus.files[base].clone();
    for _ in 0..count {
        mutate_bytes(&mut bytes, corpus, &mut rng);
    }
    bytes
}

fn mutate_bytes(bytes: &mut Vec<u8>, corpus: &Corpus, rng: &mut Rng) {
    if bytes.is_empty() {
        bytes.push(rng.next() as u8);
        return;
    }
    let at = rng.below(bytes.len());
    match rng.below(6) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.below(5)],
        2 => bytes.truncate(at),
        3 => {
            let end = (at + rng.below(32)).min(bytes.len());
            drop(bytes.drain(at..end));
        }
        4 => {
            let other = &corpus.files[rng.below(corpus.files.len())];
            let from = rng.below(other.len());
            let piece = &other[from..(from + rng.below(64)).min(other.len())];
            bytes.splice(at..at, piece.iter().copied());
        }
        _ => {
            let other = &corpus.files[rng.below(corpus.files.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[rng.below(other.len())..]);
        }
    }
}

/// Some name of a tensor of the graph, or an odd one.
fn name(graph: &GraphProto, rng: &mut Rng) -> String {
    let mut names: Vec<&str> = graph.node.iter().flat_map(|n| n.output.iter().map(String::as_str)).collect();
    names.extend(graph.initializer.iter().map(|t| t.name.as_str()));
    names.extend(graph.input.iter().map(|i| i.name.as_str()));
    if rng.one_in(12) {
        return ["", "nowhere"][rng.below(2)].to_owned();
    }
    rng.pick(&names).map_or_else(String::new, |n| (*n).to_owned())
}

fn mutate_model(model: &mut ModelProto, corpus: &Corpus, rng: &mut Rng) {
    if rng.one_in(25) {
        if let Some(set) = rng.pick_mut(&mut model.opset_import) {
            set.version = 5 + rng.below(22) as i64;
        }
        return;
    }
    let Some(graph) = &mut model.graph else { return };
    match rng.below(12) {
        0 | 1 => mutate_weights(graph, rng),
        2..=4 => mutate_attributes(graph, corpus, rng),
        5 | 6 => mutate_edges(graph, rng),
        7 => mutate_nodes(graph, corpus, rng),
        8 => mutate_inputs(graph, rng),
        9 => {
            let wanted = name(graph, rng);
            match rng.pick_mut(&mut graph.output) {
                Some(slot) if !rng.one_in(4) => slot.name = wanted,
                _ => graph.output.push(output(&wanted)),
            }
        }
        10 => wrap(graph, rng),
        _ => {
            let operator = corpus.operators[rng.below(corpus.operators.len())].clone();
            if let Some(node) = rng.pick_mut(&mut graph.node) {
                node.op_type = operator;
            }
        }
    }
}

fn mutate_weights(graph: &mut GraphProto, rng: &mut Rng) {
    let Some(tensor) = rng.pick_mut(&mut graph.initializer) else { return };
    match rng.below(6) {
        0 => mutate_list(&mut tensor.dims, rng),
        1 => tensor.data_type = rng.below(25) as i32,
        2 => {
            let length = rng.below(tensor.raw_data.len() + 9);
            tensor.raw_data.resize(length, 0);
        }
        3 | 4 => mutate_values(tensor, rng),
        _ => tensor.data_location = Some(rng.below(3) as i32),
    }
}

/// Changes one value of a tensor; shapes, axes and sizes are constants of this kind.
fn mutate_values(tensor: &mut TensorProto, rng: &mut Rng) {
    let (int, float) = (rng.int(), rng.float());
    if let Some(slot) = rng.pick_mut(&mut tensor.int64_data) {
        *slot = int;
    }
    if let Some(slot) = rng.pick_mut(&mut tensor.float_data) {
        *slot = float;
    }
    let width = if tensor.data_type == 7 { 8 } else { 4 };
    if tensor.raw_data.len() >= width {
        let at = rng.below(tensor.raw_data.len() / width) * width;
        if width == 8 {
            tensor.raw_data[at..at + 8].copy_from_slice(&int.to_le_bytes());
        } else {
            tensor.raw_data[at..at + 4].copy_from_slice(&float.to_le_bytes());
        }
    }
}

fn mutate_list(list: &mut Vec<i64>, rng: &mut Rng) {
    match rng.below(5) {
        0 => list.push(rng.int()),
        1 => drop(list.pop()),
        2 if list.len() > 1 => {
            let (a, b) = (rng.below(list.len()), rng.below(list.len()));
            list.swap(a, b);
        }
        _ => {
            let value = rng.int();
            if let Some(slot) = rng.pick_mut(list) {
                *slot = value;
            }
        }
    }
}

fn mutate_attributes(graph: &mut GraphProto, corpus: &Corpus, rng: &mut Rng) {
    let Some(node) = rng.pick_mut(&mut graph.node) else { return };
    if node.attribute.is_empty() || rng.one_in(5) {
        let donor = rng.pick(&corpus.attributes).cloned().unwrap_or_default();
        node.attribute.retain(|a| a.name != donor.name || rng.one_in(8));
        node.attribute.push(donor);
        return;
    }
    let index = rng.below(node.attribute.len());
    if rng.one_in(8) {
        node.attribute.remove(index);
        return;
    }
    mutate_attribute(&mut node.attribute[index], rng);
}

fn mutate_attribute(attribute: &mut AttributeProto, rng: &mut Rng) {
    if rng.one_in(20) {
        attribute.r#type = rng.below(17) as i32;
        return;
    }
    if let Some(body) = &mut attribute.g {
        return match rng.below(3) {
            0 => mutate_edges(body, rng),
            1 => mutate_weights(body, rng),
            _ => mutate_inputs(body, rng),
        };
    }
    if let Some(tensor) = &mut attribute.t {
        return if rng.one_in(3) { mutate_list(&mut tensor.dims, rng) } else { mutate_values(tensor, rng) };
    }
    if !attribute.ints.is_empty() {
        return mutate_list(&mut attribute.ints, rng);
    }
    if !attribute.s.is_empty() {
        const WORDS: [&str; 12] = [
            "",
            "SAME_UPPER",
            "VALID",
            "linear",
            "cubic",
            "nearest",
            "wrap",
            "reflect",
            "align_corners",
            "bij,bjk->bik",
            "...i,...i->...",
            "ii->i",
        ];
        attribute.s = WORDS[rng.below(WORDS.len())].as_bytes().to_vec();
        return;
    }
    let value = rng.float();
    match rng.pick_mut(&mut attribute.floats) {
        Some(slot) => *slot = value,
        None if attribute.r#type == 1 => attribute.f = value,
        None => attribute.i = rng.int(),
    }
}

fn mutate_edges(graph: &mut GraphProto, rng: &mut Rng) {
    let replacement = name(graph, rng);
    let Some(node) = rng.pick_mut(&mut graph.node) else { return };
    match rng.below(6) {
        0 => node.input.push(replacement),
        1 => drop(node.input.pop()),
        2 => {
            if let Some(slot) = rng.pick_mut(&mut node.output) {
                *slot = replacement;
            }
        }
        _ => {
            if let Some(slot) = rng.pick_mut(&mut node.input) {
                *slot = replacement;
            }
        }
    }
}

fn mutate_nodes(graph: &mut GraphProto, corpus: &Corpus, rng: &mut Rng) {
    if graph.node.is_empty() || rng.one_in(3) {
        // A node of another network, between two tensors of this one.
        let mut foreign: NodeProto = rng.pick(&corpus.nodes).cloned().unwrap_or_default();
        foreign.input.iter_mut().for_each(|input| *input = name(graph, rng));
        let made = format!("made{}", rng.next());
        foreign.output = vec![made.clone()];
        graph.node.push(foreign);
        graph.output.insert(0, output(&made));
        return;
    }
    let at = rng.below(graph.node.len());
    match rng.below(3) {
        0 => drop(graph.node.remove(at)),
        1 => {
            let mut copy = graph.node[at].clone();
            copy.output.iter_mut().for_each(|o| o.push_str("_copy"));
            graph.node.insert(at, copy);
        }
        _ => {
            let other = rng.below(graph.node.len());
            let (a, b) = (graph.node[at].input.clone(), graph.node[other].input.clone());
            graph.node[at].input = b;
            graph.node[other].input = a;
        }
    }
}

fn mutate_inputs(graph: &mut GraphProto, rng: &mut Rng) {
    let Some(info) = rng.pick_mut(&mut graph.input) else { return };
    let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_mut().and_then(|t| t.value.as_mut())
    else {
        return;
    };
    if rng.one_in(6) {
        tensor.elem_type = rng.below(20) as i32;
        return;
    }
    let shape: &mut TensorShapeProto = tensor.shape.get_or_insert_with(TensorShapeProto::default);
    let changed = Dimension { value: Some(dimension::Value::DimValue(rng.int())), ..Dimension::default() };
    match rng.below(4) {
        0 => shape.dim.push(changed),
        1 => drop(shape.dim.pop()),
        _ => {
            if let Some(slot) = rng.pick_mut(&mut shape.dim) {
                *slot = changed;
            }
        }
    }
}

/// Puts a node into the body of a loop or the branches of a choice.
fn wrap(outer: &mut GraphProto, rng: &mut Rng) {
    if outer.node.is_empty() {
        return;
    }
    let at = rng.below(outer.node.len());
    let inner = outer.node[at].clone();
    let (Some(result), Some(first)) = (inner.output.first().cloned(), inner.input.first().cloned()) else {
        return;
    };
    let count = format!("count{}", rng.next());
    let mut inside = inner.clone();
    inside.output = vec!["inside".to_owned()];
    let wrapped = if rng.one_in(2) {
        let branch = graph(vec![inside], vec![], &["inside"], vec![]);
        outer.initializer.push(TensorProto {
            data_type: 9,
            int32_data: vec![1],
            name: count.clone(),
            ..Default::default()
        });
        node("If", &[&count], &[&result]).graph("then_branch", branch.clone()).graph("else_branch", branch)
    } else {
        inside.input[0] = "carried".to_owned();
        let keep = node("Identity", &["go"], &["on"]);
        let inputs = vec![
            value("i", 7.try_into().unwrap_or_default(), None),
            value("go", 9.try_into().unwrap_or_default(), None),
            output("carried"),
        ];
        let body = graph(vec![keep, inside], inputs, &["on", "inside"], vec![]);
        let steps = if rng.one_in(3) { rng.int() } else { 1 + rng.below(4) as i64 };
        outer.initializer.push(TensorProto {
            data_type: 7,
            int64_data: vec![steps],
            name: count.clone(),
            ..Default::default()
        });
        node("Loop", &[&count, "", &first], &[&result]).graph("body", body)
    };
    outer.node[at] = wrapped;
}
