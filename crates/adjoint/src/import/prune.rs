//! Cutting the graph to what the wanted tensors need.

use std::collections::BTreeSet;

use super::net::{Net, reads};

/// The part of `net` that computes `outputs` from `inputs`: nodes in order, constants and graph inputs that are needed.
///
/// A tensor named in `inputs` is where the cut goes: what computes it is left out, so any tensor can be an input.
pub(super) fn prune(net: &Net, inputs: &BTreeSet<&str>, outputs: &[String]) -> Net {
    let mut wanted: BTreeSet<&str> = outputs.iter().map(String::as_str).collect();
    let mut kept: Vec<bool> = vec![false; net.nodes.len()];
    // Nodes stand in computable order, so one walk backwards sees every reader before the producer.
    for (index, node) in net.nodes.iter().enumerate().rev() {
        let is_wanted = |o: &String| wanted.contains(o.as_str()) && !inputs.contains(o.as_str());
        if node.output.iter().any(is_wanted) {
            kept[index] = true;
            wanted.extend(reads(node));
        }
    }
    let nodes = net.nodes.iter().zip(kept).filter(|(_, keep)| *keep).map(|(node, _)| node.clone()).collect();
    let is_needed = |name: &str| wanted.contains(name) && !inputs.contains(name);
    Net {
        opset: net.opset,
        nodes,
        constants: net
            .constants
            .iter()
            .filter(|(n, _)| is_needed(n))
            .map(|(n, c)| (n.clone(), c.clone()))
            .collect(),
        inputs: net.inputs.iter().filter(|i| wanted.contains(i.name.as_str())).cloned().collect(),
        outputs: net.outputs.clone(),
        metadata: net.metadata.clone(),
        notes: net.notes.clone(),
    }
}

/// Names of all tensors that depend on `input`, itself among them.
pub(super) fn reached_from<'a>(net: &'a Net, input: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([input]);
    for node in &net.nodes {
        if reads(node).iter().any(|r| reached.contains(r)) {
            reached.extend(node.output.iter().filter(|o| !o.is_empty()).map(String::as_str));
        }
    }
    reached
}
