//! The shape of the graph itself: every tensor produced once, nothing read that nobody produces, no cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::net::{self, bodies, label};
use crate::error::Fault;
use crate::tract::pb::{GraphProto, NodeProto};

/// Checks names of the whole graph and the graphs inside it, and returns the nodes in an order in which they can be
/// computed (that of the file, where it is one).
pub(super) fn order(graph: &mut GraphProto, limit: usize) -> Result<Vec<NodeProto>, Fault> {
    let known = producers(graph, &BTreeSet::new())?;
    let names: BTreeSet<&str> = known.keys().copied().collect();
    for node in &graph.node {
        check_reads(node, &names)?;
    }
    for output in &graph.output {
        if !names.contains(output.name.as_str()) {
            return Err(Fault::Dangling {
                node: "(the graph's outputs)".to_owned(),
                tensor: output.name.clone(),
            });
        }
    }
    if graph.node.len() > limit.saturating_mul(8) {
        return Err(Fault::NodeCount { found: graph.node.len(), limit: limit * 8 });
    }
    let order = computable_order(&graph.node)?;
    let mut nodes: Vec<Option<NodeProto>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|index| nodes[index].take()).collect())
}

/// Who produces each tensor of a graph. Initialisers may repeat a graph input (its default value), nothing else.
fn producers<'a>(graph: &'a GraphProto, outer: &BTreeSet<&str>) -> Result<BTreeMap<&'a str, String>, Fault> {
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    let mut add = |name: &'a str, who: String, shared: bool| match known.insert(name, who.clone()) {
        Some(first) if !shared => Err(Fault::DuplicateTensor { tensor: name.to_owned(), first, second: who }),
        None if outer.contains(name) => Err(Fault::DuplicateTensor {
            tensor: name.to_owned(),
            first: "the outer graph".to_owned(),
            second: who,
        }),
        _ => Ok(()),
    };
    for input in &graph.input {
        add(&input.name, "the graph's inputs".to_owned(), false)?;
    }
    let inputs: BTreeSet<&str> = graph.input.iter().map(|i| i.name.as_str()).collect();
    let sparse = graph.sparse_initializer.iter().filter_map(|s| s.values.as_ref());
    let mut seen = BTreeSet::new();
    for tensor in graph.initializer.iter().chain(sparse) {
        let is_default = inputs.contains(tensor.name.as_str()) && seen.insert(tensor.name.as_str());
        add(&tensor.name, "the graph's initialisers".to_owned(), is_default)?;
    }
    for node in &graph.node {
        for output in node.output.iter().filter(|o| !o.is_empty()) {
            add(output, label(node), false)?;
        }
    }
    Ok(known)
}

/// Checks that what a node reads is produced somewhere, in its graph or around it.
fn check_reads(node: &NodeProto, names: &BTreeSet<&str>) -> Result<(), Fault> {
    if let Some(missing) = net::reads(node).into_iter().find(|name| !names.contains(name)) {
        return Err(Fault::Dangling { node: label(node), tensor: missing.to_owned() });
    }
    for body in bodies(node) {
        check_body(body, names)?;
    }
    Ok(())
}

/// The same for a graph inside a node, and its own cycles. Nesting is bounded by what decoding allows.
fn check_body(body: &GraphProto, outer: &BTreeSet<&str>) -> Result<(), Fault> {
    // Inner names may repeat outer ones in files of some exporters; the inner one is meant then.
    let own = producers(body, &BTreeSet::new())?;
    let names: BTreeSet<&str> = own.keys().copied().chain(outer.iter().copied()).collect();
    for node in &body.node {
        check_reads(node, &names)?;
    }
    computable_order(&body.node).map(|_| ())
}

/// Positions of `nodes` in an order in which each comes after the producers of what it reads (Kahn's algorithm; the
/// order of the file where that is free).
pub(super) fn computable_order(nodes: &[NodeProto]) -> Result<Vec<usize>, Fault> {
    let mut producer: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        producer.extend(node.output.iter().filter(|o| !o.is_empty()).map(|o| (o.as_str(), index)));
    }
    let needs: Vec<BTreeSet<usize>> = nodes
        .iter()
        .map(|n| net::reads(n).iter().filter_map(|r| producer.get(r).copied()).collect())
        .collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (index, need) in needs.iter().enumerate() {
        need.iter().for_each(|&n| readers[n].push(index));
    }
    let mut waiting: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut ready: VecDeque<usize> = (0..nodes.len()).filter(|&i| waiting[i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(index) = ready.pop_front() {
        order.push(index);
        for &reader in &readers[index] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push_back(reader);
            }
        }
    }
    if order.len() < nodes.len() {
        return Err(Fault::Cycle {
            nodes: cycle(&needs, &waiting).iter().map(|&i| label(&nodes[i])).collect(),
        });
    }
    Ok(if is_sorted(nodes, &producer) { (0..nodes.len()).collect() } else { order })
}

fn is_sorted(nodes: &[NodeProto], producer: &BTreeMap<&str, usize>) -> bool {
    let comes_before = |read: &&str, index: usize| producer.get(read).is_none_or(|&p| p < index);
    nodes.iter().enumerate().all(|(index, node)| net::reads(node).iter().all(|r| comes_before(r, index)))
}

/// One cycle among the nodes still `waiting`: each of them needs another of them, so a walk along needs must close.
fn cycle(needs: &[BTreeSet<usize>], waiting: &[usize]) -> Vec<usize> {
    let Some(mut at) = waiting.iter().position(|&w| w > 0) else { return Vec::new() };
    let mut path: Vec<usize> = Vec::new();
    let mut place: BTreeMap<usize, usize> = BTreeMap::new();
    loop {
        if let Some(&start) = place.get(&at) {
            let mut nodes = path.split_off(start);
            nodes.reverse();
            return nodes;
        }
        place.insert(at, path.len());
        path.push(at);
        match needs[at].iter().find(|&&n| waiting[n] > 0) {
            Some(&next) => at = next,
            None => return path,
        }
    }
}
